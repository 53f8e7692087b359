/** One provider: made, changed or looked at. */
import { Accordion, Anchor, Autocomplete, Checkbox, Group, NumberInput, Select, Stack, Switch, TagsInput, Text, TextInput } from "@mantine/core";
import { useMemo } from "react";
import { ConfirmButton, type Entity, EntityForm, LatestChange, SourceBadge, done, useMe, useRemove } from "../../parts";
import { useDraft } from "../../parts/draft";
import { RawSpec } from "../../parts/raw";
import { type Deployment } from "./health";
import { type Key, Keys } from "./keys";
import { type Tried } from "./trial";
import { CUSTOM, DIALECTS, type Vendor, looksPrivate, vendorOf } from "./vendors";

interface EditorProps {
  /** Undefined: a new one. */
  entity: Entity<"providers"> | undefined;
  vendors: Vendor[];
  standing: Deployment[];
  listed: string[];
  onClose: () => void;
}

const TIMEOUTS = [
  { name: "connect", label: "Connect" },
  { name: "first_byte", label: "First byte" },
  { name: "first_token", label: "First token of a stream" },
  { name: "stream_idle", label: "Between parts of a stream" },
  { name: "total", label: "Whole request" },
] as const;

export function ProviderEditor({ entity, vendors, standing, listed, onClose }: EditorProps) {
  const me = useMe();
  const draft = useDraft("providers", entity, { keys: [{ name: "main", value: "" }] as Key[] } as never);
  const remove = useRemove("providers", { onGone: onClose });
  const { spec, set, base } = draft;
  const vendor = vendorOf(draft.name, spec, vendors);
  const row = vendors.find((each) => each.name === vendor);
  const keys = (spec.keys ?? []) as Key[];
  const url = spec.base_url ?? row?.base_url ?? "";
  const words = spec.base_url ? [] : (row?.address ?? []);
  const readOnly = base?.source === "file" ? "The configuration file declares it: change it there." : me.mayNot("admin");
  const models = useMemo(() => [...new Set([...(spec.models ?? []), ...listed])], [spec.models, listed]);
  const needsConsent = looksPrivate(spec.base_url ?? (row?.keyless ? row.base_url : "")) || draft.allowPrivate;

  const triedAs = (name: string): Tried => {
    const key = keys.find((each) => each.name === name);
    const kept = key?.value?.startsWith("...") || (key?.credential && !draft.dirty);
    if (base && (readOnly || kept)) return { stored: base.path, key: name };
    return { name: draft.name || vendor, spec: { ...spec, keys: key ? [key] : [] } as never, allow_private: draft.allowPrivate, key: null };
  };
  const chooseVendor = (value: string | null) => {
    if (value === null) return;
    const next = vendors.find((each) => each.name === value);
    set({ vendor: value, base_url: next?.keyless ? next.base_url : null, address: {}, dialect: value === CUSTOM ? "openai_chat" : null });
    if (next?.keyless) { draft.setAllowPrivate(true); set({ keys: [] }); }
    if (!base && (!draft.name || vendors.some((each) => each.name === draft.name))) draft.setName(value === CUSTOM ? "" : value);
  };

  return (
    <EntityForm
      opened
      onClose={onClose}
      title={
        <Group gap="xs">
          {base ? `Provider ${base.name}` : "Add a provider"}
          {base ? <SourceBadge source={base.source} state={base.state} problem={base.problem} /> : null}
        </Group>
      }
      size={680}
      dirty={draft.dirty}
      readOnly={readOnly}
      error={draft.error}
      what={`the provider ${draft.name}`}
      changed={base ? <LatestChange kind="provider" name={base.name} /> : null}
      onLoadTheirs={draft.loadTheirs}
      onKeepEditing={draft.keepEditing}
      onSubmit={async () => {
        const saved = await draft.save();
        done(base ? `Saved the provider ${saved.name}` : `Added the provider ${saved.name}`);
        onClose();
      }}
      more={
        base && !readOnly ? (
          <ConfirmButton
            title={`Remove the provider ${base.name}?`}
            message="Its keys are deleted with it and cannot be read back. Routes that name it are left out until they name another."
            typed={base.name}
            confirm="Remove"
            onConfirm={() => remove.mutateAsync(base)}
          >
            Remove
          </ConfirmButton>
        ) : null
      }
    >
      <Select
        label="Vendor"
        placeholder="Search"
        searchable
        required
        nothingFoundMessage="None of this name: choose custom"
        data={[{ value: CUSTOM, label: "custom: any compatible server" }, ...vendors.map((each) => ({ value: each.name, label: each.name }))]}
        value={base || spec.vendor || draft.name ? vendor : null}
        onChange={chooseVendor}
        description={row?.note || undefined}
        disabled={Boolean(readOnly)}
      />
      <TextInput label="Name" description="Callers ask for name/model." required value={draft.name} onChange={(event) => draft.setName(event.currentTarget.value)} pattern="[A-Za-z0-9][A-Za-z0-9._:\-]{0,127}" />
      {vendor === CUSTOM ? (
        <Select label="Wire format" data={DIALECTS} value={spec.dialect ?? "openai_chat"} allowDeselect={false} onChange={(value) => set({ dialect: value as never })} disabled={Boolean(readOnly)} />
      ) : null}
      {words.map((word) => (
        <TextInput key={word} label={word[0]?.toUpperCase() + word.slice(1)} description={row?.base_url} required value={spec.address?.[word] ?? ""} onChange={(event) => set({ address: { ...spec.address, [word]: event.currentTarget.value } })} />
      ))}
      <TextInput
        label="Base URL"
        description={vendor === CUSTOM ? "scheme://host[:port][/prefix], the part before /chat/completions" : "Empty: the vendor's own address"}
        placeholder={row?.base_url ?? "https://models.example.com/v1"}
        required={vendor === CUSTOM}
        value={spec.base_url ?? ""}
        onChange={(event) => set({ base_url: event.currentTarget.value || null })}
      />
      {needsConsent ? (
        <Checkbox
          label="It may lie in a private network, or be asked without TLS"
          description={`${url || "The address"} is not a public https address; confirm that it is meant. Link-local and metadata addresses are never reached.`}
          checked={draft.allowPrivate}
          onChange={(event) => draft.setAllowPrivate(event.currentTarget.checked)}
        />
      ) : null}
      <Switch label="Enabled" checked={spec.enabled !== false} onChange={(event) => set({ enabled: event.currentTarget.checked })} />
      <Keys
        keys={keys}
        onChange={(value) => set({ keys: value as never })}
        models={models}
        credentials={vendor === CUSTOM ? ["azure", "vertex", "bedrock"] : (row?.credentials ?? [])}
        standing={standing}
        triedAs={triedAs}
        onModels={() => undefined}
        readOnly={Boolean(readOnly)}
      />
      <TagsInput label="Models" description="Listed by /v1/models in any case, and found by their bare names." data={models} value={spec.models ?? []} onChange={(value) => set({ models: value })} clearable disabled={Boolean(readOnly)} />
      <Accordion variant="separated">
        <Accordion.Item value="bounds">
          <Accordion.Control>Time-outs and bounds</Accordion.Control>
          <Accordion.Panel>
            <Stack gap="sm">
              {TIMEOUTS.map(({ name, label }) => (
                <Autocomplete
                  key={name}
                  label={label}
                  placeholder="As everywhere"
                  data={["1s", "5s", "30s", "2m", "10m"]}
                  value={String(spec.timeouts?.[name] ?? "")}
                  onChange={(value) => set({ timeouts: { ...spec.timeouts, [name]: value ? timeIn(value) : null } as never })}
                  disabled={Boolean(readOnly)}
                />
              ))}
              <NumberInput label="Requests under way at most" description="For each worker; 0: no bound" min={0} max={60_000} value={spec.max_concurrency ?? 0} onChange={(value) => set({ max_concurrency: Number(value) || 0 })} />
            </Stack>
          </Accordion.Panel>
        </Accordion.Item>
        <Accordion.Item value="raw">
          <Accordion.Control>Everything, as JSON</Accordion.Control>
          <Accordion.Panel>
            <Stack gap="xs">
              <Text size="sm" c="dimmed">
                All members are described in the <Anchor href="/docs/configuration" target="_blank">configuration reference</Anchor> under providers.
              </Text>
              <RawSpec value={spec} onChange={(value) => draft.replace(value as never)} readOnly={Boolean(readOnly)} />
            </Stack>
          </Accordion.Panel>
        </Accordion.Item>
      </Accordion>
    </EntityForm>
  );
}

/** Bare numbers are seconds. */
function timeIn(text: string): string | number {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
