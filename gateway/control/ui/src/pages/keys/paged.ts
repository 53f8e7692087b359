/** Lists that the gateway pages and searches: 10,000 keys are never all here. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { type Entity, type Kind, json } from "../../parts";

const PAGE = 100;

interface Found<K extends Kind> {
  entries: Entity<K>[];
  next: string | null;
}

export function usePaged<K extends Kind>(kind: K, search: string) {
  const query = useInfiniteQuery({
    queryKey: ["entities", kind, "paged", search],
    queryFn: ({ pageParam }) => {
      const asked = new URLSearchParams({ limit: String(PAGE) });
      if (search) asked.set("search", search);
      if (pageParam) asked.set("cursor", pageParam);
      return json<Found<K>>("GET", `/api/${kind}?${asked}`);
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next,
    placeholderData: (before) => before,
  });
  return { ...query, rows: query.data?.pages.flatMap((page) => page.entries) };
}

/** The one of this name, wherever in the list it stands; null: there is none. */
export function useNamed<K extends Kind>(kind: K, name: string | null, rows: Entity<K>[] | undefined): Entity<K> | null | undefined {
  const listed = rows?.find((each) => each.name === name);
  const { data } = useQuery({
    queryKey: ["entities", kind, "named", name],
    queryFn: async () => {
      const asked = new URLSearchParams({ limit: "1000", search: name ?? "" });
      return (await json<Found<K>>("GET", `/api/${kind}?${asked}`)).entries.find((each) => each.name === name) ?? null;
    },
    enabled: name !== null && rows !== undefined && listed === undefined,
  });
  return listed ?? (name === null ? null : data);
}

/** The id of an entity as paths and questions have it. */
export function idOf(entity: { path: string }): string {
  return entity.path.slice(entity.path.lastIndexOf("/") + 1);
}
