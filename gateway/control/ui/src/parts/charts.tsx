/** Charts, through one wrapper: the same colours, axes and tooltips everywhere, and a table for who cannot see them.
 *
 * Import it in lazily loaded pages only: it brings the library along. */
import { AreaChart, BarChart, LineChart, Sparkline } from "@mantine/charts";
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

interface TimeChartProps {
  /** What is drawn: "Requests per second". */
  label: string;
  points: Point[] | undefined;
  series: Series[];
  kind?: "area" | "line" | "bar";
  stacked?: boolean;
  /** Value as text, on the axis and in the tooltip. */
  format?: (value: number) => string;
  height?: number;
  /** The legend is left out for one series unless this says otherwise. */
  legend?: boolean;
}

/** Values over time. */
export function TimeChart({ label, points, series, kind = "area", stacked = false, format = String, height = 220, legend }: TimeChartProps) {
  const span = points && points.length > 1 ? (points.at(-1)?.t ?? 0) - (points[0]?.t ?? 0) : 0;
  const data = useMemo(() => (points ?? []).map((point) => ({ ...point, time: timeLabel(point.t, span) })), [points, span]);
  if (points === undefined) return <Skeleton height={height} />;
  const shared = {
    h: height,
    data,
    dataKey: "time",
    series: series.map((each, at) => ({ name: each.key, label: each.label, color: each.color ?? colorAt(at) })),
    valueFormatter: format,
    withLegend: legend ?? series.length > 1,
    legendProps: { verticalAlign: "bottom" as const, height: 40 },
    yAxisProps: { width: 64, tickMargin: 6 },
    xAxisProps: { minTickGap: 40 },
    gridAxis: "y" as const,
    tickLine: "none" as const,
  };
  return (
    <figure className="chart" aria-label={label}>
      <div aria-hidden>
        {kind === "bar" ? (
          <BarChart {...shared} type={stacked ? "stacked" : "default"} barChartProps={{ accessibilityLayer: false }} maxBarWidth={28} />
        ) : kind === "line" ? (
          <LineChart {...shared} withDots={false} strokeWidth={2} curveType="monotone" connectNulls={false} lineChartProps={{ accessibilityLayer: false }} />
        ) : (
          <AreaChart {...shared} type={stacked ? "stacked" : "default"} withDots={false} strokeWidth={1.5} fillOpacity={0.25} curveType="monotone" connectNulls={false} areaChartProps={{ accessibilityLayer: false }} />
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
  return (
    <div role="img" aria-label={label}>
      <Sparkline h={height} data={values.length ? values : [0, 0]} color={color} strokeWidth={1.5} fillOpacity={0.2} curveType="monotone" aria-hidden />
    </div>
  );
}

function timeLabel(at: number, span: number): string {
  const date = new Date(at * 1000);
  if (span <= 600) return date.toLocaleTimeString("en-GB");
  if (span <= 86_400) return date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (span <= 8 * 86_400) return date.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}
