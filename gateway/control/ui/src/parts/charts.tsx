/** Charts, through one wrapper: the same colours, axes and tooltips everywhere, and a table for who cannot see them.
 *
 * Import it in lazily loaded pages only: it brings the library along. The library asks `react-is` what an element is;
 * package.json gives it the one of React 19, since older ones do not know that version's elements. */
import { AreaChart, BarChart, LineChart } from "@mantine/charts";
import "@mantine/charts/styles.css";
import { Paper, Skeleton, Text, VisuallyHidden } from "@mantine/core";
import { type ReactNode, useMemo } from "react";

export interface Series {
  /** Member of the points. */
  key: string;
  label: string;
  color?: string;
}

/** `t` is Unix seconds; other members are values, null where there is none. */
export type Point = { t: number } & Record<string, number | null>;

/** Colours that are told apart in light and dark, and by most of those who see few. */
export const COLORS = ["indigo.6", "teal.6", "orange.6", "grape.6", "cyan.6", "pink.6", "lime.7", "yellow.7", "blue.5", "gray.6"];

export function colorAt(index: number): string {
  return COLORS[index % COLORS.length] as string;
}

/** Charts that are drawn anew every few seconds do not sway each time. */
const STILL = { isAnimationActive: false };

interface TimeChartProps {
  /** What is drawn: "Requests per second". */
  label: string;
  points: Point[] | undefined;
  series: Series[];
  kind?: "area" | "line" | "bar";
  stacked?: boolean;
  /** Value as text, on the axis and in the tooltip. */
  format?: (value: number) => string;
  /** In the tooltip, where that is to be more exact. */
  exact?: (value: number) => string;
  height?: number;
  /** The legend is left out for one series unless this says otherwise. */
  legend?: boolean;
  /** Each point is a day of UTC, told by its date alone. */
  daily?: boolean;
}

/** Values over time. */
export function TimeChart({ label, points, series, kind = "area", stacked = false, format = String, exact = format, height = 220, legend, daily = false }: TimeChartProps) {
  const span = points && points.length > 1 ? (points.at(-1)?.t ?? 0) - (points[0]?.t ?? 0) : 0;
  const data = useMemo(() => (points ?? []).map((point) => ({ ...point, time: daily ? dayLabel(point.t) : timeLabel(point.t, span) })), [points, span, daily]);
  const dots = useMemo(() => series.some(({ key }) => hasLonely(points ?? [], key)), [points, series]);
  if (points === undefined) return <Skeleton height={height} />;
  const shared = {
    h: height,
    data,
    dataKey: "time",
    series: series.map((each, at) => ({ name: each.key, label: each.label, color: each.color ?? colorAt(at) })),
    valueFormatter: exact,
    withLegend: legend ?? series.length > 1,
    legendProps: { verticalAlign: "bottom" as const, height: 40 },
    // A blank that breaks would have a value stand in two lines.
    yAxisProps: { width: axisWidth(points, series, stacked, format), tickMargin: 6, tickFormatter: (value: number) => format(value).replaceAll(" ", "\u00a0") },
    xAxisProps: { minTickGap: 40 },
    gridAxis: "x" as const,
    tickLine: "none" as const,
  };
  return (
    <figure className="chart" aria-label={label}>
      <div aria-hidden>
        {kind === "bar" ? (
          <BarChart {...shared} type={stacked ? "stacked" : "default"} barChartProps={{ accessibilityLayer: false }} maxBarWidth={28} barProps={STILL} />
        ) : kind === "line" ? (
          <LineChart {...shared} withDots={dots} dotProps={{ r: 2.5 }} strokeWidth={2} curveType="monotone" connectNulls={false} lineChartProps={{ accessibilityLayer: false }} lineProps={STILL} />
        ) : (
          <AreaChart {...shared} type={stacked ? "stacked" : "default"} withDots={dots} dotProps={{ r: 2.5 }} strokeWidth={1.5} fillOpacity={0.25} curveType="monotone" connectNulls={false} areaChartProps={{ accessibilityLayer: false }} areaProps={STILL} />
        )}
      </div>
      <Told label={label} points={points} series={series} format={format} />
    </figure>
  );
}

