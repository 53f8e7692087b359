import { NavLink, Paper, Select, Skeleton } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation, useSearchParams } from "react-router";
import { ErrorNotice, Page } from "../../parts";
import { Leaving } from "../../parts/leaving";
import { type Spec, type Stored, useSettings } from "./data";
import { ExportButton } from "./export";
import { GroupForm, proposed } from "./group";
import { labelOf, shapeOf, useDocument } from "./schema";
import "./style.css";

const TITLES: Record<string, string> = {
  accounting: "Accounting",
  retry: "Retries",
  timeouts: "Timeouts",
  health: "Health of providers",
  server: "Server",
  "server.limits": "Limits of requests",
  "server.overload": "Overload",
  cache: "Cache",
  compat: "Compatibility",
  log: "Request log",
  "log.rollups": "Roll-ups of the log",
  model_lists: "Lists of models",
  alerts: "Alerts",
};

function titleOf(group: string): string {
  return TITLES[group] ?? labelOf(group.replaceAll(".", " "));
}

/** What concerns no entity; `?group=cache` shows one group. */
export function Component() {
  const { data: groups, error, refetch } = useSettings();
  const { data: document, error: undescribed } = useDocument();
  const [search, setSearch] = useSearchParams();
  const [drafts, setDrafts] = useState<Record<string, Spec | undefined>>({});
  const client = useQueryClient();
  const wide = useMediaQuery("(min-width: 62em)", true);
  const group = groups?.find((each) => each.name === search.get("group")) ?? groups?.[0];
  const choose = (name: string) => setSearch({ group: name });
  // What another page proposes (the threshold explorer of the cache) is typed in, and saved by whoever wants it.
  const proposal = useLocation().state as Spec | null;
  const [taken, setTaken] = useState<Spec | null>(null);
  if (proposal !== taken && group !== undefined) {
    setTaken(proposal);
    const draft = proposal === null ? undefined : proposed(group, proposal);
    if (draft) setDrafts({ ...drafts, [group.name]: draft });
  }
  const reload = async (name: string): Promise<Stored | undefined> => {
    await refetch();
    return client.getQueryData<Stored[]>(["settings"])?.find((each) => each.name === name);
  };

  return (
    <Page title="Settings" description="What the configuration file gives holds, and is changed there; everything else is changed here, and in force in every worker once it is saved." actions={<ExportButton />}>
      {Object.values(drafts).some(Boolean) ? <Leaving within /> : null}
      <ErrorNotice error={error ?? undescribed} title="The settings could not be loaded" retry={() => void refetch()} />
      {groups === undefined || group === undefined ? (
        error ? null : <Skeleton height={420} />
      ) : (
        <div className="settings">
          {wide ? (
            <Paper withBorder p={4} component="nav" aria-label="Groups of settings">
              {groups.map((each) => (
                <NavLink
                  key={each.name}
                  component="button"
                  label={titleOf(each.name)}
                  description={drafts[each.name] ? "not saved yet" : each.version ? "changed" : undefined}
                  active={each.name === group.name}
                  aria-current={each.name === group.name ? "page" : undefined}
                  onClick={() => choose(each.name)}
                  className="nav-link"
                />
              ))}
            </Paper>
          ) : (
            <Select label="Group" allowDeselect={false} data={groups.map((each) => ({ value: each.name, label: `${titleOf(each.name)}${drafts[each.name] ? " (not saved yet)" : ""}` }))} value={group.name} onChange={(name) => choose(name ?? group.name)} />
          )}
          <GroupForm
            key={group.name}
            title={titleOf(group.name)}
            group={group}
            shape={document ? shapeOf(document, group.name) : undefined}
            draft={drafts[group.name]}
            onDraft={(draft) => setDrafts((old) => ({ ...old, [group.name]: draft }))}
            reload={() => reload(group.name)}
          />
        </div>
      )}
    </Page>
  );
}
