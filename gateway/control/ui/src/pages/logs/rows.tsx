// Rows of the log: a link each, moved through with j and k.
import { Anchor, Box, Table, Text } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { useEffect, useRef, useState } from "react";
import { Link } from "react-router";

import { clock } from "../../parts";
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
            <Table.Tr
              key={`${entry.request_id}/${entry.kind}/${entry.attempt}`}
              bg={open === entry.request_id ? "var(--mantine-primary-color-light)" : undefined}
              data-current={place === current || undefined}
              style={{ cursor: "pointer" }}
              onClick={(event) => {
                if ((event.target as HTMLElement).closest("a") === null) {
                  setAt(place);
                  onOpen(entry);
                }
              }}
            >
              <Table.Td style={{ whiteSpace: "nowrap" }}>
                <Anchor component={Link} to={hrefOf(entry)} size="sm" data-row onFocus={() => setAt(place)}>
                  <time dateTime={entry.started_at}>{clock(entry.started_at)}</time>
                </Anchor>
                {entry.kind !== "exchange" && (
                  <Text span size="xs" c="dimmed" ml={6}>
                    {entry.kind}
                  </Text>
                )}
              </Table.Td>
              {columns.map((column) => (
                <Table.Td key={column.name} visibleFrom={column.from} ta={column.number ? "right" : undefined}>
                  <Box component="span" ff={column.number ? "monospace" : undefined} fz="sm">
                    {column.cell(entry)}
                  </Box>
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
