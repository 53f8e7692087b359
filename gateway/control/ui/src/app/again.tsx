import { Anchor, Button, Group, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useLogIn } from "../api/login";
import { ME } from "../api/me";
import { leave, sessionBegun } from "../api/session";
import { ErrorNotice } from "../parts/notices";
import { useOver } from "../parts/over";

/** The session has ended while somebody was here: what is typed on the page is still there after the log-in. */
export function LogInAgain({ name }: { name: string }) {
  const client = useQueryClient();
  const { password, setPassword, error, busy, onSubmit } = useLogIn(name, async (who) => {
    client.setQueryData(ME, who);
    sessionBegun();
    await client.invalidateQueries();
  });
  useOver(true);

  return (
    <Modal opened onClose={() => undefined} title="Your session has ended" centered withCloseButton={false} closeOnEscape={false} closeOnClickOutside={false} overlayProps={{ blur: 14, backgroundOpacity: 0.6 }}>
      <form onSubmit={onSubmit}>
        <Stack>
          <Text size="sm">Log in again as {name} to go on where you were.</Text>
          <input type="text" name="username" autoComplete="username" value={name} readOnly hidden />
          <PasswordInput label="Password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.currentTarget.value)} data-autofocus />
          <ErrorNotice error={error} title="Not logged in" />
          <Group justify="space-between">
            <Anchor component="button" type="button" size="sm" onClick={leave}>
              Somebody else
            </Anchor>
            <Button type="submit" loading={busy}>
              Log in
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
