import { Alert, Button, Drawer, Group, ScrollArea, Stack } from "@mantine/core";
import { IconLock } from "@tabler/icons-react";
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { ApiError } from "../api/client";
import { AskLeaving, Leaving } from "./leaving";
import { ConflictNotice, ErrorNotice } from "./notices";
import { isCovered } from "./over";

interface EntityFormProps {
  opened: boolean;
  onClose: () => void;
  /** "New route", "Route fast". */
  title: ReactNode;
  /** Called at Enter and by the button; a promise that rejects leaves the form open and shows why. */
  onSubmit: () => Promise<unknown> | void;
  /** Whether there is something to save; leaving a changed form is asked about. Undefined: what was typed tells. */
  dirty?: boolean | undefined;
  /** Why nothing can be changed here: the file declares it, the role is not enough. Fields below are then disabled
   * by a fieldset. */
  readOnly?: ReactNode;
  submit?: ReactNode;
  /** The error of the last save (`useSave(...).error`); shown above the buttons, 412 as a conflict. */
  error?: unknown;
  /** For conflicts: "the route fast". */
  what?: string;
  /** In the notice of a conflict: who changed what. */
  changed?: ReactNode;
  /** Show what is stored now. */
  onLoadTheirs?: () => void;
  /** Take over the version that is stored now and go on. */
  onKeepEditing?: () => void;
  /** Beside the button that saves: Remove and the like. */
  more?: ReactNode;
  size?: string | number;
  children: ReactNode;
}

/** The drawer in which one entity is made or changed. Its fields are the caller's own; Enter saves, Esc closes. */
export function EntityForm(props: EntityFormProps) {
  const { opened, onClose, title, onSubmit, dirty, readOnly, submit = "Save", error, what = "this", more, size = 560, children } = props;
  const [busy, setBusy] = useState(false);
  const [thrown, setThrown] = useState<unknown>(null);
  const [typed, setTyped] = useState(false);
  const [asking, setAsking] = useState(false);
  // Saving leads away, and so does what is decided here.
  const free = useRef(false);
  const form = useId();
  const shown = error ?? thrown;
  const notice = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (shown) notice.current?.scrollIntoView({ block: "nearest" });
  }, [shown]);

  const save = async () => {
    setBusy(true);
    setThrown(null);
    free.current = true;
    try {
      await onSubmit();
      setTyped(false);
    } catch (failure) {
      setThrown(failure);
    } finally {
      free.current = false;
      setBusy(false);
    }
  };
  const changed = opened && !readOnly && (dirty ?? typed);
  const leave = () => {
    free.current = true;
    setAsking(false);
    setThrown(null);
    setTyped(false);
    onClose();
    free.current = false;
  };
  const close = () => {
    if (isCovered()) return;
    if (changed) setAsking(true);
    else leave();
  };
  const conflict = shown instanceof ApiError && shown.isConflict && props.onLoadTheirs && props.onKeepEditing;

  return (
    <Drawer opened={opened} onClose={close} title={title} position="right" size={size} scrollAreaComponent={ScrollArea.Autosize} classNames={{ body: "form-body" }}>
      <AskLeaving opened={asking} onStay={() => setAsking(false)} onLeave={leave} />
      {changed ? <Leaving free={() => free.current} /> : null}
      <form
        id={form}
        onChange={() => setTyped(true)}
        onSubmit={(event) => {
          event.preventDefault();
          event.stopPropagation();
          if (!readOnly && !busy) void save();
        }}
      >
        <Stack>
          {readOnly ? (
            <Alert color="gray" icon={<IconLock aria-hidden />}>
              {readOnly}
            </Alert>
          ) : null}
          <fieldset disabled={Boolean(readOnly)} className="plain-fieldset">
            <Stack>{children}</Stack>
          </fieldset>
          <div ref={notice} className="form-notice">
            {conflict ? (
              <ConflictNotice
                error={shown}
                what={what}
                onLoadTheirs={() => { setThrown(null); props.onLoadTheirs?.(); }}
                onKeepEditing={() => { setThrown(null); props.onKeepEditing?.(); }}
              >
                {props.changed}
              </ConflictNotice>
            ) : (
              <ErrorNotice error={shown} title="Not saved" />
            )}
          </div>
          <Group justify="space-between" className="form-buttons">
            <Group gap="xs">{more}</Group>
            <Group gap="xs">
              <Button variant="default" onClick={close}>
                {readOnly ? "Close" : "Cancel"}
              </Button>
              {readOnly ? null : (
                <Button type="submit" loading={busy} disabled={dirty === false}>
                  {submit}
                </Button>
              )}
            </Group>
          </Group>
        </Stack>
      </form>
    </Drawer>
  );
}
