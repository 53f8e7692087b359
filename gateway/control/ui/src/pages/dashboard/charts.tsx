import { Select, SimpleGrid } from "@mantine/core";

import { type Range, count, duration, money, percent } from "../../parts";
import type { Point as ChartPoint } from "../../parts/charts";
import { Panel } from "./panel";
import { microseconds } from "./tiles";
import { TopList } from "./top";
import { type Point, stacked } from "./figures";
import type { Quantiles } from "./types";
import { type Filters, SPLITS, useSeries } from "./series";

interface Props {
  points: Point[] | undefined;
  /** Points are seconds, and nothing is split. */
  live: boolean;
  range: Range;
  filters: Filters;
  auto: boolean;
  by: string;
  onBy: (by: string) => void;
}

const exactCount = (value: number) => value.toLocaleString("en-US", { maximumFractionDigits: 1 });
const exactMoney = (value: number) => `$${(value / 1e9).toFixed(6)}`;
const exactTime = (value: number) => `${duration(value)} (${Math.round(value).toLocaleString("en-US")} µs)`;

export function Charts({ points, live, range, filters, auto, by, onBy }: Props) {
  const draw = (value: (point: Point) => Record<string, number | null>) =>
    points?.map((point): ChartPoint => ({ t: point.at, ...value(point) }) as ChartPoint);
  const unless = (point: Point, value: number) => (Number.isNaN(point.requests) ? null : value);
  const quantiles = (of: (point: Point) => Quantiles | null) =>
    draw((point) => {
      const found = of(point);
      return { p50: found?.p50 ?? null, p95: found?.p95 ?? null, p99: found?.p99 ?? null };
    });
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md">
      {live ? (
        <Panel
          title="Requests a second"
          points={draw((point) => ({
            good: unless(point, point.requests - point.errors),
            errors: unless(point, point.errors),
          }))}
          series={[
            { key: "good", label: "Answered", color: "teal.6" },
            { key: "errors", label: "Errors", color: "red.6" },
          ]}
          kind="area"
          stacked
          format={count}
          exact={exactCount}
          nothing="No requests in these five minutes."
        />
      ) : (
        <Requests range={range} filters={filters} auto={auto} by={by} onBy={onBy} />
      )}
      <Panel
        title="Latency"
        points={quantiles(({ duration: found }) => found)}
        series={QUANTILES}
        format={duration}
        exact={exactTime}
        nothing="Nothing was measured."
      />
      <Panel
        title="Time to the first byte"
        points={quantiles(({ ttft }) => ttft)}
        series={QUANTILES}
        format={duration}
        exact={exactTime}
        nothing="Nothing was measured."
      />
      <Panel
        title="The gateway's own overhead"
        points={quantiles(({ overhead }) => overhead)}
        series={[
          { key: "p50", label: "p50", color: "violet.5" },
          { key: "p99", label: "p99", color: "grape.7" },
        ]}
        format={microseconds}
        nothing="Nothing was measured."
      />
      <Panel
        title={live ? "Tokens a second" : "Tokens"}
        points={draw((point) => ({
          in: unless(point, point.promptTokens),
          out: unless(point, point.completionTokens),
        }))}
        series={[
          { key: "in", label: "In", color: "cyan.6" },
          { key: "out", label: "Out", color: "indigo.6" },
        ]}
        kind="area"
        stacked
        format={count}
        exact={exactCount}
        nothing="No tokens were counted."
      />
      <Panel
        title={live ? "Cost a second" : "Cost"}
        points={draw((point) => ({ cost: unless(point, point.costNanodollars) }))}
        series={[{ key: "cost", label: "Cost", color: "lime.7" }]}
        kind={live ? "area" : "bar"}
        format={money}
        exact={exactMoney}
        nothing="Nothing was spent."
      />
      {live ? (
        <Panel
          title="From the cache"
          points={draw((point) => ({ share: point.requests > 0 ? point.cacheHits / point.requests : null }))}
          series={[{ key: "share", label: "Answered from the cache", color: "indigo.6" }]}
          kind="area"
          format={percent}
          nothing="The cache answered nothing."
        />
      ) : (
        <CacheVerdicts range={range} filters={filters} auto={auto} />
      )}
      <TopList range={live ? { last: 900 } : range} filters={filters} auto={auto} />
    </SimpleGrid>
  );
}

const QUANTILES = [
  { key: "p50", label: "p50", color: "teal.6" },
  { key: "p95", label: "p95", color: "orange.6" },
  { key: "p99", label: "p99", color: "red.6" },
];

type SplitProps = Pick<Props, "range" | "filters" | "auto">;

function Requests({ range, filters, auto, by, onBy }: SplitProps & Pick<Props, "by" | "onBy">) {
  const split = useSeries({ range, filters, by, auto, columns: "requests" });
  const { names, points } = stacked(split.data, "requests");
  return (
    <Panel
      title="Requests"
      points={split.data === undefined ? undefined : points}
      series={names.map((label, place) => {
        const colour = by === "status" ? statusColour(label, names) : undefined;
        return { key: `g${place}`, label: by === "none" ? "Requests" : label, ...(colour ? { color: colour } : {}) };
      })}
      kind="bar"
      stacked
      format={count}
      exact={exactCount}
      nothing="No requests in this time."
      aside={
        <Select
          size="xs"
          w={140}
          aria-label="How requests are split"
          data={[...SPLITS]}
          value={by}
          onChange={(value) => value && onBy(value)}
          allowDeselect={false}
        />
      }
    />
  );
}

/** Answers are green, mistakes of callers orange, of ours and of providers red: shades tell codes apart. */
function statusColour(label: string, names: readonly string[]): string {
  const family = (name: string) => (/^[1-5]/.test(name) ? name.charAt(0) : "0");
  const own = family(label);
  const shade = 6 - Math.min(3, names.filter((name) => family(name) === own).indexOf(label));
  const colour = { "2": "teal", "3": "cyan", "4": "orange", "5": "red" }[own] ?? "gray";
  return `${colour}.${shade}`;
}

const VERDICTS: Readonly<Record<string, { label: string; color: string }>> = {
  hit: { label: "Hit", color: "teal.6" },
  similar: { label: "Similar", color: "indigo.5" },
  shared: { label: "Shared", color: "cyan.6" },
  miss: { label: "Miss", color: "orange.5" },
  bypass: { label: "Passed by", color: "gray.5" },
  none: { label: "No cache", color: "gray.4" },
};

function CacheVerdicts({ range, filters, auto }: SplitProps) {
  const split = useSeries({ range, filters, by: "cache", auto, columns: "requests" });
  const { names, points } = stacked(split.data, "requests");
  const cached = names.some((name) => name !== "none" && name !== "bypass");
  return (
    <Panel
      title="What the cache said"
      points={split.data === undefined ? undefined : cached ? points : []}
      series={names.map((name, place) => ({ key: `g${place}`, ...(VERDICTS[name] ?? { label: name }) }))}
      kind="bar"
      stacked
      format={count}
      exact={exactCount}
      nothing="No request asked the cache: routes say which do."
    />
  );
}
