/** Operators and API tokens. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ApiError, type Role, type Schemas, api, json, told } from "../../parts";

export type Operator = Schemas["OperatorEntry"];
export type Token = Schemas["TokenEntry"];

export const ROLES: { value: Role; label: string; may: string }[] = [
  { value: "viewer", label: "viewer", may: "Sees everything but secrets, changes nothing." },
  { value: "operator", label: "operator", may: "Also changes customers, teams, virtual keys, routes and prices, and uses the playground." },
  { value: "admin", label: "admin", may: "Everything: also providers and their keys, settings, users and the audit." },
];

export function useOperators(enabled = true) {
  return useQuery({
    queryKey: ["operators"],
    queryFn: async ({ signal }) => (await told(api.GET("/api/operators", { params: { query: { limit: 1000 } }, signal }))).entries,
    enabled,
  });
}

export interface OperatorChange {
  /** Undefined: a new one. */
  operator?: Operator | undefined;
  name: string;
  role: Role;
  enabled: boolean;
  /** Empty: stays. */
  password: string;
  /** Whoever logs in with it has to set another one. */
  oneTime: boolean;
}

export function useSaveOperator() {
  const client = useQueryClient();
  return useMutation<Operator, ApiError, OperatorChange>({
    mutationFn: ({ operator, name, role, enabled, password, oneTime }) => {
      if (!operator) return json("POST", "/api/operators", { name, role, password, one_time: oneTime });
      const change = {
        ...(role === operator.role ? {} : { role }),
        ...(enabled === operator.enabled ? {} : { enabled }),
        ...(password ? { password, one_time: oneTime } : {}),
      };
      return json("PATCH", `/api/operators/${operator.id}`, change, { "if-match": `"${operator.version}"` });
    },
    onSuccess: () => client.invalidateQueries({ queryKey: ["operators"] }),
  });
}

export function useRemoveOperator() {
  const client = useQueryClient();
  return useMutation<unknown, ApiError, Operator>({
    mutationFn: (operator) => json("DELETE", `/api/operators/${operator.id}`, undefined, { "if-match": `"${operator.version}"` }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["operators"] });
      void client.invalidateQueries({ queryKey: ["tokens"] });
    },
  });
}

export function useTokens(all: boolean) {
  return useQuery({
    queryKey: ["tokens", all],
    queryFn: async ({ signal }) => (await told(api.GET("/api/tokens", { params: { query: { all } }, signal }))).entries,
  });
}

export function useMakeToken() {
  const client = useQueryClient();
  return useMutation<Token, ApiError, { name: string; role: Role; expires_at: number | null }>({
    mutationFn: (token) => json("POST", "/api/tokens", { ...token, ...(token.expires_at === null ? { expires_at: null } : {}) }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["tokens"] }),
  });
}

export function useRevokeToken() {
  const client = useQueryClient();
  return useMutation<unknown, ApiError, Token>({
    mutationFn: (token) => json("DELETE", `/api/tokens/${token.id}`),
    onSuccess: () => client.invalidateQueries({ queryKey: ["tokens"] }),
  });
}

const LETTERS = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/** 20 characters that are not taken for one another: 115 bits. */
export function generated(): string {
  const found: string[] = [];
  while (found.length < 20) {
    const [value = 0] = crypto.getRandomValues(new Uint8Array(1));
    // What is left of 256 would make some characters likelier.
    if (value < 256 - (256 % LETTERS.length)) found.push(LETTERS[value % LETTERS.length] as string);
  }
  return found.join("");
}
