/** A spec as JSON, for what a form has no field for: nothing that is in it gets lost. */
import { Textarea } from "@mantine/core";
import { useState } from "react";

interface RawProps {
  label?: string;
  value: object;
  onChange: (value: Record<string, unknown>) => void;
  readOnly?: boolean;
}

export function RawSpec({ label = "Spec as JSON", value, onChange, readOnly = false }: RawProps) {
  // While it is typed the text is the typist's own; valid JSON is taken over at once.
  const [typed, setTyped] = useState<string | null>(null);
  const [error, setError] = useState("");
  return (
    <Textarea
      label={label}
      autosize
      minRows={6}
      maxRows={24}
      spellCheck={false}
      readOnly={readOnly}
      styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12 } }}
      value={typed ?? JSON.stringify(value, null, 2)}
      error={error || null}
      onChange={(event) => {
        const text = event.currentTarget.value;
        setTyped(text);
        try {
          const found: unknown = JSON.parse(text);
          if (typeof found !== "object" || found === null || Array.isArray(found)) throw new Error("An object is wanted.");
          setError("");
          onChange(found as Record<string, unknown>);
        } catch (failure) {
          setError(`Not taken over: ${(failure as Error).message}`);
        }
      }}
      onBlur={() => { if (!error) setTyped(null); }}
    />
  );
}
