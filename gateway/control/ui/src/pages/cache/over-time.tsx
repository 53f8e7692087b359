import { SimpleGrid, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Range, bounds, count, json, money, percent, rangeText } from "../../parts";
import { ChartPanel, type Point, TimeChart } from "../../parts/charts";
import type { CacheReport } from ".";

interface SeriesAnswer {
  times: number[];
  groups: { columns: Record<string, (number | null)[]> }[];
}

const COLUMNS = "requests,cache_hits,similar_hits,shared";

const DAY_S = 86_400;
const KINDS = [
  { key: "exact", label: "exact", color: "teal.6" },
  { key: "similar", label: "similar", color: "grape.6" },
  { key: "joined", label: "joined", color: "cyan.6" },
];

/** Hits by kind, for the time that is looked at (by day where there are no figures); and what they saved, which the cache itself counts by day. */
export function OverTime({ range, days }: { range: Range; days: CacheReport["days"] }) {
  const { data, error } = useQuery({
    queryKey: ["cache-series", rangeText(range)],
    queryFn: () => {
      const { since, until } = bounds(range);
      return json<SeriesAnswer>("GET", `/api/series?since=${since}&until=${until}&columns=${COLUMNS}`);
    },
    refetchInterval: 15_000,
    retry: false,
  });
  const daily = byDay(days, range);
  const fine = error ? daily : data && ofSeries(data);
  const sum = (key: string, points = fine) => (points ?? []).reduce((all, point) => all + (point[key] ?? 0), 0);
  const lookups = sum("requests");
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <ChartPanel title="Requests answered from the cache" aside={lookups ? <Text size="sm" c="dimmed">{percent((sum("exact") + sum("similar") + sum("joined")) / lookups)} of {count(lookups)}</Text> : null}>
        {fine && !lookups ? <Nothing /> : null}
        <TimeChart label="Hits by kind" points={fine} series={KINDS} kind="bar" stacked format={count} legend daily={Boolean(error)} />
      </ChartPanel>
      <ChartPanel title="Money saved, by day" aside={<Text size="sm" c="dimmed">{money(sum("saved", daily))}</Text>}>
        <TimeChart label="Money saved by day" points={daily} series={[{ key: "saved", label: "money saved", color: "indigo.6" }]} kind="bar" format={money} daily />
      </ChartPanel>
    </SimpleGrid>
  );
}

function Nothing() {
  return (
    <Text size="sm" c="dimmed">
      Nothing was looked up in this time.
    </Text>
  );
}

function ofSeries(answer: SeriesAnswer): Point[] {
  const columns = answer.groups[0]?.columns ?? {};
  return answer.times.map((t, at) => ({
    t,
    requests: columns.requests?.[at] ?? 0,
    exact: columns.cache_hits?.[at] ?? 0,
    similar: columns.similar_hits?.[at] ?? 0,
    joined: columns.shared?.[at] ?? 0,
  }));
}

function byDay(days: CacheReport["days"], range: Range): Point[] {
  const { since, until } = bounds(range);
  return days
    .map(({ day, sums }) => ({ t: Date.parse(`${day}T00:00:00Z`) / 1000, requests: sums.lookups, exact: sums.exact, similar: sums.similar, joined: sums.joined, saved: Number(sums.saved_usd) * 1e9 }))
    .filter((point) => point.t > since - DAY_S && point.t < until)
    .sort((a, b) => a.t - b.t);
}
