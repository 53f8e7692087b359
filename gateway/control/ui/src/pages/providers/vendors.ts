/** The table of vendors, and what a provider of one needs. */
import { useQuery } from "@tanstack/react-query";
import { type Draft, type Schemas, api, told } from "../../parts";

export type Vendor = Schemas["VendorEntry"];

export const CUSTOM = "custom";

export const DIALECTS = [
  { value: "openai_chat", label: "OpenAI chat completions" },
  { value: "openai_responses", label: "OpenAI responses" },
  { value: "openai_completions", label: "OpenAI completions" },
  { value: "anthropic", label: "Anthropic messages" },
  { value: "gemini", label: "Gemini" },
  { value: "bedrock", label: "Bedrock converse" },
  { value: "cohere", label: "Cohere" },
  { value: "ollama", label: "Ollama" },
];

export function useVendors() {
  return useQuery({
    queryKey: ["vendors"],
    queryFn: async () => (await told(api.GET("/api/vendors"))).entries,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The vendor of a spec as the gateway reads it: its own, else the provider's name when it is one. */
export function vendorOf(name: string, spec: Draft<"providers"> | null | undefined, vendors: Vendor[] | undefined): string {
  if (spec?.vendor) return spec.vendor;
  return vendors?.some((each) => each.name === name) ? name : CUSTOM;
}

/** Whether an address is one that has to be confirmed: without TLS, or in a private network by its looks. What the
 * gateway finds counts; this only shows the field early. */
export function looksPrivate(url: string): boolean {
  if (!url) return false;
  if (!url.startsWith("https://")) return true;
  const host = url.slice(8).split(/[/:]/)[0] ?? "";
  return /^(localhost|127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|\[)/.test(host) || /\.(local|internal|lan|home)$/.test(host) || !host.includes(".");
}
