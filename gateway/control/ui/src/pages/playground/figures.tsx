import { Anchor, Badge, Group, Popover, Stack, Text, UnstyledButton } from "@mantine/core";
import { Link } from "react-router";
import { count, duration, money } from "../../parts";
import type { AnswerTurn } from "./conversation";

/** Tokens a second of an answer, once its first word has come. */
export function speed(turn: AnswerTurn): number | null {
  const { usage, firstMs, totalMs } = turn.measured;
  if (!usage || firstMs === null || totalMs === null || totalMs - firstMs < 1) return null;
  return usage.completion / ((totalMs - firstMs) / 1000);
}

/** What an answer took and cost, and which way it went. */
export function Figures({ turn }: { turn: AnswerTurn }) {
  const { measured } = turn;
  const { usage } = measured;
  const rate = speed(turn);
  const figures: [string, string, string][] = [
    ["first", measured.firstMs === null ? "" : duration(measured.firstMs * 1000), "Time to the first word"],
    ["total", measured.totalMs === null ? "" : duration(measured.totalMs * 1000), "The whole answer"],
    ["tokens", usage ? `${count(usage.prompt)} → ${count(usage.completion)}` : "", tokens(usage)],
    ["tok/s", rate === null ? "" : count(Math.round(rate * 10) / 10), "Tokens a second behind the first word"],
    ["cost", measured.unpriced ? "unknown" : measured.costNanodollars === null ? "" : money(measured.costNanodollars), measured.unpriced ? "Nobody knows what this model costs: Prices" : "What the request cost"],
    ["overhead", measured.overheadUs === null ? "" : duration(measured.overheadUs), "What the gateway itself took until the answer's head"],
  ];
  return (
    <Group gap="xs" className="answer-figures" component="footer" role="group" aria-label="Figures of this answer">
      {figures
        .filter(([, value]) => value !== "")
        .map(([name, value, title]) => (
          <Text key={name} size="xs" c="dimmed" title={title} data-figure={name}>
            {name} <b className="figure">{value}</b>
          </Text>
        ))}
      {measured.cache && measured.cache !== "bypass" ? (
        <Badge size="sm" tt="none" variant="light" color={measured.cache === "miss" ? "gray" : "teal"} title={measured.age ? `Made ${measured.age} s ago` : undefined}>
          {measured.cache}
          {measured.similarity ? ` ${measured.similarity}` : ""}
        </Badge>
      ) : null}
      {measured.finish && !["stop", "end_turn", "completed"].includes(measured.finish) ? (
        <Badge size="sm" tt="none" variant="light" color="gray" title="Why it ended">
          {measured.finish}
        </Badge>
      ) : null}
      {turn.state === "stopped" ? (
        <Badge size="sm" tt="none" variant="light" color="orange">
          stopped
        </Badge>
      ) : null}
      {measured.requestId ? <Way turn={turn} /> : null}
    </Group>
  );
}

function tokens(usage: AnswerTurn["measured"]["usage"]): string {
  if (!usage) return "";
  const more = [usage.cached ? `${usage.cached} of the prompt's from the provider's cache` : "", usage.reasoning ? `${usage.reasoning} of the answer's were thoughts` : ""].filter(Boolean);
  return [`${usage.prompt} tokens of the prompt, ${usage.completion} of the answer`, ...more].join("; ");
}

interface Step {
  name: string;
  parameters: Record<string, string>;
}

/** Items of a list of structured fields (RFC 9651 section 3.1), as far as receipts use it. */
export function stepsIn(receipt: string): Step[] {
  const items = receipt.match(/(?:"(?:\\.|[^"\\])*"|[^,"])+/g) ?? [];
  return items.map((item) => {
    const [name = "", ...rest] = item.trim().match(/(?:"(?:\\.|[^"\\])*"|[^;"])+/g) ?? [];
    const parameters = rest.map((each) => {
      const at = each.indexOf("=");
      const value = at < 0 ? "true" : each.slice(at + 1).trim();
      return [(at < 0 ? each : each.slice(0, at)).trim(), value.replace(/^"(.*)"$/, "$1")] as const;
    });
    return { name: name.trim(), parameters: Object.fromEntries(parameters) };
  });
}

/** The decision receipt. */
function Way({ turn }: { turn: AnswerTurn }) {
  const { measured } = turn;
  const steps = stepsIn(measured.receipt);
  const route = steps.find((step) => step.name === "route");
  return (
    <Popover width={340} position="bottom-start" withArrow withinPortal shadow="md">
      <Popover.Target>
        <UnstyledButton className="answer-way">
          <Text size="xs" td="underline" span>
            {measured.provider ? `${measured.provider}/${measured.model}` : "receipt"}
          </Text>
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="xs">
          <Text size="sm" fw={600}>
            {route?.parameters["name"] ? `Route ${route.parameters["name"]}, ${route.parameters["strategy"] ?? ""}` : "Straight to the provider"}
          </Text>
          {steps
            .filter((step) => step.name !== "route")
            .map((step, at) => (
              <div key={at}>
                <Group gap={6}>
                  <Badge size="sm" variant="light" tt="none" color={step.name === "asked" ? (step.parameters["result"]?.startsWith("2") ? "green" : "orange") : "gray"}>
                    {step.name}
                  </Badge>
                  <Text size="sm">{decodeURIComponentSafely(step.parameters["target"] ?? "")}</Text>
                </Group>
                <Text size="xs" c="dimmed">
                  {[step.parameters["because"], step.parameters["result"], step.parameters["ms"] ? `${step.parameters["ms"]} ms` : ""].filter(Boolean).join(" · ")}
                </Text>
              </div>
            ))}
          {measured.attempts > 1 ? <Text size="xs">{measured.attempts} attempts</Text> : null}
          <Anchor component={Link} to={`/logs?request_id=${measured.requestId}`} size="sm">
            In the log
          </Anchor>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
