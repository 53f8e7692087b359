/** Whether this browser has a session. Its cookie is for the server alone, so this only remembers that there was one:
 * who never logged in is not asked for, and no refused request stands in the console. */
const KEY = "microgate-session";

const listeners = new Set<() => void>();

export function hasSession(): boolean {
  try {
    return localStorage.getItem(KEY) === "1";
  } catch {
    return true;
  }
}

export function sessionBegun(): void {
  keep("1");
  for (const tell of listeners) tell();
}

/** The gateway no longer knows it, or somebody logged out. */
export function sessionEnded(): void {
  keep(null);
  for (const tell of listeners) tell();
}

/** Somebody logs out: the whole page begins anew, and nothing of theirs stays in it. */
export function leave(): void {
  keep(null);
  window.location.assign("/ui/login");
}

export function onSessionEnd(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

function keep(value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, value);
  } catch {
    // No storage: the session is asked for each time.
  }
}
