// Rows of the log: a link each, moved through with j and k.
import { Anchor, Box, Mark, Table, Text } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { Fragment, useEffect, useRef, useState } from "react";
import { Link } from "react-router";

import { clock, dateTime } from "../../parts";
import type { Column } from "./columns";
import type { LogEntry } from "./entry";

interface Props {
  entries: readonly LogEntry[];
  columns: readonly Column[];
  /** The record that the drawer shows. */
  open: string | undefined;
  /** Where the record of an entry is found. */
  hrefOf: (entry: LogEntry) => string;
  onOpen: (entry: LogEntry) => void;
}

export function LogTable({ entries, columns, open, hrefOf, onOpen }: Props) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [at, setAt] = useState(-1);
  const current = Math.min(at, entries.length - 1);
  const move = (by: number) => {
    const next = Math.min(Math.max(0, current + by), entries.length - 1);
    setAt(next);
    const entry = entries[next];
    if (open !== undefined && entry !== undefined) onOpen(entry);
  };
  useHotkeys([
    ["j", () => move(1)],
    ["k", () => move(-1)],
    ["Enter", () => openCurrent(), { preventDefault: false }],
  ]);
  const openCurrent = () => {
    const entry = entries[current];
    const focused = document.activeElement;
    if (entry !== undefined && (focused === null || focused === document.body)) onOpen(entry);
  };
  useEffect(() => {
    const link = body.current?.querySelectorAll<HTMLAnchorElement>("a[data-row]")[at];
    link?.focus({ preventScroll: true });
    link?.scrollIntoView({ block: "nearest" });
  }, [at]);
  return (
    <Table.ScrollContainer minWidth={0} type="native">
      <Table highlightOnHover verticalSpacing={6} horizontalSpacing="xs" stickyHeader={false}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Time</Table.Th>
            {columns.map((column) => (
              <Table.Th key={column.name} visibleFrom={column.from} ta={column.number ? "right" : undefined}>
                {column.label}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody ref={body}>
          {entries.map((entry, place) => (
            <Row
              key={`${entry.request_id}/${entry.kind}/${entry.attempt}`}
              entry={entry}
              columns={columns}
              open={open === entry.request_id}
              href={hrefOf(entry)}
              onFocus={() => setAt(place)}
              onOpen={() => {
                setAt(place);
                onOpen(entry);
              }}
            />
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

interface RowProps {
  entry: LogEntry;
  columns: readonly Column[];
  open: boolean;
  href: string;
  onFocus: () => void;
  onOpen: () => void;
}

function Row({ entry, columns, open, href, onFocus, onOpen }: RowProps) {
  return (
    <>
      <Table.Tr
        bg={open ? "var(--mantine-primary-color-light)" : undefined}
        style={{ cursor: "pointer" }}
        onClick={(event) => {
          if ((event.target as HTMLElement).closest("a") === null) onOpen();
        }}
      >
        <Table.Td style={{ whiteSpace: "nowrap" }}>
          <Anchor component={Link} to={href} size="sm" data-row onFocus={onFocus}>
            <time dateTime={entry.started_at} title={dateTime(entry.started_at)}>
              {when(entry.started_at)}
            </time>
          </Anchor>
          {entry.kind !== "exchange" && (
            <Text span size="xs" c="dimmed" ml={6}>
              {entry.kind}
            </Text>
          )}
        </Table.Td>
        {columns.map((column) => (
          <Table.Td key={column.name} visibleFrom={column.from} ta={column.number ? "right" : undefined}>
            <Box component="span" className={column.number ? "figure" : undefined} fz="sm">
              {column.cell(entry)}
            </Box>
          </Table.Td>
        ))}
      </Table.Tr>
      {entry.snippet && entry.snippet.length > 0 && (
        <Table.Tr>
          <Table.Td colSpan={columns.length + 1} pt={0}>
            <Snippet parts={entry.snippet} />
          </Table.Td>
        </Table.Tr>
      )}
    </>
  );
}

/** Today the time alone, before that with its day. */
function when(at: string): string {
  const date = new Date(at);
  if (date.toDateString() === new Date().toDateString()) return clock(at);
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${clock(at)}`;
}

/** What was said around what was searched. */
function Snippet({ parts }: { parts: NonNullable<LogEntry["snippet"]> }) {
  return (
    <Text size="xs" c="dimmed" lineClamp={2} style={{ overflowWrap: "anywhere" }}>
      {parts.map(({ text, hit }, place) =>
        hit ? (
          <Mark key={place}>{text}</Mark>
        ) : (
          <Fragment key={place}>{text}</Fragment>
        ),
      )}
    </Text>
  );
}
