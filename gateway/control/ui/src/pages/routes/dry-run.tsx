/** Where would this request go? Asked of the gateway with the route as it stands in the form. */
import { Alert, Badge, Button, Group, JsonInput, NumberInput, Paper, Select, Stack, Switch, Text, TextInput, Timeline } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { IconArrowRight, IconBan, IconCheck, IconPlayerPlay } from "@tabler/icons-react";
import { useState } from "react";
import { type ApiError, type Draft, EmptyState, ErrorNotice, Money, type Schemas, duration, json } from "../../parts";
import { KeyPicker } from "../keys/picker";
import { BECAUSE, OPERATIONS, PASSED } from "./words";

type Explanation = Schemas["RouteExplanation"];
type Question = Partial<Schemas["RouteQuestion"]>;

/** `route`: not stored yet; undefined: as it is in force. `model`: fixed when given. */
export function DryRun({ model, route }: { model?: string; route?: Draft<"routes"> | undefined }) {
  const [asked, setAsked] = useState(model ?? "");
  const [key, setKey] = useState<string | null>(null);
  const [operation, setOperation] = useState("chat");
  const [stream, setStream] = useState(false);
  const [most, setMost] = useState<number | null>(null);
  const [body, setBody] = useState("");
  const [headers, setHeaders] = useState("");
  const run = useMutation<Explanation, ApiError, Question>({ mutationFn: (question) => json("POST", "/api/routes/explain", question) });

  /** Undefined: the body is no JSON. */
  const question = (): Question | undefined => {
    let said: unknown;
    try {
      said = body.trim() ? JSON.parse(body) : undefined;
    } catch {
      return undefined;
    }
    const fields = Object.fromEntries(
      headers.split("\n").map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()] as const).filter(([name]) => name),
    );
    return {
      model: model ?? asked,
      operation: operation as never,
      stream,
      ...(key ? { virtual_key: key } : {}),
      ...(most === null ? {} : { max_tokens: most }),
      ...(said ? { body: said as Record<string, never> } : {}),
      ...(Object.keys(fields).length ? { headers: fields } : {}),
      ...(route ? { route: route as never } : {}),
    };
  };
  const now = question();
  const old = run.data !== undefined && JSON.stringify(now) !== JSON.stringify(run.variables);

  return (
    <Paper withBorder p="md" component="section" aria-label="Dry run">
      <Stack gap="sm">
        <div>
          <Text fw={600}>Where would this request go?</Text>
          <Text size="sm" c="dimmed">
            {route ? "With the route as it stands here, saved or not. " : ""}No provider is asked, nothing is counted.
          </Text>
        </div>
        {model === undefined ? <TextInput label="Model" placeholder="fast, or openai/gpt-4o-mini" value={asked} onChange={(event) => setAsked(event.currentTarget.value)} /> : null}
        <KeyPicker value={key} onChange={setKey} label="Virtual key that asks" placeholder="Anybody, without limits" />
        <Group align="flex-end" gap="sm">
          <Select label="Operation" data={OPERATIONS} value={operation} onChange={(value) => setOperation(value ?? "chat")} allowDeselect={false} flex="1 1 160px" />
          <NumberInput label="max_tokens" placeholder="not said" min={0} value={most ?? ""} onChange={(value) => setMost(value === "" ? null : Number(value))} w={120} hideControls />
          <Switch label="Streamed" checked={stream} onChange={(event) => setStream(event.currentTarget.checked)} pb={8} />
        </Group>
        <JsonInput label="Body" placeholder='{"messages": [{"role": "user", "content": "…"}]}' autosize minRows={2} maxRows={10} value={body} onChange={setBody} validationError="This is no JSON" spellCheck={false} />
        <TextInput label="Header fields" placeholder="x-microgate-session: ann" value={headers} onChange={(event) => setHeaders(event.currentTarget.value)} />
        <Group>
          <Button leftSection={<IconPlayerPlay size={16} aria-hidden />} onClick={() => now && run.mutate(now)} loading={run.isPending} disabled={!(model ?? asked) || !now}>
            Dry run
          </Button>
        </Group>
        <div aria-live="polite">
          <ErrorNotice error={run.error} title="This cannot be run" />
          {old && !run.isPending ? (
            <Text size="sm" c="dimmed" mb="xs">
              Told before the latest changes: run it anew.
            </Text>
          ) : null}
          {run.data ? <Told found={run.data} /> : run.error ? null : <EmptyState title="Nothing asked yet">The steps that a request would take appear here, with the reason for each.</EmptyState>}
        </div>
      </Stack>
    </Paper>
  );
}

