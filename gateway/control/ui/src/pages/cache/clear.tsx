import { Select, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ConfirmButton, type Kind, api, count, done, failed, told, useEntities, useMe } from "../../parts";
import { ChartPanel } from "../../parts/charts";

type Whose = "all" | "virtual_key" | "team" | "customer";

const WHOSE: { value: Whose; label: string; kind?: Kind }[] = [
  { value: "virtual_key", label: "One virtual key", kind: "virtual-keys" },
  { value: "team", label: "One team", kind: "teams" },
  { value: "customer", label: "One customer", kind: "customers" },
  { value: "all", label: "Everything" },
];

/** Have the cache forget answers. */
export function ClearForm() {
  const me = useMe();
  const client = useQueryClient();
  const [whose, setWhose] = useState<Whose>("virtual_key");
  const [name, setName] = useState<string | null>(null);
  const [partition, setPartition] = useState("");
  const [note, setNote] = useState("");
  const kind = WHOSE.find((each) => each.value === whose)?.kind;
  const { data } = useEntities(kind ?? "virtual-keys", { enabled: kind !== undefined });

  const clear = async () => {
    const body = whose === "all" ? {} : { [whose]: name, ...(partition ? { partition } : {}) };
    try {
      const answer = await told(api.POST("/api/cache/clear", { body }));
      done(`${count(answer.forgotten)} forgotten: answers, and questions kept beside them`);
      setNote(answer.note);
      await client.invalidateQueries({ queryKey: ["cache"] });
    } catch (error) {
      failed("Nothing was forgotten", error);
      throw error;
    }
  };

  return (
    <ChartPanel title="Forget answers">
      <Stack gap="sm" align="flex-start">
        <Select label="Of whom" w="100%" allowDeselect={false} data={WHOSE.map(({ value, label }) => ({ value, label }))} value={whose} onChange={(next) => { setWhose((next ?? "virtual_key") as Whose); setName(null); }} />
        {kind ? (
          <>
            <Select label="Name" w="100%" searchable placeholder="Choose one" data={[...new Set((data ?? []).map((entity) => entity.name))]} value={name} onChange={setName} nothingFoundMessage="There is none" />
            <TextInput label="Partition" w="100%" description="Only what callers keep apart under this x-microgate-cache-scope; empty: what they do not" value={partition} onChange={(event) => setPartition(event.currentTarget.value)} />
          </>
        ) : null}
        {note ? (
          <Text size="sm" role="status">
            {note}
          </Text>
        ) : null}
        <ConfirmButton
          title={whose === "all" ? "Forget all answers?" : `Forget the answers of ${name ?? ""}?`}
          message="Whoever asks next is answered by a provider, which costs what it costs. This cannot be taken back."
          confirm="Forget"
          why={me.mayNot("operator")}
          disabled={kind !== undefined && name === null}
          onConfirm={clear}
          {...(whose === "all" ? { typed: "everything" } : {})}
        >
          Forget …
        </ConfirmButton>
      </Stack>
    </ChartPanel>
  );
}
