// The columns of the log's table, and which of them are shown.
import { Badge, Text } from "@mantine/core";
import type { ReactNode } from "react";

import { count, duration, money } from "../../parts";
import type { LogEntry } from "./entry";
import { COLOUR, spaced, tone } from "./words";

export interface Column {
  readonly name: string;
  readonly label: string;
  /** Numbers stand at the right. */
  readonly number?: boolean;
  /** The narrowest screen that has room for it. */
  readonly from?: "xs" | "sm" | "md" | "lg";
  readonly cell: (entry: LogEntry) => ReactNode;
}

export function StatusBadge({ entry }: { entry: Pick<LogEntry, "status" | "outcome" | "cache"> }) {
  return (
    <Badge color={COLOUR[tone(entry)]} variant="light" radius="sm" tt="none" style={{ minWidth: "3.5rem" }}>
      {entry.status || spaced(entry.outcome) || "none"}
    </Badge>
  );
}

const tokens = (entry: LogEntry) =>
  entry.prompt_tokens + entry.completion_tokens === 0
    ? ""
    : `${count(entry.prompt_tokens)} → ${count(entry.completion_tokens)}`;

const plain = (value: string) => (
  <Text size="sm" truncate maw={{ base: 104, sm: 260 }} title={value}>
    {value}
  </Text>
);

/** After the time, which is the link to the record and is always there. */
export const COLUMNS: readonly Column[] = [
  { name: "status", label: "Status", cell: (entry) => <StatusBadge entry={entry} /> },
  { name: "model", label: "Model", cell: (entry) => plain(entry.model || entry.target_model) },
  { name: "provider", label: "Provider", from: "sm", cell: (entry) => plain(entry.provider) },
  { name: "target_model", label: "Sent as", from: "lg", cell: (entry) => plain(entry.target_model) },
  { name: "key", label: "Virtual key", from: "md", cell: (entry) => plain(entry.virtual_key) },
  { name: "team", label: "Team", from: "lg", cell: (entry) => plain(entry.team) },
  { name: "customer", label: "Customer", from: "lg", cell: (entry) => plain(entry.customer) },
  { name: "route", label: "Route", from: "lg", cell: (entry) => plain(entry.route) },
  { name: "operation", label: "Operation", from: "lg", cell: (entry) => plain(spaced(entry.operation)) },
  { name: "outcome", label: "Outcome", from: "md", cell: (entry) => plain(spaced(entry.outcome)) },
  { name: "error", label: "Error", from: "md", cell: (entry) => plain(spaced(entry.error)) },
  { name: "cache", label: "Cache", from: "md", cell: (entry) => plain(spaced(entry.cache)) },
  { name: "tokens", label: "Tokens", number: true, from: "sm", cell: tokens },
  {
    name: "cost",
    label: "Cost",
    number: true,
    from: "sm",
    cell: (entry) => (entry.cost_nanodollars ? money(entry.cost_nanodollars) : ""),
  },
  {
    name: "ttft",
    label: "First byte",
    number: true,
    from: "lg",
    cell: (entry) => (entry.ttft_us ? duration(entry.ttft_us) : ""),
  },
  {
    name: "overhead",
    label: "Overhead",
    number: true,
    from: "lg",
    cell: (entry) => (entry.gateway_us ? duration(entry.gateway_us) : ""),
  },
  { name: "total", label: "Took", number: true, cell: (entry) => duration(entry.total_us) },
  { name: "client", label: "Address", from: "lg", cell: (entry) => plain(entry.client) },
];

export const USUAL: readonly string[] = ["status", "model", "provider", "key", "cache", "tokens", "cost", "total"];

export function chosen(names: readonly string[]): readonly Column[] {
  return COLUMNS.filter((column) => names.includes(column.name));
}

