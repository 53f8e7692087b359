/** What happens now: server-sent events of /api/live. */
import { useEffect, useRef, useState } from "react";
import type { Schemas } from "./client";

export interface Quantiles {
  count: number;
  mean: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
}

export interface LiveFigures {
  /** Unix seconds. */
  at: number;
  interval_s: number;
  in_flight: number;
  requests: number;
  errors: number;
  prompt_tokens: number;
  completion_tokens: number;
  cost_nanodollars: number;
  cache_hits: number;
  duration_us: Quantiles | null;
  ttft_us: Quantiles | null;
  overhead_us: Quantiles | null;
}

export interface Alert {
  id: string;
  kind: "budget" | "provider_down" | "error_rate";
  subject: string;
  message: string;
  level: "warning" | "critical";
  since: number | string;
  until: number | string | null;
  deliveries: { webhook: string; status: string; attempts: number; last_at: number | string | null; error: string }[];
}

export interface LiveHandlers {
  onRequests?: (entries: Schemas["LogEntry"][], skipped: number) => void;
  onFigures?: (figures: LiveFigures) => void;
  onAlert?: (alert: Alert) => void;
  onConfig?: (version: number) => void;
}

/** `connecting` before the first event, `lost` while the browser tries again, `off` when paused. */
export type LiveState = "connecting" | "open" | "lost" | "off";

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 15_000;

/** Follow what happens, with the filters of /api/logs in `query`. Handlers may be new functions at each rendering. */
export function useLive(query: Record<string, string | undefined>, handlers: LiveHandlers, enabled = true): LiveState {
  const [state, setState] = useState<LiveState>("connecting");
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  const search = new URLSearchParams(
    Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1])),
  ).toString();

  useEffect(() => {
    if (!enabled) return undefined;
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wait = FIRST_WAIT_MS;
    // What nobody asks for is not read: at thousands of requests a second that is half a megabyte each.
    const on = <T,>(name: string, handler: () => ((data: T) => void) | undefined) =>
      source?.addEventListener(name, (event) => handler()?.(JSON.parse((event as MessageEvent<string>).data) as T));
    const open = () => {
      source = new EventSource(search ? `/api/live?${search}` : "/api/live");
      source.onopen = () => {
        wait = FIRST_WAIT_MS;
        setState("open");
      };
      source.onerror = () => {
        setState("lost");
        // A browser gives up for good on an answer that is no stream.
        if (source?.readyState === EventSource.CLOSED) {
          timer = setTimeout(open, wait);
          wait = Math.min(wait * 2, LONGEST_WAIT_MS);
        }
      };
      on<{ entries: Schemas["LogEntry"][]; skipped: number }>("requests", () => {
        const { onRequests } = latest.current;
        return onRequests && ((told) => onRequests(told.entries, told.skipped));
      });
      on<LiveFigures>("figures", () => latest.current.onFigures);
      on<Alert>("alert", () => latest.current.onAlert);
      on<{ version: number }>("config", () => {
        const { onConfig } = latest.current;
        return onConfig && ((told) => onConfig(told.version));
      });
    };
    open();
    return () => {
      clearTimeout(timer);
      source?.close();
      setState("connecting");
    };
  }, [search, enabled]);

  return enabled ? state : "off";
}
