// Everything that is known of one request, beside the table that it was picked from.
import { ActionIcon, Alert, Badge, Button, Drawer, Group, Skeleton, Stack, Text, Tooltip } from "@mantine/core";
import { IconArrowsMaximize, IconFlask } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link, useNavigate } from "react-router";

import { ApiError, CopyIcon, ErrorNotice, api, dateTime, duration, money, told } from "../../parts";
import { EntrySections } from "./sections";
import { questionOf } from "./conversation";
import { StatusBadge } from "./columns";
import type { LogEntry } from "./entry";
import { outcomeText, spaced } from "./words";

interface Props {
  requestId: string | undefined;
  /** What the table already knows of it: shown until the record is read. */
  known?: LogEntry | undefined;
  onClose: () => void;
}

/** A record is stored within a second; until then the log does not know the request. */
const TRIES = 5;

export function EntryDrawer({ requestId, known, onClose }: Props) {
  return (
    <Drawer
      opened={requestId !== undefined}
      onClose={onClose}
      position="right"
      size="xl"
      title={<Text fw={600}>Request</Text>}
      closeButtonProps={{ "aria-label": "Close" }}
      overlayProps={{ backgroundOpacity: 0.2 }}
    >
      {requestId !== undefined && <Shown key={requestId} requestId={requestId} known={known} />}
    </Drawer>
  );
}

function Shown({ requestId, known }: { requestId: string; known: LogEntry | undefined }) {
  const detail = useQuery({
    queryKey: ["logs", "detail", requestId],
    queryFn: ({ signal }) => told(api.GET("/api/logs/{request_id}", { params: { path: { request_id: requestId } }, signal })),
    retry: (failures, error) => isMissing(error) && known !== undefined && failures < TRIES,
    retryDelay: 400,
    staleTime: 60_000,
  });
  const entry = detail.data?.entries[0] ?? known;
  if (entry === undefined) {
    if (detail.isPending) return <Waiting />;
    if (isMissing(detail.error)) return <Missing requestId={requestId} />;
    return <ErrorNotice error={detail.error} retry={() => void detail.refetch()} />;
  }
  return (
    <Stack gap="lg" pb="xl">
      <Head entry={entry}>
        <PlaygroundButton entry={entry} request={detail.data?.content?.request ?? null} />
      </Head>
      {detail.isError && !isMissing(detail.error) && (
        <ErrorNotice error={detail.error} retry={() => void detail.refetch()} />
      )}
      <EntrySections
        entry={entry}
        attempts={detail.data?.entries.slice(1) ?? []}
        content={detail.data?.content}
        loading={detail.isPending}
      />
    </Stack>
  );
}

function Head({ entry, children }: { entry: LogEntry; children: ReactNode }) {
  return (
    <Stack gap={6}>
      <Group gap="xs">
        <StatusBadge entry={entry} />
        <Text fw={600} style={{ overflowWrap: "anywhere" }}>
          {entry.model || entry.target_model || spaced(entry.operation) || "no model"}
        </Text>
        {entry.stream && (
          <Badge variant="default" tt="none">
            streamed
          </Badge>
        )}
        {entry.kind !== "exchange" && <Badge variant="default" tt="none">{entry.kind}</Badge>}
      </Group>
      <Text size="sm">{outcomeText(entry.outcome)}</Text>
      <Text size="sm" c="dimmed">
        {dateTime(entry.started_at)} · took {duration(entry.total_us)}
        {entry.cost_nanodollars > 0 && ` · cost ${money(entry.cost_nanodollars)}`}
      </Text>
      <Group gap="xs" justify="space-between">
        <Group gap={4} wrap="nowrap" miw={0}>
        <Text size="xs" ff="monospace" c="dimmed" style={{ overflowWrap: "anywhere" }}>
          {entry.request_id}
        </Text>
        <CopyIcon value={entry.request_id} label="Copy the request id" />
        <Tooltip label="Its own page, to share">
          <ActionIcon
            component={Link}
            to={`/logs/${entry.request_id}`}
            variant="subtle"
            color="gray"
            size="sm"
            aria-label="Open at its own address"
          >
            <IconArrowsMaximize size={15} aria-hidden />
          </ActionIcon>
        </Tooltip>
        </Group>
        {children}
      </Group>
    </Stack>
  );
}

/** Takes the model and, where it is stored, what was asked to the playground. */
function PlaygroundButton({ entry, request }: { entry: LogEntry; request: string | null }) {
  const navigate = useNavigate();
  return (
    <Button
      size="compact-sm"
      variant="light"
      leftSection={<IconFlask size={15} aria-hidden />}
      disabled={!entry.model}
      onClick={() =>
        void navigate(`/playground?${new URLSearchParams({ model: entry.model })}`, {
          state: request === null ? null : questionOf(request),
        })
      }
    >
      Open in playground
    </Button>
  );
}

function Missing({ requestId }: { requestId: string }) {
  return (
    <Alert color="gray" title="No such request in the log">
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        Nothing is known of {requestId}. Its record may have been removed: they are kept as long as log.retention says.
      </Text>
    </Alert>
  );
}

function Waiting() {
  return (
    <Stack aria-busy>
      <Skeleton h={24} w="60%" />
      <Skeleton h={16} w="80%" />
      <Skeleton h={22} mt="md" />
      <Skeleton h={160} />
    </Stack>
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}
