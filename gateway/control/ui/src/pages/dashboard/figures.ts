// What the dashboard draws: one list of points in time, from the stored series or from the figures of each second.
import type { Figures, Group, LiveFigures, Quantiles, Series } from "./types";

/** Seconds that the live view keeps: the last five minutes. */
export const LIVE_SECONDS = 300;

/** The values of one step (or second), ready to be drawn; null where nothing was measured. */
export interface Point {
  /** Unix seconds at which it begins. */
  at: number;
  requests: number;
  errors: number;
  cacheHits: number;
  /** Needed another try, or another target. */
  again: number;
  promptTokens: number;
  completionTokens: number;
  costNanodollars: number;
  duration: Quantiles | null;
  ttft: Quantiles | null;
  overhead: Quantiles | null;
  tokensPerSecond: Quantiles | null;
}

const NOTHING = {
  requests: 0,
  errors: 0,
  cacheHits: 0,
  again: 0,
  promptTokens: 0,
  completionTokens: 0,
  costNanodollars: 0,
  duration: null,
  ttft: null,
  overhead: null,
  tokensPerSecond: null,
} satisfies Omit<Point, "at">;

export function pointOf(at: number, figures: Figures | null | undefined): Point {
  if (!figures) return { at, ...NOTHING };
  return {
    at,
    requests: figures.requests,
    errors: figures.errors,
    cacheHits: figures.cache_hits + figures.similar_hits + figures.shared,
    again: figures.retries + figures.fallbacks,
    promptTokens: figures.prompt_tokens,
    completionTokens: figures.completion_tokens,
    costNanodollars: figures.cost_nanodollars,
    duration: figures.duration_us,
    ttft: figures.ttft_us,
    overhead: figures.overhead_us,
    tokensPerSecond: figures.tokens_per_second,
  };
}

/** The points of a series that is not split. */
export function pointsOf(series: Series | undefined): Point[] {
  const group = series?.groups[0];
  return series === undefined ? [] : series.times.map((at, place) => pointOf(at, group?.points[place]));
}

export function livePoint(figures: LiveFigures): Point {
  return {
    ...NOTHING,
    at: Math.floor(figures.at),
    requests: figures.requests,
    errors: figures.errors,
    cacheHits: figures.cache_hits,
    promptTokens: figures.prompt_tokens,
    completionTokens: figures.completion_tokens,
    costNanodollars: figures.cost_nanodollars,
    duration: figures.duration_us,
    ttft: figures.ttft_us,
    overhead: figures.overhead_us,
  };
}

/**
 * The last `LIVE_SECONDS` seconds up to `now`, one point each: what was heard of a second, else its share of the minute
 * that the gateway stored. Nothing is known of a second: its `requests` is NaN, which is not none.
 */
export function liveWindow(heard: readonly Point[], stored: Series | undefined, now: number): Point[] {
  const bySecond = new Map(heard.map((point) => [point.at, point]));
  const minutes = pointsOf(stored);
  const last = Math.floor(now);
  return Array.from({ length: LIVE_SECONDS }, (_, place) => {
    const at = last - LIVE_SECONDS + 1 + place;
    const known = bySecond.get(at);
    if (known !== undefined) return known;
    const minute = minutes.findLast((point) => point.at <= at);
    if (stored === undefined || minute === undefined || at >= stored.until) return { at, ...NOTHING, requests: Number.NaN };
    return aSecondOf(minute, at, Math.min(stored.step_s, stored.until - minute.at));
  });
}

function aSecondOf(minute: Point, at: number, seconds: number): Point {
  const share = 1 / Math.max(1, seconds);
  return {
    ...minute,
    at,
    requests: minute.requests * share,
    errors: minute.errors * share,
    cacheHits: minute.cacheHits * share,
    again: minute.again * share,
    promptTokens: minute.promptTokens * share,
    completionTokens: minute.completionTokens * share,
    costNanodollars: minute.costNanodollars * share,
  };
}

/** What `points` come to together; durations are those of the last point that has any. */
export function sum(points: readonly Point[]): Point {
  const total: Point = { at: points[0]?.at ?? 0, ...NOTHING };
  for (const point of points) {
    if (Number.isNaN(point.requests)) continue;
    total.requests += point.requests;
    total.errors += point.errors;
    total.cacheHits += point.cacheHits;
    total.again += point.again;
    total.promptTokens += point.promptTokens;
    total.completionTokens += point.completionTokens;
    total.costNanodollars += point.costNanodollars;
    total.duration = point.duration ?? total.duration;
    total.ttft = point.ttft ?? total.ttft;
    total.overhead = point.overhead ?? total.overhead;
    total.tokensPerSecond = point.tokensPerSecond ?? total.tokensPerSecond;
  }
  return total;
}

/** `part` of `whole`, 0 to 1; null of nothing. */
export function share(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null;
}

/** By how much `now` is more than `before`, as a factor less one; null where there is nothing to compare with. */
export function change(now: number | null, before: number | null): number | null {
  return now === null || before === null || before === 0 ? null : now / before - 1;
}

/** A member of `Figures` that is a number. */
export type Sum = { [Name in keyof Figures]: Figures[Name] extends number ? Name : never }[keyof Figures];

/** One point of a stacked chart: its time `t` and a value a group, which are named `g0`, `g1`, ... */
export type StackedPoint = { t: number } & Record<string, number>;

/**
 * Groups of a split series as columns, the largest first, at most `most`; the others together as `other`. `value` is a
 * sum that the series was asked for with `columns`.
 */
export function stacked(
  series: Series | undefined,
  value: Sum,
  most = 8,
): { names: string[]; points: StackedPoint[] } {
  if (series === undefined) return { names: [], points: [] };
  const ordered = series.groups
    .filter((group) => group.totals[value] > 0)
    .sort((a, b) => b.totals[value] - a.totals[value]);
  const shown = ordered.slice(0, most);
  const rest = ordered.slice(most);
  const names = shown.map((group) => group.name || "none");
  if (rest.length > 0) names.push("all others");
  const points = series.times.map((t, place) => {
    const point: StackedPoint = { t };
    const at = ({ columns }: Group) => columns[value]?.[place] ?? 0;
    shown.forEach((group, number) => {
      point[`g${number}`] = at(group);
    });
    if (rest.length > 0) point[`g${shown.length}`] = rest.reduce((sum, group) => sum + at(group), 0);
    return point;
  });
  return { names, points };
}
