/** What is done with several virtual keys at once. */
import { Button, Group, Paper, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ConfirmButton, type Entity, done, failed, json, undoable } from "../../parts";

type Key = Entity<"virtual-keys">;

/** So many are changed at the same time; each change is in force in every worker before it is answered. */
const AT_ONCE = 4;
/** Of what went wrong so many are named. */
const MOST_NAMED = 3;

interface Props {
  chosen: Key[];
  onDone: () => void;
}

export function Several({ chosen, onDone }: Props) {
  const client = useQueryClient();
  const [busy, setBusy] = useState("");
  const on = chosen.filter((each) => each.spec?.enabled !== false);
  const off = chosen.filter((each) => each.spec?.enabled === false);

  /** Answers with those that were changed, as they are now. */
  const each = async <T,>(keys: Key[], title: string, act: (key: Key) => Promise<T>): Promise<T[]> => {
    setBusy(title);
    const changed: T[] = [];
    const wrong: string[] = [];
    const left = [...keys];
    const work = async () => {
      for (let key = left.shift(); key !== undefined; key = left.shift()) {
        try {
          changed.push(await act(key));
        } catch (error) {
          wrong.push(`${key.name}: ${(error as Error).message}`);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    await client.invalidateQueries({ queryKey: ["entities"] });
    setBusy("");
    if (wrong.length) failed(`${title}: ${wrong.length} of ${keys.length} were not`, new Error(wrong.slice(0, MOST_NAMED).join("; ") + (wrong.length > MOST_NAMED ? "; …" : "")));
    return changed;
  };
  const enable = (keys: Key[], enabled: boolean) =>
    each(keys, enabled ? "Switch on" : "Switch off", (key) => json<Key>("PUT", key.path, { name: key.name, spec: { ...key.spec, enabled } }, { "if-match": `"${key.version}"` }));
  const change = async (keys: Key[], enabled: boolean) => {
    const changed = await enable(keys, enabled);
    onDone();
    if (changed.length) undoable(`${keysIn(changed.length)} switched ${enabled ? "on" : "off"}`, () => enable(changed, !enabled));
  };
  const revoke = async () => {
    const gone = await each(chosen, "Revoke", (key) => json("DELETE", key.path, undefined, { "if-match": `"${key.version}"` }));
    onDone();
    if (gone.length) done(`${keysIn(gone.length)} revoked`);
  };

  return (
    <Paper withBorder shadow="md" p="xs" role="group" aria-label="Chosen keys" className="chosen-bar">
      <Group gap="xs">
        <Text size="sm" fw={600} px="xs" role="status">
          {keysIn(chosen.length)} chosen
        </Text>
        <Button size="xs" variant="default" disabled={!off.length || busy !== ""} loading={busy === "Switch on"} onClick={() => void change(off, true)}>
          Switch on
        </Button>
        <Button size="xs" variant="default" disabled={!on.length || busy !== ""} loading={busy === "Switch off"} onClick={() => void change(on, false)}>
          Switch off
        </Button>
        <ConfirmButton
          size="xs"
          disabled={busy !== ""}
          title={`Revoke ${keysIn(chosen.length)}?`}
          message={`Whoever uses them is refused from the next request on: ${named(chosen)}. It cannot be taken back.`}
          confirm="Revoke"
          {...(chosen.length > 1 ? { typed: String(chosen.length) } : {})}
          onConfirm={revoke}
        >
          Revoke …
        </ConfirmButton>
        <Button size="xs" variant="subtle" onClick={onDone} disabled={busy !== ""}>
          Choose none
        </Button>
      </Group>
    </Paper>
  );
}

function keysIn(number: number): string {
  return number === 1 ? "1 key" : `${number} keys`;
}

function named(keys: Key[]): string {
  const names = keys.slice(0, 5).map((key) => key.name);
  return keys.length > names.length ? `${names.join(", ")} and ${keys.length - names.length} more` : names.join(", ");
}
