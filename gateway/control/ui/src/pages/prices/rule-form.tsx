import { Accordion, Button, JsonInput, MultiSelect, SimpleGrid, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { ApiError, type Draft, type Entity, EntityForm, LatestChange, done, json, useEntities, useMe, useRemove, useSave } from "../../parts";

type Rule = Entity<"prices">;

const FIGURES = [
  ["cache_read", "Cache read"],
  ["cache_write", "Cache write"],
  ["cache_write_1h", "Cache write, one hour"],
  ["output_reasoning", "Thoughts"],
  ["input_audio", "Audio in"],
  ["output_audio", "Audio out"],
  ["cache_read_audio", "Audio from the cache"],
  ["input_image", "Images in"],
  ["output_image", "Images out"],
  ["web_search", "One web search"],
  ["request", "One request"],
] as const;

interface Values {
  name: string;
  provider: string;
  model: string;
  virtual_keys: string[];
  figures: Record<string, string>;
  /** JSON of `above` and `tiers`. */
  more: string;
}

function valuesOf(rule: Rule | undefined, provider: string, model: string): Values {
  const spec = (rule?.spec ?? {}) as Record<string, unknown>;
  const text = (value: unknown) => (value === null || value === undefined ? "" : String(value));
  const { above, tiers } = spec as { above?: unknown[]; tiers?: object };
  const more = { ...(above?.length ? { above } : {}), ...(tiers && Object.keys(tiers).length ? { tiers } : {}) };
  return {
    name: rule?.name ?? "",
    provider: rule ? text(spec["provider"]) : provider,
    model: rule ? text(spec["model"]) : model,
    virtual_keys: (spec["virtual_keys"] as string[] | undefined) ?? [],
    figures: Object.fromEntries(["input", "output", ...FIGURES.map(([kind]) => kind)].map((kind) => [kind, text(spec[kind])])),
    more: Object.keys(more).length ? JSON.stringify(more, null, 2) : "",
  };
}

function specOf(values: Values): Draft<"prices"> {
  const figures = Object.fromEntries(Object.entries(values.figures).filter(([, value]) => value.trim() !== ""));
  return {
    ...(values.provider ? { provider: values.provider } : {}),
    ...(values.model ? { model: values.model } : {}),
    ...(values.virtual_keys.length ? { virtual_keys: values.virtual_keys } : {}),
    ...figures,
    ...(values.more.trim() ? (JSON.parse(values.more) as object) : {}),
  } as Draft<"prices">;
}

interface Props {
  opened: boolean;
  entity: Rule | undefined;
  provider: string;
  model: string;
  onClose: () => void;
}

/** One rule, made or changed. */
export function RuleForm({ opened, entity, provider, model, onClose }: Props) {
  const me = useMe();
  const save = useSave("prices");
  const remove = useRemove("prices", { onGone: onClose });
  const { data: keys } = useEntities("virtual-keys", { enabled: opened });
  const { data: providers } = useEntities("providers", { enabled: opened });
  const [base, setBase] = useState(entity);
  const [values, setValues] = useState(() => valuesOf(entity, provider, model));
  const set = (change: Partial<Values>) => setValues((old) => ({ ...old, ...change }));
  const figure = (kind: string, label: string, required = false) => (
    <TextInput
      key={kind}
      label={label}
      required={required}
      inputMode="decimal"
      leftSection="$"
      pattern="[0-9]*[.]?[0-9]+"
      title="A number of US dollars, with a point"
      value={values.figures[kind] ?? ""}
      onChange={(event) => set({ figures: { ...values.figures, [kind]: event.currentTarget.value } })}
    />
  );
  const suggested = [`${values.provider || "*"}/${values.model || "*"}`, ...values.virtual_keys.toSorted()].join("+");
  const readOnly = entity?.source === "file" ? "The configuration file declares this rule; it is changed there." : me.mayNot("operator");

  const submit = async () => {
    await save.mutateAsync({ entity: base, name: values.name.trim() || suggested, spec: specOf(values) });
    done(entity ? `Changed the rule ${values.name}` : "Made the rule");
    onClose();
  };
  const theirs = () => (entity ? json<Rule>("GET", entity.path) : Promise.reject(new ApiError(404, "", "It is gone")));

  return (
    <EntityForm
      opened={opened}
      onClose={onClose}
      title={entity ? `Rule ${entity.name}` : "New price rule"}
      what={`the rule ${values.name}`}
      onSubmit={submit}
      error={save.error}
      dirty={entity === undefined ? undefined : JSON.stringify(values) !== JSON.stringify(valuesOf(base, "", ""))}
      readOnly={readOnly}
      submit={entity ? "Save" : "Make"}
      changed={entity ? <LatestChange kind="price" name={entity.name} /> : null}
      onLoadTheirs={() =>
        void theirs().then((now) => {
          setBase(now);
          setValues(valuesOf(now, "", ""));
          save.reset();
        })
      }
      onKeepEditing={() =>
        void theirs().then((now) => {
          setBase(now);
          save.reset();
        })
      }
      more={
        entity && !readOnly ? (
          <Button variant="light" color="red" onClick={() => remove.mutate(base ?? entity)} loading={remove.isPending}>
            Remove
          </Button>
        ) : null
      }
    >
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <TextInput label="Provider" description="Its name; * at the end stands for anything" placeholder="any" value={values.provider} onChange={(event) => set({ provider: event.currentTarget.value })} list="rule-providers" />
        <TextInput label="Model" description="As callers or the provider call it" placeholder="any" value={values.model} onChange={(event) => set({ model: event.currentTarget.value })} />
      </SimpleGrid>
      <datalist id="rule-providers">
        {providers?.map((each) => <option key={each.id} value={each.name} />)}
      </datalist>
      <MultiSelect
        label="Only for these virtual keys"
        description="Nobody chosen: for all whom no other rule is for"
        searchable
        clearable
        data={[...new Set([...(keys ?? []).map((key) => key.name), ...values.virtual_keys])]}
        value={values.virtual_keys}
        onChange={(virtual_keys) => set({ virtual_keys })}
      />
      <Text size="sm" c="dimmed">
        US dollars for a million tokens. What is left out costs what it is part of.
      </Text>
      <SimpleGrid cols={2}>
        {figure("input", "Input", true)}
        {figure("output", "Output", true)}
      </SimpleGrid>
      <Accordion variant="separated" chevronPosition="left">
        <Accordion.Item value="more">
          <Accordion.Control>Caches, thoughts, audio, images, requests</Accordion.Control>
          <Accordion.Panel>
            <SimpleGrid cols={2}>{FIGURES.map(([kind, label]) => figure(kind, label))}</SimpleGrid>
          </Accordion.Panel>
        </Accordion.Item>
        <Accordion.Item value="tiers">
          <Accordion.Control>Longer requests and service tiers</Accordion.Control>
          <Accordion.Panel>
            <JsonInput
              label="above and tiers"
              description={'{"above": [{"tokens": 200000, "input": "0.5"}], "tiers": {"flex": {"input": "0.1"}}}'}
              validationError="This is no JSON"
              formatOnBlur
              autosize
              minRows={3}
              value={values.more}
              onChange={(more) => set({ more })}
            />
          </Accordion.Panel>
        </Accordion.Item>
      </Accordion>
      <TextInput label="Name of the rule" description="Where reports name it" placeholder={suggested} value={values.name} onChange={(event) => set({ name: event.currentTarget.value })} pattern="[!-~]{1,256}" title="Visible characters without spaces" />
    </EntityForm>
  );
}
