// The newest requests, as they end. What is held back while nobody may be disturbed is shown when the hold is over.
import { useCallback, useEffect, useRef, useState } from "react";

import { type LiveFigures, type LiveState, useLive } from "../../parts";
import type { LogEntry } from "../logs/entry";
import type { Filters } from "../logs/filters";

export const MOST_ROWS = 200;

export interface LiveRows {
  state: LiveState;
  rows: readonly LogEntry[];
  /** Of the last second. */
  figures: LiveFigures | null;
  /** Came since the hold began, and are not shown yet. */
  waiting: number;
  /** Ended, but were not sent: more came than anybody could read. */
  skipped: number;
  clear: () => void;
}

interface Seen {
  rows: readonly LogEntry[];
  skipped: number;
}

const NOTHING: Seen = { rows: [], skipped: 0 };

/** `hold`: the rows stand still. Filters of the gateway; with other ones the list begins anew. */
export function useLiveRows(filters: Filters, hold: boolean): LiveRows {
  const [seen, setSeen] = useState(NOTHING);
  const [waiting, setWaiting] = useState(0);
  const [figures, setFigures] = useState<LiveFigures | null>(null);
  const held = useRef<Seen>(NOTHING);

  const state = useLive(filters, {
    onRequests(entries, skipped) {
      if (!hold) {
        setSeen((before) => joined(before, entries, skipped));
        return;
      }
      held.current = joined(held.current, entries, skipped);
      setWaiting((before) => before + entries.length + skipped);
    },
    onFigures: setFigures,
  });

  useEffect(() => {
    if (hold || held.current === NOTHING) return;
    const { rows, skipped } = held.current;
    held.current = NOTHING;
    setSeen((before) => ({ rows: [...rows, ...before.rows].slice(0, MOST_ROWS), skipped: before.skipped + skipped }));
    setWaiting(0);
  }, [hold]);

  const clear = useCallback(() => {
    held.current = NOTHING;
    setSeen(NOTHING);
    setWaiting(0);
  }, []);

  return { state, figures, waiting, clear, ...seen };
}

/** The newest first; a batch comes in the order in which its requests ended. */
function joined({ rows, skipped }: Seen, entries: readonly LogEntry[], more: number): Seen {
  return { rows: [...entries.toReversed(), ...rows].slice(0, MOST_ROWS), skipped: skipped + more };
}
