import { Button, type ButtonProps, Group, Modal, Stack, Text, TextInput, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { type ReactNode, useState } from "react";
import { useOver } from "./over";

type Confirming = ButtonProps & {
  children: ReactNode;
  /** The question: "Revoke the key bob?" */
  title: string;
  /** What it means. */
  message?: ReactNode;
  /** On the button that does it; default: as the button that asks. */
  confirm?: ReactNode;
  /** Has to be typed first, for what cannot be undone. */
  typed?: string;
  /** Stays open, with a spinner, until it is done; closes when it resolves. */
  onConfirm: () => Promise<unknown> | void;
  /** Why it is disabled, as a tooltip: `me.mayNot("operator")`. */
  why?: string | undefined;
};

/** A button that asks before it does something that cannot easily be undone. */
export function ConfirmButton({ children, title, message, confirm, typed, onConfirm, why, ...button }: Confirming) {
  const [opened, { open, close }] = useDisclosure(false);
  useOver(opened);
  const [busy, setBusy] = useState(false);
  const [text, setText] = useState("");

  const act = async () => {
    setBusy(true);
    try {
      await onConfirm();
      close();
    } catch {
      // Whoever does it tells what went wrong.
    } finally {
      setBusy(false);
    }
  };

  return (
    <>
      <Explained why={why}>
        <Button color="red" variant="light" {...button} disabled={button.disabled || why !== undefined} onClick={() => { setText(""); open(); }}>
          {children}
        </Button>
      </Explained>
      <Modal opened={opened} onClose={close} title={title} centered>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            event.stopPropagation();
            void act();
          }}
        >
          <Stack>
            {message ? (
              <Text size="sm" component="div">
                {message}
              </Text>
            ) : null}
            {typed ? (
              <TextInput label={`Type ${typed} to confirm`} value={text} onChange={(event) => setText(event.currentTarget.value)} data-autofocus />
            ) : null}
            <Group justify="flex-end">
              <Button variant="default" onClick={close} data-autofocus={typed ? undefined : true}>
                Cancel
              </Button>
              <Button type="submit" color={button.color ?? "red"} loading={busy} disabled={Boolean(typed) && text !== typed}>
                {confirm ?? children}
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}

/** Around a disabled control: says why, to the pointer and the keyboard. */
export function Explained({ why, children }: { why?: string | undefined; children: ReactNode }) {
  if (!why) return children;
  return (
    <Tooltip label={why}>
      <span tabIndex={0} className="explained" role="note" aria-label={why}>
        {children}
      </span>
    </Tooltip>
  );
}
