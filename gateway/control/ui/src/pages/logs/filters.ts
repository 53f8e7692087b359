// What the request log can be narrowed by. The address of the page, a saved view, and the query of /api/logs have the
// same names and units, so that any of them can be made from any other.

export type Filters = Readonly<Record<string, string>>;

export type Kind = "name" | "choice" | "yes" | "milliseconds" | "dollars" | "status" | "text" | "id";

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly kind: Kind;
  readonly choices?: readonly string[];
}

const OUTCOMES = [
  "ok", "refused", "client_abort", "upstream_error", "unreachable", "truncated", "failed_stream", "timeout", "drained",
  "internal", "cached", "cancelled",
] as const;

const ERRORS = [
  "bad_request", "too_large", "unauthenticated", "forbidden", "not_found", "model_not_found", "method", "rate_limited",
  "concurrency", "budget", "no_key", "overloaded", "dns", "connect", "tls", "reset", "protocol", "timeout_connect",
  "timeout_first_byte", "timeout_first_token", "timeout_idle", "timeout_total", "timeout_body", "timeout_write",
  "upstream_auth", "upstream_rate_limited", "upstream_quota", "upstream_bad_request", "upstream_not_found",
  "upstream_server", "upstream_overloaded", "content_filter", "stream_error", "client_gone", "draining", "internal",
  "unsupported", "answer_too_large", "credential",
] as const;

const VERDICTS = ["hit", "similar", "shared", "miss", "bypass"] as const;

export const FIELDS: readonly Field[] = [
  { name: "provider", label: "Provider", kind: "name" },
  { name: "model", label: "Model", kind: "name" },
  { name: "key", label: "Virtual key", kind: "name" },
  { name: "team", label: "Team", kind: "name" },
  { name: "customer", label: "Customer", kind: "name" },
  { name: "status", label: "Status", kind: "status" },
  { name: "outcome", label: "Outcome", kind: "choice", choices: OUTCOMES },
  { name: "error", label: "Error", kind: "choice", choices: ERRORS },
  { name: "cache", label: "Cache", kind: "choice", choices: VERDICTS },
  { name: "operation", label: "Operation", kind: "text" },
  { name: "stream", label: "Streamed", kind: "choice", choices: ["true", "false"] },
  { name: "min_ms", label: "Slower than", kind: "milliseconds" },
  { name: "max_ms", label: "Faster than", kind: "milliseconds" },
  { name: "min_cost", label: "Costs at least", kind: "dollars" },
  { name: "max_cost", label: "Costs at most", kind: "dollars" },
  { name: "errors", label: "Errors only", kind: "yes" },
  { name: "attempts", label: "Attempts too", kind: "yes" },
  { name: "search", label: "Text", kind: "text" },
  { name: "request_id", label: "Request id", kind: "id" },
];

const BY_NAME: ReadonlyMap<string, Field> = new Map(FIELDS.map((field) => [field.name, field]));

/** Fields that /api/live can be narrowed by as well. */
export const LIVE_FIELDS = FIELDS.filter((field) =>
  ["provider", "model", "key", "team", "status", "errors"].includes(field.name),
);

/** Those that are set in the address; what is no field of the log is somebody else's and left out. */
export function filtersOf(params: URLSearchParams, fields: readonly Field[] = FIELDS): Filters {
  const found: Record<string, string> = {};
  for (const { name } of fields) {
    const value = params.get(name)?.trim();
    if (value) found[name] = value;
  }
  return found;
}

/** The address with fields set, or taken away where their value is empty. */
export function withFields(params: URLSearchParams, changes: Filters): URLSearchParams {
  const next = new URLSearchParams(params);
  for (const [name, value] of Object.entries(changes))
    if (value.trim()) next.set(name, value.trim());
    else next.delete(name);
  return next;
}

export function withoutFields(params: URLSearchParams, fields: readonly Field[] = FIELDS): URLSearchParams {
  const next = new URLSearchParams(params);
  for (const { name } of fields) next.delete(name);
  return next;
}

/** What a chip says: `Provider: openai`. */
export function chip(name: string, value: string): string {
  const field = BY_NAME.get(name);
  if (field === undefined) return `${name}: ${value}`;
  switch (field.kind) {
    case "yes":
      return field.label;
    case "milliseconds":
      return `${field.label} ${value} ms`;
    case "dollars":
      return `${field.label} $${dollars(value)}`;
    case "text":
      return `${field.label}: “${value}”`;
    case "choice":
      return `${field.label}: ${choice(name, value)}`;
    default:
      return `${field.label}: ${value}`;
  }
}

/** A value of a choice in words. */
export function choice(name: string, value: string): string {
  if (name === "stream") return value === "true" ? "yes" : "no";
  return value.replaceAll("_", " ");
}

/** Nano-dollars, as the API counts, in dollars as people type them. */
export function dollars(nanodollars: string): string {
  const amount = Number(nanodollars) / 1e9;
  return Number.isFinite(amount) ? String(Number(amount.toFixed(9))) : "";
}

/** Dollars as typed, in nano-dollars; empty where it is no amount. */
export function nanodollars(typed: string): string {
  const amount = Number(typed.replace("$", "").replace(",", "."));
  return typed.trim() && Number.isFinite(amount) && amount >= 0 ? String(Math.round(amount * 1e9)) : "";
}

const REQUEST_ID = /^[0-9a-f]{32}$/;

/** What the search box means: an id that was pasted is looked up, anything else is searched for in what was said. */
export function asked(typed: string): { name: "request_id" | "search"; value: string } {
  const value = typed.trim();
  const bare = value.toLowerCase().replaceAll("-", "");
  return REQUEST_ID.test(bare) ? { name: "request_id", value: bare } : { name: "search", value };
}
