/** What is typed and not saved is not lost by a key or a click: leaving asks first. */
import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useEffect } from "react";
import { useBlocker } from "react-router";
import { useOver } from "./over";

interface AskProps {
  opened: boolean;
  onStay: () => void;
  onLeave: () => void;
}

/** The question itself. */
export function AskLeaving({ opened, onStay, onLeave }: AskProps) {
  useOver(opened);
  return (
    <Modal opened={opened} onClose={onStay} title="Leave without saving?" centered>
      <Stack>
        <Text size="sm">What you changed here is not saved yet.</Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onLeave}>
            Discard it
          </Button>
          <Button onClick={onStay} data-autofocus>
            Keep editing
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

interface LeavingProps {
  /** Asked at the time: saving and removing lead away as well. */
  free?: () => boolean;
  /** Ways within this page lose nothing. */
  within?: boolean;
}

/** While it is there, ways to another place ask first: links, Back and Forward of the interface itself; the browser asks
 * before it loads the page anew or closes it. Mount it while something is changed. */
export function Leaving({ free = () => false, within = false }: LeavingProps) {
  const blocker = useBlocker(({ currentLocation: from, nextLocation: to }) => !free() && (from.pathname !== to.pathname || (!within && from.search !== to.search)));
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent) => {
      event.preventDefault();
    };
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, []);
  return <AskLeaving opened={blocker.state === "blocked"} onStay={() => blocker.reset?.()} onLeave={() => blocker.proceed?.()} />;
}
