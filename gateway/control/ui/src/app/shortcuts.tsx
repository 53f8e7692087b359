import { Kbd, Modal, Table } from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import { useNavigate } from "react-router";
import { NAVIGATION } from "./navigation";

const SEQUENCE_MS = 1200;

/** Keys that work on every page, and `?`, which lists them. */
export function Shortcuts() {
  const [opened, { open, close }] = useDisclosure(false);
  const navigate = useNavigate();
  const begun = useRef(0);

  useHotkeys([["shift+?", open]]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.metaKey || event.ctrlKey || event.altKey || target.closest("input, textarea, select, [contenteditable=true], [role=dialog]")) return;
      if (event.key === "?") open();
      if (event.key === "g") {
        begun.current = Date.now();
        return;
      }
      const entry = NAVIGATION.flatMap((group) => group.entries).find((each) => each.key === event.key);
      if (entry && Date.now() - begun.current < SEQUENCE_MS) void navigate(entry.path);
      begun.current = 0;
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [navigate, open]);

  return (
    <Modal opened={opened} onClose={close} title="Keyboard" centered>
      <Table>
        <Table.Tbody>
          {[
            ["?", "This list"],
            ["/", "Search in the list of the page"],
            ["Esc", "Close what is open"],
            ["Enter", "Save what is edited"],
          ].map(([key, meaning]) => (
            <Table.Tr key={key}>
              <Table.Td w={120}>
                <Kbd>{key}</Kbd>
              </Table.Td>
              <Table.Td>{meaning}</Table.Td>
            </Table.Tr>
          ))}
          {NAVIGATION.flatMap((group) => group.entries).map((entry) => (
            <Table.Tr key={entry.path}>
              <Table.Td>
                <Kbd>g</Kbd> <Kbd>{entry.key}</Kbd>
              </Table.Td>
              <Table.Td>{entry.label}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  );
}
