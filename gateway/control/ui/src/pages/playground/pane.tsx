import { ActionIcon, Alert, Badge, Button, Code, Group, Image, Loader, Paper, Stack, Text, Textarea, Tooltip } from "@mantine/core";
import { IconAlertTriangle, IconRefresh, IconTool, IconX } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { CopyIcon } from "../../parts";
import { ModelPicker } from "../../parts/models";
import type { AnswerTurn, Call, Failure, Result } from "./conversation";
import { Figures } from "./figures";
import { type Pane, isBusy, waitsForTools } from "./panes";
import { Said } from "./text";

interface Props {
  pane: Pane;
  at: number;
  alone: boolean;
  disabled: boolean;
  onModel: (model: string) => void;
  onRemove: () => void;
  onAgain: () => void;
  onResults: (results: Result[]) => void;
}

/** One conversation. */
export function PaneView({ pane, at, alone, disabled, onModel, onRemove, onAgain, onResults }: Props) {
  const end = useRef<HTMLDivElement>(null);
  const last = pane.turns.at(-1);
  const grown = last?.role === "assistant" ? last.text.length + last.reasoning.length : pane.turns.length;
  const log = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const box = log.current;
    // Who has scrolled back reads there.
    if (box && box.scrollHeight - box.scrollTop - box.clientHeight < 160) box.scrollTop = box.scrollHeight;
  }, [grown]);

  return (
    <Paper withBorder className="pane" component="section" aria-label={`Conversation ${at + 1}`}>
      <Group gap={6} wrap="nowrap" p="xs" className="pane-head">
        <ModelPicker value={pane.model} onChange={onModel} kind="chat" aria-label={alone ? "Model" : `Model ${at + 1}`} className="pane-model" disabled={disabled} />
        {alone ? null : (
          <Tooltip label="Remove this one">
            <ActionIcon variant="subtle" color="gray" onClick={onRemove} aria-label={`Remove conversation ${at + 1}`}>
              <IconX size={16} aria-hidden />
            </ActionIcon>
          </Tooltip>
        )}
      </Group>
      <div className="pane-log" ref={log} tabIndex={0} role="log" aria-label={`What was said, ${at + 1}`} aria-busy={isBusy(pane)}>
        {pane.turns.length === 0 ? (
          <Text size="sm" c="dimmed" ta="center" py="xl">
            {pane.model ? "Ask something below." : "Choose a model, then ask something."}
          </Text>
        ) : null}
        {pane.turns.map((turn, index) =>
          turn.role === "user" ? (
            <div key={index} className="turn turn-user">
              {turn.images.length ? (
                <Group gap={6} mb={6}>
                  {turn.images.map((url, image) => (
                    <Image key={image} src={url} h={72} w="auto" radius="sm" alt={`Image ${image + 1}`} />
                  ))}
                </Group>
              ) : null}
              <Text size="sm" className="said-text" component="div">
                {turn.text}
              </Text>
            </div>
          ) : turn.role === "tool" ? (
            <div key={index} className="turn">
              {turn.results.map((result) => (
                <Text key={result.id} size="sm" c="dimmed">
                  <IconTool size={14} aria-hidden /> {result.name} says <Code>{result.text || "(nothing)"}</Code>
                </Text>
              ))}
            </div>
          ) : (
            <Answer key={index} turn={turn} {...(index === pane.turns.length - 1 && !disabled ? { onAgain } : {})} />
          ),
        )}
        {waitsForTools(pane) && last?.role === "assistant" ? <Results key={pane.turns.length} calls={last.calls} onSend={onResults} disabled={disabled} /> : null}
        <div ref={end} />
      </div>
    </Paper>
  );
}

