/** The keys of a provider in its form: values, weights, which models each may serve. */
import { ActionIcon, Button, Group, NumberInput, Paper, PasswordInput, Select, Slider, Stack, Switch, TagsInput, Text, TextInput, Textarea, Tooltip } from "@mantine/core";
import { IconKey, IconTrash } from "@tabler/icons-react";
import { type Schemas } from "../../parts";
import { type Deployment, StateBadge } from "./health";
import { KeyTrial, type Tried } from "./trial";

export type Key = Partial<Schemas["KeyEntry"]> & { name: string };

interface KeysProps {
  keys: Key[];
  onChange: (keys: Key[]) => void;
  models: string[];
  /** Extras whose credentials this vendor takes. */
  credentials: string[];
  standing: Deployment[];
  /** How the key with this name is tried as it stands here. */
  triedAs: (name: string) => Tried;
  onModels: (names: string[]) => void;
  readOnly: boolean;
}

export function Keys({ keys, onChange, models, credentials, standing, triedAs, onModels, readOnly }: KeysProps) {
  const change = (at: number, part: Partial<Key>) => onChange(keys.map((key, index) => (index === at ? { ...key, ...part } : key)));
  const total = keys.reduce((sum, key) => sum + (key.enabled === false ? 0 : (key.weight ?? 1)), 0);
  return (
    <Stack gap="sm" component="section" aria-label="Keys">
      <Group justify="space-between">
        <Text fw={600}>Keys</Text>
        {readOnly ? null : (
          <Button size="xs" variant="default" leftSection={<IconKey size={16} aria-hidden />} onClick={() => onChange([...keys, { name: freeName(keys), value: "" }])}>
            Add a key
          </Button>
        )}
      </Group>
      {keys.length === 0 ? (
        <Text size="sm" c="dimmed">
          No key: the provider is asked without a credential.
        </Text>
      ) : null}
      {keys.map((key, at) => (
        <KeyFields
          key={at}
          entry={key}
          share={total > 0 && key.enabled !== false ? (key.weight ?? 1) / total : 0}
          alone={keys.length === 1}
          models={models}
          credentials={credentials}
          standing={standing.find((each) => each.key === key.name)}
          tried={triedAs(key.name)}
          onModels={onModels}
          readOnly={readOnly}
          onChange={(part) => change(at, part)}
          onRemove={() => onChange(keys.filter((_, index) => index !== at))}
        />
      ))}
    </Stack>
  );
}

interface FieldsProps {
  entry: Key;
  share: number;
  alone: boolean;
  models: string[];
  credentials: string[];
  standing: Deployment | undefined;
  tried: Tried;
  onModels: (names: string[]) => void;
  readOnly: boolean;
  onChange: (part: Partial<Key>) => void;
  onRemove: () => void;
}

function KeyFields({ entry, share, alone, models, credentials, standing, tried, onModels, readOnly, onChange, onRemove }: FieldsProps) {
  const weight = entry.weight ?? 1;
  return (
    <Paper withBorder p="sm" role="group" aria-label={`Key ${entry.name}`}>
      <Stack gap="sm">
        <Group justify="space-between" wrap="nowrap" align="flex-end">
          <TextInput label="Key name" value={entry.name} onChange={(event) => onChange({ name: event.currentTarget.value })} required flex={1} />
          {standing ? (
            <Group h={36}>
              <StateBadge deployment={standing} />
            </Group>
          ) : null}
          {readOnly ? null : (
            <Tooltip label="Remove this key">
              <ActionIcon variant="subtle" color="red" size="lg" aria-label={`Remove the key ${entry.name}`} onClick={onRemove}>
                <IconTrash size={18} aria-hidden />
              </ActionIcon>
            </Tooltip>
          )}
        </Group>
        <Credential entry={entry} credentials={credentials} readOnly={readOnly} onChange={onChange} />
        {alone ? null : (
          <div>
            <Group justify="space-between" align="flex-end" wrap="nowrap">
              <NumberInput label="Weight" min={0} max={1_000_000} step={1} value={weight} onChange={(value) => onChange({ weight: Number(value) || 0 })} w={110} />
              <Text size="sm" c="dimmed" pb={8}>
                {weight === 0 ? "Only when no other key is left" : `${Math.round(share * 100)} % of the requests`}
              </Text>
            </Group>
            <Slider thumbLabel={`Weight of ${entry.name}`} min={0} max={Math.max(10, weight)} step={1} value={weight} onChange={(value) => onChange({ weight: value })} disabled={readOnly} mt="xs" label={null} />
          </div>
        )}
        <TagsInput label="Only these models" description="Models of the provider, a trailing * allowed. Empty: all." data={models} value={entry.models ?? []} onChange={(value) => onChange({ models: value })} clearable disabled={readOnly} />
        <Switch label="Enabled" checked={entry.enabled !== false} onChange={(event) => onChange({ enabled: event.currentTarget.checked })} />
        <KeyTrial tried={tried} onModels={onModels} />
      </Stack>
    </Paper>
  );
}