/** The same in numbers: first, last and extreme values. */
function Told({ label, points, series, format }: { label: string; points: Point[]; series: Series[]; format: (value: number) => string }) {
  return (
    <VisuallyHidden>
      <table>
        <caption>{label}</caption>
        <thead>
          <tr>
            <th>Series</th>
            <th>Last</th>
            <th>Least</th>
            <th>Most</th>
          </tr>
        </thead>
        <tbody>
          {series.map((each) => {
            const values = points.map((point) => point[each.key]).filter((value): value is number => typeof value === "number");
            return (
              <tr key={each.key}>
                <th scope="row">{each.label}</th>
                <td>{values.length ? format(values.at(-1) as number) : "none"}</td>
                <td>{values.length ? format(Math.min(...values)) : "none"}</td>
                <td>{values.length ? format(Math.max(...values)) : "none"}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </VisuallyHidden>
  );
}

/** A panel with one chart and a heading. */
export function ChartPanel({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <Paper withBorder p="md" component="section" aria-label={title}>
      <div className="panel-heading">
        <Text fw={600} component="h2" size="sm">
          {title}
        </Text>
        {aside}
      </div>
      {children}
    </Paper>
  );
}

/** A line without axes, beside a figure. */
export function Spark({ label, values, color = "indigo.6", height = 40 }: { label: string; values: number[]; color?: string; height?: number }) {
  const line = useMemo(() => sparkline(values, height), [values, height]);
  const paint = `var(--mantine-color-${color.replace(".", "-")})`;
  return (
    <svg role="img" aria-label={label} width="100%" height={height} viewBox={`0 0 ${SPARK_WIDTH} ${height}`} preserveAspectRatio="none">
      {line ? <path d={`${line} L${SPARK_WIDTH},${height} L0,${height} Z`} fill={paint} opacity={0.15} /> : null}
      {line ? <path d={line} fill="none" stroke={paint} strokeWidth={1.5} vectorEffect="non-scaling-stroke" strokeLinejoin="round" /> : null}
    </svg>
  );
}

const SPARK_WIDTH = 200;

function sparkline(values: number[], height: number): string {
  if (values.length < 2) return "";
  const most = Math.max(...values) || 1;
  const points = values.map((value, at) => {
    const x = (at * SPARK_WIDTH) / (values.length - 1);
    return `${x.toFixed(1)},${(height - 2 - (value / most) * (height - 4)).toFixed(1)}`;
  });
  return `M${points.join(" L")}`;
}

const LEAST_WIDTH = 52;
const CHARACTER = 6.7;

/** Pixels that the labels of the axis take: those of quarters of a round number above the largest value. */
function axisWidth(points: readonly Point[], series: readonly Series[], stacked: boolean, format: (value: number) => string): number {
  let most = 0;
  for (const point of points) {
    const values = series.map(({ key }) => point[key] ?? 0);
    most = Math.max(most, stacked ? values.reduce((sum, value) => sum + value, 0) : Math.max(...values));
  }
  if (!(most > 0)) return LEAST_WIDTH;
  const unit = 10 ** Math.floor(Math.log10(most));
  const round = Math.ceil(most / unit) * unit;
  const longest = Math.max(...[1, 2, 3, 4].map((quarter) => format((round * quarter) / 4).length));
  return Math.max(LEAST_WIDTH, Math.ceil(longest * CHARACTER) + 14);
}

/** Whether a value stands alone: no line leads to it, and without a dot nobody would see it. */
function hasLonely(points: readonly Point[], key: string): boolean {
  const there = (at: number) => typeof points[at]?.[key] === "number";
  return points.some((_, at) => there(at) && !there(at - 1) && !there(at + 1));
}

function dayLabel(at: number): string {
  return new Date(at * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
}

function timeLabel(at: number, span: number): string {
  const date = new Date(at * 1000);
  // Of a lone value nothing else says the day.
  if (span > 0 && span <= 600) return date.toLocaleTimeString("en-GB");
  if (span > 0 && span <= 86_400) return date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (span <= 8 * 86_400) return date.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}
