import { Alert, Badge, Button, Code, Group, Loader, Stack, Tabs, Text } from "@mantine/core";
import { IconCircleCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { Copyable, Duration, ErrorNotice, Money, type Schemas, Tokens, api, fetched, told, useLive, useMe, useSave } from "../../parts";
import type { Model } from "./provider";

const LOOK_MS = 2_000;

/** A key that is shown once, the request to send with it, and the moment it arrives. */
export function FirstRequest({ model, onSeen }: { model: Model; onSeen: () => void }) {
  const me = useMe();
  const save = useSave("virtual-keys");
  const [key, setKey] = useState<{ name: string; value: string } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [seen, setSeen] = useState<Schemas["LogEntry"] | null>(null);
  const [sending, setSending] = useState(false);

  const onRequests = useCallback(
    (entries: Schemas["LogEntry"][]) => {
      const mine = entries.find((entry) => entry.virtual_key === key?.name && entry.kind === "exchange");
      if (mine) setSeen(mine);
    },
    [key],
  );
  const live = useLive({}, { onRequests }, key !== null);
  // What ended before the stream was open, or while it was lost, stands in the log.
  const logged = useQuery({
    queryKey: ["logs", "first", key?.name],
    queryFn: () => told(api.GET("/api/logs", { params: { query: { key: key?.name ?? "", limit: 1 } } })),
    enabled: key !== null && seen === null,
    refetchInterval: (query) => (query.state.data?.entries.length ? false : LOOK_MS),
  });
  const arrived = seen ?? logged.data?.entries[0];

  const make = async () => {
    setError(null);
    try {
      // A name nobody has yet: who goes through this twice wants a second key.
      const name = `first-${Date.now().toString(36)}`;
      const made = await save.mutateAsync({ name, spec: {} });
      setKey({ name: made.name, value: made.key ?? "" });
    } catch (failure) {
      setError(failure);
    }
  };
  const send = async () => {
    setSending(true);
    setError(null);
    try {
      await fetched("/v1/chat/completions", {
        method: "POST",
        headers: { authorization: `Bearer ${key?.value ?? ""}`, "content-type": "application/json" },
        body: JSON.stringify({ model: model.name, messages: [{ role: "user", content: "Hello, gateway" }] }),
      });
    } catch (failure) {
      setError(failure);
    } finally {
      setSending(false);
    }
  };

  if (key === null) {
    return (
      <Stack pt="md" align="flex-start">
        <Text size="sm">
          Programs ask the gateway with a <strong>virtual key</strong>; the vendor&apos;s own key never leaves it. Each can have models, limits and a budget of its own, and
          be revoked at once.
        </Text>
        <ErrorNotice error={error} title="No key was made" />
        <Button onClick={() => void make()} loading={save.isPending} disabled={!me.may("operator")}>
          Make a virtual key
        </Button>
      </Stack>
    );
  }

  return (
    <Stack pt="md">
      <Alert color="yellow" title="This key is shown now and never again">
        <Copyable value={key.value} label="Copy the key" />
      </Alert>
      <Tabs defaultValue="curl">
        <Tabs.List>
          <Tabs.Tab value="curl">curl</Tabs.Tab>
          <Tabs.Tab value="python">OpenAI SDK (Python)</Tabs.Tab>
          <Tabs.Tab value="node">OpenAI SDK (Node)</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="curl" pt="sm">
          <Copyable block label="Copy the command" value={curl(key.value, model.name)} />
        </Tabs.Panel>
        <Tabs.Panel value="python" pt="sm">
          <Copyable block label="Copy the program" value={python(key.value, model.name)} />
        </Tabs.Panel>
        <Tabs.Panel value="node" pt="sm">
          <Copyable block label="Copy the program" value={node(key.value, model.name)} />
        </Tabs.Panel>
      </Tabs>
      <ErrorNotice error={error} title="The request was answered with an error" />
      {arrived ? (
        <Alert color="green" icon={<IconCircleCheck aria-hidden />} title="It has arrived" role="status">
          <Stack gap="xs" align="flex-start">
            <Group gap="xs">
              <Badge color={arrived.status < 400 ? "green" : "red"} variant="light">
                {arrived.status}
              </Badge>
              <Code>{arrived.provider ? `${arrived.provider}/${arrived.target_model}` : arrived.model}</Code>
              <Text size="sm">
                in <Duration value={arrived.total_us} />, of which the gateway took <Duration value={arrived.gateway_us} />; <Tokens value={arrived.prompt_tokens + arrived.completion_tokens} />{" "}
                tokens, <Money value={arrived.cost_nanodollars} />
              </Text>
            </Group>
            <Button size="compact-md" onClick={onSeen}>
              Go on
            </Button>
          </Stack>
        </Alert>
      ) : (
        <Group>
          <Loader size="sm" aria-hidden />
          <Text size="sm" c="dimmed" role="status">
            {live === "lost" ? "The connection to the gateway is lost; trying again." : "Waiting for your request: run one of these in a terminal."}
          </Text>
          <Button variant="default" size="compact-md" loading={sending} onClick={() => void send()}>
            Or send it from here
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function curl(key: string, model: string): string {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "Hello, gateway" }] });
  return `curl ${window.location.origin}/v1/chat/completions \\\n  -H 'Authorization: Bearer ${key}' \\\n  -H 'Content-Type: application/json' \\\n  -d '${body.replaceAll("'", "'\\''")}'`;
}

function python(key: string, model: string): string {
  return `from openai import OpenAI\n\nclient = OpenAI(base_url="${window.location.origin}/v1", api_key="${key}")\nanswer = client.chat.completions.create(\n    model=${JSON.stringify(model)},\n    messages=[{"role": "user", "content": "Hello, gateway"}],\n)\nprint(answer.choices[0].message.content)`;
}

function node(key: string, model: string): string {
  return `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${window.location.origin}/v1", apiKey: "${key}" });\nconst answer = await client.chat.completions.create({\n  model: ${JSON.stringify(model)},\n  messages: [{ role: "user", content: "Hello, gateway" }],\n});\nconsole.log(answer.choices[0].message.content);`;
}
