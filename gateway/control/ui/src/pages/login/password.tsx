import { Button, PasswordInput, Stack } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Navigate, useNavigate } from "react-router";
import { api, told } from "../../api/client";
import { ME } from "../../api/me";
import { hasSession } from "../../api/session";
import { EntryPage } from "../../app/entry";
import { ErrorNotice } from "../../parts/notices";

/** Where who logs in with a password that somebody else made is led to: until it is changed there is nothing else. */
export function Component() {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const navigate = useNavigate();
  const client = useQueryClient();
  const differs = again !== "" && again !== next;

  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      const who = await told(api.POST("/api/me/password", { body: { current, new: next } }));
      client.clear();
      client.setQueryData(ME, who);
      await navigate("/", { replace: true });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };

  if (!hasSession()) return <Navigate to="/login" replace />;
  return (
    <EntryPage title="Set your own password" lead="The one you logged in with was made by somebody else. With your own you are led on.">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (next === again) void save();
        }}
      >
        <Stack>
          <PasswordInput label="Current password" description="The one that you were given" autoComplete="current-password" required autoFocus value={current} onChange={(event) => setCurrent(event.currentTarget.value)} />
          <PasswordInput label="New password" description="At least 12 characters" autoComplete="new-password" required minLength={12} maxLength={256} value={next} onChange={(event) => setNext(event.currentTarget.value)} />
          <PasswordInput label="New password, again" autoComplete="new-password" required value={again} onChange={(event) => setAgain(event.currentTarget.value)} error={differs ? "It is not the same" : undefined} />
          <ErrorNotice error={error} title="Not changed" />
          <Button type="submit" loading={busy} disabled={differs} fullWidth>
            Set the password
          </Button>
        </Stack>
      </form>
    </EntryPage>
  );
}
