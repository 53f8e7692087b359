// Search, filters and the chips of those that are set.
import { ActionIcon, Autocomplete, Box, Button, Collapse, Group, NumberInput, Pill, Select, SimpleGrid, Switch, TextInput } from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import { IconAdjustmentsHorizontal, IconSearch, IconX } from "@tabler/icons-react";
import { type ReactNode, useRef, useState } from "react";

import { type Field, type Filters, asked, chip, choice, dollars, nanodollars } from "./filters";
import type { Names } from "./names";

interface Props {
  fields: readonly Field[];
  filters: Filters;
  names: Names;
  /** Name of a filter -> its new value; an empty one takes it away. */
  onChange: (changes: Filters) => void;
  onClear: () => void;
  /** What the search box is for; it is left out where nothing can be searched for. */
  search?: string;
  children?: ReactNode;
}

export function FilterBar({ fields, filters, names, onChange, onClear, search, children }: Props) {
  const [opened, { toggle }] = useDisclosure(false);
  const set = Object.entries(filters);
  return (
    <Box>
      <Group gap="xs" wrap="wrap">
        {search !== undefined && (
          <SearchBox key={`${filters.search}/${filters.request_id}`} label={search} filters={filters} onChange={onChange} />
        )}
        <Button
          variant={opened ? "light" : "default"}
          leftSection={<IconAdjustmentsHorizontal size={16} aria-hidden />}
          onClick={toggle}
          aria-expanded={opened}
        >
          Filters{set.length > 0 && ` (${set.length})`}
        </Button>
        {children}
      </Group>
      <Collapse in={opened}>
        <SimpleGrid cols={{ base: 2, sm: 3, lg: 4 }} mt="sm" spacing="sm" verticalSpacing="xs">
          {fields
            .filter(({ kind, name }) => kind !== "id" && name !== "search")
            .map((field) => (
              <Control
                key={`${field.name}=${filters[field.name] ?? ""}`}
                field={field}
                value={filters[field.name] ?? ""}
                options={names[field.name] ?? []}
                onChange={(value) => onChange({ [field.name]: value })}
              />
            ))}
        </SimpleGrid>
      </Collapse>
      {set.length > 0 && (
        <Group gap={6} mt="xs" role="group" aria-label="Filters that are set">
          {set.map(([name, value]) => (
            <Pill
              key={name}
              size="md"
              maw="100%"
              withRemoveButton
              onRemove={() => onChange({ [name]: "" })}
              removeButtonProps={{ "aria-label": `Remove the filter ${chip(name, value)}`, tabIndex: 0, "aria-hidden": false }}
            >
              {chip(name, value)}
            </Pill>
          ))}
          <Button variant="subtle" size="compact-sm" onClick={onClear}>
            Clear all
          </Button>
        </Group>
      )}
    </Box>
  );
}

function SearchBox({ label, filters, onChange }: { label: string; filters: Filters; onChange: Props["onChange"] }) {
  const input = useRef<HTMLInputElement>(null);
  const now = filters.search ?? filters.request_id ?? "";
  const [typed, setTyped] = useState(now);
  useHotkeys([["/", () => input.current?.focus()]]);
  const search = () => {
    const { name, value } = asked(typed);
    onChange({ search: "", request_id: "", [name]: value });
  };
  return (
    <Box
      component="form"
      role="search"
      flex="1 1 260px"
      onSubmit={(event) => {
        event.preventDefault();
        search();
      }}
    >
      <TextInput
        ref={input}
        type="search"
        aria-label={label}
        placeholder={`${label}  (/)`}
        leftSection={<IconSearch size={16} aria-hidden />}
        rightSection={
          now && (
            <ActionIcon variant="subtle" color="gray" size="sm" aria-label="Clear the search" onClick={() => onChange({ search: "", request_id: "" })}>
              <IconX size={14} aria-hidden />
            </ActionIcon>
          )
        }
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
      />
    </Box>
  );
}

interface ControlProps {
  field: Field;
  value: string;
  options: readonly string[];
  onChange: (value: string) => void;
}

/** One filter. What is typed counts when Enter is pressed or the field is left. */
function Control({ field, value, options, onChange }: ControlProps) {
  const [typed, setTyped] = useState(field.kind === "dollars" && value ? dollars(value) : value);
  const settle = (next: string) => {
    const meant = field.kind === "dollars" ? nanodollars(next) : next.trim();
    if (meant !== value) onChange(meant);
  };
  const leaving = {
    onBlur: () => settle(typed),
    onKeyDown: (event: { key: string }) => {
      if (event.key === "Enter") settle(typed);
    },
  };
  switch (field.kind) {
    case "yes":
      return (
        <Switch
          label={field.label}
          mt={28}
          checked={value === "true"}
          onChange={(event) => onChange(event.currentTarget.checked ? "true" : "")}
        />
      );
    case "choice":
      return (
        <Select
          label={field.label}
          placeholder="any"
          clearable
          searchable={(field.choices?.length ?? 0) > 8}
          data={(field.choices ?? []).map((each) => ({ value: each, label: choice(field.name, each) }))}
          value={value || null}
          onChange={(next) => onChange(next ?? "")}
        />
      );
    case "name":
      return (
        <Autocomplete
          label={field.label}
          placeholder="any"
          data={[...options]}
          limit={30}
          value={typed}
          onChange={setTyped}
          onOptionSubmit={settle}
          {...leaving}
        />
      );
    case "status":
      return (
        <Autocomplete
          label={field.label}
          placeholder="any"
          inputMode="numeric"
          data={["200", "400", "401", "403", "404", "429", "499", "500", "502", "503", "504"]}
          value={typed}
          onChange={(next) => setTyped(next.replace(/\D/g, "").slice(0, 3))}
          onOptionSubmit={settle}
          {...leaving}
        />
      );
    case "milliseconds":
    case "dollars":
      return (
        <NumberInput
          label={field.label}
          placeholder="any"
          min={0}
          hideControls
          decimalScale={field.kind === "dollars" ? 9 : 0}
          prefix={field.kind === "dollars" ? "$" : ""}
          suffix={field.kind === "milliseconds" ? " ms" : ""}
          value={typed}
          onChange={(next) => setTyped(String(next))}
          {...leaving}
        />
      );
    default:
      return (
        <TextInput
          label={field.label}
          placeholder="any"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          {...leaving}
        />
      );
  }
}
