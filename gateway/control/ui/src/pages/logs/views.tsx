// Filters that are kept under a name, for oneself or for everybody.
import { ActionIcon, Button, Group, Menu, Modal, Stack, Switch, Text, TextInput, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconBookmark, IconTrash, IconUsers } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { ErrorNotice, type Schemas, api, done, failed, json, told, undoable } from "../../parts";
import type { Filters } from "./filters";

type View = Schemas["View"];

const VIEWS = ["views"];

interface Props {
  /** What is shown now, to be saved: filters and range. */
  current: Filters;
  onPick: (query: Filters) => void;
}

export function SavedViews({ current, onPick }: Props) {
  const [saving, { open, close }] = useDisclosure(false);
  const client = useQueryClient();
  const views = useQuery({ queryKey: VIEWS, queryFn: () => told(api.GET("/api/views", { params: { query: { page: "logs", limit: 1000 } } })) });
  const save = useMutation({
    mutationFn: (view: Schemas["NewView"]) => told(api.POST("/api/views", { body: view })),
    onSuccess: () => client.invalidateQueries({ queryKey: VIEWS }),
  });
  const remove = useMutation({
    mutationFn: ({ id, version }: View) =>
      json<void>("DELETE", `/api/views/${encodeURIComponent(id)}`, undefined, { "if-match": `"${version}"` }),
    onSuccess: async (_, { name, page, query, shared }) => {
      await client.invalidateQueries({ queryKey: VIEWS });
      undoable(`Removed the view ${name}`, () => save.mutateAsync({ name, page, query, shared }));
    },
    onError: (error) => failed("Not removed", error),
  });
  const known = views.data?.entries ?? [];
  return (
    <>
      <Menu position="bottom-end" width={280}>
        <Menu.Target>
          <Button variant="default" leftSection={<IconBookmark size={16} aria-hidden />}>
            Views
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {known.length === 0 && (
            <Text size="sm" c="dimmed" p="xs">
              Set filters, then keep them here under a name.
            </Text>
          )}
          {known.map((view) => (
            <Group key={view.id} gap={0} wrap="nowrap">
              <Menu.Item flex={1} onClick={() => onPick(view.query)}>
                <Group gap={6} wrap="nowrap">
                  <Text size="sm" truncate>
                    {view.name}
                  </Text>
                  {view.shared && (
                    <Tooltip label={`Everybody sees it; ${view.owner} made it`}>
                      <IconUsers size={14} aria-label="shared" />
                    </Tooltip>
                  )}
                </Group>
              </Menu.Item>
              {view.own && (
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  onClick={() => remove.mutate(view)}
                  aria-label={`Remove the view ${view.name}`}
                >
                  <IconTrash size={15} aria-hidden />
                </ActionIcon>
              )}
            </Group>
          ))}
          <Menu.Divider />
          <Menu.Item onClick={open}>Save this view…</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={saving} onClose={close} title="Save this view">
        <SaveForm
          busy={save.isPending}
          error={save.error}
          onSave={async (name, shared) => {
            await save.mutateAsync({ name, page: "logs", query: { ...current }, shared });
            close();
            done(`Saved the view ${name}`);
          }}
        />
      </Modal>
    </>
  );
}

interface FormProps {
  busy: boolean;
  error: unknown;
  onSave: (name: string, shared: boolean) => Promise<void>;
}

function SaveForm({ busy, error, onSave }: FormProps) {
  const [name, setName] = useState("");
  const [shared, setShared] = useState(false);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        // What goes wrong is shown below.
        onSave(name.trim(), shared).catch(() => undefined);
      }}
    >
      <Stack>
        <TextInput
          label="Name"
          placeholder="Slow answers of the support team"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          required
          maxLength={64}
          data-autofocus
        />
        <Switch
          label="Everybody sees it"
          checked={shared}
          onChange={(event) => setShared(event.currentTarget.checked)}
        />
        <ErrorNotice error={error} title="Not saved" />
        <Group justify="flex-end">
          <Button type="submit" loading={busy} disabled={!name.trim()}>
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
