import { Button, Group, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";

/** Tell that something was done, with a button that takes it back for eight seconds. */
export function undoable(message: string, undo: () => Promise<unknown>, undone = "Taken back"): void {
  const id = notifications.show({
    autoClose: 8000,
    message: (
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm">{message}</Text>
        <Button
          size="compact-sm"
          variant="light"
          onClick={() => {
            notifications.hide(id);
            undo().then(
              () => notifications.show({ color: "green", message: undone }),
              (error: Error) => notifications.show({ color: "red", title: "Not taken back", message: error.message }),
            );
          }}
        >
          Undo
        </Button>
      </Group>
    ),
  });
}

/** Tell that something was done. */
export function done(message: string): void {
  notifications.show({ color: "green", message });
}

/** Tell that something was not done, and why. */
export function failed(title: string, error: unknown): void {
  notifications.show({ color: "red", title, message: error instanceof Error ? error.message : String(error), autoClose: 10_000 });
}
