import { Accordion, Button, NumberInput, SegmentedControl, Select, Stack, Switch, TagsInput, Text, Textarea } from "@mantine/core";
import { type Dialect, type Parameters, SAMPLE_TOOLS, toolsIn } from "./conversation";
import { DIALECTS, dialectOf } from "./dialects";

interface Props {
  value: Parameters;
  onChange: (change: Partial<Parameters>) => void;
}

/** System prompt, parameters and tools: the same for all conversations. */
export function SettingsPanel({ value, onChange }: Props) {
  const without = new Set(dialectOf(value.dialect).without);
  const wrong = toolsWrong(value.tools);
  const number = (label: string, member: "temperature" | "topP" | "maxTokens" | "seed", rest: { min?: number; max?: number; step?: number; allowDecimal?: boolean; disabled?: boolean }) => (
    <NumberInput label={label} placeholder="as the model has it" size="sm" value={value[member] ?? ""} onChange={(next) => onChange({ [member]: next === "" ? null : Number(next) })} {...rest} />
  );
  return (
    <Stack gap="sm">
      <Textarea label="System prompt" placeholder="You are …" autosize minRows={2} maxRows={10} size="sm" value={value.system} onChange={(event) => onChange({ system: event.currentTarget.value })} />
      <Switch label="Stream" checked={value.stream} onChange={(event) => onChange({ stream: event.currentTarget.checked })} />
      <Accordion multiple variant="separated" defaultValue={["parameters"]} chevronPosition="left" classNames={{ content: "settings-content" }} order={2}>
        <Accordion.Item value="parameters">
          <Accordion.Control>Parameters</Accordion.Control>
          <Accordion.Panel>
            <Stack gap="sm">
              {number("Temperature", "temperature", { min: 0, max: 2, step: 0.1 })}
              {number("Top p", "topP", { min: 0, max: 1, step: 0.05 })}
              {number("Most tokens of the answer", "maxTokens", { min: 1, allowDecimal: false })}
              {number("Seed", "seed", { allowDecimal: false, disabled: without.has("seed") })}
              <TagsInput label="Stop at" placeholder={value.stop.length ? "" : "Enter after each"} size="sm" maxTags={4} value={value.stop} onChange={(stop) => onChange({ stop })} disabled={without.has("stop")} />
              <Select
                label="Reasoning effort"
                size="sm"
                placeholder="as the model has it"
                clearable
                clearButtonProps={{ "aria-label": "As the model has it" }}
                data={["minimal", "low", "medium", "high"]}
                value={value.effort || null}
                onChange={(effort) => onChange({ effort: (effort ?? "") as Parameters["effort"] })}
                disabled={without.has("effort")}
              />
              <Switch label="Answer in JSON" checked={value.json} onChange={(event) => onChange({ json: event.currentTarget.checked })} disabled={without.has("json")} />
              {without.size ? (
                <Text size="xs" c="dimmed">
                  What is disabled has no place in this dialect.
                </Text>
              ) : null}
            </Stack>
          </Accordion.Panel>
        </Accordion.Item>
        <Accordion.Item value="tools">
          <Accordion.Control>Tools{value.tools.trim() && !wrong ? ` (${toolsIn(value.tools).length})` : ""}</Accordion.Control>
          <Accordion.Panel>
            <Stack gap="xs">
              <Textarea
                label="Functions that the model may call"
                description="JSON, in OpenAI's form. You play the tools: calls are shown, and what you answer is sent back."
                autosize
                minRows={3}
                maxRows={16}
                size="xs"
                classNames={{ input: "mono" }}
                spellCheck={false}
                value={value.tools}
                onChange={(event) => onChange({ tools: event.currentTarget.value })}
                error={wrong}
              />
              {value.tools.trim() ? null : (
                <Button size="compact-sm" variant="light" onClick={() => onChange({ tools: SAMPLE_TOOLS })}>
                  Insert a sample
                </Button>
              )}
            </Stack>
          </Accordion.Panel>
        </Accordion.Item>
        <Accordion.Item value="way">
          <Accordion.Control>Way of asking</Accordion.Control>
          <Accordion.Panel>
            <Stack gap="sm">
              <Select label="Dialect" size="sm" data={DIALECTS} value={value.dialect} onChange={(dialect) => onChange({ dialect: (dialect ?? "chat") as Dialect })} allowDeselect={false} />
              <div>
                <Text size="sm" fw={500} id="cache-label">
                  Cache
                </Text>
                <SegmentedControl
                  fullWidth
                  size="xs"
                  aria-labelledby="cache-label"
                  data={[
                    { value: "", label: "usual" },
                    { value: "off", label: "off" },
                    { value: "read", label: "read" },
                    { value: "refresh", label: "refresh" },
                  ]}
                  value={value.cache}
                  onChange={(cache) => onChange({ cache: cache as Parameters["cache"] })}
                />
              </div>
            </Stack>
          </Accordion.Panel>
        </Accordion.Item>
      </Accordion>
    </Stack>
  );
}

export function toolsWrong(text: string): string | null {
  try {
    toolsIn(text);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
