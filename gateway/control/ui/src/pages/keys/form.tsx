/** A virtual key, a team or a customer in its form. */
import { Accordion, Group, MultiSelect, Select, Switch, TagsInput, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Draft, type Entity, EntityForm, LatestChange, NOUNS, SourceBadge, api, done, told, useEntities, useMe } from "../../parts";
import { useDraft } from "../../parts/draft";
import { RawSpec } from "../../parts/raw";
import { type Budget, Budgets, type Limit, Limits } from "./limits-form";

export type Holder = "virtual-keys" | "teams" | "customers";

interface FormProps<K extends Holder> {
  kind: K;
  entity: Entity<K> | undefined;
  onClose: () => void;
  /** Told of what was saved; a new virtual key has its `key` in it. */
  onSaved: (entity: Entity<K>) => void;
}

/** What all three have, and what only some do; members that a kind does not have stay absent. */
type Common = Draft<"virtual-keys">;

export function HolderForm<K extends Holder>({ kind, entity, onClose, onSaved }: FormProps<K>) {
  const me = useMe();
  const draft = useDraft(kind, entity, {} as Draft<K>);
  const spec = draft.spec as Common;
  const set = (part: Common) => draft.set(part as Draft<K>);
  const teams = useEntities("teams", { enabled: kind === "virtual-keys" });
  const customers = useEntities("customers", { enabled: kind !== "customers" });
  const config = useQuery({ queryKey: ["config"], queryFn: () => told(api.GET("/api/config")) });
  const readOnly = draft.base?.source === "file" ? "The configuration file declares it: change it there." : me.mayNot("operator");
  const locked = Boolean(readOnly);
  const noun = NOUNS[kind];
  const known = (config.data?.providers ?? []).flatMap((each) => [`${each.name}/*`, ...[...new Set([...each.models, ...each.listed])].map((model) => `${each.name}/${model}`)]);
  const routes = Object.keys(config.data?.routes ?? {});
  const providers = spec.providers ?? [];
  const plain = providers.every((each) => typeof each === "string");

  return (
    <EntityForm
      opened
      onClose={onClose}
      size={640}
      title={
        <Group gap="xs">
          {draft.base ? `Edit the ${noun} ${draft.base.name}` : `New ${noun}`}
          {draft.base ? <SourceBadge source={draft.base.source} state={draft.base.state} problem={draft.base.problem} /> : null}
        </Group>
      }
      submit={draft.base ? "Save" : `Create the ${noun}`}
      dirty={draft.dirty}
      readOnly={readOnly}
      error={draft.error}
      what={`the ${noun} ${draft.name}`}
      changed={draft.base ? <LatestChange kind={noun.replace(" ", "_")} name={draft.base.name} /> : null}
      onLoadTheirs={draft.loadTheirs}
      onKeepEditing={draft.keepEditing}
      onSubmit={async () => {
        const saved = await draft.save();
        done(`${draft.base ? "Saved" : "Made"} the ${noun} ${saved.name}`);
        onSaved(saved);
      }}
    >
      <TextInput label="Name" required value={draft.name} onChange={(event) => draft.setName(event.currentTarget.value)} pattern="[A-Za-z0-9][A-Za-z0-9._:\-]{0,127}" title="Letters, digits, dots, colons, underscores and hyphens" data-autofocus />
      {kind === "virtual-keys" ? (
        <Select label="Team" placeholder="None" data={names(teams.data, spec.team)} value={spec.team ?? null} onChange={(team) => set({ team, ...(team ? { customer: null } : {}) })} searchable clearable clearButtonProps={{ "aria-label": "No team" }} disabled={locked} />
      ) : null}
      {kind === "teams" || (kind === "virtual-keys" && !spec.team) ? (
        <Select label="Customer" placeholder="None" data={names(customers.data, spec.customer)} value={spec.customer ?? null} onChange={(customer) => set({ customer })} searchable clearable clearButtonProps={{ "aria-label": "No customer" }} disabled={locked} />
      ) : null}
      <TagsInput label="Models" description="As callers write them, a trailing * allowed. With neither models nor routes: all." data={known} limit={50} value={spec.models ?? []} onChange={(models) => set({ models })} clearable disabled={locked} />
      <TagsInput label="Routes" data={routes} limit={50} value={spec.routes ?? []} onChange={(value) => set({ routes: value })} clearable disabled={locked} />
      {plain ? (
        <MultiSelect label="Providers" description="Empty: all." data={[...new Set([...(config.data?.providers ?? []).map((each) => each.name), ...(providers as string[])])]} value={providers as string[]} onChange={(value) => set({ providers: value })} clearable searchable disabled={locked} />
      ) : null}
      {kind === "virtual-keys" ? (
        <TextInput type="datetime-local" label="Expires" description="Empty: never." value={local(spec.expires)} onChange={(event) => set({ expires: event.currentTarget.value ? Math.floor(Date.parse(event.currentTarget.value) / 1000) : null })} />
      ) : null}
      <Limits limits={(spec.limits ?? []) as Limit[]} onChange={(limits) => set({ limits: limits as never })} readOnly={locked} />
      <Budgets budgets={(spec.budgets ?? []) as Budget[]} onChange={(budgets) => set({ budgets: budgets as never })} readOnly={locked} />
      <Select label="Priority" description="Who is served first when there is too much." placeholder="As the level above, else normal" data={["high", "normal", "low"]} value={spec.priority ?? null} onChange={(priority) => set({ priority: priority as never })} clearable clearButtonProps={{ "aria-label": "No priority of its own" }} disabled={locked} />
      <Switch label="Enabled" checked={spec.enabled !== false} onChange={(event) => set({ enabled: event.currentTarget.checked })} />
      <Accordion variant="separated">
        <Accordion.Item value="raw">
          <Accordion.Control>Everything, as JSON</Accordion.Control>
          <Accordion.Panel>
            <RawSpec value={draft.spec} onChange={(value) => draft.replace(value as Draft<K>)} readOnly={locked} />
          </Accordion.Panel>
        </Accordion.Item>
      </Accordion>
    </EntityForm>
  );
}

function names(found: { name: string }[] | undefined, own: string | null | undefined): string[] {
  const all = (found ?? []).map((each) => each.name);
  return own && !all.includes(own) ? [...all, own] : all;
}

/** Unix time as the browser's field takes it, in its time zone. */
function local(seconds: number | null | undefined): string {
  if (!seconds) return "";
  const date = new Date(seconds * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
