import { Alert, Button, Group, Paper, SimpleGrid, Skeleton, Text } from "@mantine/core";
import { IconDatabase } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "react-router";
import { EmptyState, ErrorNotice, Page, RangePicker, type Schemas, api, bytes, count, duration, money, percent, rangeIn, rangeText, told } from "../../parts";
import { ChartPanel } from "../../parts/charts";
import { ClearForm } from "./clear";
import { ExplainForm } from "./explain";
import { OverTime } from "./over-time";
import { Shadow, Thresholds } from "./similar";
import "./style.css";

export type CacheReport = Schemas["CacheReport"];

/** What the cache keeps and what it has been good for. */
export function Component() {
  const [search, setSearch] = useSearchParams();
  const range = rangeIn(search.get("range"), { last: 7 * 86_400 });
  const { data, error, refetch } = useQuery({ queryKey: ["cache"], queryFn: ({ signal }) => told(api.GET("/api/cache", { signal })), refetchInterval: 10_000 });
  const settings = data?.settings;
  return (
    <Page
      title="Cache"
      description="Answers that are known already are told again, without a provider and for nothing."
      actions={
        settings?.enabled ? (
          <>
            <RangePicker value={range} onChange={(next) => setSearch({ range: rangeText(next) }, { replace: true })} />
            <Button component={Link} to="/settings?group=cache" variant="default">
              Settings
            </Button>
          </>
        ) : null
      }
    >
      <ErrorNotice error={error} title="The cache could not be looked at" retry={() => void refetch()} />
      {data === undefined ? (
        error ? null : <Skeleton height={320} />
      ) : !settings?.enabled ? (
        <Paper withBorder>
          {data.problem ? (
            <Alert color="orange" title="What is stored cannot be used" role="status">
              {sentence(data.problem)}
            </Alert>
          ) : null}
          <EmptyState
            icon={<IconDatabase size={28} />}
            title={data.problem ? "The cache is off" : "No cache is configured"}
            action={
              <Button component={Link} to="/settings?group=cache">
                {data.problem ? "Open its settings" : "Switch it on"}
              </Button>
            }
          >
            With a cache an equal request is answered in microseconds and costs nothing. Each virtual key has answers of its own unless you say who shares them.
          </EmptyState>
        </Paper>
      ) : (
        <>
          {data.running ? null : (
            <Alert color="orange" title="The cache process does not answer" role="status">
              {data.problem} Requests go to their providers meanwhile.
            </Alert>
          )}
          {data.store && !data.store.ok ? (
            <Alert color="orange" title="The store has a problem" role="status">
              {data.store.problem}
            </Alert>
          ) : null}
          <Tiles report={data} />
          <OverTime range={range} days={data.days} />
          {data.semantic && settings.semantic ? (
            <>
              <Thresholds figures={data.semantic} settings={settings.semantic} />
              <Shadow figures={data.semantic} settings={settings.semantic} />
            </>
          ) : (
            <ChartPanel title="Similar questions">
              <Text size="sm" c="dimmed" mb="sm">
                Only equal requests are answered. To answer similar ones too, choose what turns questions into vectors (an embedder) under Settings, and begin with mode shadow: it tells here what would have
                been a hit at which threshold, and how often that would have been wrong.
              </Text>
              <Button component={Link} to="/settings?group=cache" variant="default">
                Choose an embedder
              </Button>
            </ChartPanel>
          )}
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            <ExplainForm />
            <ClearForm />
          </SimpleGrid>
        </>
      )}
    </Page>
  );
}

function sentence(text: string) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function Tiles({ report }: { report: CacheReport }) {
  const { totals, store, settings } = report;
  const hits = totals ? totals.exact + totals.similar + totals.joined : null;
  const tiles: [string, string, string][] = [
    ["Answered from the cache", totals?.lookups ? percent((hits ?? 0) / totals.lookups) : "–", totals ? `${count(hits)} of ${count(totals.lookups)} look-ups` : ""],
    ["Money saved", totals ? money(Number(totals.saved_usd) * 1e9) : "–", "what the answers had cost"],
    ["Time saved", totals ? duration(totals.saved_s * 1e6) : "–", "what providers had taken"],
    ["Kept", store ? (store.entries === null ? bytes(store.bytes) : count(store.entries)) : "–", store ? `${store.entries === null ? "" : settings.semantic ? "answers and questions, " : "answers, "}${bytes(store.bytes)} of ${store.max_bytes ? bytes(store.max_bytes) : "as much as there is room"}` : ""],
    ["Shared by", settings.scope, `kept for ${duration(settings.ttl_s * 1e6)}${settings.store ? `, in ${settings.store}` : ""}`],
  ];
  return (
    <div className="cache-tiles">
      {tiles.map(([name, value, more]) => (
        <Paper key={name} withBorder p="md">
          <Text size="xs" c="dimmed">
            {name}
          </Text>
          <Text fw={700} size="xl" className="figure">
            {value}
          </Text>
          <Text size="xs" c="dimmed">
            {more}
          </Text>
        </Paper>
      ))}
      {report.lost ? (
        <Group>
          <Text size="xs" c="dimmed">
            {count(report.lost)} answers did not fit in time and were not kept.
          </Text>
        </Group>
      ) : null}
    </div>
  );
}
