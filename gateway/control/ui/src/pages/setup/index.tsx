import { Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link, useNavigate } from "react-router";
import { api, told } from "../../api/client";
import { ME } from "../../api/me";
import { sessionBegun } from "../../api/session";
import { EntryPage } from "../../app/entry";
import { ErrorNotice } from "../../parts/notices";

export function Component() {
  // Behind the #, so that neither a server nor its log ever sees it.
  const [secret, setSecret] = useState(() => new URLSearchParams(window.location.hash.slice(1)).get("secret") ?? "");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const navigate = useNavigate();
  const client = useQueryClient();

  useEffect(() => {
    if (window.location.hash) window.history.replaceState(window.history.state, "", window.location.pathname);
  }, []);

  const setUp = async () => {
    setBusy(true);
    setError(null);
    try {
      const who = await told(api.POST("/api/setup", { body: { secret: secret.trim(), name, password } }));
      client.clear();
      sessionBegun();
      client.setQueryData(ME, who);
      await navigate("/welcome", { replace: true });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };

  return (
    <EntryPage title="Set up" lead="You become the first admin. The one-time secret stands in what the gateway printed when it started, and in setup.secret in its data directory.">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void setUp();
        }}
      >
        <Stack>
          <PasswordInput label="One-time secret" placeholder="mg-setup-…" autoComplete="off" required value={secret} onChange={(event) => setSecret(event.currentTarget.value)} autoFocus={secret === ""} />
          <TextInput label="Your name" description="Letters, digits, dots, colons, hyphens and underscores" autoComplete="username" required value={name} onChange={(event) => setName(event.currentTarget.value)} autoFocus={secret !== ""} />
          <PasswordInput label="Password" description="At least 12 characters" autoComplete="new-password" required minLength={12} value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
          <ErrorNotice error={error} title="Not set up" />
          <Button type="submit" loading={busy} fullWidth>
            Begin
          </Button>
          <Text size="sm" c="dimmed">
            Somebody has done this already? <Link to="/login">Log in</Link>.
          </Text>
        </Stack>
      </form>
    </EntryPage>
  );
}
