// Where the time of a request went, as one bar and as a list.
import { ColorSwatch, Group, Progress, Stack, Text, Tooltip } from "@mantine/core";

import { duration } from "../../parts";
import type { LogEntry } from "./entry";
import { stretches } from "./words";

export function TimelineBar({ entry }: { entry: LogEntry }) {
  const parts = stretches(entry);
  const whole = parts.reduce((sum, part) => sum + part.us, 0);
  return (
    <Stack gap="xs">
      <Progress.Root size={22} radius="sm" aria-hidden>
        {parts.map((part) => (
          <Tooltip key={part.name} label={`${part.name}: ${duration(part.us)}`}>
            <Progress.Section
              value={Math.max(0.6, (100 * part.us) / whole)}
              color={part.colour}
              withAria={false}
            />
          </Tooltip>
        ))}
      </Progress.Root>
      <Stack gap={2} component="ul" m={0} p={0} style={{ listStyle: "none" }}>
        {parts.map((part) => (
          <Group key={part.name} component="li" gap="xs" wrap="nowrap" justify="space-between">
            <Group gap="xs" wrap="nowrap">
              <ColorSwatch color={`var(--mantine-color-${part.colour.replace(".", "-")})`} size={10} withShadow={false} />
              <Text size="sm" title={part.meaning}>
                {part.name}
              </Text>
            </Group>
            <Text size="sm" ff="monospace">
              {duration(part.us)}
            </Text>
          </Group>
        ))}
        <Group component="li" justify="space-between" gap="xs">
          <Text size="sm" fw={600}>
            Total
          </Text>
          <Text size="sm" fw={600} ff="monospace">
            {duration(entry.total_us)}
          </Text>
        </Group>
      </Stack>
    </Stack>
  );
}
