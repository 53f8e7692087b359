import { Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { useLogIn } from "../../api/login";
import { ME } from "../../api/me";
import { sessionBegun } from "../../api/session";
import { EntryPage } from "../../app/entry";
import { ErrorNotice } from "../../parts/notices";

export function Component() {
  const [name, setName] = useState("");
  const [search] = useSearchParams();
  const navigate = useNavigate();
  const client = useQueryClient();

  const { password, setPassword, error, busy, onSubmit } = useLogIn(name, async (who) => {
    client.clear();
    sessionBegun();
    client.setQueryData(ME, who);
    await navigate(backIn(search.get("back")), { replace: true });
  });

  return (
    <EntryPage title="Log in">
      <form onSubmit={onSubmit}>
        <Stack>
          <TextInput label="Name" autoComplete="username" required autoFocus value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <PasswordInput label="Password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
          <ErrorNotice error={error} title="Not logged in" />
          <Button type="submit" loading={busy} fullWidth>
            Log in
          </Button>
          <Text size="sm" c="dimmed">
            First time here? <Link to="/setup">Set the gateway up</Link> with the secret that it printed when it started.
          </Text>
        </Stack>
      </form>
    </EntryPage>
  );
}

/** Pages of this interface only: an address that came from elsewhere leads nowhere else. */
function backIn(text: string | null): string {
  return text !== null && /^\/(?![/\\])/.test(text) && !text.startsWith("/login") ? text : "/";
}
