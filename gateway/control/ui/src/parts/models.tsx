import { Autocomplete, type AutocompleteProps, Badge, Group, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { type Schemas, api, told } from "../api/client";
import { count } from "./format";

export type ModelEntry = Schemas["ModelEntry"];

/** What can be asked: `kind` `"chat"` or `"embedding"`, or anything. */
export function useModels(search: string, kind?: "chat" | "embedding", limit = 30) {
  return useQuery({
    queryKey: ["models", search, kind, limit],
    queryFn: ({ signal }) => told(api.GET("/api/models", { params: { query: { search, limit, ...(kind ? { kind } : {}) } }, signal })),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
}

type Picking = Omit<AutocompleteProps, "data" | "onChange" | "value"> & {
  value: string;
  onChange: (model: string) => void;
  kind?: "chat" | "embedding";
  /** Before the others. */
  more?: { group: string; items: string[] }[];
};

/** A model by its name, with what can be asked as suggestions; any other name can be typed as well. */
export function ModelPicker({ value, onChange, kind, more = [], ...rest }: Picking) {
  const [search] = useDebouncedValue(value, 200);
  const { data } = useModels(search, kind);
  const exact = data?.entries.some((entry) => entry.name === value) ?? false;
  // Once one is chosen, the others are what is offered instead.
  const { data: others } = useModels("", kind);
  const entries = (exact && data?.entries.length === 1 ? others?.entries : data?.entries) ?? [];
  const known = new Map(entries.map((entry) => [entry.name, entry]));
  const group = (name: string, origin: (entry: ModelEntry) => boolean) => {
    const items = entries.filter(origin).map((entry) => entry.name);
    return items.length ? [{ group: name, items }] : [];
  };
  return (
    <Autocomplete
      placeholder="provider/model, or a route"
      autoComplete="off"
      spellCheck={false}
      maxDropdownHeight={360}
      {...rest}
      value={value}
      onChange={onChange}
      data={[...more, ...group("Routes", (entry) => entry.origin === "route"), ...group("Models", (entry) => entry.origin !== "route")]}
      filter={({ options }) => options}
      renderOption={({ option }) => <Option name={option.value} entry={known.get(option.value)} />}
    />
  );
}

function Option({ name, entry }: { name: string; entry: ModelEntry | undefined }) {
  const price = entry?.price?.prices as { input?: string; output?: string } | undefined;
  const facts = [
    entry?.targets.length ? `to ${entry.targets.slice(0, 2).join(", ")}${entry.targets.length > 2 ? ", …" : ""}` : "",
    entry?.context ? `${count(entry.context)} tokens` : "",
    price?.input !== undefined ? `$${price.input} in, $${price.output ?? "0"} out` : "",
  ].filter(Boolean);
  return (
    <Stack gap={0} miw={0}>
      <Group gap={6} wrap="nowrap">
        <Text size="sm" truncate>
          {name}
        </Text>
        {entry?.deprecated ? (
          <Badge size="xs" color="orange" variant="light">
            deprecated
          </Badge>
        ) : null}
      </Group>
      {facts.length ? (
        <Text size="xs" c="dimmed" truncate>
          {facts.join(" · ")}
        </Text>
      ) : null}
    </Stack>
  );
}
