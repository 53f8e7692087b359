/** Two JSON values as a list of what differs. */

export interface Difference {
  /** `limits[0].requests`. */
  path: string;
  before: string | undefined;
  after: string | undefined;
}

export function differences(before: unknown, after: unknown): Difference[] {
  const old = new Map(leaves(before));
  const now = new Map(leaves(after));
  const paths = [...new Set([...old.keys(), ...now.keys()])];
  return paths.filter((path) => old.get(path) !== now.get(path)).map((path) => ({ path, before: old.get(path), after: now.get(path) }));
}

/** (path, value as JSON) of everything that has no members; empty lists and objects are values too. */
function* leaves(value: unknown, path = ""): Generator<[string, string]> {
  if (value === undefined || (value === null && path === "")) return;
  const members: [string, unknown][] = Array.isArray(value)
    ? value.map((each, at) => [`${path}[${at}]`, each])
    : typeof value === "object" && value !== null
      ? Object.entries(value).map(([name, each]) => [path ? `${path}.${name}` : name, each])
      : [];
  if (!members.length) yield [path || "(all)", JSON.stringify(value)];
  for (const [place, each] of members) yield* leaves(each, place);
}