function Answer({ turn, onAgain }: { turn: AnswerTurn; onAgain?: () => void }) {
  const silent = turn.state === "streaming" && !turn.text && !turn.reasoning && !turn.calls.length;
  return (
    <div className="turn turn-answer" data-state={turn.state}>
      {turn.reasoning ? (
        <details className="thoughts" open={turn.state === "streaming" && !turn.text}>
          <summary>
            <Text span size="xs" c="dimmed">
              Thoughts
            </Text>
          </summary>
          <Text size="xs" c="dimmed" className="said-text" component="div">
            {turn.reasoning}
          </Text>
        </details>
      ) : null}
      {silent ? <Loader size="xs" type="dots" aria-label="Waiting for the answer" /> : null}
      <Said text={turn.text} />
      {turn.calls.map((call, at) => (
        <CallView key={call.id || at} call={call} />
      ))}
      {turn.failure ? <FailureView failure={turn.failure} requestId={turn.measured.requestId} /> : null}
      <Group justify="space-between" align="flex-end" wrap="nowrap" gap="xs">
        <Figures turn={turn} />
        <Group gap={0} wrap="nowrap">
          {turn.text ? <CopyIcon value={turn.text} label="Copy the answer" /> : null}
          {onAgain && turn.state !== "streaming" ? (
            <Tooltip label="Ask again">
              <ActionIcon variant="subtle" color="gray" onClick={onAgain} aria-label="Ask again">
                <IconRefresh size={16} aria-hidden />
              </ActionIcon>
            </Tooltip>
          ) : null}
        </Group>
      </Group>
    </div>
  );
}

function CallView({ call }: { call: Call }) {
  return (
    <Paper withBorder p="xs" my={6} className="call">
      <Group gap={6}>
        <IconTool size={14} aria-hidden />
        <Text size="sm" fw={600}>
          {call.name || "…"}
        </Text>
        <Badge size="xs" variant="light" color="gray" tt="none">
          tool call
        </Badge>
      </Group>
      <Code block mt={6} tabIndex={0} role="region" aria-label={`Arguments of ${call.name}`}>
        {pretty(call.arguments)}
      </Code>
    </Paper>
  );
}

/** What the tools would say is typed by who plays them. */
function Results({ calls, onSend, disabled }: { calls: Call[]; onSend: (results: Result[]) => void; disabled: boolean }) {
  const [texts, setTexts] = useState<string[]>(() => calls.map(() => ""));
  return (
    <form
      className="turn"
      onSubmit={(event) => {
        event.preventDefault();
        onSend(calls.map((call, at) => ({ id: call.id, name: call.name, text: texts[at] ?? "" })));
      }}
    >
      <Stack gap="xs">
        {calls.map((call, at) => (
          <Textarea
            key={call.id || at}
            label={`Result of ${call.name}`}
            placeholder='{"temperature": 21}'
            autosize
            minRows={1}
            maxRows={8}
            value={texts[at] ?? ""}
            onChange={(event) => {
              const text = event.currentTarget.value;
              setTexts((old) => old.with(at, text));
            }}
          />
        ))}
        <Button type="submit" size="xs" variant="light" disabled={disabled} className="send-results">
          Send {calls.length === 1 ? "the result" : "the results"}
        </Button>
      </Stack>
    </form>
  );
}

const HINTS: Record<string, string> = {
  budget_exceeded: "The key of your playground has a budget: see Virtual keys.",
  rate_limited: "The key of your playground has a limit: see Virtual keys.",
  model_not_found: "No provider or route has a model of this name.",
  all_targets_failed: "Providers has the health of each key; the log tells each attempt.",
};

function FailureView({ failure, requestId }: { failure: Failure; requestId: string }) {
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={[failure.status || "", failure.code].filter(Boolean).join(" ") || "No answer"} role="alert" my={6}>
      <Text size="sm">{failure.message}</Text>
      {HINTS[failure.code] ? <Text size="sm">{HINTS[failure.code]}</Text> : null}
      {failure.retryAfter ? <Text size="sm">Try again in {failure.retryAfter} s.</Text> : null}
      {requestId ? (
        <Text size="xs" c="dimmed">
          Request {requestId}
        </Text>
      ) : null}
    </Alert>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
