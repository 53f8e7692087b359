import { Alert as Notice, Anchor, Badge, Button, Group, Paper, Skeleton, Stack, Table, Text, Title } from "@mantine/core";
import { IconBellCheck, IconSend, IconSettings } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";

import { EmptyState, ErrorNotice, Explained, Page, TimeAgo, api, dateTime, duration, told, useLive, useMe } from "../../parts";
import type { Alert, Alerts, Delivery, Webhook } from "./types";

const QUERY = ["alerts"];
const SETTINGS = "/settings?group=alerts";

export function Component() {
  const client = useQueryClient();
  const alerts = useQuery({ queryKey: QUERY, queryFn: () => told(api.GET("/api/alerts")), refetchInterval: 15_000 });
  useLive({}, { onAlert: () => void client.invalidateQueries({ queryKey: QUERY }) });
  return (
    <Page
      title="Alerts"
      description="Budgets that are nearly spent, providers that answer nobody, too many failures."
      actions={
        <Button component={Link} to={SETTINGS} variant="default" leftSection={<IconSettings size={16} aria-hidden />}>
          Settings
        </Button>
      }
    >
      {alerts.isError ? (
        <ErrorNotice error={alerts.error} retry={() => void alerts.refetch()} />
      ) : alerts.data === undefined ? (
        <Stack aria-busy>
          <Skeleton h={96} />
          <Skeleton h={96} />
        </Stack>
      ) : (
        <Shown alerts={alerts.data} />
      )}
    </Page>
  );
}

function Shown({ alerts: { active, recent, webhooks } }: { alerts: Alerts }) {
  return (
    <Stack gap="xl">
      <section aria-labelledby="active-alerts">
        <Title order={2} size="h4" mb="sm" id="active-alerts">
          Active
        </Title>
        {active.length > 0 ? (
          <Stack gap="sm">
            {active.map((alert) => (
              <AlertCard key={alert.id} alert={alert} />
            ))}
          </Stack>
        ) : (
          <Paper withBorder p="lg">
            <Group gap="sm">
              <IconBellCheck size={22} aria-hidden color="var(--mantine-color-green-6)" />
              <Text>Nothing is wrong.</Text>
            </Group>
          </Paper>
        )}
      </section>
      <section aria-labelledby="webhooks">
        <Title order={2} size="h4" mb="sm" id="webhooks">
          Who is told
        </Title>
        <Webhooks webhooks={webhooks} />
      </section>
      <section aria-labelledby="recent-alerts">
        <Title order={2} size="h4" mb="sm" id="recent-alerts">
          Over
        </Title>
        {recent.length > 0 ? (
          <Stack gap="sm">
            {recent.map((alert) => (
              <AlertCard key={alert.id} alert={alert} />
            ))}
          </Stack>
        ) : (
          <Text size="sm" c="dimmed">
            Alerts that are over are listed here.
          </Text>
        )}
      </section>
    </Stack>
  );
}

const KINDS: Readonly<Record<Alert["kind"], string>> = {
  budget: "budget",
  provider_down: "provider down",
  error_rate: "error rate",
};

function AlertCard({ alert }: { alert: Alert }) {
  const { since, until = null, deliveries = [] } = alert;
  const over = until !== null;
  return (
    <Paper
      withBorder
      p="md"
      style={over ? undefined : { borderInlineStart: `4px solid var(--mantine-color-${alert.level === "critical" ? "red" : "orange"}-6)` }}
    >
      <Group justify="space-between" align="flex-start" gap="xs">
        <Stack gap={4} flex="1 1 320px" miw={0}>
          <Group gap={6}>
            <Badge color={over ? "gray" : alert.level === "critical" ? "red" : "orange"} variant="light" tt="none">
              {alert.level}
            </Badge>
            <Badge color="gray" variant="default" tt="none" fw={500}>
              {KINDS[alert.kind] ?? alert.kind}
            </Badge>
            <Subject subject={alert.subject} />
          </Group>
          <Text style={{ overflowWrap: "anywhere" }}>{alert.message}</Text>
        </Stack>
        <Text size="sm" c="dimmed">
          {until === null ? (
            <>
              since <TimeAgo value={since} />
            </>
          ) : (
            <span title={`${dateTime(since)} – ${dateTime(until)}`}>
              <TimeAgo value={until} />, lasted {lasted(since, until)}
            </span>
          )}
        </Text>
      </Group>
      {deliveries.length > 0 && (
        <Stack component="ul" gap={2} m={0} p={0} mt="xs" style={{ listStyle: "none" }} aria-label="Deliveries">
          {deliveries.map((delivery) => (
            <DeliveryLine key={delivery.id} delivery={delivery} />
          ))}
        </Stack>
      )}
    </Paper>
  );
}

