/** How keys and models stand now, asked again every few seconds. */
import { Badge, Group, Text, Tooltip } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Schemas, api, dateTime, duration, timeAgo, told, useNow } from "../../parts";

export type Deployment = Schemas["Deployment"];

export function useDeployments() {
  return useQuery({
    queryKey: ["deployments"],
    queryFn: async () => (await told(api.GET("/api/deployments"))).deployments,
    refetchInterval: 3000,
  });
}

const COLORS: Record<Deployment["state"], string> = { well: "green", resting: "yellow", ejected: "red", due: "orange", disabled: "gray" };

/** In a narrow column a badge takes two lines rather than lose its end. */
const WRAPPED = { root: { height: "auto", minHeight: 20 }, label: { whiteSpace: "normal" } } as const;

/** One key or model in a word; the reason and the time are its tooltip. */
export function StateBadge({ deployment }: { deployment: Deployment }) {
  const now = useNow(deployment.until ? 1000 : 0);
  const left = deployment.until ? timeAgo(deployment.until, now) : "";
  const why = [deployment.why, deployment.until ? `asked again ${left} (${dateTime(deployment.until)})` : ""].filter(Boolean).join("; ");
  return (
    <Tooltip label={why || "It is asked."} multiline maw={320}>
      <Badge color={COLORS[deployment.state]} variant="light" tabIndex={0} tt="none" styles={WRAPPED}>
        {deployment.state}
        {left ? ` · ${left}` : ""}
      </Badge>
    </Tooltip>
  );
}

/** All keys and models of one provider in one cell. */
export function HealthSummary({ found, enabled }: { found: Deployment[]; enabled: boolean }) {
  if (!enabled) return <Badge color="gray" variant="light">disabled</Badge>;
  const keys = found.filter((each) => each.key !== null);
  const models = found.filter((each) => each.model !== null);
  const usable = keys.filter((each) => each.usable).length;
  const out = models.filter((each) => each.state === "ejected");
  const resting = keys.filter((each) => each.state === "resting");
  return (
    <Group gap={6}>
      {keys.length === 0 ? (
        <Badge color="gray" variant="light" tt="none">no key</Badge>
      ) : (
        <Badge color={usable === keys.length ? "green" : usable ? "yellow" : "red"} variant="light" tt="none" styles={WRAPPED}>
          {usable} of {keys.length} {keys.length === 1 ? "key" : "keys"} usable
        </Badge>
      )}
      {resting.map((each) => (
        <Group gap={4} key={each.key} wrap="nowrap">
          <Text size="xs">{each.key}</Text>
          <StateBadge deployment={each} />
        </Group>
      ))}
      {out.map((each) => (
        <Group gap={4} key={each.model} wrap="nowrap">
          <Text size="xs">{each.model || "other models"}</Text>
          <StateBadge deployment={each} />
        </Group>
      ))}
    </Group>
  );
}

/** Requests under way and the usual time to the first byte, over the provider's models. */
export function Traffic({ found }: { found: Deployment[] }) {
  const models = found.filter((each) => each.model !== null);
  const busy = models.reduce((sum, each) => sum + (each.in_flight ?? 0), 0);
  const times = models.map((each) => each.ewma_ms).filter((each): each is number => each !== null && each >= 0.1);
  return (
    <Text size="sm" className="figure">
      {busy} under way{times.length ? ` · ${duration((times.reduce((a, b) => a + b, 0) / times.length) * 1000)}` : ""}
    </Text>
  );
}
