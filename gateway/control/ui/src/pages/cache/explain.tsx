import { Alert, Badge, Button, Code, Group, JsonInput, PasswordInput, Stack, Table, Text } from "@mantine/core";
import { useState } from "react";
import { Explained, duration, fetched, useMe } from "../../parts";
import { ChartPanel } from "../../parts/charts";
import { askGateway } from "../playground/asking";
import { Nearest, type SimilarTold } from "./nearest";

const SAMPLE = `{
  "model": "provider/model",
  "messages": [{ "role": "user", "content": "What is the capital of France?" }]
}`;

interface Explanation {
  verdict: string;
  because: string | null;
  key: { shared_by: string; partition: string | null; leads_to: string[]; form: string | null } | null;
  exact: { usable: boolean; because: string | null; age_s: number; provider: string | null; model: string | null } | null;
  under_way: boolean;
  similar: SimilarTold | null;
}

/** What the cache would say of a request. */
export function ExplainForm() {
  const me = useMe();
  const [text, setText] = useState(SAMPLE);
  const [key, setKey] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const [found, setFound] = useState<Explanation | null>(null);
  // With a key of one's own anybody may ask.
  const why = key ? undefined : me.mayNot("operator");

  const ask = async () => {
    setBusy(true);
    setError("");
    setFound(null);
    try {
      const body = JSON.parse(text) as unknown;
      const headers = { "x-microgate-cache": "explain" };
      const response = key
        ? await fetched("/v1/chat/completions", { method: "POST", credentials: "omit", headers: { ...headers, authorization: `Bearer ${key}`, "content-type": "application/json" }, body: JSON.stringify(body) })
        : await askGateway("/v1/chat/completions", body, headers);
      const answer = (await response.json()) as Explanation & { error?: { message: string } };
      if (!response.ok) throw new Error(answer.error?.message ?? `The gateway answered ${response.status}.`);
      setFound(answer);
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
    } finally {
      setBusy(false);
    }
  };

  return (
    <ChartPanel title="Explain a request">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <Stack gap="sm">
          <JsonInput label="Body of a chat request" autosize minRows={5} maxRows={16} validationError="This is no JSON" classNames={{ input: "cache-json" }} value={text} onChange={setText} />
          <PasswordInput label="Virtual key" description="Whose answers are looked at; empty: that of your playground. It stays in this page." autoComplete="off" value={key} onChange={(event) => setKey(event.currentTarget.value)} />
          <Group>
            <Explained why={why}>
              <Button type="submit" variant="light" loading={busy} disabled={why !== undefined}>
                Explain
              </Button>
            </Explained>
            <Text size="xs" c="dimmed">
              No provider is asked but the one that embeds; nothing is counted.
            </Text>
          </Group>
          {error ? (
            <Alert color="red" title="Not explained" role="alert">
              {error}
            </Alert>
          ) : null}
          {found ? <Told found={found} /> : null}
        </Stack>
      </form>
    </ChartPanel>
  );
}

function Told({ found }: { found: Explanation }) {
  const rows: [string, string][] = [
    ["Shared by", found.key ? `${found.key.shared_by}${found.key.partition ? `, partition ${found.key.partition}` : ""}` : ""],
    ["Leads to", found.key?.leads_to.join(", ") ?? ""],
    ["Equal request", found.exact ? `${duration(found.exact.age_s * 1e6)} old, by ${found.exact.provider}/${found.exact.model}${found.exact.usable ? "" : `: ${found.exact.because}`}` : found.key ? "none is kept" : ""],
    ["Under way", found.under_way ? "an equal request, whose answer it would share" : ""],
  ];
  return (
    <Stack gap="xs" role="status">
      <Group gap="xs">
        <Badge variant="light" tt="none" size="lg" color={found.verdict.startsWith("hit") || found.verdict === "joined" ? "teal" : "gray"}>
          {found.verdict}
        </Badge>
        {found.because ? <Text size="sm">{found.because}</Text> : null}
      </Group>
      <Table aria-label="Why">
        <Table.Tbody>
          {rows
            .filter(([, value]) => value)
            .map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Th scope="row">{name}</Table.Th>
                <Table.Td className="cache-value">{value}</Table.Td>
              </Table.Tr>
            ))}
        </Table.Tbody>
      </Table>
      {found.similar ? <Nearest told={found.similar} /> : null}
      {found.key?.form ? (
        <details>
          <summary>
            <Text span size="xs" c="dimmed">
              Canonical form
            </Text>
          </summary>
          <Code block className="cache-value">
            {found.key.form}
          </Code>
        </details>
      ) : null}
    </Stack>
  );
}
