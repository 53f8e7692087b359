/** An entity while it is edited: what it was read as, what it is to become, and what to do when somebody else is quicker. */
import { useState } from "react";
import { json } from "../api/client";
import { type Draft, type Entity, type Kind, useSave } from "../api/entities";

export interface Drafting<K extends Kind> {
  /** As it was read; undefined: it is new. */
  base: Entity<K> | undefined;
  name: string;
  setName: (name: string) => void;
  spec: Draft<K>;
  /** Change some members; the others stay as they are. */
  set: (part: Draft<K>) => void;
  replace: (spec: Draft<K>) => void;
  allowPrivate: boolean;
  setAllowPrivate: (allow: boolean) => void;
  dirty: boolean;
  save: () => Promise<Entity<K>>;
  error: unknown;
  loadTheirs: () => void;
  keepEditing: () => void;
}

/** Mount its user anew (`key`) for another entity: what is edited is read once. */
export function useDraft<K extends Kind>(kind: K, start: Entity<K> | undefined, empty: Draft<K>): Drafting<K> {
  const [base, setBase] = useState(start);
  const [name, setNameOnly] = useState(start?.name ?? "");
  const [spec, setSpec] = useState<Draft<K>>((start?.spec ?? empty) as Draft<K>);
  const [allowPrivate, setAllowOnly] = useState(privacyOf(start));
  const [dirty, setDirty] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const saving = useSave(kind);

  const take = (entity: Entity<K>) => {
    setBase(entity);
    setNameOnly(entity.name);
    setSpec((entity.spec ?? empty) as Draft<K>);
    setAllowOnly(privacyOf(entity));
    setDirty(false);
  };
  const stored = async (then: (entity: Entity<K>) => void) => {
    if (!base) return;
    try {
      then(await json<Entity<K>>("GET", base.path));
      setError(null);
    } catch (failure) {
      setError(failure);
    }
  };

  return {
    base,
    name,
    setName: (value) => { setNameOnly(value); setDirty(true); },
    spec,
    set: (part) => { setSpec((old) => ({ ...old, ...part })); setDirty(true); },
    replace: (value) => { setSpec(value); setDirty(true); },
    allowPrivate,
    setAllowPrivate: (allow) => { setAllowOnly(allow); setDirty(true); },
    dirty,
    save: async () => {
      setError(null);
      try {
        const saved = await saving.mutateAsync({ entity: base, name, spec, ...(allowPrivate ? { allow_private: true } : {}) });
        setDirty(false);
        return saved;
      } catch (failure) {
        setError(failure);
        throw failure;
      }
    },
    error,
    loadTheirs: () => void stored(take),
    keepEditing: () => void stored((entity) => setBase(entity)),
  };
}

function privacyOf(entity: unknown): boolean {
  return Boolean((entity as { allow_private?: boolean | null } | undefined)?.allow_private);
}
