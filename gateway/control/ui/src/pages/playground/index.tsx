import { Alert, Button, Drawer, Group, Paper } from "@mantine/core";
import { useDisclosure, useMediaQuery } from "@mantine/hooks";
import { IconAdjustmentsHorizontal, IconCode, IconColumns2, IconEraser } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useLocation, useSearchParams } from "react-router";
import { Page, useMe } from "../../parts";
import { useModels } from "../../parts/models";
import { Composer } from "./composer";
import { type Parameters, USUAL } from "./conversation";
import { PaneView } from "./pane";
import { MOST, isBusy, usePanes } from "./panes";
import { SettingsPanel, toolsWrong } from "./settings";
import { Snippet } from "./snippet";
import "./style.css";

/** Try models: `?model=…` chooses one, several stand side by side. */
export function Component() {
  const me = useMe();
  const [search, setSearch] = useSearchParams();
  // A request of the log that is opened here brings what was asked (../logs/drawer.tsx).
  const taken = useLocation().state as { system?: string; text?: string } | null;
  const [parameters, setParameters] = useState<Parameters>(() => ({ ...USUAL, system: taken?.system ?? "" }));
  const { panes, send, sendResults, again, stop, add, remove, clear, choose } = usePanes(search.getAll("model"), parameters);
  const [settings, { open: openSettings, close: closeSettings }] = useDisclosure(false);
  const [code, { open: openCode, close: closeCode }] = useDisclosure(false);
  const wide = useMediaQuery("(min-width: 62em)", true);
  const { data: models } = useModels("", "chat");

  const named = panes.map((pane) => pane.model.trim()).filter(Boolean);
  const chosen = named.join("\n");
  useEffect(() => {
    setSearch(chosen ? { model: chosen.split("\n") } : {}, { replace: true });
  }, [chosen, setSearch]);

  const busy = panes.some(isBusy);
  const said = panes.some((pane) => pane.turns.length > 0);
  const why = me.mayNot("operator") ?? (named.length ? (toolsWrong(parameters.tools) ?? undefined) : "Choose a model first");
  const change = (changed: Partial<Parameters>) => setParameters((old) => ({ ...old, ...changed }));
  const panel = <SettingsPanel value={parameters} onChange={change} />;

  return (
    <Page
      title="Playground"
      description="Ask any model that the gateway reaches, one alone or several side by side. Requests go the way of every other one, with a virtual key of your own."
      actions={
        <>
          {wide ? null : (
            <Button variant="default" leftSection={<IconAdjustmentsHorizontal size={16} aria-hidden />} onClick={openSettings}>
              Parameters
            </Button>
          )}
          <Button variant="default" leftSection={<IconColumns2 size={16} aria-hidden />} onClick={add} disabled={panes.length >= MOST}>
            Compare
          </Button>
          <Button variant="default" leftSection={<IconCode size={16} aria-hidden />} onClick={openCode}>
            Code
          </Button>
          <Button variant="default" leftSection={<IconEraser size={16} aria-hidden />} onClick={clear} disabled={!said}>
            Clear
          </Button>
        </>
      }
    >
      {me.mayNot("operator") ? (
        <Alert color="gray" title="You may look, not ask">
          {me.mayNot("operator")}
        </Alert>
      ) : models?.total === 0 ? (
        <Alert color="blue" title="Nothing can be asked yet">
          Add a provider with a key first, under Providers &amp; keys.
        </Alert>
      ) : null}
      <div className="playground">
        <div className="playground-main">
          <div className="panes">
            {panes.map((pane, at) => (
              <PaneView
                key={pane.id}
                pane={pane}
                at={at}
                alone={panes.length === 1}
                disabled={!me.may("operator")}
                onModel={(model) => choose(pane.id, model)}
                onRemove={() => remove(pane.id)}
                onAgain={() => again(pane)}
                onResults={(results) => sendResults(pane, results)}
              />
            ))}
          </div>
          <Composer begun={taken?.text} busy={busy} why={why} onSend={send} onStop={stop} />
        </div>
        {wide ? (
          <Paper withBorder p="md" component="section" aria-label="What is asked with" className="playground-aside">
            {panel}
          </Paper>
        ) : (
          <Drawer opened={settings} onClose={closeSettings} title="Parameters" position="right">
            {panel}
            <Group justify="flex-end" mt="md">
              <Button onClick={closeSettings}>Done</Button>
            </Group>
          </Drawer>
        )}
      </div>
      <Snippet opened={code} onClose={closeCode} model={named[0] ?? ""} turns={panes[0]?.turns ?? []} parameters={parameters} />
    </Page>
  );
}
