import { Badge, Button, Group, Paper, SimpleGrid, Stack, Text } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { IconPlayerPause, IconPlayerPlay, IconPlugConnected, IconTrash } from "@tabler/icons-react";
import { useCallback, useState } from "react";
import { Link, useSearchParams } from "react-router";

import { EmptyState, type LiveFigures, type LiveState, Page, count, duration } from "../../parts";
import { EntryDrawer } from "../logs/drawer";
import { FilterBar } from "../logs/filterbar";
import type { LogEntry } from "../logs/entry";
import { LIVE_FIELDS, filtersOf, withFields, withoutFields } from "../logs/filters";
import { useNames } from "../logs/names";
import { LiveTable } from "./table";
import { MOST_ROWS, useLiveRows } from "./rows";

export function Component() {
  const [params, setParams] = useSearchParams();
  const filters = filtersOf(params, LIVE_FIELDS);
  const [paused, setPaused] = useState(false);
  const [pointed, setPointed] = useState(false);
  const [open, setOpen] = useState<LogEntry>();
  const live = useLiveRows(filters, paused || pointed || open !== undefined);
  const names = useNames();
  const onOpen = useCallback((entry: LogEntry) => setOpen(entry), []);
  useHotkeys([["p", () => setPaused((before) => !before)]]);
  return (
    <Page
      title="Live"
      description="Requests as they end."
      actions={
        <>
          <StateBadge state={live.state} paused={paused} />
          <Button
            variant={paused ? "filled" : "default"}
            leftSection={paused ? <IconPlayerPlay size={16} aria-hidden /> : <IconPlayerPause size={16} aria-hidden />}
            onClick={() => setPaused(!paused)}
            title="Key: p"
          >
            {paused ? "Resume" : "Pause"}
          </Button>
          <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={live.clear}>
            Clear
          </Button>
        </>
      }
    >
      <Stack gap="md">
        <Gauges figures={live.figures} />
        <FilterBar
          fields={LIVE_FIELDS}
          filters={filters}
          names={names}
          onChange={(changes) => {
            live.clear();
            setParams(withFields(params, changes), { replace: true });
          }}
          onClear={() => {
            live.clear();
            setParams(withoutFields(params, LIVE_FIELDS), { replace: true });
          }}
        />
        <Group gap="xs" mih={live.rows.length > 0 ? 22 : 0} mt={live.rows.length > 0 ? 0 : "-md"} aria-live="polite">
          <Text size="sm" c="dimmed">
            {noteOf(live.waiting, live.skipped, paused, live.rows.length)}
          </Text>
        </Group>
        {live.rows.length > 0 ? (
          <Paper withBorder style={{ overflow: "clip" }}>
            <LiveTable rows={live.rows} open={open?.request_id} onOpen={onOpen} onPoint={setPointed} />
          </Paper>
        ) : (
          <Paper withBorder>
            <EmptyState
              icon={<IconPlugConnected size={28} />}
              title={Object.keys(filters).length > 0 ? "Nothing that fits these filters has ended yet" : "Waiting for the first request"}
              action={
                <Button component={Link} to="/playground" variant="light">
                  Send one in the playground
                </Button>
              }
            >
              Requests show up here within a second of their end. What was before is in the <Link to="/logs">logs</Link>.
            </EmptyState>
          </Paper>
        )}
      </Stack>
      <EntryDrawer requestId={open?.request_id} known={open} onClose={() => setOpen(undefined)} />
    </Page>
  );
}

function noteOf(waiting: number, skipped: number, paused: boolean, rows: number): string {
  const parts: string[] = [];
  if (waiting > 0) parts.push(`${count(waiting)} more ended ${paused ? "since you paused" : "while the list stands still for you"}.`);
  if (skipped > 0) parts.push(`${count(skipped)} ended too fast to be shown one by one; the logs have them all.`);
  if (parts.length === 0 && rows >= MOST_ROWS) parts.push(`The newest ${MOST_ROWS} are shown.`);
  return parts.join(" ");
}

const STATES: Readonly<Record<LiveState, { colour: string; text: string }>> = {
  open: { colour: "green", text: "live" },
  connecting: { colour: "gray", text: "connecting" },
  lost: { colour: "orange", text: "reconnecting" },
  off: { colour: "gray", text: "off" },
};

function StateBadge({ state, paused }: { state: LiveState; paused: boolean }) {
  const { colour, text } = paused && state === "open" ? { colour: "blue", text: "paused" } : STATES[state];
  return (
    <Badge color={colour} variant="dot" size="lg" tt="none" role="status">
      {text}
    </Badge>
  );
}

/** The last second at a glance; the places stay where they are when nothing happens. */
function Gauges({ figures }: { figures: LiveFigures | null }) {
  const seconds = figures?.interval_s || 1;
  const rate = (value: number | undefined) => (value === undefined ? "–" : count(Math.round(value / seconds)));
  const gauges: [string, string, string?][] = [
    ["Requests/s", rate(figures?.requests)],
    ["Errors/s", rate(figures?.errors), (figures?.errors ?? 0) > 0 ? "red" : undefined],
    ["p50", duration(figures?.duration_us?.p50)],
    ["p95", duration(figures?.duration_us?.p95)],
    ["Tokens/s", rate(figures ? figures.prompt_tokens + figures.completion_tokens : undefined)],
    ["Under way", figures ? count(figures.in_flight) : "–"],
  ];
  return (
    <SimpleGrid cols={{ base: 3, sm: 6 }} spacing="xs">
      {gauges.map(([label, value, colour]) => (
        <Paper key={label} withBorder px="sm" py="xs">
          <Text size="xs" c="dimmed" truncate>
            {label}
          </Text>
          <Text fw={600} size="lg" c={colour} className="figure" truncate>
            {value}
          </Text>
        </Paper>
      ))}
    </SimpleGrid>
  );
}
