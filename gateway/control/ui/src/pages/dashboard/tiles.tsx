// The figures that matter most, each with its course and how it was in the period before.
import { Badge, Group, Paper, SimpleGrid, Skeleton, Text, Tooltip } from "@mantine/core";

import { count, duration, money, percent } from "../../parts";
import { Spark } from "../../parts/charts";
import { type Point, change, share } from "./figures";

export interface Tile {
  label: string;
  value: string;
  /** Below the value: what belongs to it. */
  note?: string;
  change: number | null;
  /** Whether more of it is good news; null: neither. */
  moreIsGood: boolean | null;
  course: number[];
}

/**
 * `before` is null where there is nothing to compare with; `inFlight` is how many are under way where the points are
 * seconds of the live view, else null.
 */
export function tilesOf(points: readonly Point[], now: Point, before: Point | null, inFlight: number | null): Tile[] {
  const live = inFlight !== null;
  const course = (value: (point: Point) => number) =>
    points.map((point) => (Number.isFinite(point.requests) ? value(point) : 0));
  // Where nothing was measured, it goes on as it was: a gap is not a fall to nothing.
  const held = (value: (point: Point) => number | null | undefined) => {
    let last = 0;
    return points.map((point) => (last = value(point) ?? last));
  };
  const against = (value: (point: Point) => number | null | undefined) =>
    change(value(now) ?? null, before === null ? null : (value(before) ?? null));
  const errorRate = (point: Point) => share(point.errors, point.requests);
  const hitRate = (point: Point) => share(point.cacheHits, point.requests);
  const tokens = (point: Point) => point.promptTokens + point.completionTokens;
  const lately = live ? "last second" : undefined;
  return [
    {
      label: "Requests",
      value: count(Math.round(now.requests)),
      note: live ? `${count(Math.round(points.at(-1)?.requests || 0))} in the last second` : undefined,
      change: against((point) => point.requests),
      moreIsGood: null,
      course: course((point) => point.requests),
    },
    {
      label: "Error rate",
      value: percent(errorRate(now)),
      note: `${count(Math.round(now.errors))} errors`,
      change: against(errorRate),
      moreIsGood: false,
      course: held(errorRate),
    },
    {
      label: "Tokens",
      value: count(Math.round(tokens(now))),
      note: `${count(Math.round(now.promptTokens))} in, ${count(Math.round(now.completionTokens))} out`,
      change: against(tokens),
      moreIsGood: null,
      course: course(tokens),
    },
    {
      label: "Cost",
      value: money(now.costNanodollars),
      change: against((point) => point.costNanodollars),
      moreIsGood: false,
      course: course((point) => point.costNanodollars),
    },
    {
      label: "From the cache",
      value: percent(hitRate(now)),
      note: `${count(Math.round(now.cacheHits))} answers`,
      change: against(hitRate),
      moreIsGood: true,
      course: held(hitRate),
    },
    {
      label: "Latency p95",
      value: duration(now.duration?.p95),
      note: lately ?? (now.duration ? `p50 ${duration(now.duration.p50)}` : undefined),
      change: against((point) => point.duration?.p95),
      moreIsGood: false,
      course: held((point) => point.duration?.p95),
    },
    {
      label: "First byte p95",
      value: duration(now.ttft?.p95),
      note: lately ?? (now.ttft ? `p50 ${duration(now.ttft.p50)}` : undefined),
      change: against((point) => point.ttft?.p95),
      moreIsGood: false,
      course: held((point) => point.ttft?.p95),
    },
    {
      label: "Gateway overhead p50",
      value: microseconds(now.overhead?.p50),
      note: now.overhead ? `p99 ${microseconds(now.overhead.p99)}` : lately,
      change: against((point) => point.overhead?.p50),
      moreIsGood: false,
      course: held((point) => point.overhead?.p50),
    },
    {
      label: "Tokens a second",
      value: now.tokensPerSecond ? count(Math.round(now.tokensPerSecond.p50)) : "–",
      note: "per answer, p50",
      change: against((point) => point.tokensPerSecond?.p50),
      moreIsGood: true,
      course: held((point) => point.tokensPerSecond?.p50),
    },
    live
      ? { label: "Under way", value: count(inFlight), note: "requests, now", change: null, moreIsGood: null, course: [] }
      : {
          label: "Tried again",
          value: count(Math.round(now.again)),
          note: "retries and fallbacks",
          change: against((point) => point.again),
          moreIsGood: false,
          course: course((point) => point.again),
        },
  ].map(({ note, ...tile }) => (note === undefined ? tile : { ...tile, note }));
}

/** In microseconds, as long as that can be read: this is what the gateway itself takes. */
export function microseconds(us: number | null | undefined): string {
  return us === null || us === undefined ? "–" : us >= 10_000 ? duration(us) : `${Math.round(us).toLocaleString("en-US")} µs`;
}

export function Tiles({ tiles, comparedWith }: { tiles: readonly Tile[] | undefined; comparedWith: string }) {
  return (
    <SimpleGrid cols={{ base: 2, md: 5 }} spacing="sm">
      {tiles === undefined
        ? Array.from({ length: 10 }, (_, place) => <Skeleton key={place} h={132} radius="md" />)
        : tiles.map((tile) => <TileCard key={tile.label} tile={tile} comparedWith={comparedWith} />)}
    </SimpleGrid>
  );
}

function TileCard({ tile, comparedWith }: { tile: Tile; comparedWith: string }) {
  return (
    <Paper withBorder p="sm" h={132} style={{ display: "flex", flexDirection: "column", overflow: "hidden" }}>
      <Text size="xs" c="dimmed" fw={500} truncate h={20}>
        {tile.label}
      </Text>
      <Group justify="space-between" gap={4} wrap="nowrap">
        <Text fw={650} fz={22} lh={1.3} className="figure" truncate>
          {tile.value}
        </Text>
        <Change tile={tile} comparedWith={comparedWith} />
      </Group>
      <Text size="xs" c="dimmed" truncate mih={18}>
        {tile.note}
      </Text>
      <div style={{ marginTop: "auto" }} aria-hidden>
        <Spark label={`${tile.label} over time`} values={tile.course} height={30} />
      </div>
    </Paper>
  );
}

/** Smaller changes are noise. */
const LEAST_CHANGE = 0.005;

function Change({ tile, comparedWith }: { tile: Tile; comparedWith: string }) {
  if (tile.change === null || Math.abs(tile.change) < LEAST_CHANGE) return null;
  const more = tile.change > 0;
  const colour = tile.moreIsGood === null ? "gray" : more === tile.moreIsGood ? "green" : "orange";
  const size = Math.abs(tile.change);
  const text = size >= 10 ? `×${Math.round(tile.change + 1)}` : `${more ? "+" : "−"}${percent(size)}`;
  return (
    <Tooltip label={`${text} against ${comparedWith}`}>
      <Badge color={colour} variant="light" size="sm" tt="none" style={{ flexShrink: 0 }}>
        {text}
      </Badge>
    </Tooltip>
  );
}
