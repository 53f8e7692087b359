import { type AutocompleteProps } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ModelPicker, api, told } from "../../parts";

/** What turns texts into vectors: a model of a provider, a route, or one that lies in the data directory. */
export function EmbedderPicker(props: Omit<AutocompleteProps, "data" | "onChange" | "value"> & { value: string; onChange: (embedder: string) => void }) {
  const { data } = useQuery({ queryKey: ["cache"], queryFn: ({ signal }) => told(api.GET("/api/cache", { signal })) });
  const local = (data?.local_models ?? []).map((name) => `local:${name}`);
  return <ModelPicker {...props} kind="embedding" more={local.length ? [{ group: "On this machine", items: local }] : []} />;
}
