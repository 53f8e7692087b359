import { useState } from "react";

import { type LiveFigures, type LiveState, useLive } from "../../parts";
import { LIVE_SECONDS, type Point, livePoint } from "./figures";
import type { Filters } from "./series";

/** The figures of each second since the live view began, and those of the last one. */
export function useLiveFigures(filters: Filters, enabled: boolean): { state: LiveState; heard: Point[]; last: LiveFigures | null } {
  const [heard, setHeard] = useState<Point[]>([]);
  const [last, setLast] = useState<LiveFigures | null>(null);
  const state = useLive(
    filters,
    {
      onFigures(figures) {
        setLast(figures);
        setHeard((before) => [...before.slice(1 - LIVE_SECONDS), livePoint(figures)]);
      },
    },
    enabled,
  );
  return { state, heard, last };
}
