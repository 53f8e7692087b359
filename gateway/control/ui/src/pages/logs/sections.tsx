// A record in sections: what was asked, by whom, where it went, how long it took, what it cost, what was said.
import { Anchor, Badge, Box, Group, SimpleGrid, Skeleton, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";

import { bytes, duration, money } from "../../parts";
import { ContentView } from "./content";
import { ReceiptSteps } from "./steps";
import { TimelineBar } from "./timeline";
import { StatusBadge } from "./columns";
import type { LogContent, LogEntry } from "./entry";
import { cacheText, flagText, spaced, usageText } from "./words";

interface Props {
  entry: LogEntry;
  attempts: readonly LogEntry[];
  /** Undefined: not read yet; null: none is stored. */
  content: LogContent | null | undefined;
  loading: boolean;
}

export function EntrySections({ entry, attempts, content, loading }: Props) {
  return (
    <>
      <Section title="Where the time went">
        <TimelineBar entry={entry} />
      </Section>
      <Section title="Why it went there">
        <ReceiptSteps entry={entry} />
      </Section>
      {attempts.length > 0 && (
        <Section title="Attempts before, and copies">
          <Attempts attempts={attempts} />
        </Section>
      )}
      <Section title="What was asked">
        <Facts
          facts={[
            ["Operation", spaced(entry.operation)],
            ["Model", entry.model],
            ["Dialect", spaced(entry.dialect)],
            ["Streamed", entry.stream ? `yes, ${entry.chunks.toLocaleString("en-US")} chunks` : "no"],
            ["Size", `${bytes(entry.request_bytes)} asked, ${bytes(entry.response_bytes)} answered`],
            ["Left out", entry.dropped_parameters.length ? entry.dropped_parameters.join(", ") : ""],
          ]}
        />
      </Section>
      <Section title="Who asked">
        <Facts
          facts={[
            ["Virtual key", named("/keys?open=", entry.virtual_key)],
            ["Team", named("/keys?tab=teams&open=", entry.team)],
            ["Customer", named("/keys?tab=customers&open=", entry.customer)],
            ["Address", entry.client],
          ]}
        />
      </Section>
      <Section title="Where it went">
        <Facts
          facts={[
            ["Route", named("/routes?open=", entry.route)],
            ["Provider", named("/providers?open=", entry.provider)],
            ["Provider key", entry.provider_key],
            ["Sent as", entry.target_model],
            ["Its dialect", entry.target_dialect === entry.dialect ? "" : spaced(entry.target_dialect)],
            ["Attempts", entry.attempts > 1 ? String(entry.attempts) : ""],
            ["Error", spaced(entry.error)],
            ["Worker", `${entry.worker}, configuration ${entry.snapshot_version}`],
          ]}
        />
        {entry.flags.length > 0 && (
          <Group gap={6} mt="xs">
            {entry.flags.map((flag) => (
              <Badge key={flag} variant="default" tt="none" fw={400}>
                {flagText(flag)}
              </Badge>
            ))}
          </Group>
        )}
      </Section>
      <Section title="Tokens and cost">
        <TokensAndCost entry={entry} />
      </Section>
      <Section title="Cache">
        <Text size="sm">
          {entry.cache && (
            <Text span fw={500} size="sm">
              {spaced(entry.cache)}:{" "}
            </Text>
          )}
          {cacheText(entry.cache)}
        </Text>
      </Section>
      <Section title="What was said">
        {content ? (
          <ContentView content={content} />
        ) : loading ? (
          <Skeleton h={80} />
        ) : (
          <Text size="sm" c="dimmed">
            Nothing of it is stored. Whether contents are kept is set under{" "}
            <Anchor component={Link} to="/settings?group=log" size="sm">
              Settings
            </Anchor>
            , or by the virtual key.
          </Text>
        )}
      </Section>
    </>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Box component="section" aria-label={title}>
      <Title order={3} size="sm" mb="xs">
        {title}
      </Title>
      {children}
    </Box>
  );
}

function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  const known = facts.filter(([, value]) => value !== "");
  if (known.length === 0)
    return (
      <Text size="sm" c="dimmed">
        Nothing is known.
      </Text>
    );
  return (
    <SimpleGrid component="dl" cols={{ base: 1, xs: 2 }} spacing="md" verticalSpacing={6} m={0}>
      {known.map(([label, value]) => (
        <Box key={label}>
          <Text component="dt" size="xs" c="dimmed">
            {label}
          </Text>
          <Text component="dd" size="sm" m={0} style={{ overflowWrap: "anywhere" }}>
            {value}
          </Text>
        </Box>
      ))}
    </SimpleGrid>
  );
}

/** A link to the page of a thing; the names of things that are gone (`id:...`) lead nowhere. */
function named(path: string, name: string): ReactNode {
  if (!name || name.startsWith("id:")) return name;
  return (
    <Anchor component={Link} to={path + encodeURIComponent(name)} size="sm">
      {name}
    </Anchor>
  );
}

function Attempts({ attempts }: { attempts: readonly LogEntry[] }) {
  return (
    <Stack gap={6} component="ol" m={0} p={0} style={{ listStyle: "none" }}>
      {attempts.map((attempt, place) => (
        <Group key={place} component="li" gap="xs" wrap="wrap">
          <StatusBadge entry={attempt} />
          <Text size="sm">
            {attempt.kind === "shadow" ? "copy to " : ""}
            {attempt.provider}
            {attempt.target_model && `/${attempt.target_model}`}
          </Text>
          <Text size="sm" c="dimmed">
            {spaced(attempt.error || attempt.outcome)} after {duration(attempt.total_us)}
            {attempt.provider_key && ` · key ${attempt.provider_key}`}
          </Text>
        </Group>
      ))}
    </Stack>
  );
}

function TokensAndCost({ entry }: { entry: LogEntry }) {
  const number = (value: number) => (value > 0 ? value.toLocaleString("en-US") : "");
  if (entry.prompt_tokens + entry.completion_tokens === 0 && entry.cost_nanodollars === 0)
    return (
      <Text size="sm" c="dimmed">
        No tokens were counted.
      </Text>
    );
  return (
    <Facts
      facts={[
        ["Prompt", number(entry.prompt_tokens)],
        ["of it from the provider's cache", number(entry.cached_tokens)],
        ["of it written to the provider's cache", number(entry.cache_write_tokens)],
        ["of it audio", number(entry.audio_in_tokens)],
        ["Answer", number(entry.completion_tokens)],
        ["of it reasoning", number(entry.reasoning_tokens)],
        ["of it spoken", number(entry.audio_out_tokens)],
        ["Cost", entry.flags.includes("unpriced") ? "no price is known" : money(entry.cost_nanodollars)],
        ["Counted", usageText(entry.usage_source)],
      ]}
    />
  );
}
