/** Groups of settings. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ApiError, done, json } from "../../parts";

export type Spec = Record<string, unknown>;

/** Every group is shown alike; their members are known from the description alone. */
export interface Stored {
  name: string;
  /** 0: nothing of it is stored. */
  version: number;
  state: "in_force" | "unusable";
  problem: string;
  updated_at: string | null;
  spec: Spec | null;
  file: Spec;
  in_force: Spec;
}

export function useSettings() {
  return useQuery({ queryKey: ["settings"], queryFn: async () => (await json<{ entries: Stored[] }>("GET", "/api/settings")).entries });
}

export function useSaveSettings() {
  const client = useQueryClient();
  return useMutation<Stored, ApiError, { name: string; version: number; spec: Spec; confirmed: boolean }>({
    mutationFn: ({ name, version, spec, confirmed }) => json("PUT", `/api/settings/${name}`, { spec, ...(confirmed ? { allow_private: true } : {}) }, { "if-match": `"${version}"` }),
    onSuccess: (saved) => {
      client.setQueryData<Stored[]>(["settings"], (old) => old?.map((each) => (each.name === saved.name ? saved : each)));
      if (saved.name === "cache") void client.invalidateQueries({ queryKey: ["cache"] });
      done("Saved, and in force in every worker");
    },
  });
}

export function useResetSettings() {
  const client = useQueryClient();
  return useMutation<unknown, ApiError, Stored>({
    mutationFn: ({ name, version }) => json("DELETE", `/api/settings/${name}`, undefined, { "if-match": `"${version}"` }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["settings"] });
      done("Reset to the file's values and the defaults");
    },
  });
}
