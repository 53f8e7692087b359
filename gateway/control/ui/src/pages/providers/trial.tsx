/** Does a key work? The question, and what came of it. */
import { Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { IconCheck, IconPlugConnected, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { ApiError, type Draft, Explained, type Schemas, duration, json, useMe } from "../../parts";

export type Verdict = Schemas["KeyVerdict"];

/** What is tried: a key that is in force, or a provider as it stands in the form. */
export type Tried =
  | { stored: string; key: string }
  | { name: string; spec: Draft<"providers">; allow_private: boolean; key: string | null };

export function askVerdict(tried: Tried, model: string): Promise<Verdict> {
  const more = model ? { model } : {};
  if ("stored" in tried) return json<Verdict>("POST", `${tried.stored}/keys/${encodeURIComponent(tried.key)}/test`, more);
  return json<Verdict>("POST", "/api/providers/test", { ...tried, ...more });
}

/** A button, and the verdict below it. `onModels` is told the names on the provider's list. */
export function KeyTrial({ tried, label = "Test key", onModels }: { tried: Tried; label?: string; onModels?: (names: string[]) => void }) {
  const me = useMe();
  const [model, setModel] = useState("");
  const trial = useMutation<Verdict, ApiError, string>({
    mutationFn: (asked) => askVerdict(tried, asked),
    onSuccess: (found) => { if (found.ok && found.models.length) onModels?.(found.models); },
  });
  const verdict = trial.data;
  const unanswered = trial.error?.message.includes("name a model") ?? false;
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Explained why={me.mayNot("admin")}>
          <Button
            variant="light"
            size="xs"
            leftSection={<IconPlugConnected size={16} aria-hidden />}
            loading={trial.isPending}
            disabled={!me.may("admin")}
            onClick={() => trial.mutate("")}
          >
            {label}
          </Button>
        </Explained>
        <Text size="xs" c="dimmed">
          Asks the provider for its models; nothing is billed.
        </Text>
      </Group>
      <div aria-live="polite">
        {verdict ? (
          <Alert
            color={verdict.ok ? "green" : "red"}
            icon={verdict.ok ? <IconCheck aria-hidden /> : <IconX aria-hidden />}
            title={verdict.ok ? "The key works" : "It does not work"}
            withCloseButton
            closeButtonLabel="Dismiss"
            onClose={() => trial.reset()}
          >
            {verdict.message}
            <Text size="xs" c="dimmed">
              {verdict.status === null ? "No answer" : `Status ${verdict.status}`} in {duration(verdict.took_ms * 1000)}
            </Text>
          </Alert>
        ) : null}
        {trial.error ? (
          <Alert color={unanswered ? "orange" : "red"} title={unanswered ? "This provider has no free question" : "Not tested"}>
            <Stack gap="xs">
              <Text size="sm">{trial.error.message}</Text>
              {unanswered ? (
                <Group align="flex-end" gap="xs">
                  <TextInput label="Model to ask for one token" value={model} onChange={(event) => setModel(event.currentTarget.value)} size="xs" />
                  <Button size="xs" disabled={!model} loading={trial.isPending} onClick={() => trial.mutate(model)}>
                    Generate one token
                  </Button>
                </Group>
              ) : null}
            </Stack>
          </Alert>
        ) : null}
      </div>
    </Stack>
  );
}
