import { Button, Group, Menu, Popover, Stack, TextInput } from "@mantine/core";
import { IconCalendar, IconChevronDown } from "@tabler/icons-react";
import { useState } from "react";
import { dateTime } from "./format";

/** `last`: seconds before now; otherwise Unix seconds. */
export type Range = { last: number } | { since: number; until: number };

export const RANGES: { label: string; last: number }[] = [
  { label: "Last 15 minutes", last: 900 },
  { label: "Last hour", last: 3600 },
  { label: "Last 6 hours", last: 6 * 3600 },
  { label: "Last 24 hours", last: 86_400 },
  { label: "Last 7 days", last: 7 * 86_400 },
  { label: "Last 30 days", last: 30 * 86_400 },
  { label: "Last 90 days", last: 90 * 86_400 },
];

/** Unix seconds of a range as of now. */
export function bounds(range: Range, now: number = Date.now() / 1000): { since: number; until: number } {
  return "last" in range ? { since: Math.floor(now - range.last), until: Math.ceil(now) } : range;
}

export function rangeLabel(range: Range): string {
  if (!("last" in range)) return `${dateTime(range.since)} – ${dateTime(range.until)}`;
  return RANGES.find((each) => each.last === range.last)?.label ?? `Last ${range.last < 120 ? `${range.last} seconds` : `${Math.round(range.last / 60)} minutes`}`;
}

/** A range as it stands in an address: "3600", "1732600000-1732700000". */
export function rangeText(range: Range): string {
  return "last" in range ? String(range.last) : `${range.since}-${range.until}`;
}

export function rangeIn(text: string | null | undefined, otherwise: Range = { last: 3600 }): Range {
  const [first, second] = (text ?? "").split("-").map(Number);
  if (first === undefined || !Number.isFinite(first) || first <= 0) return otherwise;
  if (second === undefined) return { last: first };
  return Number.isFinite(second) && second > first ? { since: first, until: second } : otherwise;
}

/** Which time is looked at. */
export function RangePicker({ value, onChange }: { value: Range; onChange: (range: Range) => void }) {
  const [own, setOwn] = useState(false);
  const now = bounds(value);
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const chosen = { since: Date.parse(from) / 1000, until: Date.parse(to) / 1000 };
  const fits = chosen.until > chosen.since;
  return (
    <Popover opened={own} onChange={setOwn} trapFocus returnFocus position="bottom-end" withinPortal withRoles={false}>
      <Popover.Target>
        <div>
          <Menu position="bottom-end">
            <Menu.Target>
              <Button variant="default" leftSection={<IconCalendar size={16} aria-hidden />} rightSection={<IconChevronDown size={16} aria-hidden />} aria-label={`Time range: ${rangeLabel(value)}`}>
                {rangeLabel(value)}
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {RANGES.map((range) => (
                <Menu.Item key={range.last} onClick={() => onChange({ last: range.last })}>
                  {range.label}
                </Menu.Item>
              ))}
              <Menu.Divider />
              <Menu.Item
                onClick={() => {
                  setFrom(local(now.since));
                  setTo(local(now.until));
                  setOwn(true);
                }}
              >
                From … to …
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </div>
      </Popover.Target>
      <Popover.Dropdown role="dialog" aria-label="From and to">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            onChange(chosen);
            setOwn(false);
          }}
        >
          <Stack gap="xs">
            <TextInput type="datetime-local" label="From" value={from} onChange={(event) => setFrom(event.currentTarget.value)} />
            <TextInput type="datetime-local" label="To" value={to} onChange={(event) => setTo(event.currentTarget.value)} error={fits ? null : "Later than From"} />
            <Group justify="flex-end">
              <Button type="submit" disabled={!fits}>
                Show
              </Button>
            </Group>
          </Stack>
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}

/** As the browser's field takes it, in its time zone. */
function local(seconds: number): string {
  const date = new Date(seconds * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
