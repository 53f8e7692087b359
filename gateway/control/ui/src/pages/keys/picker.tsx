/** Choose a virtual key by typing a part of its name. */
import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { idOf, usePaged } from "./paged";

export function KeyPicker({ value, onChange, label, placeholder }: { value: string | null; onChange: (id: string | null) => void; label: string; placeholder: string }) {
  const [typed, setTyped] = useState("");
  const [search] = useDebouncedValue(typed, 250);
  const [chosen, setChosen] = useState<{ value: string; label: string } | null>(null);
  const { rows } = usePaged("virtual-keys", chosen?.label === search ? "" : search);
  const data = (rows ?? []).map((each) => ({ value: decodeURIComponent(idOf(each)), label: each.name }));
  if (chosen && !data.some((each) => each.value === chosen.value)) data.unshift(chosen);
  return (
    <Select
      label={label}
      placeholder={placeholder}
      searchable
      clearable
      clearButtonProps={{ "aria-label": `Clear ${label.toLowerCase()}` }}
      nothingFoundMessage="No key of this name"
      limit={50}
      data={data}
      value={value}
      searchValue={typed}
      onSearchChange={setTyped}
      onChange={(id, option) => {
        setChosen(id === null ? null : { value: option.value, label: option.label });
        onChange(id);
      }}
    />
  );
}
