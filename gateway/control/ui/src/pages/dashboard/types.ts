import type { Quantiles } from "../../parts";
export type { LiveFigures, Quantiles } from "../../parts";

export interface Figures {
  requests: number; errors: number; refused: number; cache_hits: number; similar_hits: number; shared: number;
  fallbacks: number; retries: number; prompt_tokens: number; completion_tokens: number; cached_tokens: number;
  reasoning_tokens: number; cost_nanodollars: number; saved_nanodollars: number; request_bytes: number;
  response_bytes: number; duration_us: Quantiles | null; ttft_us: Quantiles | null; overhead_us: Quantiles | null;
  tokens_per_second: Quantiles | null;
}
export interface Group { name: string; totals: Figures; points: (Figures | null)[] }
export interface Series { since: number; until: number; step_s: number; times: number[]; groups: Group[] }
