import { Code, List, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Schemas, api, told } from "../api/client";
import { useMe } from "../api/me";
import { differences } from "./diff";
import { TimeAgo } from "./format";

const MOST_SHOWN = 6;

/** Who changed an entity last, and what: for `ConflictNotice`. The audit is for admins; others are told nothing.
 * `kind` and `name` as the audit has them. */
export function LatestChange({ kind, name }: { kind: string; name: string }) {
  const me = useMe();
  const { data } = useQuery({
    queryKey: ["latest-change", kind, name],
    queryFn: async () => {
      const page = await told(api.GET("/api/audit", { params: { query: { kind, limit: 50 } } }));
      const entry = page.entries.find((each) => each.name === name);
      return entry === undefined ? null : { entry, who: await nameOf(entry.actor) };
    },
    enabled: me.may("admin"),
    staleTime: 0,
    gcTime: 0,
  });
  if (!data) return null;
  const changes = differences(data.entry.before, data.entry.after);
  return (
    <>
      <Text size="sm">
        {data.who} did, <TimeAgo value={data.entry.at} />:
      </Text>
      <List size="sm">
        {changes.slice(0, MOST_SHOWN).map((each) => (
          <List.Item key={each.path}>
            {each.path.replace(/^spec\./, "")}: <Code>{each.before ?? "nothing"}</Code> → <Code>{each.after ?? "nothing"}</Code>
          </List.Item>
        ))}
        {changes.length > MOST_SHOWN ? <List.Item>and {changes.length - MOST_SHOWN} more</List.Item> : null}
      </List>
    </>
  );
}

async function nameOf(actor: string): Promise<string> {
  const operators = await told(api.GET("/api/operators", { params: { query: { limit: 1000 } } })).catch(() => undefined);
  return operators?.entries.find((each: Schemas["OperatorEntry"]) => each.id === actor)?.name ?? (actor === "admin.token" ? "The admin token" : actor);
}
