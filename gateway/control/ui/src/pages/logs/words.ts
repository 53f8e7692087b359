// What the spellings of a record mean, for people.
import type { LogEntry } from "./entry";

const OUTCOME: Readonly<Record<string, string>> = {
  ok: "Answered in full.",
  refused: "Refused by the gateway itself; no provider was asked.",
  client_abort: "The caller went away first.",
  upstream_error: "The provider answered with an error, which was passed on.",
  unreachable: "No answer could be had from the provider.",
  truncated: "The answer began and was cut off before its end.",
  failed_stream: "The stream carried an error.",
  timeout: "A time limit ended it.",
  drained: "Ended because the gateway was stopping.",
  internal: "A fault of the gateway's own.",
  cached: "Answered from the cache; no provider was asked.",
  cancelled: "Given up in favour of another attempt.",
};

const CACHE: Readonly<Record<string, string>> = {
  bypass: "The cache was passed by for this request.",
  miss: "Nothing stored fitted; the provider was asked.",
  hit: "The very same request had been answered before.",
  similar: "A request that means the same had been answered before.",
  shared: "It joined an equal request that was under way.",
};

const FLAG: Readonly<Record<string, string>> = {
  stream_options_added: "usage asked for on the caller's behalf",
  usage_hidden: "usage chunk withheld, as the caller had not asked for it",
  suspicious_usage: "the provider reported impossible token counts",
  fallback: "served by another target than the first",
  retried: "tried again",
  reused_connection: "provider connection reused",
  passthrough: "passed through as it was",
  replayed: "recorded after its worker had died",
  keepalive: "caller's connection reused",
  demo: "demo provider",
  hedged: "a second attempt ran beside the first",
  continued: "the stream broke off and went on with another attempt",
  unpriced: "no price is known for the model",
  service_tier: "charged at the price of its service tier",
  shadow: "a copy, which no caller was shown",
  embedding: "vectors for the semantic cache",
};

const USAGE: Readonly<Record<string, string>> = {
  provider: "as the provider reported",
  estimate: "estimated by the gateway, as the provider did not say",
  cache: "those of the stored answer; nothing was spent",
};

const CACHED = new Set(["hit", "similar", "shared"]);

export const outcomeText = (outcome: string): string => OUTCOME[outcome] ?? spaced(outcome);
export const cacheText = (verdict: string): string => CACHE[verdict] ?? "No cache is configured for this request.";
export const flagText = (flag: string): string => FLAG[flag] ?? spaced(flag);
export const usageText = (source: string): string => USAGE[source] ?? "not known";
export const spaced = (word: string): string => word.replaceAll("_", " ");

export type Tone = "well" | "cached" | "refused" | "failed" | "gone";

/** How it ended, at a glance: answered, answered from the cache, the caller's fault, ours or the provider's, given up. */
export function tone(entry: Pick<LogEntry, "status" | "outcome" | "cache">): Tone {
  if (entry.outcome === "client_abort" || entry.outcome === "cancelled") return "gone";
  if (entry.status >= 500 || entry.status === 0) return "failed";
  if (["truncated", "failed_stream", "timeout", "unreachable", "internal", "drained"].includes(entry.outcome)) return "failed";
  if (entry.status >= 400) return "refused";
  return CACHED.has(entry.cache) ? "cached" : "well";
}

/** Colours of the component library; each tone has its word beside it, colour alone says nothing. */
export const COLOUR: Readonly<Record<Tone, string>> = {
  well: "teal",
  cached: "indigo",
  refused: "orange",
  failed: "red",
  gone: "gray",
};

/** Gateway, provider and waiting, as parts of the whole time, in microseconds. */
export interface Stretch {
  name: string;
  us: number;
  colour: string;
  meaning: string;
}

/**
 * Where the time of a request went: the parts in the order in which they came. What is left over went into receiving
 * the request and into attempts before the last one. The time to the first byte lies within that of the provider.
 */
export function stretches(entry: LogEntry): Stretch[] {
  const { queue_us, gateway_us, upstream_us, total_us } = entry;
  const ttft = Math.min(entry.ttft_us, upstream_us);
  const rest = Math.max(0, total_us - queue_us - gateway_us - upstream_us);
  const all: Stretch[] = [
    {
      name: entry.attempts > 1 ? "Earlier attempts and receiving" : "Receiving the request",
      us: rest,
      colour: "gray.5",
      meaning: "The caller's request until it was complete, and attempts before the last one.",
    },
    {
      name: entry.attempts > 1 ? "Pauses and waiting for connections" : "Waiting for a connection",
      us: queue_us,
      colour: "yellow.6",
      meaning: "For a connection to the provider, and between two attempts.",
    },
    { name: "Gateway", us: gateway_us, colour: "violet.6", meaning: "The gateway's own work: the overhead." },
    { name: "Provider, first byte", us: ttft, colour: "blue.4", meaning: "From the request sent to the first byte of the answer." },
    { name: "Provider, the rest", us: upstream_us - ttft, colour: "blue.7", meaning: "From the first byte to the last." },
  ];
  return all.filter((stretch) => stretch.us > 0);
}
