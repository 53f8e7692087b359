// Series of the gateway, for the time that the page shows.
import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { type Range, api, bounds, rangeText, told } from "../../parts";
import type { paths } from "../../api/schema";
import type { Series } from "./types";

export const SPLITS = [
  { value: "status", label: "by status" },
  { value: "provider", label: "by provider" },
  { value: "model", label: "by model" },
  { value: "virtual_key", label: "by virtual key" },
  { value: "team", label: "by team" },
  { value: "customer", label: "by customer" },
  { value: "operation", label: "by operation" },
  { value: "none", label: "all together" },
] as const;

type Query = NonNullable<paths["/api/series"]["get"]["parameters"]["query"]>;

export type Filters = Readonly<Record<string, string>>;

/** How often what is shown is read anew, by its length; minutes are what the gateway adds up. */
function pace(range: Range, auto: boolean): number | false {
  if (!auto || !("last" in range)) return false;
  return range.last <= 3_600 ? 10_000 : range.last <= 86_400 ? 60_000 : 300_000;
}

interface Asked {
  range: Range;
  filters: Filters;
  by?: string;
  /** Members of the points that are wanted, as columns in place of points; empty: totals alone. */
  columns?: string;
  auto?: boolean;
  enabled?: boolean;
}

export function useSeries({ range, filters, by = "none", columns, auto = true, enabled = true }: Asked) {
  return useQuery({
    queryKey: ["series", rangeText(range), filters, by, columns],
    queryFn: () => read(bounds(range), filters, by, columns),
    refetchInterval: pace(range, auto),
    placeholderData: keepPreviousData,
    enabled,
  });
}

/** The period as long as this one, just before it: what figures are compared with. */
export function useSeriesBefore({ range, filters, enabled = true }: Asked) {
  return useQuery({
    queryKey: ["series", "before", rangeText(range), filters],
    queryFn: () => {
      const { since, until } = bounds(range);
      return read({ since: 2 * since - until, until: since }, filters, "none", "");
    },
    staleTime: 60_000,
    placeholderData: keepPreviousData,
    enabled,
  });
}

async function read(
  { since, until }: { since: number; until: number },
  filters: Filters,
  by: string,
  columns?: string,
): Promise<Series> {
  // Filters have the names and spellings that the description says.
  const query = { ...filters, since, until, by, ...(columns === undefined ? {} : { columns }) } as Query;
  return told(api.GET("/api/series", { params: { query } }));
}
