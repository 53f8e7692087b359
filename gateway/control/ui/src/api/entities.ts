/** Entities: what the file declares and what is stored, read and changed alike for every kind. */
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { undoable } from "../parts/undo";
import { type Schemas, ApiError, json } from "./client";

/** Kind (its path below /api) -> its types. */
export interface Kinds {
  customers: { spec: Schemas["Customer"]; shown: Schemas["CustomerEntity"] };
  teams: { spec: Schemas["Team"]; shown: Schemas["TeamEntity"] };
  "virtual-keys": { spec: Schemas["VirtualKey"]; shown: Schemas["VirtualKeyEntity"] };
  providers: { spec: Schemas["Provider"]; shown: Schemas["ProviderEntity"] };
  routes: { spec: Schemas["Route"]; shown: Schemas["RouteEntity"] };
  prices: { spec: Schemas["Price"]; shown: Schemas["PriceEntity"] };
}

export type Kind = keyof Kinds;
export type Spec<K extends Kind> = Kinds[K]["spec"];
export type Entity<K extends Kind> = Kinds[K]["shown"];

/** One of each kind, as it is called in a sentence. */
export const NOUNS: Record<Kind, string> = {
  customers: "customer",
  teams: "team",
  "virtual-keys": "virtual key",
  providers: "provider",
  routes: "route",
  prices: "price",
};

/** What is made again after a removal is a new one: what that means, where it means something. */
const UNDONE: Partial<Record<Kind, string>> = {
  customers: "Made again. It is a new customer: its limits and budgets begin anew.",
  teams: "Made again. It is a new team: its limits and budgets begin anew.",
};

/** A spec as it is sent: what is left out has its default. */
export type Draft<K extends Kind> = Partial<Spec<K>>;

const PAGE = 1000;
const MOST_PAGES = 10;

/** Address of one entity; `path` as the gateway gave it. */
export function entityPath(entity: { path: string }): string {
  return entity.path;
}

async function everything<K extends Kind>(kind: K, signal: AbortSignal): Promise<Entity<K>[]> {
  const found: Entity<K>[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (cursor !== null) query.set("cursor", cursor);
    const response = await fetch(`/api/${kind}?${query}`, { signal }).catch((error: unknown) => {
      if (error instanceof DOMException) throw error;
      throw new ApiError(0, "unreachable", "The gateway does not answer.");
    });
    if (!response.ok) await json("GET", `/api/${kind}?${query}`);
    const answer = (await response.json()) as { entries: Entity<K>[]; next: string | null };
    found.push(...answer.entries);
    cursor = answer.next;
    if (cursor === null) break;
  }
  return found;
}

/** Every entity of a kind, those of the file first; at most 10,000. */
export function useEntities<K extends Kind>(kind: K, options: { enabled?: boolean } = {}) {
  return useQuery({
    queryKey: ["entities", kind],
    queryFn: ({ signal }) => everything(kind, signal),
    enabled: options.enabled ?? true,
  });
}

export interface Saving<K extends Kind> {
  /** The entity as it was read; undefined: a new one is made. */
  entity?: Entity<K> | undefined;
  name: string;
  spec: Draft<K>;
  /** Of a provider: it may lie in a private network, or without TLS. */
  allow_private?: boolean | undefined;
}

/** Make or change an entity. A change of what somebody else changed meanwhile throws an ApiError with `isConflict`
 * (`ConflictNotice` shows it). Answers with the entity in force; a new virtual key has its `key` in it, this once. */
export function useSave<K extends Kind>(kind: K) {
  const client = useQueryClient();
  return useMutation<Entity<K>, ApiError, Saving<K>>({
    mutationFn: ({ entity, name, spec, allow_private }) => {
      const body = { name, spec, ...(allow_private ? { allow_private } : {}) };
      if (entity === undefined) return json("POST", `/api/${kind}`, body);
      return json("PUT", entity.path, body, { "if-match": `"${entity.version}"` });
    },
    onSuccess: (saved) => {
      client.setQueryData<Entity<K>[]>(["entities", kind], (old) =>
        old === undefined ? old : upsert(old, withoutKey(saved)),
      );
      void client.invalidateQueries({ queryKey: ["entities"] });
    },
  });
}

/** Remove an entity, with a notification that offers to make it again. `onGone` is told once it is removed.
 *
 * What is made again is a new entity with the same name and spec; secrets cannot be read back, so kinds that have them
 * (`undo: false`) are confirmed instead. */
export function useRemove<K extends Kind>(kind: K, options: { undo?: boolean; onGone?: () => void } = {}) {
  const client = useQueryClient();
  const save = useSave(kind);
  const undo = options.undo ?? !(kind === "providers" || kind === "virtual-keys");
  return useMutation<Entity<K>, ApiError, Entity<K>>({
    mutationFn: async (entity) => {
      await json("DELETE", entity.path, undefined, { "if-match": `"${entity.version}"` });
      return entity;
    },
    onSuccess: (entity) => {
      client.setQueryData<Entity<K>[]>(["entities", kind], (old) => old?.filter((each) => each.id !== entity.id));
      void client.invalidateQueries({ queryKey: ["entities"] });
      options.onGone?.();
      const what = `${NOUNS[kind]} ${entity.name}`;
      if (undo && entity.spec !== null) {
        undoable(`Removed the ${what}`, () => save.mutateAsync({ name: entity.name, spec: entity.spec as Draft<K> }), UNDONE[kind] ?? "Taken back");
      } else {
        notifications.show({ message: `Removed the ${what}` });
      }
    },
    onError: (error) => notifications.show({ color: "red", title: "Not removed", message: error.message }),
  });
}

function upsert<E extends { id: string }>(all: E[], one: E): E[] {
  const at = all.findIndex((each) => each.id === one.id);
  return at < 0 ? [...all, one] : all.with(at, one);
}

function withoutKey<E>(entity: E): E {
  const rest = { ...entity } as E & { key?: string };
  delete rest.key;
  return rest;
}