function Told({ found }: { found: Explanation }) {
  const asked = found.targets.filter((each) => each.order !== null).sort((a, b) => (a.order ?? 0) - (b.order ?? 0));
  const passed = found.targets.filter((each) => each.order === null);
  return (
    <Stack gap="sm">
      {found.refusal ? (
        <Alert color="red" icon={<IconBan aria-hidden />} title={`The caller is answered ${found.refusal.status}`}>
          {found.refusal.message}
        </Alert>
      ) : null}
      <Group gap={6}>
        {found.route ? <Badge variant="light" tt="none">route {found.route}</Badge> : null}
        {found.strategy ? <Badge variant="light" color="gray" tt="none">{found.strategy}</Badge> : null}
        {found.drawn ? <Badge variant="light" color="orange" tt="none">drawn by lot</Badge> : null}
        {found.targets.length ? <Badge variant="light" color="gray" tt="none">≈ {found.prompt_tokens} + {found.completion_tokens} tokens</Badge> : null}
      </Group>
      {asked.length ? (
        <Timeline active={0} bulletSize={26} lineWidth={2}>
          {asked.map((each, at) => (
            <Timeline.Item key={`${each.index}`} bullet={at === 0 ? <IconCheck size={14} aria-hidden /> : <IconArrowRight size={14} aria-hidden />} title={<Text fw={600} size="sm">{each.target}</Text>}>
              <Text size="sm">{at === 0 ? `Asked first: ${BECAUSE[found.because ?? ""] ?? found.because ?? ""}` : each.fallback ? "Asked when those before failed: a fallback" : "Asked when the one before failed"}</Text>
              <Facts target={each} />
            </Timeline.Item>
          ))}
        </Timeline>
      ) : null}
      {passed.length ? (
        <Stack gap={6}>
          <Text size="sm" fw={600}>Left out</Text>
          {passed.map((each) => (
            <div key={each.index}>
              <Text size="sm">
                <b>{each.target}</b>: {PASSED[each.passed ?? ""] ?? each.passed}
              </Text>
              <Facts target={each} />
            </div>
          ))}
        </Stack>
      ) : null}
      {found.limits.length ? (
        <Stack gap={4}>
          <Text size="sm" fw={600}>Limits of the key</Text>
          {found.limits.map((each, at) => (
            <Text size="sm" key={at} {...(each.refuses ? { c: "red" } : {})}>
              {each.level.replace("_", " ")} {each.name ?? ""}: {each.remaining} of {each.limit} {each.counts === "usd" ? "dollars" : each.counts.replace("_", " ")} left{each.window ? ` per ${each.window}` : ""}, this takes {each.needs}
              {each.refuses ? ": refused" : ""}
            </Text>
          ))}
        </Stack>
      ) : null}
    </Stack>
  );
}

function Facts({ target }: { target: Explanation["targets"][number] }) {
  const { health, keys, condition } = target;
  return (
    <Text size="xs" c="dimmed" component="div">
      {condition ? <div>Condition {condition.holds ? "holds" : `does not hold${condition.why ? `: ${condition.why}` : ""}`}</div> : null}
      <div>
        {health.state === "well" ? "well" : health.state === "out" ? `out for ${Math.ceil(health.out_for_s)} s` : "due for a probe"}
        {health.ttft_ms >= 0.1 ? `, first byte in ${duration(health.ttft_ms * 1000)}` : ""}, {keys.usable} of {keys.allowed} keys usable
        {" · "}
        {target.price_known ? <>foreseen <Money value={target.cost_nanodollars} /></> : "price not known"}
      </div>
      {target.limits.filter((each) => each.refuses).map((each, at) => (
        <div key={at}>
          Limit at this provider: {each.remaining} of {each.limit} {each.counts} left
        </div>
      ))}
    </Text>
  );
}
