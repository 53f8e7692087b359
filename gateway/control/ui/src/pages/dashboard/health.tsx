// How everything stands at this moment: providers, workers, alerts, what the gateway itself has to say.
import { Anchor, Badge, Collapse, Group, List, Paper, Stack, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { type Schemas, api, told } from "../../parts";

type Deployment = Schemas["Deployment"];

interface Standing {
  name: string;
  tone: "green" | "orange" | "red" | "gray";
  word: string;
  why: string[];
}

const EVERY_MS = 5_000;

export function HealthStrip() {
  const [opened, { toggle }] = useDisclosure(false);
  const health = useQuery({
    queryKey: ["health"],
    queryFn: () => told(api.GET("/api/health")),
    refetchInterval: EVERY_MS,
  });
  const deployments = useQuery({
    queryKey: ["deployments"],
    queryFn: () => told(api.GET("/api/deployments")),
    refetchInterval: EVERY_MS,
  });
  const alerts = useQuery({
    queryKey: ["alerts"],
    queryFn: () => told(api.GET("/api/alerts")),
    refetchInterval: EVERY_MS,
  });
  const providers = standings(deployments.data?.deployments ?? []);
  const workers = health.data?.workers ?? [];
  const serving = workers.filter((worker) => worker.state === "serving");
  const active = alerts.data?.active ?? [];
  const edge = `var(--mantine-color-${active.some(({ level }) => level === "critical") ? "red" : "orange"}-6)`;
  const reasons = health.data?.reasons ?? [];
  const notes = [...new Set([...(health.data?.notes ?? []), ...(health.data?.log.notes ?? [])])];
  const inFlight = serving.reduce((sum, worker) => sum + worker.in_flight, 0);
  return (
    <Stack gap="sm">
      {active.length > 0 && (
        <Paper withBorder px="md" py="xs" component="section" aria-label="Active alerts" style={{ borderInlineStart: `4px solid ${edge}` }}>
          <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
            <Stack gap={2} miw={0}>
              {active.slice(0, 3).map((alert) => (
                <Group key={alert.id} gap={8} wrap="nowrap" align="flex-start">
                  <IconAlertTriangle size={16} aria-hidden color={edge} style={{ flexShrink: 0, marginTop: 3 }} />
                  <Text size="sm">{alert.message}</Text>
                </Group>
              ))}
            </Stack>
            <Anchor component={Link} to="/alerts" size="sm" style={{ whiteSpace: "nowrap" }}>
              {active.length > 3 ? `All ${active.length} alerts` : "Alerts"}
            </Anchor>
          </Group>
        </Paper>
      )}
      <Paper withBorder px="md" py="xs" component="section" aria-label="How things stand" mih={46}>
        <Group gap="xs" wrap="wrap">
          {providers.map((provider) => (
            <Tooltip
              key={provider.name}
              multiline
              maw={340}
              label={provider.why.length > 0 ? provider.why.join("; ") : "Every key and model of it is well."}
            >
              <UnstyledButton component={Link} to={`/providers?open=${encodeURIComponent(provider.name)}`}>
                <Badge color={provider.tone} variant="dot" tt="none" size="lg" fw={500} style={{ cursor: "pointer" }}>
                  {provider.name}
                  {provider.tone !== "green" && ` · ${provider.word}`}
                </Badge>
              </UnstyledButton>
            </Tooltip>
          ))}
        </Group>
        <Group gap="md" justify="space-between" mt={8} mih={22}>
          {health.data && (
            <Text size="sm" c="dimmed" className="figure">
              {serving.length} of {workers.length} {workers.length === 1 ? "worker serves" : "workers serve"} ·{" "}
              {inFlight.toLocaleString("en-US")} under way
            </Text>
          )}
          {notes.length > 0 && (
            <Anchor component="button" type="button" size="sm" onClick={toggle} aria-expanded={opened}>
              {notes.length === 1 ? "One note" : `${notes.length} notes`} of the gateway
            </Anchor>
          )}
        </Group>
        {reasons.length > 0 && <Said lines={reasons} />}
        <Collapse in={opened && notes.length > 0}>
          <Said lines={notes} />
        </Collapse>
      </Paper>
    </Stack>
  );
}

function Said({ lines }: { lines: readonly string[] }) {
  return (
    <List size="sm" spacing={2} mt="xs" c="dimmed">
      {lines.map((line) => (
        <List.Item key={line}>{line}</List.Item>
      ))}
    </List>
  );
}

/** One judgement of each provider: what its keys and its models come to. */
export function standings(deployments: readonly Deployment[]): Standing[] {
  const byProvider = new Map<string, Deployment[]>();
  for (const each of deployments) byProvider.set(each.provider, [...(byProvider.get(each.provider) ?? []), each]);
  return [...byProvider].map(([name, all]): Standing => {
    const keys = all.filter(({ key }) => key !== null);
    const why = all.filter(({ why: reason }) => reason).map(reasonOf);
    if (keys.length > 0 && keys.every(({ state }) => state === "disabled"))
      return { name, tone: "gray", word: "off", why };
    if (keys.length > 0 && !keys.some(({ usable }) => usable)) return { name, tone: "red", word: "down", why };
    const out = all.filter(({ state }) => state !== "well" && state !== "disabled");
    if (out.length === 0) return { name, tone: "green", word: "well", why };
    const models = all.filter(({ model }) => model !== null);
    if (models.length > 0 && !models.some(({ usable }) => usable)) return { name, tone: "red", word: "down", why };
    return { name, tone: "orange", word: out.length === 1 ? "one is out" : `${out.length} are out`, why };
  });
}

function reasonOf({ key, model, why }: Deployment): string {
  return `${key !== null ? `key ${key}` : model ? `model ${model}` : "other models"}: ${why}`;
}
