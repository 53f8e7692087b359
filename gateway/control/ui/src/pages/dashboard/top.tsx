// Who takes the most: names with bars.
import { Anchor, Box, Group, Progress, Select, Skeleton, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";

import { type Range, count, money, percent, rangeText } from "../../parts";
import { ChartPanel } from "../../parts/charts";
import type { Figures } from "./types";
import { type Filters, useSeries } from "./series";

const WHO = [
  { value: "model", label: "models" },
  { value: "provider", label: "providers" },
  { value: "virtual_key", label: "virtual keys" },
  { value: "team", label: "teams" },
  { value: "customer", label: "customers" },
];

interface Measure {
  value: string;
  label: string;
  of: (figures: Figures) => number;
  text: (value: number) => string;
}

const MEASURES: readonly [Measure, ...Measure[]] = [
  { value: "cost", label: "cost", of: (figures) => figures.cost_nanodollars, text: money },
  { value: "requests", label: "requests", of: (figures) => figures.requests, text: count },
  {
    value: "tokens",
    label: "tokens",
    of: (figures) => figures.prompt_tokens + figures.completion_tokens,
    text: count,
  },
  { value: "errors", label: "errors", of: (figures) => figures.errors, text: count },
];

const MOST = 8;

export function TopList({ range, filters, auto }: { range: Range; filters: Filters; auto: boolean }) {
  const [who, setWho] = useState("model");
  const [what, setWhat] = useState("cost");
  const series = useSeries({ range, filters, by: who, auto, columns: "" });
  const measure = MEASURES.find(({ value }) => value === what) ?? MEASURES[0];
  const rows = (series.data?.groups ?? [])
    .map((group) => ({ name: group.name, value: measure.of(group.totals) }))
    .filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value);
  const whole = rows.reduce((sum, { value }) => sum + value, 0);
  const largest = rows[0]?.value ?? 1;
  return (
    <ChartPanel
      title="Who takes the most"
      aside={
        <Group gap={4} wrap="nowrap">
          <Select
            size="xs"
            w={118}
            aria-label="Whose"
            data={WHO}
            value={who}
            onChange={(value) => value && setWho(value)}
            allowDeselect={false}
          />
          <Select
            size="xs"
            w={98}
            aria-label="By what"
            data={MEASURES.map(({ value, label }) => ({ value, label }))}
            value={what}
            onChange={(value) => value && setWhat(value)}
            allowDeselect={false}
          />
        </Group>
      }
    >
      {series.isPending ? (
        <Skeleton h={220} />
      ) : rows.length === 0 ? (
        <Text size="sm" c="dimmed" h={220} ta="center" pt={90}>
          No {measure.label} in this time.
        </Text>
      ) : (
        <Stack component="ol" gap={8} m={0} p={0} mih={220} style={{ listStyle: "none" }}>
          {rows.slice(0, MOST).map(({ name, value }) => (
            <Box component="li" key={name}>
              <Group justify="space-between" wrap="nowrap" gap="xs" mb={2}>
                <Name who={who} name={name} range={range} />
                <Text size="sm" className="figure">
                  {measure.text(value)}{" "}
                  <Text span size="xs" c="dimmed">
                    {percent(value / whole)}
                  </Text>
                </Text>
              </Group>
              <Progress value={(100 * value) / largest} size={6} aria-hidden />
            </Box>
          ))}
          {rows.length > MOST && (
            <Text component="li" size="xs" c="dimmed">
              {rows.length - MOST} more
            </Text>
          )}
        </Stack>
      )}
    </ChartPanel>
  );
}

/** Leads to the requests themselves. */
function Name({ who, name, range }: { who: string; name: string; range: Range }) {
  if (!name || name === "other")
    return (
      <Text size="sm" c="dimmed" truncate>
        {name ? "all others" : "none"}
      </Text>
    );
  const query = new URLSearchParams({ range: rangeText(range), [who === "virtual_key" ? "key" : who]: name });
  return (
    <Anchor component={Link} to={`/logs?${query}`} size="sm" truncate title={name} miw={0}>
      {name}
    </Anchor>
  );
}
