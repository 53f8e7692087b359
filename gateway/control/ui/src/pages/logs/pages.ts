// Pages of the request log, newest first.
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";

import { type Schemas, api, told } from "../../parts";
import type { Filters } from "./filters";

export const PAGE_ROWS = 50;
/** A look-up that would take long is answered in parts; so many are asked for before the reader is asked to go on. */
const MOST_PARTS = 20;

export interface Window {
  /** Unix seconds; null: from the beginning, until now. */
  since: number | null;
  until: number | null;
}

type Page = Schemas["LogEntries"];

export function queryOf(filters: Filters, { since, until }: Window): URLSearchParams {
  const query = new URLSearchParams(filters);
  if (since !== null) query.set("since", String(since));
  if (until !== null) query.set("until", String(until));
  return query;
}

/** `at` is when the list was asked for anew: with another one everything is read again. */
export function useLogs(filters: Filters, window: Window, at: number) {
  return useInfiniteQuery({
    queryKey: ["logs", "pages", filters, window, at],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) => page(queryOf(filters, window), pageParam, signal),
    getNextPageParam: (last: Page) => last.next,
    placeholderData: keepPreviousData,
    refetchOnWindowFocus: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

async function page(query: URLSearchParams, cursor: string | null, signal: AbortSignal): Promise<Page> {
  const entries: Page["entries"] = [];
  let next = cursor;
  for (let part = 0; part < MOST_PARTS; part++) {
    query.set("limit", String(PAGE_ROWS - entries.length));
    if (next !== null) query.set("cursor", next);
    const found = await told(api.GET("/api/logs", { params: { query: Object.fromEntries(query) as never }, signal }));
    entries.push(...found.entries);
    next = found.next;
    if (next === null || entries.length >= PAGE_ROWS) break;
  }
  return { entries, next };
}
