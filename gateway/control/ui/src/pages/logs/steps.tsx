// The decision receipt as steps to read.
import { Code, List, Stack, Text, ThemeIcon } from "@mantine/core";
import { IconArrowRight, IconCheck, IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";

import { api, told } from "../../parts";
import type { LogEntry } from "./entry";
import { ending, stepText } from "./receipt";

export function ReceiptSteps({ entry }: { entry: LogEntry }) {
  const targets = useTargets(entry);
  if (entry.receipt === null)
    return (
      <Text size="sm" c="dimmed">
        {nothingToExplain(entry)}
      </Text>
    );
  const end = ending(entry.receipt);
  return (
    <Stack gap="xs">
      <List spacing={6} size="sm" type="ordered" listStyleType="none" aria-label="Steps of the decision" pl={0}>
        {entry.receipt.steps.map((step, place) => {
          const { asked, well, target, why, result, ms } = stepText(step);
          const [colour, Icon] = !asked
            ? (["gray", IconArrowRight] as const)
            : well
              ? (["teal", IconCheck] as const)
              : (["red", IconX] as const);
          return (
            <List.Item
              key={place}
              icon={
                <ThemeIcon color={colour} size={20} radius="xl" variant="light">
                  <Icon size={13} aria-hidden />
                </ThemeIcon>
              }
            >
              <Text span fw={500} size="sm">
                {targets?.[step.target] ?? target}
              </Text>{" "}
              {asked ? "asked" : "passed over"}: {why}
              {asked && (
                <Text span size="sm" c={well ? "teal.8" : "red.8"} className="tone">
                  {" "}
                  → {result}
                  {ms !== null && ` after ${ms.toLocaleString()} ms`}
                </Text>
              )}
            </List.Item>
          );
        })}
      </List>
      {end && <Text size="sm">{end}</Text>}
      <Text size="xs" c="dimmed">
        As recorded, targets counted from 0 in the order of the route, its fallbacks behind:{" "}
        <Code fz="xs">{entry.receipt.text}</Code>
      </Text>
    </Stack>
  );
}

/** What the targets are called, by their places; undefined where the configuration has changed since. */
function useTargets(entry: LogEntry): readonly string[] | undefined {
  const config = useQuery({ queryKey: ["config"], queryFn: () => told(api.GET("/api/config")), staleTime: 30_000 });
  if (!entry.route) return entry.provider ? [`${entry.provider}/${entry.target_model}`] : undefined;
  return config.data?.version === entry.snapshot_version ? config.data.routes[entry.route] : undefined;
}

function nothingToExplain(entry: LogEntry): string {
  if (["hit", "similar"].includes(entry.cache)) return "The cache answered, so no target was asked.";
  if (entry.outcome === "refused") return "The gateway refused the request, so no target was asked.";
  if (!entry.provider) return "No target was asked.";
  return `The first target was asked and answered: ${entry.provider}${entry.target_model ? `/${entry.target_model}` : ""}.`;
}
