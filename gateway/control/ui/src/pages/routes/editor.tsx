/** One route, and beside it where requests would go. */
import { Accordion, Alert, Anchor, Autocomplete, Button, Group, NumberInput, Paper, Select, SimpleGrid, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { IconArrowLeft, IconLock } from "@tabler/icons-react";
import { useEffect, useRef } from "react";
import { Link } from "react-router";
import { ApiError, ConfirmButton, ConflictNotice, type Entity, ErrorNotice, LatestChange, Page, SourceBadge, done, json, useMe, useRemove } from "../../parts";
import { useDraft } from "../../parts/draft";
import { Leaving } from "../../parts/leaving";
import { RawSpec } from "../../parts/raw";
import { DryRun } from "./dry-run";
import { type Target, Targets, longOf } from "./targets";
import { STRATEGIES } from "./words";

interface EditorProps {
  entity: Entity<"routes"> | undefined;
  providers: { name: string; models: string[] }[];
  onClose: () => void;
}

export function RouteEditor({ entity, providers, onClose }: EditorProps) {
  const me = useMe();
  const draft = useDraft("routes", entity, { targets: [] } as never);
  const left = useRef(false);
  const close = () => {
    left.current = true;
    onClose();
  };
  const remove = useRemove("routes", { onGone: close });
  const { spec, set, base } = draft;
  const targets = (spec.targets ?? []) as Target[];
  const readOnly = base?.source === "file" ? "The configuration file declares it: change it there." : me.mayNot("operator");
  const locked = Boolean(readOnly);
  const strategy = spec.strategy ?? "weighted";
  const check = useMutation<unknown, ApiError>({ mutationFn: () => json("POST", "/api/routes/explain", { model: draft.name || "unnamed", route: spec }) });
  const whole = targets.length > 0 && targets.every((each) => longOf(each).provider && longOf(each).model);
  const save = useMutation<unknown, ApiError>({
    mutationFn: async () => {
      const saved = await draft.save();
      done(`Saved the route ${saved.name}`);
      close();
    },
  });
  const error = draft.error;
  const conflict = error instanceof ApiError && error.isConflict;
  const notice = useRef<HTMLDivElement>(null);
  const checked = check.isPending ? undefined : (check.error ?? check.data);
  useEffect(() => {
    if (error || checked) notice.current?.scrollIntoView({ block: "nearest" });
  }, [error, checked]);

  return (
    <Page
      title={base ? `Route ${base.name}` : "New route"}
      description="A model name of your own, and what stands behind it."
      actions={
        <>
          {base ? <SourceBadge source={base.source} state={base.state} problem={base.problem} /> : null}
          <Button component={Link} to="/routes" variant="default" leftSection={<IconArrowLeft size={16} aria-hidden />}>
            All routes
          </Button>
        </>
      }
    >
      {draft.dirty ? <Leaving free={() => left.current} /> : null}
      <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (!locked) save.mutate();
          }}
        >
          <Paper withBorder p="md">
            <Stack>
              {readOnly ? (
                <Alert color="gray" icon={<IconLock aria-hidden />}>
                  {readOnly}
                </Alert>
              ) : null}
              <fieldset disabled={locked} className="plain-fieldset">
                <Stack>
                  <TextInput label="Name" description="What callers write as the model." required error={/[^!-~]/.test(draft.name) ? "Letters, digits and signs of ASCII, without blanks" : null} maxLength={256} value={draft.name} onChange={(event) => draft.setName(event.currentTarget.value)} />
                  <Select
                    label="Strategy"
                    description={STRATEGIES.find((each) => each.value === strategy)?.about}
                    data={STRATEGIES.map(({ value, label }) => ({ value, label }))}
                    value={strategy}
                    allowDeselect={false}
                    onChange={(value) => set({ strategy: value as never })}
                    disabled={locked}
                  />
                  {strategy === "hash" ? <TextInput label="Header field" description="Empty: the session, else the virtual key." value={spec.hash_on ?? ""} onChange={(event) => set({ hash_on: event.currentTarget.value || null })} /> : null}
                  <Targets title="Targets" about="One is asked first, by the strategy; the others when it fails." one="target" targets={targets} onChange={(value) => set({ targets: value as never })} providers={providers} weighted={strategy !== "order"} readOnly={locked} />
                  <Targets title="Fallbacks" about="Asked in this order when the targets failed." one="fallback" targets={(spec.fallbacks ?? []) as Target[]} onChange={(value) => set({ fallbacks: value as never })} providers={providers} weighted={false} readOnly={locked} />
                  <Accordion variant="separated">
                    <Accordion.Item value="more">
                      <Accordion.Control>Asking twice, streams that break off</Accordion.Control>
                      <Accordion.Panel>
                        <Stack gap="sm">
                          <Switch label="Ask a second target when the first byte takes long" description="Costs up to the share below more." checked={Boolean(spec.hedge)} onChange={(event) => set({ hedge: event.currentTarget.checked ? ({ share: 0.05 } as never) : null })} />
                          {spec.hedge ? (
                            <Group>
                              <NumberInput label="Share asked twice, at most" min={0.01} max={1} step={0.01} decimalScale={3} value={spec.hedge.share} onChange={(value) => set({ hedge: { ...spec.hedge, share: Number(value) || 0.05 } as never })} />
                              <Autocomplete label="After" description="Empty: learned" data={["500ms", "1s", "3s"]} value={String(spec.hedge.after ?? "")} onChange={(value) => set({ hedge: { ...spec.hedge, after: value || null } as never })} />
                            </Group>
                          ) : null}
                          <Switch label="Go on with a stream of text that breaks off" checked={spec.continue_on_cut ?? false} onChange={(event) => set({ continue_on_cut: event.currentTarget.checked })} />
                          <Text size="sm" c="dimmed">
                            Retries, time-outs and health are the same for all routes: they are <Anchor component={Link} to="/settings">settings</Anchor>, or a provider&apos;s own.
                          </Text>
                        </Stack>
                      </Accordion.Panel>
                    </Accordion.Item>
                    <Accordion.Item value="raw">
                      <Accordion.Control>Everything, as JSON</Accordion.Control>
                      <Accordion.Panel>
                        <RawSpec value={spec} onChange={(value) => draft.replace(value as never)} readOnly={locked} />
                      </Accordion.Panel>
                    </Accordion.Item>
                  </Accordion>
                </Stack>
              </fieldset>
              <div ref={notice} className="form-notice">
                {conflict ? <ConflictNotice error={error} what={`the route ${draft.name}`} onLoadTheirs={draft.loadTheirs} onKeepEditing={draft.keepEditing}>{base ? <LatestChange kind="route" name={base.name} /> : null}</ConflictNotice> : <ErrorNotice error={error} title="Not saved" />}
                <div aria-live="polite">
                  {check.error ? <ErrorNotice error={check.error} title="It cannot be used like this" /> : null}
                  {check.isSuccess && !check.isPending ? <Alert color="green">Nothing is wrong with it.</Alert> : null}
                </div>
              </div>
              <Group justify="space-between" className="form-buttons">
                <Group gap="xs">
                  {base && !locked ? (
                    <ConfirmButton title={`Remove the route ${base.name}?`} message="Callers who ask for it are answered 404." confirm="Remove" onConfirm={() => remove.mutateAsync(base)}>
                      Remove
                    </ConfirmButton>
                  ) : null}
                </Group>
                <Group gap="xs">
                  <Button variant="default" onClick={() => check.mutate()} loading={check.isPending} disabled={!whole}>
                    Check
                  </Button>
                  {locked ? null : (
                    <Button type="submit" loading={save.isPending} disabled={!draft.dirty || !whole || !draft.name || /[^!-~]/.test(draft.name)}>
                      Save
                    </Button>
                  )}
                </Group>
              </Group>
            </Stack>
          </Paper>
        </form>
        <DryRun model={draft.name || "unnamed"} route={whole && !locked ? spec : undefined} />
      </SimpleGrid>
    </Page>
  );
}
