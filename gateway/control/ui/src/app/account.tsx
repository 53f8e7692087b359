import { Button, Group, Menu, Modal, PasswordInput, Stack, Text, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconChevronDown, IconKey, IconLogout, IconPassword } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "react-router";
import { api, told } from "../api/client";
import { useMe } from "../api/me";
import { leave } from "../api/session";
import { ErrorNotice } from "../parts/notices";
import { done, failed } from "../parts/undo";

export function AccountMenu() {
  const me = useMe();
  const [opened, { open, close }] = useDisclosure(false);

  const logOut = async () => {
    try {
      await told(api.POST("/api/logout"));
    } catch (error) {
      failed("Not logged out", error);
      return;
    }
    leave();
  };

  return (
    <>
      <Menu position="bottom-end" width={220}>
        <Menu.Target>
          <UnstyledButton aria-label={`Account of ${me.name}`} className="account">
            <Group gap={6} wrap="nowrap">
              <Text size="sm" fw={600} maw={140} truncate visibleFrom="sm">
                {me.name}
              </Text>
              <Text size="sm" fw={700} hiddenFrom="sm" aria-hidden>
                {me.name.slice(0, 2).toUpperCase()}
              </Text>
              <IconChevronDown size={14} aria-hidden />
            </Group>
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            {me.name} · {me.role}
          </Menu.Label>
          <Menu.Item leftSection={<IconPassword size={16} aria-hidden />} onClick={open}>
            Change password
          </Menu.Item>
          <Menu.Item leftSection={<IconKey size={16} aria-hidden />} component={Link} to="/users?tab=tokens">
            API tokens
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => void logOut()}>
            Log out
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <PasswordForm opened={opened} close={close} />
    </>
  );
}

function PasswordForm({ opened, close }: { opened: boolean; close: () => void }) {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  const shut = () => {
    setCurrent("");
    setNext("");
    setError(null);
    close();
  };
  const save = async () => {
    setBusy(true);
    try {
      await told(api.POST("/api/me/password", { body: { current, new: next } }));
      done("The password is changed; other sessions have ended");
      shut();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Modal opened={opened} onClose={shut} title="Change password" centered>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Stack>
          <PasswordInput label="Current password" autoComplete="current-password" required value={current} onChange={(event) => setCurrent(event.currentTarget.value)} data-autofocus />
          <PasswordInput label="New password" description="At least 12 characters" autoComplete="new-password" required minLength={12} value={next} onChange={(event) => setNext(event.currentTarget.value)} />
          <ErrorNotice error={error} title="Not changed" />
          <Group justify="flex-end">
            <Button variant="default" onClick={shut}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              Change
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