type Credentials = NonNullable<Schemas["KeyEntry"]["credential"]>;

/** Ways of each extra to have a credential -> members that it asks for (the secret ones hidden). */
const WAYS: Record<string, { type: string; label: string; members: { name: string; label: string; secret?: boolean; long?: boolean }[] }[]> = {
  azure: [
    { type: "entra_client_secret", label: "Entra application", members: [{ name: "tenant", label: "Tenant" }, { name: "client_id", label: "Client id" }, { name: "client_secret", label: "Client secret", secret: true }] },
    { type: "managed_identity", label: "Managed identity", members: [{ name: "client_id", label: "Client id (empty: the system's)" }] },
  ],
  vertex: [
    { type: "service_account", label: "Service account", members: [{ name: "key", label: "Key file (JSON)", long: true }] },
    { type: "google_adc", label: "Application default credentials", members: [] },
  ],
  bedrock: [
    { type: "aws_keys", label: "Access key pair", members: [{ name: "access_key_id", label: "Access key id" }, { name: "secret_access_key", label: "Secret access key", secret: true }] },
    { type: "aws_chain", label: "AWS's usual chain", members: [{ name: "profile", label: "Profile (may be empty)" }] },
    { type: "aws_assume_role", label: "Role", members: [{ name: "role_arn", label: "ARN of the role" }, { name: "external_id", label: "External id (may be empty)" }] },
  ],
};

function Credential({ entry, credentials, readOnly, onChange }: { entry: Key; credentials: string[]; readOnly: boolean; onChange: (part: Partial<Key>) => void }) {
  const ways = credentials.flatMap((extra) => WAYS[extra] ?? []);
  const given = entry.credential as (Record<string, string | null> & { type: string }) | null | undefined;
  const way = ways.find((each) => each.type === given?.type);
  const set = (name: string, value: string) => {
    const next = { ...given, [name]: value } as Record<string, string | null> & { type: string };
    if (!value) delete next[name];
    onChange({ credential: next as Credentials });
  };
  const masked = (entry.value ?? "").startsWith("...");
  return (
    <>
      {ways.length || given ? (
        <Select
          label="Kind of credential"
          data={[{ value: "", label: "Key as text" }, ...ways.map((each) => ({ value: each.type, label: each.label })), ...(given && !way ? [{ value: given.type, label: given.type }] : [])]}
          value={given?.type ?? ""}
          allowDeselect={false}
          disabled={readOnly}
          onChange={(type) => onChange(type ? { credential: { type } as Credentials, value: null } : { credential: null, value: "" })}
        />
      ) : null}
      {given ? (
        (way?.members ?? []).map((member) =>
          member.long ? (
            <Textarea key={member.name} label={member.label} autosize minRows={2} maxRows={8} value={given[member.name] ?? ""} onChange={(event) => set(member.name, event.currentTarget.value)} />
          ) : member.secret ? (
            <PasswordInput key={member.name} label={member.label} autoComplete="off" value={given[member.name] ?? ""} onChange={(event) => set(member.name, event.currentTarget.value)} />
          ) : (
            <TextInput key={member.name} label={member.label} value={given[member.name] ?? ""} onChange={(event) => set(member.name, event.currentTarget.value)} />
          ),
        )
      ) : masked ? (
        <TextInput
          label="Value"
          description="Stored encrypted. Type another one to rotate it; records and health go on."
          value={entry.value ?? ""}
          onFocus={(event) => event.currentTarget.select()}
          onChange={(event) => onChange({ value: event.currentTarget.value })}
          autoComplete="off"
        />
      ) : (
        <PasswordInput label="Value" description="Stored encrypted; only its last characters are shown again." value={entry.value ?? ""} onChange={(event) => onChange({ value: event.currentTarget.value })} autoComplete="off" required={!readOnly} />
      )}
    </>
  );
}

function freeName(keys: Key[]): string {
  for (let number = keys.length + 1; ; number += 1) {
    if (!keys.some((key) => key.name === `key-${number}`)) return `key-${number}`;
  }
}
