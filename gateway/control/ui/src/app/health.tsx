import { Alert, Badge, HoverCard, List, Text, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ApiError, api, told } from "../api/client";
import { duration } from "../parts/format";

export function useHealth() {
  return useQuery({ queryKey: ["health"], queryFn: () => told(api.GET("/api/health")), refetchInterval: 10_000, retry: false });
}

const READ_ONLY = /read-only|database/i;

/** How the instance is, in one word; why, behind it. */
export function HealthBadge() {
  const { data, error } = useHealth();
  const away = error instanceof ApiError && error.status !== 401;
  const word = away ? "unreachable" : (data?.status ?? "…");
  const color = word === "ok" ? "green" : word === "degraded" ? "orange" : away ? "red" : "gray";
  return (
    <HoverCard width={320} position="bottom-end" withArrow>
      <HoverCard.Target>
        <UnstyledButton aria-label={`Instance: ${word}`} component="button">
          <Badge color={color} variant="dot" size="lg" tt="none">
            {word}
          </Badge>
        </UnstyledButton>
      </HoverCard.Target>
      <HoverCard.Dropdown>
        {away ? <Text size="sm">{error.message}</Text> : null}
        {data?.reasons.length ? (
          <List size="sm" mb="xs">
            {data.reasons.map((reason) => (
              <List.Item key={reason}>{reason}</List.Item>
            ))}
          </List>
        ) : null}
        {data ? (
          <Text size="sm" c="dimmed">
            Version {data.version} ({data.implementation}), up {duration(data.uptime_s * 1e6)}, {data.workers.filter((each) => each.state === "serving").length} of{" "}
            {data.workers.length} workers serve, configuration {data.snapshot_version}
          </Text>
        ) : null}
      </HoverCard.Dropdown>
    </HoverCard>
  );
}

/** Above every page while something is wrong that concerns who changes things. */
export function HealthBanner() {
  const { data } = useHealth();
  const reasons = (data?.reasons ?? []).filter((reason) => READ_ONLY.test(reason) && !reason.includes("not in force"));
  if (!reasons.length) return null;
  return (
    <Alert color="orange" title="Changes cannot be saved now" role="status" mb="md">
      {reasons.join("; ")}. Requests are served as before.
    </Alert>
  );
}
