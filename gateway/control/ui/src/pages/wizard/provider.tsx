import { Alert, Autocomplete, Button, Group, PasswordInput, Radio, Select, SimpleGrid, Stack, Text } from "@mantine/core";
import { IconCircleCheck } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ErrorNotice, type Schemas, api, told, useEntities, useMe, useSave } from "../../parts";
import { STARTS } from "./vendors";

export interface Model {
  /** As it is asked for: "openai/gpt-4o-mini". */
  name: string;
}

const DEMO = "demo";

/** Choose who answers: a vendor with a key, one that is there already, or the demo. */
export function ProviderStep({ config, onDone }: { config: Schemas["ConfigReport"] | undefined; onDone: (model: Model) => void }) {
  const me = useMe();
  const there = config?.providers.filter((each) => each.vendor !== DEMO || each.name === DEMO) ?? [];
  const [choice, setChoice] = useState<string | null>(null);
  const chosen = choice ?? there.find((each) => each.vendor !== DEMO)?.name ?? STARTS[0]?.vendor ?? DEMO;
  const exists = there.some((each) => each.name === chosen);

  return (
    <Stack pt="md">
      <Radio.Group label="Who shall answer?" value={chosen} onChange={setChoice}>
        <SimpleGrid cols={{ base: 1, xs: 2 }} mt="xs" spacing="xs">
          {there.map((each) => (
            <Radio.Card key={each.name} value={each.name} p="sm" aria-label={each.name}>
              <Group wrap="nowrap">
                <Radio.Indicator />
                <div>
                  <Text size="sm" fw={600}>
                    {each.name === DEMO ? "The built-in demo" : each.name}
                  </Text>
                  <Text size="xs" c="dimmed">
                    {each.name === DEMO ? "Costs nothing, answers at once" : "Already here"}
                  </Text>
                </div>
              </Group>
            </Radio.Card>
          ))}
          {STARTS.filter((start) => !there.some((each) => each.name === start.vendor)).map((start) => (
            <Radio.Card key={start.vendor} value={start.vendor} p="sm" aria-label={start.label} disabled={!me.may("admin")}>
              <Group wrap="nowrap">
                <Radio.Indicator />
                <div>
                  <Text size="sm" fw={600}>
                    {start.label}
                  </Text>
                  <Text size="xs" c="dimmed">
                    With an API key
                  </Text>
                </div>
              </Group>
            </Radio.Card>
          ))}
        </SimpleGrid>
      </Radio.Group>
      {exists ? <ModelChoice key={chosen} provider={chosen} onDone={onDone} /> : <NewKey key={chosen} vendor={chosen} onSaved={() => setChoice(chosen)} />}
    </Stack>
  );
}

/** A vendor's key: tried before it is stored. */
function NewKey({ vendor, onSaved }: { vendor: string; onSaved: () => void }) {
  const start = STARTS.find((each) => each.vendor === vendor);
  const me = useMe();
  const client = useQueryClient();
  const save = useSave("providers");
  const [value, setValue] = useState("");
  const [verdict, setVerdict] = useState<Schemas["KeyVerdict"] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState<"try" | "save" | null>(null);
  const spec = { keys: [{ name: "main", value: value.trim() }] } as unknown as Schemas["Provider"];

  const act = async (what: "try" | "save", action: () => Promise<void>) => {
    setBusy(what);
    setError(null);
    try {
      await action();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(null);
    }
  };
  const attempt = () => act("try", async () => setVerdict(await told(api.POST("/api/providers/test", { body: { name: vendor, spec } as never }))));
  const keep = () =>
    act("save", async () => {
      await save.mutateAsync({ name: vendor, spec });
      await client.invalidateQueries({ queryKey: ["config"] });
      onSaved();
    });

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void keep();
      }}
    >
      <Stack>
        <PasswordInput
          label={`API key of ${start?.label ?? vendor}`}
          description={start ? `Made at ${start.console}. It is stored encrypted and shown to nobody again.` : undefined}
          placeholder={start?.hint}
          autoComplete="off"
          required
          value={value}
          disabled={!me.may("admin")}
          onChange={(event) => {
            setValue(event.currentTarget.value);
            setVerdict(null);
          }}
        />
        {verdict ? (
          <Alert color={verdict.ok ? "green" : "orange"} role="status" title={verdict.ok ? "The key works" : "The key was not taken"}>
            {verdict.message} ({Math.round(verdict.took_ms)} ms)
          </Alert>
        ) : null}
        <ErrorNotice error={error} />
        <Group>
          <Button type="submit" loading={busy === "save"} disabled={!value.trim() || !me.may("admin")}>
            Save and go on
          </Button>
          <Button variant="default" loading={busy === "try"} disabled={!value.trim() || !me.may("admin")} onClick={() => void attempt()}>
            Test it
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** One of a provider's models, for the first request. */
function ModelChoice({ provider, onDone }: { provider: string; onDone: (model: Model) => void }) {
  const prefix = `${provider}/`;
  const models = useQuery({
    queryKey: ["models", provider, "chat"],
    queryFn: () => told(api.GET("/api/models", { params: { query: { search: prefix, kind: "chat" } } as never })),
  });
  const names = [...new Set((models.data?.entries ?? []).map((each) => each.name).filter((name) => name.startsWith(prefix)))];
  const routes = useEntities("routes");
  const [typed, setTyped] = useState<string | null>(null);
  const first = provider === DEMO ? `${prefix}echo` : (names.find((name) => /4o-mini|flash|haiku|small|instant/.test(name)) ?? names.find((name) => /mini/.test(name)) ?? names[0] ?? "");
  const name = typed ?? first;

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onDone({ name });
      }}
    >
      <Stack>
        <Alert color="green" icon={<IconCircleCheck aria-hidden />} role="status">
          {provider === DEMO ? "The demo needs no key." : `${provider} is set up.`}
        </Alert>
        {provider === DEMO ? (
          <Select label="Model" data={[`${prefix}echo`, `${prefix}gpt-4o-mini`, `${prefix}slow-2s`]} value={name} onChange={(value) => setTyped(value)} allowDeselect={false} />
        ) : (
          <Autocomplete
            label="Model"
            description="As programs ask for it: the provider, a slash, its own name"
            data={[...names.slice(0, 200), ...(routes.data ?? []).map((route) => route.name)].filter((each, at, all) => all.indexOf(each) === at)}
            value={name}
            onChange={setTyped}
            required
          />
        )}
        <Group>
          <Button type="submit" disabled={!name.includes("/") && !(routes.data ?? []).some((route) => route.name === name)}>
            Next
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
