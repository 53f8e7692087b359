// What was said, where it is stored: as a conversation, or as the bodies are. Everything is shown as text.
import { Alert, Badge, Box, Code, Group, Paper, ScrollArea, SegmentedControl, Stack, Text } from "@mantine/core";
import { IconInfoCircle } from "@tabler/icons-react";
import { useMemo, useState } from "react";

import { CopyIcon } from "../../parts";
import { type Part, type Turn, pretty, requestTurns, responseTurns } from "./conversation";
import type { LogContent } from "./entry";

/** Characters of a body that are shown at once: a megabyte of text is slow to scroll. */
const MOST_SHOWN = 200_000;

export function ContentView({ content }: { content: LogContent }) {
  const [view, setView] = useState("conversation");
  const asked = useMemo(() => requestTurns(content.request ?? ""), [content.request]);
  const answered = useMemo(() => responseTurns(content.response ?? "", content.media_type), [content.response, content.media_type]);
  const turns = [...asked, ...answered];
  const shown = turns.length === 0 ? "bodies" : view;
  return (
    <Stack gap="sm">
      <Group justify="space-between" gap="xs">
        <Group gap={6}>
          {content.redacted && <Badge color="yellow" variant="light" tt="none">redacted</Badge>}
          {content.request_truncated && <Badge color="orange" variant="light" tt="none">request cut short</Badge>}
          {content.response_truncated && <Badge color="orange" variant="light" tt="none">answer cut short</Badge>}
        </Group>
        {turns.length > 0 && (
          <SegmentedControl
            size="xs"
            aria-label="How the content is shown"
            value={view}
            onChange={setView}
            data={[
              { value: "conversation", label: "Conversation" },
              { value: "bodies", label: "As sent" },
            ]}
          />
        )}
      </Group>
      {shown === "conversation" ? (
        turns.map((turn, place) => <Bubble key={place} turn={turn} answer={place >= asked.length} />)
      ) : (
        <>
          <Body label="Request" body={content.request} />
          <Body label="Answer" body={content.response} />
        </>
      )}
    </Stack>
  );
}

function Bubble({ turn, answer }: { turn: Turn; answer: boolean }) {
  const own = turn.role === "user";
  return (
    <Box ml={own ? "xl" : 0} mr={own ? 0 : "xl"}>
      <Text size="xs" c="dimmed" ta={own ? "right" : "left"} mb={2}>
        {turn.role}
        {answer && " · the answer"}
      </Text>
      <Paper
        p="xs"
        radius="md"
        withBorder={answer}
        bg={own ? "var(--mantine-primary-color-light)" : "var(--mantine-color-default-hover)"}
      >
        <Stack gap="xs">
          {turn.parts.map((part, place) => (
            <Said key={place} part={part} />
          ))}
        </Stack>
      </Paper>
    </Box>
  );
}

function Said({ part }: { part: Part }) {
  if (part.kind === "text") return <Plain text={part.text} />;
  const label = { thinking: "thought", call: "calls", result: "result", attachment: "attached" }[part.kind];
  return (
    <Box>
      <Text size="xs" c="dimmed" fw={600}>
        {label} {part.name}
      </Text>
      {part.kind === "thinking" ? (
        <Plain text={part.text} dimmed />
      ) : (
        <Code block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
          {pretty(part.text)}
        </Code>
      )}
    </Box>
  );
}

function Plain({ text, dimmed = false }: { text: string; dimmed?: boolean }) {
  return (
    <Text size="sm" c={dimmed ? "dimmed" : undefined} style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
      {shortened(text)}
    </Text>
  );
}

function Body({ label, body }: { label: string; body: string | null }) {
  const text = useMemo(() => pretty(body ?? ""), [body]);
  if (body === null || body === "")
    return (
      <Alert icon={<IconInfoCircle aria-hidden />} color="gray" title={`${label}: not stored`}>
        Nothing was sent, or the content policy keeps only the other side.
      </Alert>
    );
  return (
    <Box>
      <Group justify="space-between" mb={4}>
        <Text size="sm" fw={600}>
          {label}
        </Text>
        <CopyIcon value={body} label={`Copy the ${label.toLowerCase()}`} />
      </Group>
      <ScrollArea.Autosize mah={420} type="auto" tabIndex={0}>
        <Code block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
          {shortened(text)}
        </Code>
      </ScrollArea.Autosize>
    </Box>
  );
}

function shortened(text: string): string {
  if (text.length <= MOST_SHOWN) return text;
  return `${text.slice(0, MOST_SHOWN)}\n… ${(text.length - MOST_SHOWN).toLocaleString("en-US")} more characters: copy it to see all.`;
}
