import { Alert, Badge, Button, Center, Group, Stack, Text, ThemeIcon, Title, Tooltip } from "@mantine/core";
import { IconAlertTriangle, IconFileText, IconGitMerge, IconRefresh } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { ApiError } from "../api/client";

/** What went wrong, in the gateway's words, with a way to try again. */
export function ErrorNotice({ error, title = "That did not work", retry }: { error: unknown; title?: string; retry?: () => void }) {
  if (error === null || error === undefined) return null;
  const told = error instanceof ApiError ? error : undefined;
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={title} role="alert">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{error instanceof Error ? error.message : String(error)}</Text>
        {told?.retryAfter ? <Text size="sm">Try again in {Math.ceil(told.retryAfter)} s.</Text> : null}
        {told?.requestId ? (
          <Text size="xs" c="dimmed">
            Request {told.requestId}
          </Text>
        ) : null}
        {retry ? (
          <Button size="compact-sm" variant="light" color="red" leftSection={<IconRefresh size={14} aria-hidden />} onClick={retry}>
            Try again
          </Button>
        ) : null}
      </Stack>
    </Alert>
  );
}

interface Conflicting {
  error: unknown;
  /** What is edited: "the route fast". */
  what: string;
  /** Throw the own changes away and show what is stored now. */
  onLoadTheirs: () => void;
  /** Go on editing; the next save replaces what is stored now. */
  onKeepEditing: () => void;
  /** Who changed what, where it is known. */
  children?: ReactNode;
}

/** For an error of a save: nothing unless somebody else was quicker (412). */
export function ConflictNotice({ error, what, onLoadTheirs, onKeepEditing, children }: Conflicting) {
  if (!(error instanceof ApiError) || !error.isConflict) return null;
  return (
    <Alert color="orange" icon={<IconGitMerge aria-hidden />} title={`Somebody changed ${what} meanwhile`} role="alert">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">Nothing was saved: your changes are based on an earlier version.</Text>
        {children}
        <Group gap="xs">
          <Button size="compact-sm" color="orange" onClick={onLoadTheirs}>
            Load theirs
          </Button>
          <Button size="compact-sm" color="orange" variant="light" onClick={onKeepEditing}>
            Keep editing
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}

/** An address names something that is not there. */
export function Gone({ what, onClose }: { what: string; onClose: () => void }) {
  return (
    <Alert color="gray" title={`There is no ${what}`} role="status" withCloseButton closeButtonLabel="Dismiss" onClose={onClose}>
      It was removed or has another name now.
    </Alert>
  );
}

/** Nothing is there yet: what it would be, and what to do. */
export function EmptyState({ icon, title, children, action }: { icon?: ReactNode; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <Center py={48} px="md">
      <Stack align="center" gap="sm" maw={460} ta="center">
        {icon ? (
          <ThemeIcon size={56} radius="xl" variant="light" aria-hidden>
            {icon}
          </ThemeIcon>
        ) : null}
        <Title order={2} size="h4">
          {title}
        </Title>
        {children ? (
          <Text size="sm" c="dimmed" component="div">
            {children}
          </Text>
        ) : null}
        {action}
      </Stack>
    </Center>
  );
}

/** Where an entity comes from: "file" ones are read-only here. Stored ones have no badge. */
export function SourceBadge({ source, state, problem }: { source: string; state?: string; problem?: string }) {
  return (
    <>
      {source === "file" ? (
        <Tooltip label="The configuration file declares it; it is changed there.">
          <Badge color="gray" variant="light" leftSection={<IconFileText size={12} aria-hidden />} tabIndex={0}>
            file
          </Badge>
        </Tooltip>
      ) : null}
      {state === "shadowed" || state === "unusable" ? (
        <Tooltip label={problem || "It is not in force."} multiline maw={320}>
          <Badge color="orange" variant="light" tabIndex={0}>
            {state}
          </Badge>
        </Tooltip>
      ) : null}
    </>
  );
}
