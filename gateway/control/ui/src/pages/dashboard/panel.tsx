// A chart, or the same as a table: for who cannot see charts, and who wants the numbers.
import { ActionIcon, Group, ScrollArea, Skeleton, Table, Text, Tooltip } from "@mantine/core";
import { IconChartAreaLine, IconTable } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";

import { dateTime } from "../../parts";
import { ChartPanel, type Point, type Series, TimeChart } from "../../parts/charts";

interface Props {
  title: string;
  /** Undefined while it is loaded. */
  points: Point[] | undefined;
  series: Series[];
  kind?: "area" | "line" | "bar";
  stacked?: boolean;
  /** On the axis, short. */
  format: (value: number) => string;
  /** In tooltips and the table. */
  exact?: (value: number) => string;
  aside?: ReactNode;
  /** Said instead of a chart when there is no value at all. */
  nothing: string;
}

const HEIGHT = 220;

export function Panel({ title, points, series, kind = "line", stacked = false, format, exact = format, aside, nothing }: Props) {
  const [table, setTable] = useState(false);
  const any = points?.some((point) => series.some(({ key }) => point[key])) ?? true;
  return (
    <ChartPanel
      title={title}
      aside={
        <Group gap={4} wrap="nowrap">
          {aside}
          <Tooltip label={table ? "Show as a chart" : "Show as a table"}>
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label={`${title}: show as a ${table ? "chart" : "table"}`}
              aria-pressed={table}
              onClick={() => setTable(!table)}
            >
              {table ? <IconChartAreaLine size={17} aria-hidden /> : <IconTable size={17} aria-hidden />}
            </ActionIcon>
          </Tooltip>
        </Group>
      }
    >
      {points === undefined ? (
        <Skeleton h={HEIGHT} />
      ) : !any ? (
        <Text size="sm" c="dimmed" h={HEIGHT} ta="center" pt={HEIGHT / 2 - 20}>
          {nothing}
        </Text>
      ) : table ? (
        <Numbers title={title} points={points} series={series} exact={exact} />
      ) : (
        <TimeChart
          label={title}
          points={points}
          series={series}
          kind={kind}
          stacked={stacked}
          format={format}
          exact={exact}
          height={HEIGHT}
        />
      )}
    </ChartPanel>
  );
}

function Numbers({ title, points, series, exact }: Required<Pick<Props, "title" | "points" | "series" | "exact">> & { points: Point[] }) {
  return (
    <ScrollArea h={HEIGHT} type="auto" viewportProps={{ tabIndex: 0, "aria-label": `${title}, as a table` }}>
      <Table stickyHeader fz="xs" verticalSpacing={4}>
        <Table.Caption>{title}, the newest first</Table.Caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Time</Table.Th>
            {series.map(({ key, label }) => (
              <Table.Th key={key} ta="right">
                {label}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {points.toReversed().map((point) => (
            <Table.Tr key={point.t}>
              <Table.Th scope="row" fw={400}>
                {dateTime(point.t)}
              </Table.Th>
              {series.map(({ key }) => (
                <Table.Td key={key} ta="right" className="figure">
                  {typeof point[key] === "number" ? exact(point[key]) : "–"}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </ScrollArea>
  );
}
