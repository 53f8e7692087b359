/** One virtual key, team or customer: its limits of all levels, what it used, and what can be done with it. */
import { Anchor, Badge, Button, Drawer, Group, SimpleGrid, Skeleton, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { IconListSearch, IconPencil, IconRefresh } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { type ApiError, ConfirmButton, type Entity, Money, NOUNS, SourceBadge, TimeAgo, Tokens, api, dateTime, failed, json, told, useMe, useRemove } from "../../parts";
import { isCovered } from "../../parts/over";
import { type Holder } from "./form";
import { Standings } from "./standing";

interface DetailProps<K extends Holder> {
  kind: K;
  entity: Entity<K>;
  onClose: () => void;
  onEdit: () => void;
  onRenewed: (entity: Entity<"virtual-keys">) => void;
}

const DAYS = 30;
const FILTER = { "virtual-keys": "key", teams: "team", customers: "customer" } as const;

export function Detail<K extends Holder>({ kind, entity, onClose, onEdit, onRenewed }: DetailProps<K>) {
  const me = useMe();
  const client = useQueryClient();
  const remove = useRemove(kind, { onGone: onClose });
  const renew = useMutation<Entity<"virtual-keys">, ApiError>({
    mutationFn: () => json("POST", `${entity.path}/renew`, undefined, { "if-match": `"${entity.version}"` }),
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ["entities"] });
      onRenewed(made);
    },
    onError: (error) => failed("Not renewed", error),
  });
  const noun = NOUNS[kind];
  const why = entity.source === "file" ? "The configuration file declares it." : me.mayNot("operator");
  const spec = entity.spec as { team?: string | null; customer?: string | null; models?: string[]; routes?: string[]; expires?: number | null; enabled?: boolean } | null;
  const shown = (entity as { shown?: string }).shown;

  return (
    <Drawer opened onClose={() => { if (!isCovered()) onClose(); }} position="right" size={640} title={entity.name}>
      <Stack gap="lg">
        <Group gap="xs">
          <Button size="xs" leftSection={<IconPencil size={16} aria-hidden />} onClick={onEdit} data-autofocus>
            {why ? "Show" : "Edit"}
          </Button>
          <Button size="xs" variant="default" leftSection={<IconListSearch size={16} aria-hidden />} component={Link} to={`/logs?${new URLSearchParams({ [FILTER[kind]]: entity.name })}`}>
            Its requests
          </Button>
          {kind === "virtual-keys" ? (
            <ConfirmButton size="xs" color="orange" leftSection={<IconRefresh size={16} aria-hidden />} title={`Give ${entity.name} another value?`} message="The new value is shown once. The old one is refused from now on; limits and records go on." confirm="Renew" why={why} onConfirm={() => renew.mutateAsync()}>
              Renew
            </ConfirmButton>
          ) : null}
          <ConfirmButton
            size="xs"
            title={kind === "virtual-keys" ? `Revoke the key ${entity.name}?` : `Remove the ${noun} ${entity.name}?`}
            message={kind === "virtual-keys" ? "Whoever uses it is refused from the next request on. It cannot be taken back." : "Keys that belong to it are left out until they belong elsewhere."}
            confirm={kind === "virtual-keys" ? "Revoke" : "Remove"}
            why={why}
            onConfirm={() => remove.mutateAsync(entity)}
          >
            {kind === "virtual-keys" ? "Revoke" : "Remove"}
          </ConfirmButton>
        </Group>
        <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
          {entity.source === "file" || entity.state !== "in_force" ? <Fact title="Declared by"><SourceBadge source={entity.source} state={entity.state} problem={entity.problem} /></Fact> : null}
          {shown ? <Fact title="Key">{shown}</Fact> : null}
          {kind === "virtual-keys" ? <Fact title="Team">{spec?.team ?? "none"}</Fact> : null}
          {kind !== "customers" ? <Fact title="Customer">{spec?.customer ?? (spec?.team ? "that of the team" : "none")}</Fact> : null}
          {kind === "virtual-keys" ? <Fact title="Expires">{spec?.expires ? dateTime(spec.expires) : "never"}</Fact> : null}
          <Fact title="May ask for">{[...(spec?.routes ?? []), ...(spec?.models ?? [])].join(", ") || "everything"}</Fact>
          {entity.updated_at ? <Fact title="Changed"><TimeAgo value={entity.updated_at} /></Fact> : null}
          {spec?.enabled === false ? <Fact title="State"><Badge color="gray" variant="light">switched off</Badge></Fact> : null}
        </SimpleGrid>
        <Stack gap="xs" component="section" aria-label="Limits and budgets">
          <Text fw={600}>Limits and budgets</Text>
          {entity.state === "in_force" ? <Standings path={entity.path} going={remove.isPending || remove.isSuccess} /> : <Text size="sm" c="dimmed">It is not in force.</Text>}
        </Stack>
        <Used filter={FILTER[kind]} name={entity.name} />
      </Stack>
    </Drawer>
  );
}

function Fact({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <Text size="xs" c="dimmed">
        {title}
      </Text>
      <Text size="sm" component="div" style={{ overflowWrap: "anywhere" }}>
        {children}
      </Text>
    </div>
  );
}

function Used({ filter, name }: { filter: "key" | "team" | "customer"; name: string }) {
  const usage = useQuery({
    queryKey: ["usage", filter, name],
    queryFn: () => told(api.GET("/api/usage", { params: { query: { by: "model", since: Math.floor(Date.now() / 1000) - DAYS * 86_400, [filter]: name } } })),
    refetchInterval: 10_000,
  });
  const rows = (usage.data?.entries ?? []).filter((row) => row.requests || row.prompt_tokens || row.cost_nanodollars).sort((a, b) => b.cost_nanodollars - a.cost_nanodollars || b.requests - a.requests);
  return (
    <Stack gap="xs" component="section" aria-label={`Last ${DAYS} days`}>
      <Group justify="space-between">
        <Text fw={600}>Last {DAYS} days</Text>
        <Anchor component={Link} size="sm" to={`/dashboard?${new URLSearchParams({ [filter]: name, range: String(DAYS * 86_400) })}`}>
          Charts
        </Anchor>
      </Group>
      {usage.isPending ? (
        <Skeleton height={80} />
      ) : rows.length === 0 ? (
        <Text size="sm" c="dimmed">
          Nothing was asked yet.
        </Text>
      ) : (
        <Table.ScrollContainer minWidth={0} type="native">
          <Table aria-label="Usage by model">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Model</Table.Th>
                <Table.Th ta="right">Requests</Table.Th>
                <Table.Th ta="right">Tokens</Table.Th>
                <Table.Th ta="right">Cost</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.slice(0, 20).map((row) => (
                <Table.Tr key={row.by.model}>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>{row.by.model || "–"}</Table.Td>
                  <Table.Td ta="right"><Tokens value={row.requests} /></Table.Td>
                  <Table.Td ta="right"><Tokens value={row.prompt_tokens + row.completion_tokens} /></Table.Td>
                  <Table.Td ta="right"><Money value={row.cost_nanodollars} /></Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Stack>
  );
}

