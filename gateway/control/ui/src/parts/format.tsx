/** Figures as people read them. Each has a function (text) and a component of the same name (with the exact value as a
 * title). Money is in nano-dollars, times in microseconds, as the API tells them. */
import { Text, type TextProps } from "@mantine/core";
import { useEffect, useState } from "react";

const NONE = "–";

const COUNT = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** 12,345 -> "12.3K"; below 10,000 exact. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  return Math.abs(value) < 10_000 ? WHOLE.format(value) : COUNT.format(value);
}

/** Nano-dollars -> "$12.34", "$0.0042", "$1.2K". */
export function money(nanodollars: number | null | undefined): string {
  if (nanodollars === null || nanodollars === undefined || !Number.isFinite(nanodollars)) return NONE;
  const dollars = nanodollars / 1e9;
  const size = Math.abs(dollars);
  if (size === 0) return "$0";
  if (size >= 100_000) return `$${COUNT.format(dollars)}`;
  if (size >= 1) return new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" }).format(dollars);
  if (size < 1e-6) return "<$0.000001";
  return `$${trimmed(dollars, size >= 0.01 ? 3 : size >= 0.0001 ? 5 : 7)}`;
}

function trimmed(value: number, digits: number): string {
  const text = value.toFixed(digits).replace(/0+$/, "").replace(/\.$/, "");
  return /\.\d$/.test(text) ? `${text}0` : text;
}

/** Microseconds -> "870 µs", "12.4 ms", "1.80 s", "2 min 5 s". */
export function duration(us: number | null | undefined): string {
  if (us === null || us === undefined || !Number.isFinite(us)) return NONE;
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 100_000) return `${(us / 1000).toFixed(1).replace(/\.0$/, "")} ms`;
  if (us < 1_000_000) return `${Math.round(us / 1000)} ms`;
  if (us < 60_000_000) return `${(us / 1e6).toFixed(us < 10_000_000 ? 2 : 1)} s`;
  const seconds = Math.round(us / 1e6);
  if (seconds < 3600) return two(seconds, 60, "min", 1, "s");
  if (seconds < 86_400) return two(seconds, 3600, "h", 60, "min");
  return two(seconds, 86_400, "d", 3600, "h");
}

/** In two units; the smaller one is left out where there is none of it. */
function two(seconds: number, large: number, name: string, small: number, rest: string): string {
  const left = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${name}${left ? ` ${left} ${rest}` : ""}`;
}

/** 1536 -> "1.5 KiB". */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

/** 0.0123 -> "1.2 %". */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return NONE;
  const value = share * 100;
  return `${value !== 0 && Math.abs(value) < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

type Time = string | number | Date;

function dateOf(at: Time): Date {
  // Numbers are Unix seconds, as the API tells them.
  return at instanceof Date ? at : new Date(typeof at === "number" ? at * 1000 : at);
}

/** "26 Nov 2026, 21:15:50" in the browser's time zone. */
export function dateTime(at: Time | null | undefined): string {
  if (at === null || at === undefined) return NONE;
  return dateOf(at).toLocaleString("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** "21:15:50". */
export function clock(at: Time | null | undefined): string {
  return at === null || at === undefined ? NONE : dateOf(at).toLocaleTimeString("en-GB");
}

/** "just now", "3 min ago", "in 2 h". */
export function timeAgo(at: Time | null | undefined, now: number = Date.now()): string {
  if (at === null || at === undefined) return NONE;
  const seconds = Math.round((now - dateOf(at).getTime()) / 1000);
  const size = Math.abs(seconds);
  if (size < 10) return "just now";
  const [value, unit] =
    size < 60 ? [size, "s"] : size < 3600 ? [Math.floor(size / 60), "min"] : size < 86_400 ? [Math.floor(size / 3600), "h"] : [Math.floor(size / 86_400), "d"];
  return seconds > 0 ? `${value} ${unit} ago` : `in ${value} ${unit}`;
}

type Shown<T> = { value: T | null | undefined } & Omit<TextProps, "children">;

/** Nano-dollars. */
export function Money({ value, ...rest }: Shown<number>) {
  return (
    <Text span inherit className="figure" title={value === null || value === undefined ? undefined : `$${(value / 1e9).toFixed(9)}`} {...rest}>
      {money(value)}
    </Text>
  );
}

/** A number of tokens, or of anything else. */
export function Tokens({ value, ...rest }: Shown<number>) {
  return (
    <Text span inherit className="figure" title={value === null || value === undefined ? undefined : WHOLE.format(value)} {...rest}>
      {count(value)}
    </Text>
  );
}

/** Microseconds. */
export function Duration({ value, ...rest }: Shown<number>) {
  return (
    <Text span inherit className="figure" title={value === null || value === undefined ? undefined : `${WHOLE.format(value)} µs`} {...rest}>
      {duration(value)}
    </Text>
  );
}

/** How long ago; the exact time is its title, and it goes on counting. */
export function TimeAgo({ value, ...rest }: Shown<Time>) {
  const now = useNow(value === null || value === undefined ? 0 : 10_000);
  return (
    <Text span inherit title={dateTime(value)} style={{ whiteSpace: "nowrap" }} {...rest}>
      {timeAgo(value, now)}
    </Text>
  );
}

/** The time in milliseconds, told anew every `interval` ms; 0: never. */
export function useNow(interval: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (interval === 0) return undefined;
    const timer = setInterval(() => setNow(Date.now()), interval);
    return () => clearInterval(timer);
  }, [interval]);
  return now;
}
