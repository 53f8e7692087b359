// Names that filters offer: providers and models in force, virtual keys, teams and customers.
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { api, told, useEntities } from "../../parts";

/** Name of a filter -> what may be picked for it; other names may be typed, those of things that are gone too. */
export type Names = Readonly<Record<string, readonly string[]>>;

export function useNames(): Names {
  const config = useQuery({ queryKey: ["config"], queryFn: () => told(api.GET("/api/config")), staleTime: 30_000 });
  const keys = useEntities("virtual-keys").data;
  const teams = useEntities("teams").data;
  const customers = useEntities("customers").data;
  return useMemo(() => {
    const providers = config.data?.providers ?? [];
    const models = [
      ...Object.keys(config.data?.routes ?? {}),
      ...providers.flatMap(({ models: own, listed }) => [...own, ...listed]),
    ];
    return {
      provider: providers.map(({ name }) => name),
      model: unique(models),
      key: unique((keys ?? []).map(({ name }) => name)),
      team: unique((teams ?? []).map(({ name }) => name)),
      customer: unique((customers ?? []).map(({ name }) => name)),
    };
  }, [config.data, keys, teams, customers]);
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)].sort((a, b) => a.localeCompare(b));
}
