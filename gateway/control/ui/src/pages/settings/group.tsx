import { Alert, Button, Checkbox, Group, JsonInput, Paper, SegmentedControl, Skeleton, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import { ConfirmButton, ConflictNotice, ErrorNotice, Explained, LatestChange, TimeAgo, useMe } from "../../parts";
import { type Spec, type Stored, useResetSettings, useSaveSettings } from "./data";
import { FieldRow } from "./field";
import { type GroupShape } from "./schema";

interface Props {
  title: string;
  group: Stored;
  shape: GroupShape | undefined;
  /** What is edited; undefined: nothing was changed yet. */
  draft: Spec | undefined;
  /** The version that the draft is based on. */
  onDraft: (draft: Spec | undefined) => void;
  reload: () => Promise<Stored | undefined>;
}

/** A group of settings: each member with what is stored, what the file gives and what holds. */
export function GroupForm({ title, group, shape, draft, onDraft, reload }: Props) {
  const me = useMe();
  const save = useSaveSettings();
  const reset = useResetSettings();
  const [view, setView] = useState("form");
  const [version, setVersion] = useState(group.version);
  const [confirmed, setConfirmed] = useState(false);
  const why = me.mayNot("admin");
  const spec = draft ?? storedIn(group);
  const text = (draft as { raw?: string } | undefined)?.raw;

  const set = (name: string, value: unknown) => {
    const next = { ...spec, [name]: value };
    if (value === undefined) delete next[name];
    if (draft === undefined) setVersion(group.version);
    onDraft(JSON.stringify(next) === JSON.stringify(storedIn(group)) ? undefined : next);
  };
  const submit = async () => {
    let sent = spec;
    if (text !== undefined) {
      try {
        sent = JSON.parse(text || "{}") as Spec;
      } catch {
        return;
      }
    }
    await save.mutateAsync({ name: group.name, version: draft === undefined ? group.version : version, spec: sent, confirmed: confirmed && namesStore(spec) }).then(
      () => onDraft(undefined),
      // The notice below says what is wrong.
      () => undefined,
    );
  };
  const loadTheirs = () => void reload().then((now) => {
    onDraft(undefined);
    if (now) setVersion(now.version);
    save.reset();
  });
  const keepEditing = () => void reload().then((now) => {
    if (now) setVersion(now.version);
    save.reset();
  });

  return (
    <Paper withBorder p="md" component="form" aria-labelledby="group-title" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
      <Group justify="space-between" align="flex-start" mb="sm" wrap="wrap">
        <div>
          <Title order={2} size="h4" id="group-title">
            {title}
          </Title>
          <Text size="sm" c="dimmed">
            {group.name === "accounting" ? "Money and the calendar." : shape?.description}
            {group.updated_at ? (
              <>
                {" "}
                Changed <TimeAgo value={group.updated_at} />, version {group.version}.
              </>
            ) : null}
          </Text>
        </div>
        <SegmentedControl
          size="xs"
          aria-label="How it is edited"
          data={[
            { value: "form", label: "Form" },
            { value: "json", label: "JSON" },
          ]}
          value={view}
          onChange={(next) => {
            if (text !== undefined) onDraft(read(text));
            setView(next);
          }}
        />
      </Group>
      {group.state === "unusable" ? (
        <Alert color="orange" title="What is stored cannot be used" mb="md">
          Nothing of it is in force: {group.problem}. Change it, or reset the group.
        </Alert>
      ) : null}
      {shape === undefined ? (
        <Stack>
          {Array.from({ length: 4 }, (_, line) => (
            <Skeleton key={line} height={44} />
          ))}
        </Stack>
      ) : view === "json" ? (
        <JsonInput
          label="What is stored"
          description="The whole group; what is left out has the file's value, or its default."
          validationError="This is no JSON"
          autosize
          minRows={10}
          disabled={why !== undefined}
          classNames={{ input: "setting-json" }}
          value={text ?? JSON.stringify(spec, null, 2)}
          onChange={(raw) => {
            if (draft === undefined) setVersion(group.version);
            onDraft({ raw } as Spec);
          }}
        />
      ) : (
        <div>
          {shape.fields.map((field) => (
            <FieldRow key={field.name} field={field} value={spec[field.name]} kept={storedIn(group)[field.name]} inForce={group.in_force[field.name]} ofFile={group.file[field.name]} disabled={why !== undefined} onChange={(value) => set(field.name, value)} />
          ))}
        </div>
      )}
      <Stack mt="md" gap="sm">
        {save.error?.isConflict ? (
          <ConflictNotice error={save.error} what={`the settings “${title}”`} onLoadTheirs={loadTheirs} onKeepEditing={keepEditing}>
            <LatestChange kind="setting" name={group.name} />
          </ConflictNotice>
        ) : (
          <ErrorNotice error={save.error ?? reset.error} title="Not saved" />
        )}
        {group.name === "cache" && draft !== undefined && namesStore(spec) ? (
          <Checkbox
            checked={confirmed}
            onChange={(event) => setConfirmed(event.currentTarget.checked)}
            disabled={why !== undefined}
            label="The store is meant, though it lies in a private network or is spoken to without TLS"
          />
        ) : null}
        <Group justify="space-between" className="form-buttons">
          {group.version > 0 ? (
            <ConfirmButton
              size="sm"
              title={`Reset ${title}?`}
              message="Everything that is stored of this group goes; what the file gives stays, and the rest has its default."
              confirm="Reset"
              why={why}
              onConfirm={() => reset.mutateAsync(group).then(() => onDraft(undefined))}
            >
              Reset to the defaults
            </ConfirmButton>
          ) : (
            <Text size="sm" c="dimmed">
              Nothing is set here: the file and the defaults hold.
            </Text>
          )}
          <Group gap="xs">
            <Button variant="default" disabled={draft === undefined} onClick={() => { onDraft(undefined); save.reset(); }}>
              Discard
            </Button>
            <Explained why={why}>
              <Button type="submit" loading={save.isPending} disabled={draft === undefined || why !== undefined}>
                Save
              </Button>
            </Explained>
          </Group>
        </Group>
      </Stack>
    </Paper>
  );
}

/** Whether a cache is kept in a server. */
function namesStore(spec: Spec): boolean {
  const raw = (spec as { raw?: string }).raw;
  return raw === undefined ? Boolean(spec["store"] || (spec["semantic"] as Spec | undefined)?.["store"]) : raw.includes('"store"');
}

/** Members that are stored, without those that are not given. */
export function storedIn(group: Stored): Spec {
  return Object.fromEntries(Object.entries(group.spec ?? {}).filter(([, value]) => value !== null && value !== undefined));
}

/** The group with members of an object changed; nothing where the file gives it, or where it is so already. */
export function proposed(group: Stored, change: Spec): Spec | undefined {
  const stored = storedIn(group);
  if (Object.keys(change).some((name) => group.file[name] !== null && group.file[name] !== undefined)) return undefined;
  const changed = { ...stored, ...Object.fromEntries(Object.entries(change).map(([name, part]) => [name, { ...(stored[name] as object | undefined), ...(part as object) }])) };
  return JSON.stringify(changed) === JSON.stringify(stored) ? undefined : changed;
}

function read(text: string): Spec | undefined {
  try {
    return JSON.parse(text) as Spec;
  } catch {
    return undefined;
  }
}
