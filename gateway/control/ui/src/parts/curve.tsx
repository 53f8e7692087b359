/** A curve over something else than time. Import it in lazily loaded pages only, as `./charts`. */
import { LineChart } from "@mantine/charts";
import "@mantine/charts/styles.css";
import { VisuallyHidden } from "@mantine/core";
import type { Series } from "./charts";

/** Pixels left of the curve: what stands below it and has the same scale begins there. */
export const AXIS_WIDTH = 56;

interface CurveProps {
  /** What is drawn: "Hits by threshold". */
  label: string;
  /** What `x` is: "Threshold". */
  axis: string;
  points: ({ x: number } & Record<string, number | null>)[];
  series: Series[];
  format: (value: number) => string;
  formatX?: (value: number) => string;
  /** Drawn as a line across. */
  marked?: number | undefined;
  height?: number;
}

export function CurveChart({ label, axis, points, series, format, formatX = String, marked, height = 240 }: CurveProps) {
  return (
    <figure className="chart" aria-label={label}>
      <div aria-hidden>
        <LineChart
          h={height}
          data={points.map((point) => ({ ...point, at: formatX(point.x) }))}
          dataKey="at"
          series={series.map((each) => ({ name: each.key, label: each.label, color: each.color ?? "indigo.6" }))}
          valueFormatter={format}
          withLegend={series.length > 1}
          legendProps={{ verticalAlign: "bottom", height: 56 }}
          withDots={false}
          connectNulls={false}
          strokeWidth={2}
          curveType="monotone"
          gridAxis="y"
          tickLine="none"
          yAxisProps={{ width: AXIS_WIDTH, tickMargin: 6 }}
          xAxisProps={{ minTickGap: 32 }}
          lineChartProps={{ accessibilityLayer: false }}
          {...(marked === undefined ? {} : { referenceLines: [{ x: formatX(marked), color: "gray.5" }] })}
        />
      </div>
      <VisuallyHidden>
        <table>
          <caption>{label}</caption>
          <thead>
            <tr>
              <th>{axis}</th>
              {series.map((each) => (
                <th key={each.key}>{each.label}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {points.map((point) => (
              <tr key={point.x}>
                <th scope="row">{formatX(point.x)}</th>
                {series.map((each) => (
                  <td key={each.key}>{typeof point[each.key] === "number" ? format(point[each.key] as number) : "none"}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </VisuallyHidden>
    </figure>
  );
}
