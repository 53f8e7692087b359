import { Button, Checkbox, Group, Menu, Paper, Skeleton, Stack, Text } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconColumns3, IconDownload, IconRefresh, IconSearchOff, IconTimeline } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { Link, useLocation, useNavigate, useParams, useSearchParams } from "react-router";

import { EmptyState, ErrorNotice, Page, type Range, RangePicker, bounds, rangeIn, rangeText } from "../../parts";
import { EntryDrawer } from "./drawer";
import { FilterBar } from "./filterbar";
import { LogTable } from "./rows";
import { SavedViews } from "./views";
import { COLUMNS, USUAL, chosen } from "./columns";
import type { LogEntry } from "./entry";
import { FIELDS, type Filters, filtersOf, withFields, withoutFields } from "./filters";
import { queryOf, useLogs } from "./pages";
import { useNames } from "./names";

/** Unless the address says otherwise. */
const USUAL_RANGE: Range = { last: 86_400 };
const A_MONTH: Range = { last: 30 * 86_400 };

export function Component() {
  const requestId = useParams()["*"] || undefined;
  const [params, setParams] = useSearchParams();
  const { search } = useLocation();
  const navigate = useNavigate();
  const names = useNames();
  const [at, setAt] = useState(() => Date.now());
  const [shown, setShown] = useLocalStorage({ key: "microgate.log-columns", defaultValue: USUAL });

  const filters = filtersOf(params);
  const rangeName = params.get("range");
  const range = rangeIn(rangeName, USUAL_RANGE);
  const window = useMemo(() => {
    const asked = rangeIn(rangeName, USUAL_RANGE);
    const { since, until } = bounds(asked, at / 1000);
    return { since, until: "last" in asked ? null : until };
  }, [rangeName, at]);
  const logs = useLogs(filters, window, at);
  const entries = useMemo(() => logs.data?.pages.flatMap((page) => page.entries) ?? [], [logs.data]);

  const change = (next: URLSearchParams) => {
    setAt(Date.now());
    setParams(next, { replace: true });
  };
  const open = (entry: LogEntry) => void navigate({ pathname: `/logs/${entry.request_id}`, search });
  return (
    <Page
      title="Logs"
      description="Every request, with what became of it."
      actions={
        <>
          <RangePicker value={range} onChange={(next) => change(withFields(params, { range: rangeText(next) }))} />
          <Button
            variant="default"
            leftSection={<IconRefresh size={16} aria-hidden />}
            onClick={() => setAt(Date.now())}
            loading={logs.isFetching && !logs.isFetchingNextPage && !logs.isPending}
          >
            Refresh
          </Button>
        </>
      }
    >
      <Stack gap="md">
        <FilterBar
          fields={FIELDS}
          filters={filters}
          names={names}
          search="Search text, or a request id"
          onChange={(changes) => change(withFields(params, changes))}
          onClear={() => change(withoutFields(params))}
        >
          <SavedViews
            current={{ ...filters, ...(rangeName ? { range: rangeName } : {}) }}
            onPick={(query) => change(new URLSearchParams(query))}
          />
          <ColumnMenu shown={shown} onChange={setShown} />
          <ExportMenu query={queryOf(filters, window)} />
        </FilterBar>
        {logs.isError ? (
          <ErrorNotice error={logs.error} title="The log could not be read" retry={() => void logs.refetch()} />
        ) : logs.isPending ? (
          <Waiting />
        ) : entries.length > 0 ? (
          <Paper withBorder aria-busy={logs.isPlaceholderData} style={{ opacity: logs.isPlaceholderData ? 0.55 : 1 }}>
            <LogTable
              entries={entries}
              columns={chosen(shown)}
              open={requestId}
              hrefOf={(entry) => `/logs/${entry.request_id}${search}`}
              onOpen={open}
            />
          </Paper>
        ) : logs.hasNextPage ? null : (
          <Paper withBorder>
            <Nothing filters={filters} range={range} onChange={change} params={params} />
          </Paper>
        )}
        {!logs.isPending && !logs.isError && (
          <Group justify="center" gap="sm">
            {logs.hasNextPage ? (
              <Button variant="default" onClick={() => void logs.fetchNextPage()} loading={logs.isFetchingNextPage}>
                {entries.length > 0 ? "Older" : "Nothing found so far: look further back"}
              </Button>
            ) : (
              entries.length > 0 && (
                <Text size="sm" c="dimmed">
                  {entries.length === 1 ? "That is the only one." : `Those are all ${entries.length.toLocaleString("en-US")}.`}
                </Text>
              )
            )}
          </Group>
        )}
        <Text size="xs" c="dimmed" visibleFrom="sm">
          Keys: / search, j and k move, Enter opens, Esc closes.
        </Text>
      </Stack>
      <EntryDrawer
        requestId={requestId}
        known={entries.find((entry) => entry.request_id === requestId)}
        onClose={() => void navigate({ pathname: "/logs", search })}
      />
    </Page>
  );
}

