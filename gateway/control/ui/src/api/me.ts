import { useQuery } from "@tanstack/react-query";
import { type Schemas, api, told } from "./client";

export type Role = "viewer" | "operator" | "admin";

const RANK: Record<Role, number> = { viewer: 1, operator: 2, admin: 3 };

export interface Me {
  name: string;
  role: Role;
  via: string;
  /** Whether one's role is at least this one. */
  may: (least: Role) => boolean;
  /** Why not, to be shown at what is disabled; undefined when one may. */
  mayNot: (least: Role) => string | undefined;
}

export const ME = ["me"];

export function meQuery() {
  return { queryKey: ME, queryFn: () => told(api.GET("/api/me")), staleTime: 5 * 60_000 };
}

export function asMe(who: Schemas["Who"] | undefined): Me {
  const role = (who?.role ?? "viewer") as Role;
  const may = (least: Role) => RANK[role] >= RANK[least];
  return {
    name: who?.name ?? "",
    role,
    via: who?.via ?? "",
    may,
    mayNot: (least) => (may(least) ? undefined : `This needs the role ${least}; yours is ${role}.`),
  };
}

/** Who is logged in. Within the frame there always is somebody. */
export function useMe(): Me {
  const { data } = useQuery(meQuery());
  return asMe(data);
}
