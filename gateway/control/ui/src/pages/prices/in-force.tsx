import { Badge, Button, Group, Paper, Skeleton, Switch, Table, Text, TextInput } from "@mantine/core";
import { useDebouncedValue, useHotkeys } from "@mantine/hooks";
import { IconCoin, IconSearch } from "@tabler/icons-react";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useSearchParams } from "react-router";
import { EmptyState, ErrorNotice, type Schemas, api, told } from "../../parts";

type Price = Schemas["PriceInForce"];
interface Figures {
  [kind: string]: string | undefined | (Record<string, string> & { tokens?: number });
}

const PAGE = 100;

/** Every model with its price and who says so. */
export function InForce() {
  const [text, setText] = useState("");
  const [unknown, setUnknown] = useState(false);
  const [search] = useDebouncedValue(text, 200);
  const [, setParams] = useSearchParams();
  const field = useRef<HTMLInputElement>(null);
  useHotkeys([["/", () => field.current?.focus()]]);
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ["prices-in-force", search, unknown],
    queryFn: ({ pageParam, signal }) =>
      told(api.GET("/api/prices/effective", { params: { query: { search, unknown, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) } }, signal })),
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
  });
  const rows = data?.pages.flatMap((page) => page.entries);
  const total = data?.pages[0]?.total ?? 0;
  if (error) return <ErrorNotice error={error} title="Prices could not be loaded" retry={() => void refetch()} />;
  return (
    <Paper withBorder className="table-paper">
      <Group p="sm" gap="sm" justify="space-between">
        <TextInput
          ref={field}
          aria-label="Search prices"
          placeholder="Search models"
          leftSection={<IconSearch size={16} aria-hidden />}
          className="table-search"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") setText("");
          }}
        />
        <Switch label="Only unknown prices" checked={unknown} onChange={(event) => setUnknown(event.currentTarget.checked)} />
      </Group>
      {rows?.length === 0 ? (
        <EmptyState icon={<IconCoin size={28} />} title={search || unknown ? "Nothing matches" : "No models yet"}>
          {search || unknown ? "No model of this name is known to any provider." : "Add a provider first; the models that it has are listed here with their prices."}
        </EmptyState>
      ) : (
        <Table.ScrollContainer minWidth={0} type="native">
          <Table verticalSpacing="sm" aria-label="Prices in force" aria-busy={rows === undefined}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Model</Table.Th>
                <Table.Th ta="right">Input</Table.Th>
                <Table.Th ta="right">Output</Table.Th>
                <Table.Th ta="right" visibleFrom="md">
                  Cache read
                </Table.Th>
                <Table.Th visibleFrom="lg">Also</Table.Th>
                <Table.Th visibleFrom="sm">Says who</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows === undefined
                ? Array.from({ length: 6 }, (_, line) => (
                    <Table.Tr key={line}>
                      <Table.Td colSpan={6}>
                        <Skeleton height={16} my={3} />
                      </Table.Td>
                    </Table.Tr>
                  ))
                : rows.map((row) => <Row key={`${row.provider}/${row.model}`} row={row} onRule={(rule) => setParams({ tab: "rules", rule })} onNew={() => setParams({ tab: "rules", provider: row.provider, model: row.model })} />)}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      <Group justify="space-between" p="sm">
        <Text size="sm" c="dimmed" role="status">
          {rows ? `${rows.length} of ${total}; US dollars for a million tokens` : ""}
        </Text>
        {hasNextPage ? (
          <Button variant="default" size="xs" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Show more
          </Button>
        ) : null}
      </Group>
    </Paper>
  );
}

function Row({ row, onRule, onNew }: { row: Price; onRule: (rule: string) => void; onNew: () => void }) {
  const prices = row.prices as Figures;
  const isUnknown = row.source === "unknown";
  const rule = /^(?:price (.+)|(prices\[\d+\]))$/.exec(row.source);
  return (
    <Table.Tr>
      <Table.Td>
        <Text size="sm" span>
          <Text span c="dimmed" inherit>
            {row.provider}/
          </Text>
          {row.model}
        </Text>
        <Text size="xs" c="dimmed" hiddenFrom="sm">
          {isUnknown ? "nobody knows its price" : row.source}
        </Text>
      </Table.Td>
      <Table.Td ta="right">{isUnknown ? "–" : <Figure value={prices["input"]} />}</Table.Td>
      <Table.Td ta="right">{isUnknown ? "–" : <Figure value={prices["output"]} />}</Table.Td>
      <Table.Td ta="right" visibleFrom="md">
        <Figure value={prices["cache_read"]} />
      </Table.Td>
      <Table.Td visibleFrom="lg">
        <Text size="xs" c="dimmed">
          {also(prices, row.virtual_keys)}
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="sm">
        {isUnknown ? (
          <Button size="compact-xs" variant="light" color="orange" onClick={onNew} title={`Set a price for ${row.provider}/${row.model}`}>
            nobody: set a price
          </Button>
        ) : rule ? (
          <Button size="compact-xs" variant="light" onClick={() => onRule(rule[1] ?? rule[2] ?? "")} aria-label={`Open the rule ${rule[1] ?? rule[2]}`}>
            rule {rule[1] ?? rule[2]}
          </Button>
        ) : (
          <Badge variant="light" color="gray" tt="none" fw={500}>
            {row.source}
          </Badge>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

function Figure({ value }: { value: Figures[string] }) {
  return (
    <Text span size="sm" className="figure">
      {typeof value === "string" ? `$${value}` : ""}
    </Text>
  );
}

const SHOWN = ["input", "output", "cache_read", "above"];

function also(prices: Figures, keys: number): string {
  const above = prices["above"];
  return [
    ...Object.entries(prices)
      .filter(([kind, value]) => !SHOWN.includes(kind) && typeof value === "string")
      .map(([kind, value]) => `${kind.replaceAll("_", " ")} $${String(value)}`),
    typeof above === "object" ? `above ${Number(above.tokens).toLocaleString("en-US")} tokens $${above["input"] ?? ""} / $${above["output"] ?? ""}` : "",
    keys ? `${keys} ${keys === 1 ? "key has its" : "keys have their"} own` : "",
  ]
    .filter(Boolean)
    .join(", ");
}
