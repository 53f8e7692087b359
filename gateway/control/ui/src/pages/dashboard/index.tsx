import { ActionIcon, Badge, Button, Group, Paper, Stack, Switch, Tooltip } from "@mantine/core";
import { IconActivity, IconChartAreaLine, IconRefresh } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link, useSearchParams } from "react-router";

import { EmptyState, ErrorNotice, Page, type Range, RangePicker, rangeIn, rangeLabel, rangeText, useEntities } from "../../parts";
import { FilterBar } from "../logs/filterbar";
import { FIELDS, filtersOf, withFields, withoutFields } from "../logs/filters";
import { useNames } from "../logs/names";
import { Charts } from "./charts";
import { HealthStrip } from "./health";
import { Tiles, tilesOf } from "./tiles";
import { LIVE_SECONDS, liveWindow, pointOf, pointsOf, sum } from "./figures";
import type { Series } from "./types";
import { useLiveFigures } from "./live";
import { useSeries, useSeriesBefore } from "./series";

const USUAL_RANGE: Range = { last: 3_600 };
const LIVE_RANGE: Range = { last: LIVE_SECONDS };
const FILTERED = FIELDS.filter(({ name }) => ["provider", "model", "key", "team", "customer", "status"].includes(name));

export function Component() {
  const [params, setParams] = useSearchParams();
  const client = useQueryClient();
  const names = useNames();
  const change = (changes: Record<string, string>) => setParams(withFields(params, changes), { replace: true });

  const filters = filtersOf(params, FILTERED);
  const live = params.get("live") === "true";
  const auto = params.get("auto") !== "off";
  const rangeName = params.get("range");
  const range = useMemo(() => (live ? LIVE_RANGE : rangeIn(rangeName, USUAL_RANGE)), [live, rangeName]);
  const now = useSeries({ range, filters, auto: auto && !live });
  const before = useSeriesBefore({ range, filters, enabled: !live });
  const heard = useLiveFigures(filters, live);

  const points = useMemo(() => {
    if (!live) return now.data === undefined ? undefined : pointsOf(now.data);
    return heard.last === null ? undefined : liveWindow(heard.heard, now.data, heard.last.at);
  }, [live, now.data, heard]);
  const tiles = useMemo(() => {
    if (points === undefined) return undefined;
    if (live) return tilesOf(points, sum(points), null, heard.last?.in_flight ?? 0);
    const total = (data: Series | undefined) => (data?.groups[0] ? pointOf(data.since, data.groups[0].totals) : null);
    // The step that runs is not over: its figures would end every course with a fall.
    return tilesOf("last" in range ? points.slice(0, -1) : points, total(now.data) ?? sum([]), total(before.data), null);
  }, [live, points, range, heard.last, now.data, before.data]);
  const nothing = !live && now.data !== undefined && !now.data.groups.some(({ totals }) => totals.requests > 0);
  return (
    <Page
      title="Dashboard"
      actions={
        <>
          {live && <LiveBadge open={heard.state === "open"} />}
          <Button
            variant={live ? "filled" : "default"}
            aria-pressed={live}
            leftSection={<IconActivity size={16} aria-hidden />}
            onClick={() => change({ live: live ? "" : "true" })}
          >
            Live
          </Button>
          <RangePicker value={range} onChange={(next) => change({ range: rangeText(next), live: "" })} />
          <Tooltip label="Read everything again">
            <ActionIcon
              variant="default"
              size={36}
              aria-label="Refresh"
              onClick={() => void client.invalidateQueries({ queryKey: ["series"] })}
              loading={now.isFetching && now.data === undefined}
            >
              <IconRefresh size={16} aria-hidden />
            </ActionIcon>
          </Tooltip>
          {!live && "last" in range && (
            <Switch
              size="sm"
              label="Auto refresh"
              checked={auto}
              onChange={(event) => change({ auto: event.currentTarget.checked ? "" : "off" })}
            />
          )}
        </>
      }
    >
      <Stack gap="md">
        <HealthStrip />
        <FilterBar
          fields={FILTERED}
          filters={filters}
          names={names}
          onChange={change}
          onClear={() => setParams(withoutFields(params, FILTERED), { replace: true })}
        />
        {now.isError && (
          <ErrorNotice error={now.error} title="The figures could not be read" retry={() => void now.refetch()} />
        )}
        {now.isError && now.data === undefined ? null : nothing ? (
          <Paper withBorder>
            <Nothing filtered={Object.keys(filters).length > 0} />
          </Paper>
        ) : (
          <>
            <Tiles tiles={tiles} comparedWith={`the ${rangeLabel(range).toLowerCase().replace("last ", "")} before`} />
            <Charts
              points={points}
              live={live}
              range={range}
              filters={filters}
              auto={auto}
              by={params.get("by") ?? "status"}
              onBy={(by) => change({ by })}
            />
          </>
        )}
      </Stack>
    </Page>
  );
}

function LiveBadge({ open }: { open: boolean }) {
  return (
    <Badge color={open ? "green" : "orange"} variant="dot" size="lg" tt="none" role="status">
      {open ? "live" : "reconnecting"}
    </Badge>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  const providers = useEntities("providers");
  const fresh = providers.data?.length === 0;
  if (fresh)
    return (
      <EmptyState
        icon={<IconChartAreaLine size={28} />}
        title="Welcome: nothing is set up yet"
        action={
          <Button component={Link} to="/welcome">
            Set it up in two steps
          </Button>
        }
      >
        Add a provider&apos;s key, copy one command, and see the first request arrive here.
      </EmptyState>
    );
  return (
    <EmptyState
      icon={<IconChartAreaLine size={28} />}
      title="No requests in this time"
      action={
        <Group justify="center">
          <Button component={Link} to="/playground" variant="light">
            Send one in the playground
          </Button>
          <Button component={Link} to="/welcome" variant="light">
            Show me how an application does
          </Button>
        </Group>
      }
    >
      {filtered ? "Nothing fits these filters: take some away, or choose a longer time." : "Choose a longer time, or send one."}
    </EmptyState>
  );
}
