/** How limits and budgets stand, as bars: spent, reserved, left, and when it starts anew. */
import { Group, Progress, Skeleton, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ErrorNotice, type Schemas, count, duration, json } from "../../parts";

export type Standing = Schemas["LimitStanding"];

export function useStanding(path: string, enabled = true, interval: number | false = 4000) {
  return useQuery({
    queryKey: ["limits", path],
    queryFn: () => json<Schemas["LimitStandings"]>("GET", `${path}/limits`).then((found) => found.entries),
    refetchInterval: interval,
    enabled,
  });
}

const LEVELS: Record<string, string> = { virtual_key: "This key", team: "Team", customer: "Customer", provider: "At provider" };

export function amount(standing: Standing, value: number | string): string {
  return standing.counts === "usd" ? dollars(Number(value)) : count(Number(value));
}

function dollars(value: number): string {
  if (value === 0) return "$0";
  if (value >= 0.01) return value.toLocaleString("en-US", { style: "currency", currency: "USD" });
  return `$${value.toPrecision(2)}`;
}

export function shares(standing: Standing): { spent: number; reserved: number } {
  const limit = Number(standing.limit);
  if (!limit) return { spent: 100, reserved: 0 };
  const spent = Math.min(100, (Number(standing.spent) / limit) * 100);
  return { spent, reserved: Math.min(100 - spent, (Number(standing.reserved) / limit) * 100) };
}

function colorOf(share: number): string {
  return share >= 100 ? "red" : share >= 80 ? "orange" : "indigo";
}

/** One bar, for tables. `whose` it is, where it is not the row's own. */
export function MiniBar({ standing, whose }: { standing: Standing; whose?: string | undefined }) {
  const { spent, reserved } = shares(standing);
  const what = `${amount(standing, standing.spent)} of ${amount(standing, standing.limit)} ${standing.counts === "usd" ? "" : standing.counts.replace("_", " ")}`;
  return (
    <Stack gap={2} miw={110}>
      <Text size="xs" className="figure">
        {what}
        {standing.window ? ` / ${standing.window}` : ""}
      </Text>
      {whose ? (
        <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
          {whose}
        </Text>
      ) : null}
      <Progress.Root size="sm">
        <Progress.Section value={spent} color={colorOf(spent)} aria-label={`${what} spent`} />
        <Progress.Section value={reserved} color="gray.5" aria-label="reserved" />
      </Progress.Root>
    </Stack>
  );
}

/** `going`: it is being removed, and may be gone before that is known here: nobody asks for it any more. */
export function Standings({ path, going }: { path: string; going: boolean }) {
  const { data, error, refetch } = useStanding(path, !going);
  if (error) return <ErrorNotice error={error} title="Limits could not be read" retry={() => void refetch()} />;
  if (!data) return <Skeleton height={60} />;
  if (data.length === 0) return <Text size="sm" c="dimmed">No limit and no budget: requests are held to none.</Text>;
  return (
    <Stack gap="sm">
      {data.map((each, at) => (
        <Bar key={at} standing={each} />
      ))}
    </Stack>
  );
}

function Bar({ standing }: { standing: Standing }) {
  const { spent, reserved } = shares(standing);
  const what = standing.counts === "usd" ? "Budget" : standing.counts === "concurrency" ? "Requests under way" : standing.counts.replace("_", " ");
  const whose = `${LEVELS[standing.level] ?? standing.level}${standing.name ? ` ${standing.name}` : ""}`;
  return (
    <div>
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={600}>
          {whose}: {what}
          {standing.window ? ` per ${standing.window}` : ""}
        </Text>
        <Text size="sm" className="figure">
          {amount(standing, standing.spent)} of {amount(standing, standing.limit)}
        </Text>
      </Group>
      <Progress.Root size="lg" my={4}>
        <Progress.Section value={spent} color={colorOf(spent)} aria-label={`${whose}: ${what}, spent`} />
        <Progress.Section value={reserved} color="gray.5" aria-label={`${whose}: ${what}, reserved`} />
      </Progress.Root>
      <Text size="xs" c="dimmed">
        {Number(standing.remaining) > 0 ? `${amount(standing, standing.remaining)} left` : "used up: requests are refused"}
        {Number(standing.reserved) > 0 ? `, ${amount(standing, standing.reserved)} reserved by requests under way` : ""}
        {standing.reset_seconds ? `, starts anew in ${duration(standing.reset_seconds * 1e6)}` : ""}
      </Text>
    </div>
  );
}
