import { type FormEvent, useState } from "react";
import { type Schemas, api, told } from "./client";

/** A log-in that is tried: its password, and what became of the last try. `onWho` hears who it is, once it is somebody. */
export function useLogIn(name: string, onWho: (who: Schemas["Who"]) => Promise<unknown>) {
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  const logIn = async () => {
    setBusy(true);
    setError(null);
    try {
      await onWho(await told(api.POST("/api/login", { body: { name, password } })));
    } catch (failure) {
      setError(failure);
      setPassword("");
    } finally {
      setBusy(false);
    }
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    void logIn();
  };
  return { password, setPassword, error, busy, onSubmit };
}
