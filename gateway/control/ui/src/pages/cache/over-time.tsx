import { SimpleGrid, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Range, bounds, count, duration, json, money, percent, rangeText } from "../../parts";
import { ChartPanel, type Point, TimeChart } from "../../parts/charts";
import type { CacheReport } from ".";

interface Figures {
  requests: number;
  cache_hits: number;
  similar_hits: number;
  shared: number;
  saved_nanodollars: number;
}

interface SeriesAnswer {
  times: number[];
  groups: { points: (Figures | null)[] }[];
}

const DAY_S = 86_400;
const KINDS = [
  { key: "exact", label: "exact", color: "teal.6" },
  { key: "similar", label: "similar", color: "grape.6" },
  { key: "joined", label: "joined", color: "cyan.6" },
];

/** Hits by kind, and what they saved: from the request log for the time that is looked at; where there are no figures, by day. */
export function OverTime({ range, days }: { range: Range; days: CacheReport["days"] }) {
  const { data, error } = useQuery({
    queryKey: ["cache-series", rangeText(range)],
    queryFn: () => {
      const { since, until } = bounds(range);
      return json<SeriesAnswer>("GET", `/api/series?since=${since}&until=${until}`);
    },
    refetchInterval: 15_000,
    retry: false,
  });
  const fine = error ? byDay(days, range) : data && ofSeries(data);
  const sum = (key: string) => (fine ?? []).reduce((all, point) => all + (point[key] ?? 0), 0);
  const lookups = sum("requests");
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <ChartPanel title="Requests answered from the cache" aside={lookups ? <Text size="sm" c="dimmed">{percent((sum("exact") + sum("similar") + sum("joined")) / lookups)} of {count(lookups)}</Text> : null}>
        {fine && !lookups ? <Nothing /> : null}
        <TimeChart label="Hits by kind" points={fine} series={KINDS} kind="bar" stacked format={count} legend />
      </ChartPanel>
      <ChartPanel title={error ? "Time saved" : "Money saved"} aside={<Text size="sm" c="dimmed">{error ? duration(sum("time")) : money(sum("saved"))}</Text>}>
        <TimeChart
          label={error ? "Time saved" : "Money saved"}
          points={fine}
          series={[error ? { key: "time", label: "time saved", color: "indigo.6" } : { key: "saved", label: "money saved", color: "indigo.6" }]}
          kind="bar"
          format={error ? duration : money}
        />
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
  const points = answer.groups[0]?.points ?? [];
  return answer.times.map((t, at) => {
    const figures = points[at];
    return {
      t,
      requests: figures?.requests ?? 0,
      exact: figures?.cache_hits ?? 0,
      similar: figures?.similar_hits ?? 0,
      joined: figures?.shared ?? 0,
      saved: figures?.saved_nanodollars ?? 0,
    };
  });
}

function byDay(days: CacheReport["days"], range: Range): Point[] {
  const { since, until } = bounds(range);
  return days
    .map(({ day, sums }) => ({ t: Date.parse(`${day}T00:00:00Z`) / 1000, requests: sums.lookups, exact: sums.exact, similar: sums.similar, joined: sums.joined, time: sums.saved_s * 1e6 }))
    .filter((point) => point.t > since - DAY_S && point.t < until)
    .sort((a, b) => a.t - b.t);
}