function lasted(since: string, until: string): string {
  return duration((Date.parse(until) - Date.parse(since)) * 1000);
}

const PAGES: Readonly<Record<string, string>> = {
  provider: "/providers?open=",
  virtual_key: "/keys?open=",
  team: "/keys?tab=teams&open=",
  customer: "/keys?tab=customers&open=",
};

function Subject({ subject }: { subject: string }) {
  const [kind = "", ...rest] = subject.split("/");
  const name = rest.join("/");
  const page = PAGES[kind];
  if (!name || page === undefined) return <Text size="sm" c="dimmed">{subject}</Text>;
  return (
    <Anchor component={Link} to={page + encodeURIComponent(name)} size="sm">
      {kind.replace("_", " ")} {name}
    </Anchor>
  );
}

const STATES: Readonly<Record<NonNullable<Delivery["status"]>, { colour: string; word: string }>> = {
  delivered: { colour: "green", word: "delivered" },
  pending: { colour: "blue", word: "on its way" },
  failed: { colour: "red", word: "given up" },
};

function DeliveryLine({ delivery }: { delivery: Delivery }) {
  const { status = "pending", attempts = 0, last_at = null, next_at = null, error = "" } = delivery;
  const { colour, word } = STATES[status];
  return (
    <Group component="li" gap={6}>
      <Badge color={colour} variant="dot" size="sm" tt="none">
        {word}
      </Badge>
      <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
        {delivery.event} to {delivery.webhook}
        {attempts > 1 && `, ${attempts} tries`}
        {last_at !== null && (
          <>
            , last <TimeAgo value={last_at} />
          </>
        )}
        {status === "pending" && next_at !== null && (
          <>
            , next <TimeAgo value={next_at} />
          </>
        )}
        {error && `: ${error}`}
      </Text>
    </Group>
  );
}

function Webhooks({ webhooks }: { webhooks: readonly Webhook[] }) {
  if (webhooks.length === 0)
    return (
      <Paper withBorder>
        <EmptyState
          title="Only this page tells you"
          action={
            <Button component={Link} to={SETTINGS} variant="light">
              Add a webhook
            </Button>
          }
        >
          A webhook gets one signed POST for each alert, so that a pager or a chat can tell you when nobody looks.
        </EmptyState>
      </Paper>
    );
  return (
    <Paper withBorder>
      <Table verticalSpacing="sm" aria-label="Webhooks">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th visibleFrom="sm">Host</Table.Th>
            <Table.Th visibleFrom="sm">Is told of</Table.Th>
            <Table.Th ta="right">Test</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {webhooks.map((webhook) => (
            <Table.Tr key={webhook.name}>
              <Table.Td>
                {webhook.name}{" "}
                {!webhook.enabled && (
                  <Badge color="gray" variant="light" size="sm" tt="none">
                    off
                  </Badge>
                )}
              </Table.Td>
              <Table.Td visibleFrom="sm">{webhook.host}</Table.Td>
              <Table.Td visibleFrom="sm">{toldOf(webhook)}</Table.Td>
              <Table.Td ta="right">
                <TestButton webhook={webhook} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}

function toldOf({ kinds, levels }: Webhook): string {
  const what = kinds.length === 0 ? "everything" : kinds.map((kind) => kind.replace("_", " ")).join(", ");
  return levels.length === 0 ? what : `${what} (${levels.join(", ")})`;
}

function TestButton({ webhook }: { webhook: Webhook }) {
  const me = useMe();
  const why = me.mayNot("operator");
  const test = useMutation({
    mutationFn: () => told(api.POST("/api/alerts/test/{webhook}", { params: { path: { webhook: webhook.name } } })),
  });
  return (
    <Stack gap={4} align="flex-end">
      <Explained why={why}>
        <Button
          size="compact-sm"
          variant="light"
          leftSection={<IconSend size={14} aria-hidden />}
          disabled={why !== undefined}
          loading={test.isPending}
          onClick={() => test.mutate()}
          aria-label={`Send a test to ${webhook.name}`}
        >
          Send a test
        </Button>
      </Explained>
      <div role="status">
        {test.data && (
          <Text size="xs" c={test.data.ok ? "green" : "red"}>
            {test.data.ok
              ? `Answered ${test.data.status} after ${Math.round(test.data.took_ms)} ms`
              : test.data.message || `Answered ${test.data.status}`}
          </Text>
        )}
        {test.error && (
          <Notice color="red" p="xs">
            {test.error.message}
          </Notice>
        )}
      </div>
    </Stack>
  );
}