interface NothingProps {
  filters: Filters;
  range: Range;
  params: URLSearchParams;
  onChange: (next: URLSearchParams) => void;
}

function Nothing({ filters, range, params, onChange }: NothingProps) {
  const longer = "last" in range && range.last < 30 * 86_400;
  const further = longer && (
    <Button variant="light" onClick={() => onChange(withFields(params, { range: rangeText(A_MONTH) }))}>
      Look through 30 days
    </Button>
  );
  if (Object.keys(filters).length === 0)
    return (
      <EmptyState
        icon={<IconTimeline size={28} />}
        title="No requests in this time"
        action={
          <Group justify="center">
            {further}
            <Button component={Link} to="/playground" variant="light">
              Send one in the playground
            </Button>
          </Group>
        }
      >
        Each request that an application sends through the gateway leaves a row here. The <Link to="/welcome">wizard</Link>{" "}
        shows how to send the first one.
      </EmptyState>
    );
  return (
    <EmptyState
      icon={<IconSearchOff size={28} />}
      title="Nothing matches"
      action={
        <Group justify="center">
          {further}
          <Button variant="light" onClick={() => onChange(withoutFields(params))}>
            Clear the filters
          </Button>
        </Group>
      }
    >
      {filters.search ? (
        <>
          Names and models are always searched. What was said is found only where contents are stored: see{" "}
          <Link to="/settings?group=log">Settings</Link>.
        </>
      ) : (
        "No request in this time is like that."
      )}
    </EmptyState>
  );
}

function ColumnMenu({ shown, onChange }: { shown: readonly string[]; onChange: (names: string[]) => void }) {
  return (
    <Menu closeOnItemClick={false} position="bottom-end">
      <Menu.Target>
        <Button variant="default" leftSection={<IconColumns3 size={16} aria-hidden />} visibleFrom="sm">
          Columns
        </Button>
      </Menu.Target>
      <Menu.Dropdown p="sm">
        <Checkbox.Group aria-label="Columns that are shown" value={[...shown]} onChange={onChange}>
          <Stack gap={6}>
            {COLUMNS.map(({ name, label }) => (
              <Checkbox key={name} value={name} label={label} size="xs" />
            ))}
          </Stack>
        </Checkbox.Group>
        <Button variant="subtle" size="compact-xs" mt="xs" onClick={() => onChange([...USUAL])}>
          As usual
        </Button>
      </Menu.Dropdown>
    </Menu>
  );
}

function ExportMenu({ query }: { query: URLSearchParams }) {
  const href = (format: string) => `/api/logs/export?${new URLSearchParams([["format", format], ...query])}`;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" leftSection={<IconDownload size={16} aria-hidden />}>
          Export
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component="a" href={href("csv")} download>
          CSV, for a spreadsheet
        </Menu.Item>
        <Menu.Item component="a" href={href("jsonl")} download>
          JSON, a line each
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function Waiting() {
  return (
    <Paper withBorder p="sm" aria-busy>
      <Stack gap={10}>
        {Array.from({ length: 10 }, (_, row) => (
          <Skeleton key={row} h={22} />
        ))}
      </Stack>
    </Paper>
  );
}
