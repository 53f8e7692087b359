/** What a group of settings has: read from the description of the API, which has the words of the configuration file. */
import { useQuery } from "@tanstack/react-query";
import { json } from "../../parts";

export interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  title?: string;
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  examples?: unknown[];
  default?: unknown;
}

interface Document {
  paths: Record<string, Record<string, { requestBody?: { content: Record<string, { schema: JsonSchema }> } }>>;
  components: { schemas: Record<string, JsonSchema> };
}

export type FieldKind = "switch" | "choice" | "number" | "whole" | "span" | "size" | "text" | "list" | "object" | "json";

export interface Field {
  name: string;
  description: string;
  kind: FieldKind;
  choices: string[];
  minimum: number | undefined;
  maximum: number | undefined;
  /** Of a list: whether it has numbers. */
  numbers: boolean;
  examples: string[];
  /** Of an object: its members. */
  fields: Field[];
  /** What holds of a member where its object does not say it. */
  usual: unknown;
}

export interface GroupShape {
  description: string;
  fields: Field[];
}

export function useDocument() {
  return useQuery({ queryKey: ["openapi"], queryFn: () => json<Document>("GET", "/api/schema/openapi.json"), staleTime: Infinity });
}

export function shapeOf(document: Document, group: string): GroupShape {
  const body = document.paths[`/api/settings/${group}`]?.["put"]?.requestBody?.content["application/json"]?.schema;
  const change = resolved(document, body);
  const spec = resolved(document, change.properties?.["spec"]);
  return {
    description: spec.description ?? "",
    fields: Object.entries(spec.properties ?? {}).map(([name, schema]) => fieldOf(document, name, schema)),
  };
}

function resolved(document: Document, schema: JsonSchema | undefined): JsonSchema {
  const name = schema?.$ref?.split("/").at(-1);
  return name === undefined ? (schema ?? {}) : resolved(document, document.components.schemas[name]);
}

function fieldOf(document: Document, name: string, schema: JsonSchema): Field {
  const outer = resolved(document, schema);
  const choices = (outer.anyOf ?? outer.oneOf ?? [outer]).map((each) => resolved(document, each)).filter((each) => each.type !== "null");
  // Where null is no choice of its own, alternatives are of one value: a number, or text with its unit.
  const inner = choices.length === 1 ? (choices[0] as JsonSchema) : { oneOf: choices };
  const parts = (inner.oneOf ?? inner.anyOf ?? []).map((each) => resolved(document, each));
  const number = inner.type ? inner : parts.find((each) => each.type === "integer" || each.type === "number");
  return {
    name,
    description: outer.description ?? inner.description ?? "",
    kind: kindOf(inner, parts),
    choices: (inner.enum ?? []).filter((each): each is string => typeof each === "string"),
    minimum: number?.minimum,
    maximum: number?.maximum,
    numbers: resolved(document, inner.items).type === "integer",
    examples: (inner.examples ?? outer.examples ?? []).map(String),
    fields: Object.entries(inner.properties ?? {}).map(([member, each]) => fieldOf(document, member, each)),
    usual: outer.default ?? undefined,
  };
}

function kindOf(inner: JsonSchema, parts: JsonSchema[]): FieldKind {
  if (inner.enum) return "choice";
  if (inner.type === "boolean") return "switch";
  if (inner.type === "integer") return "whole";
  if (inner.type === "number") return "number";
  if (inner.type === "string") return "text";
  if (inner.type === "array" && ["string", "integer"].includes(String(inner.items?.type ?? ""))) return "list";
  if (inner.properties) return "object";
  const text = parts.find((each) => each.type === "string")?.pattern ?? "";
  if (parts.length === 2 && text.includes("ms|s|m|h|d")) return "span";
  if (parts.length === 2 && text.includes("kKMGT")) return "size";
  return "json";
}

/** `connect` -> "Connect", `json_body_bytes` -> "JSON body bytes". */
export function labelOf(name: string): string {
  const words = name.replaceAll("_", " ").replace(/\b(ttl|json|tls|url)\b/g, (word) => word.toUpperCase());
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A value in words. */
export function shown(field: Field, value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (field.kind === "span" && typeof value === "number") return span(value);
  if (field.kind === "size" && typeof value === "number") return size(value);
  if (typeof value === "object") return Array.isArray(value) && value.every((each) => typeof each !== "object") ? value.join(", ") || "none" : JSON.stringify(value);
  return String(value);
}

/** Seconds as configuration files have them. */
function span(seconds: number): string {
  for (const [unit, length] of [["d", 86_400], ["h", 3600], ["m", 60]] as const) {
    if (seconds >= length && seconds % length === 0) return `${seconds / length}${unit}`;
  }
  return seconds > 0 && seconds < 1 ? `${Math.round(seconds * 1e6) / 1e3}ms` : `${seconds}s`;
}

function size(bytes: number): string {
  for (const [unit, length] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]] as const) {
    if (bytes >= length && bytes % length === 0) return `${bytes / length}${unit}`;
  }
  return `${bytes}`;
}
