import { Badge, Button, Code, Drawer, Group, Paper, Select, Skeleton, Stack, Table, Text, TextInput, UnstyledButton } from "@mantine/core";
import { IconHistory } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { EmptyState, ErrorNotice, Page, RangePicker, type Schemas, TimeAgo, api, bounds, dateTime, rangeIn, rangeText, told } from "../../parts";
import { differences } from "../../parts/diff";
import "./style.css";

type Entry = Schemas["AuditEntry"];

const PAGE = 50;
const KINDS = ["virtual_key", "team", "customer", "provider", "route", "price", "setting", "operator", "api_token", "view", "webhook", "master_key", "cache"];
const ACTIONS = ["create", "update", "delete", "renew", "password", "rotate", "clear", "add_key", "change_key", "remove_key", "test_key", "test_webhook", "login", "login refused", "logout"];
const COLORS: Record<string, string> = { create: "green", delete: "red", "login refused": "orange", update: "indigo", renew: "indigo", rotate: "indigo", clear: "orange" };

/** Who changed what; filters stand in the address. */
export function Component() {
  const [search, setSearch] = useSearchParams();
  const [opened, setOpened] = useState<Entry | null>(null);
  const actors = useActors();
  const filters = { actor: search.get("actor") ?? "", kind: search.get("kind") ?? "", action: search.get("action") ?? "", entity_id: search.get("entity") ?? "" };
  const range = rangeIn(search.get("range"), { last: 90 * 86_400 });
  const set = (name: string, value: string | null) =>
    setSearch(
      (old) => {
        const next = new URLSearchParams(old);
        if (value) next.set(name, value);
        else next.delete(name);
        return next;
      },
      { replace: true },
    );
  const text = rangeText(range);
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ["audit", filters, text],
    queryFn: ({ pageParam, signal }) => {
      const { since, until } = bounds(range);
      const given = Object.fromEntries(Object.entries({ ...filters, cursor: pageParam }).filter(([, value]) => value));
      // A range that ends now takes in what happens while it is looked at.
      const query = { ...given, limit: PAGE, since, ...("last" in range ? {} : { until }) };
      return told(api.GET("/api/audit", { params: { query }, signal }));
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const rows = data?.pages.flatMap((page) => page.entries);
  const filtered = Object.values(filters).some(Boolean);
  const nameOf = (actor: string) => actors.get(actor) ?? actor;

  return (
    <Page title="Audit" description="Every change, every log-in and every refused one: when, who, what, before and after. No secret stands in it." actions={<RangePicker value={range} onChange={(next) => set("range", rangeText(next))} />}>
      <Paper withBorder className="table-paper">
        <Group p="sm" gap="sm">
          <Select aria-label="Who" placeholder="Anybody" clearable clearButtonProps={{ "aria-label": "Anybody" }} searchable w={170} data={[...actors].map(([value, label]) => ({ value, label }))} value={filters.actor || null} onChange={(value) => set("actor", value)} />
          <Select aria-label="What" placeholder="Any kind" clearable clearButtonProps={{ "aria-label": "Any kind" }} searchable w={150} data={KINDS.map((value) => ({ value, label: value.replace("_", " ") }))} value={filters.kind || null} onChange={(value) => set("kind", value)} />
          <Select aria-label="Action" placeholder="Any action" clearable clearButtonProps={{ "aria-label": "Any action" }} searchable w={150} data={ACTIONS} value={filters.action || null} onChange={(value) => set("action", value)} />
          {filters.entity_id ? <TextInput aria-label="Entity" w={220} value={filters.entity_id} onChange={(event) => set("entity", event.currentTarget.value)} /> : null}
          {filtered ? (
            <Button variant="subtle" size="compact-sm" onClick={() => setSearch({}, { replace: true })}>
              Clear the filters
            </Button>
          ) : null}
        </Group>
        {error ? <ErrorNotice error={error} title="The audit could not be loaded" retry={() => void refetch()} /> : null}
        {rows?.length === 0 ? (
          <EmptyState icon={<IconHistory size={28} />} title={filtered ? "Nothing matches" : "Nothing has been changed yet"}>
            {filtered ? "Choose another time or fewer filters." : "What is changed here or through the API stands in this list from then on."}
          </EmptyState>
        ) : error ? null : (
          <Table verticalSpacing="sm" highlightOnHover aria-label="Audit" aria-busy={rows === undefined}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>What</Table.Th>
                <Table.Th>Who</Table.Th>
                <Table.Th visibleFrom="md">Changes</Table.Th>
                <Table.Th ta="right">When</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows === undefined
                ? Array.from({ length: 6 }, (_, line) => (
                    <Table.Tr key={line}>
                      <Table.Td colSpan={4}>
                        <Skeleton height={16} my={3} />
                      </Table.Td>
                    </Table.Tr>
                  ))
                : rows.map((entry) => (
                    <Table.Tr key={entry.id} className="opens" onClick={() => setOpened(entry)}>
                      <Table.Td>
                        <UnstyledButton className="row-opener" onClick={() => setOpened(entry)} title={`Open: ${entry.action} ${entry.kind} ${entry.name}`}>
                          <Group gap={6}>
                            <Badge variant="light" tt="none" color={COLORS[entry.action] ?? "gray"}>
                              {entry.action}
                            </Badge>
                            <Text size="sm" c="dimmed" span>
                              {entry.kind.replace("_", " ")}
                            </Text>
                            <Text size="sm" fw={600} span className="audit-name">
                              {entry.name}
                            </Text>
                          </Group>
                        </UnstyledButton>
                      </Table.Td>
                      <Table.Td>{nameOf(entry.actor)}</Table.Td>
                      <Table.Td visibleFrom="md">
                        <Text size="xs" c="dimmed" lineClamp={1}>
                          {summary(entry)}
                        </Text>
                      </Table.Td>
                      <Table.Td ta="right">
                        <TimeAgo value={entry.at} size="sm" />
                      </Table.Td>
                    </Table.Tr>
                  ))}
            </Table.Tbody>
          </Table>
        )}
        {hasNextPage ? (
          <Group justify="center" p="sm">
            <Button variant="default" size="xs" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
              Earlier ones
            </Button>
          </Group>
        ) : null}
      </Paper>
      <Drawer opened={opened !== null} onClose={() => setOpened(null)} position="right" size={640} title={opened ? `${opened.action} ${opened.kind.replace("_", " ")} ${opened.name}` : ""}>
        {opened ? <Detail entry={opened} actor={nameOf(opened.actor)} onEntity={() => { set("entity", opened.entity_id); setOpened(null); }} /> : null}
      </Drawer>
    </Page>
  );
}

