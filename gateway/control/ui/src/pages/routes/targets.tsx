/** Targets or fallbacks in their order: what is asked, with which weight, on which condition. */
import { ActionIcon, Autocomplete, Button, Group, NumberInput, Paper, Select, Stack, Text, Textarea, Tooltip } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconPlus, IconTrash } from "@tabler/icons-react";
import { useId } from "react";
import { type Schemas } from "../../parts";

type Long = Schemas["TargetEntry"];
export type Target = string | (Partial<Long> & { provider: string; model: string });

/** Text stays text as long as nothing but provider and model is said. */
export function longOf(target: Target): Partial<Long> & { provider: string; model: string } {
  if (typeof target !== "string") return target;
  const at = target.indexOf("/");
  return { provider: at < 0 ? target : target.slice(0, at), model: at < 0 ? "" : target.slice(at + 1) };
}

function shortOf(target: Partial<Long> & { provider: string; model: string }): Target {
  const plain = (target.weight ?? 1) === 1 && !target.when;
  return plain && target.provider && target.model ? `${target.provider}/${target.model}` : target;
}

interface TargetsProps {
  title: string;
  about: string;
  one: string;
  targets: Target[];
  onChange: (targets: Target[]) => void;
  providers: { name: string; models: string[] }[];
  weighted: boolean;
  readOnly: boolean;
}

export function Targets({ title, about, one, targets, onChange, providers, weighted, readOnly }: TargetsProps) {
  const heading = useId();
  const change = (at: number, part: Partial<Long>) => onChange(targets.map((each, index) => (index === at ? shortOf({ ...longOf(each), ...part }) : each)));
  const move = (at: number, by: number) => {
    const next = [...targets];
    const [moved] = next.splice(at, 1);
    if (moved !== undefined) next.splice(at + by, 0, moved);
    onChange(next);
  };
  const total = targets.reduce((sum, each) => sum + (longOf(each).weight ?? 1), 0);
  const first = providers[0];
  return (
    <Stack gap="xs" component="section" aria-labelledby={heading}>
      <Group justify="space-between" align="flex-end" wrap="nowrap">
        <div>
          <Text fw={600} id={heading}>
            {title}
          </Text>
          <Text size="sm" c="dimmed">
            {about}
          </Text>
        </div>
        {readOnly ? null : (
          <Button size="xs" flex="none" variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => onChange([...targets, { provider: first?.name ?? "", model: "" }])}>
            Add
          </Button>
        )}
      </Group>
      {targets.map((target, at) => {
        const long = longOf(target);
        const name = `${one} ${at + 1}`;
        const models = providers.find((each) => each.name === long.provider)?.models ?? [];
        return (
          <Paper withBorder p="sm" key={at} role="group" aria-label={name}>
            <Group justify="space-between" mb={4} wrap="nowrap">
              <Text size="sm" c="dimmed">
                {one[0]?.toUpperCase()}
                {one.slice(1)} {at + 1}
              </Text>
              {readOnly ? null : (
                <Group gap={2} wrap="nowrap">
                  <Tooltip label="Move up">
                    <ActionIcon variant="subtle" size="lg" aria-label={`Move ${name} up`} disabled={at === 0} onClick={() => move(at, -1)}>
                      <IconArrowUp size={18} aria-hidden />
                    </ActionIcon>
                  </Tooltip>
                  <Tooltip label="Move down">
                    <ActionIcon variant="subtle" size="lg" aria-label={`Move ${name} down`} disabled={at === targets.length - 1} onClick={() => move(at, 1)}>
                      <IconArrowDown size={18} aria-hidden />
                    </ActionIcon>
                  </Tooltip>
                  <Tooltip label="Remove">
                    <ActionIcon variant="subtle" color="red" size="lg" aria-label={`Remove ${name}`} onClick={() => onChange(targets.filter((_, index) => index !== at))}>
                      <IconTrash size={18} aria-hidden />
                    </ActionIcon>
                  </Tooltip>
                </Group>
              )}
            </Group>
            <Group align="flex-end" gap="xs">
              <Select label="Provider" aria-label={`Provider of ${name}`} data={withOwn(providers.map((each) => each.name), long.provider)} value={long.provider || null} onChange={(value) => change(at, { provider: value ?? "" })} searchable w={150} disabled={readOnly} />
              <Autocomplete label="Model" aria-label={`Model of ${name}`} data={[...new Set(models)]} value={long.model} onChange={(value) => change(at, { model: value })} flex="1 1 160px" limit={50} disabled={readOnly} />
              {weighted ? (
                <NumberInput
                  label="Weight"
                  aria-label={`Weight of ${name}`}
                  min={0}
                  max={1_000_000}
                  value={long.weight ?? 1}
                  onChange={(value) => change(at, { weight: Number(value) || 0 })}
                  w={90}
                  rightSection={targets.length > 1 && total > 0 ? <Text size="xs" c="dimmed">{Math.round(((long.weight ?? 1) / total) * 100)}%</Text> : undefined}
                  rightSectionWidth={40}
                  hideControls
                />
              ) : null}
            </Group>
            <Textarea
              mt="xs"
              label="Only when"
              aria-label={`Condition of ${name}`}
              placeholder="Always. E.g. prompt_tokens < 8000 && stream"
              autosize
              minRows={1}
              maxRows={6}
              spellCheck={false}
              styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 } }}
              value={long.when ?? ""}
              onChange={(event) => change(at, { when: event.currentTarget.value })}
            />
          </Paper>
        );
      })}
    </Stack>
  );
}

function withOwn(names: string[], own: string): string[] {
  return own && !names.includes(own) ? [...names, own] : names;
}
