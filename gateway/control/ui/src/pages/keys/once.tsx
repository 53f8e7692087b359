/** A virtual key, shown this once. */
import { Alert, Button, Group, Modal, Stack, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Copyable } from "../../parts";

export function ShownOnce({ name, value, model, onClose }: { name: string; value: string; model: string; onClose: () => void }) {
  const curl = [
    `curl ${window.location.origin}/v1/chat/completions \\`,
    `  -H "Authorization: Bearer ${value}" -H "Content-Type: application/json" \\`,
    `  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`,
  ].join("\n");
  return (
    <Modal opened onClose={onClose} title={`The key of ${name}`} size="lg" centered closeOnClickOutside={false}>
      <Stack>
        <Alert color="orange" icon={<IconAlertTriangle aria-hidden />} title="It is shown only now">
          The gateway keeps no copy of it. Whoever loses it gets another one by renewing the key.
        </Alert>
        <Copyable value={value} label="Copy the key" block />
        <Text size="sm" fw={600}>
          Try it
        </Text>
        <Copyable value={curl} label="Copy the command" block />
        <Group justify="flex-end">
          <Button onClick={onClose} data-autofocus>
            I have kept it
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