/** Those who can have done something, as entries name them -> as people do. */
function useActors(): Map<string, string> {
  const { data } = useQuery({
    queryKey: ["operators"],
    queryFn: async ({ signal }) => (await told(api.GET("/api/operators", { params: { query: { limit: 1000 } }, signal }))).entries,
  });
  return new Map([...(data ?? []).map((operator) => [operator.id, operator.name] as const), ["admin.token", "admin token"], ["cli", "command line"], ["setup", "set-up"]]);
}

function summary(entry: Entry): string {
  if (entry.before === null || entry.before === undefined || entry.after === null || entry.after === undefined) return "";
  return differences(entry.before, entry.after)
    .map((each) => `${each.path.replace(/^spec\./, "")}: ${each.before ?? "–"} → ${each.after ?? "–"}`)
    .join(", ");
}

function Detail({ entry, actor, onEntity }: { entry: Entry; actor: string; onEntity: () => void }) {
  const changes = differences(entry.before, entry.after);
  return (
    <Stack>
      <Table withRowBorders={false} verticalSpacing={4}>
        <Table.Tbody>
          {[
            ["When", dateTime(entry.at)],
            ["Who", actor],
            ["Kind", entry.kind.replace("_", " ")],
            ["Id", entry.entity_id || "–"],
          ].map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th w={90} scope="row">
                {name}
              </Table.Th>
              <Table.Td className="audit-value">{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {changes.length ? (
        <Table aria-label="What changed" className="audit-diff">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Member</Table.Th>
              <Table.Th>Before</Table.Th>
              <Table.Th>After</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {changes.map((each) => (
              <Table.Tr key={each.path}>
                <Table.Td className="audit-value">{each.path}</Table.Td>
                <Table.Td className="audit-value">{each.before === undefined ? "–" : <Code color="var(--mantine-color-red-light)">{each.before}</Code>}</Table.Td>
                <Table.Td className="audit-value">{each.after === undefined ? "–" : <Code color="var(--mantine-color-green-light)">{each.after}</Code>}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      ) : (
        <Text size="sm" c="dimmed">
          Nothing that is shown differs.
        </Text>
      )}
      <Group>
        {entry.entity_id ? (
          <Button variant="light" size="xs" onClick={onEntity}>
            Everything about this {entry.kind.replace("_", " ")}
          </Button>
        ) : null}
      </Group>
    </Stack>
  );
}

