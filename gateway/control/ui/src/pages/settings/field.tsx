import { Badge, JsonInput, NumberInput, Select, TagsInput, Text, TextInput, Tooltip } from "@mantine/core";
import { IconLock } from "@tabler/icons-react";
import { EmbedderPicker } from "./embedder";
import { type Field, labelOf, shown } from "./schema";

interface Props {
  field: Field;
  /** As it is edited; undefined: nothing is given. */
  value: unknown;
  /** As it is stored; undefined: nothing is. */
  kept: unknown;
  inForce: unknown;
  ofFile: unknown;
  disabled: boolean;
  onChange: (value: unknown) => void;
  /** Of a member of an object: what its id begins with. */
  within?: string;
}

/** One member: what it means, what is stored of it, what holds and why. */
export function FieldRow({ field, value, kept, inForce, ofFile, disabled, onChange, within = "" }: Props) {
  const declared = ofFile !== null && ofFile !== undefined;
  const label = labelOf(field.name);
  const id = `setting-${within}${field.name}`;
  if (field.kind === "object" && !declared) return <Members field={field} value={value} kept={kept} inForce={inForce} disabled={disabled} onChange={onChange} within={`${within}${field.name}-`} />;
  return (
    <div className="setting">
      <div className="setting-words">
        <Text size="sm" fw={600} component="label" htmlFor={id}>
          {label}
        </Text>
        <Text size="xs" c="dimmed">
          {field.description}
        </Text>
      </div>
      <div className="setting-editor">
        {declared ? (
          <Tooltip label="The configuration file gives it; it is changed there.">
            <TextInput id={id} size="sm" readOnly variant="filled" value={shown(field, ofFile)} leftSection={<IconLock size={14} aria-hidden />} rightSectionWidth={52} rightSection={<Badge size="xs" variant="light" color="gray">file</Badge>} />
          </Tooltip>
        ) : (
          <Editor id={id} field={field} value={value} placeholder={shown(field, inForce)} disabled={disabled} onChange={onChange} />
        )}
      </div>
      <div className="setting-holds">
        <Text size="xs" c="dimmed" span>
          in force
        </Text>
        <Text size="sm" span className="setting-value" data-in-force={field.name}>
          {shown(field, inForce)}
        </Text>
        <Text size="xs" c="dimmed" span>
          {declared ? "file" : kept === undefined || kept === null ? "default" : "stored"}
        </Text>
      </div>
    </div>
  );
}

/** An object: a row for each of its members. Without any of them nothing of it is stored. */
function Members({ field, value, kept, inForce, disabled, onChange, within }: Omit<Props, "ofFile">) {
  const edited = isObject(value) ? value : {};
  const stored = isObject(kept) ? kept : {};
  const holds = isObject(inForce) ? inForce : undefined;
  const set = (name: string, next: unknown) => {
    const changed = { ...edited, [name]: next };
    if (next === undefined) delete changed[name];
    onChange(Object.keys(changed).length ? changed : undefined);
  };
  return (
    <fieldset className="setting-object">
      <legend>
        <Text size="sm" fw={600} span>
          {labelOf(field.name)}
        </Text>
        <Text size="xs" c="dimmed" span>
          {field.description}
          {holds ? "" : " Nothing of it is in force."}
        </Text>
      </legend>
      {field.fields.map((each) => (
        <FieldRow
          key={each.name}
          field={each}
          value={edited[each.name]}
          kept={stored[each.name]}
          inForce={holds && (holds[each.name] ?? each.usual)}
          ofFile={undefined}
          disabled={disabled}
          onChange={(next) => set(each.name, next)}
          within={within}
        />
      ))}
    </fieldset>
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface Editing {
  id: string;
  field: Field;
  value: unknown;
  placeholder: string;
  disabled: boolean;
  onChange: (value: unknown) => void;
}

function Editor({ id, field, value, placeholder, disabled, onChange }: Editing) {
  const text = value === undefined || value === null ? "" : String(value);
  const shared = { id, size: "sm" as const, disabled, placeholder };
  if (field.name === "embedder") return <EmbedderPicker {...shared} value={text} onChange={(next) => onChange(next || undefined)} />;
  switch (field.kind) {
    case "switch":
      return (
        <Select
          {...shared}
          clearable
          clearButtonProps={{ "aria-label": "Reset to the default" }}
          data={[
            { value: "true", label: "on" },
            { value: "false", label: "off" },
          ]}
          value={text || null}
          onChange={(next) => onChange(next === null ? undefined : next === "true")}
        />
      );
    case "choice":
      return <Select {...shared} clearable clearButtonProps={{ "aria-label": "Reset to the default" }} data={field.choices} value={text || null} onChange={(next) => onChange(next ?? undefined)} />;
    case "number":
    case "whole":
      return (
        <NumberInput
          {...shared}
          allowDecimal={field.kind === "number"}
          min={field.minimum}
          max={field.maximum}
          value={typeof value === "number" ? value : ""}
          onChange={(next) => onChange(next === "" ? undefined : Number(next))}
        />
      );
    case "list":
      return (
        <TagsInput
          {...shared}
          placeholder={Array.isArray(value) && value.length ? "" : placeholder}
          value={Array.isArray(value) ? value.map(String) : []}
          onChange={(next) => onChange(next.length ? (field.numbers ? next.map(Number) : next) : undefined)}
          clearable
          clearButtonProps={{ "aria-label": "Reset to the default" }}
        />
      );
    case "json":
      return (
        <JsonInput
          {...shared}
          autosize
          minRows={2}
          maxRows={14}
          formatOnBlur
          validationError="This is no JSON"
          classNames={{ input: "setting-json" }}
          value={typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value, null, 2)}
          onChange={(next) => onChange(parsed(next))}
        />
      );
    default:
      return (
        <TextInput
          {...shared}
          value={text}
          onChange={(event) => onChange(event.currentTarget.value === "" ? undefined : event.currentTarget.value)}
          title={field.examples.length ? `For example ${field.examples.join(", ")}` : undefined}
        />
      );
  }
}

/** What is no JSON yet stays text until it is. */
function parsed(text: string): unknown {
  if (!text.trim()) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
