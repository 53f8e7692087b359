/** What is said in the playground, whatever the dialect that it is sent in. */

export type Dialect = "chat" | "responses" | "messages";

export interface Call {
  id: string;
  name: string;
  /** JSON, as far as it has come. */
  arguments: string;
}

export interface Result {
  id: string;
  name: string;
  text: string;
}

export interface Usage {
  prompt: number;
  completion: number;
  cached: number;
  reasoning: number;
}

/** What is known of one answer beside its words; times in milliseconds. */
export interface Measured {
  startedAt: number;
  firstMs: number | null;
  totalMs: number | null;
  status: number;
  requestId: string;
  provider: string;
  model: string;
  attempts: number;
  overheadUs: number | null;
  /** `miss`, `hit-exact`, ...; empty: no cache. */
  cache: string;
  age: string;
  similarity: string;
  /** As `x-microgate-explain` has it. */
  receipt: string;
  /** Null: not known yet, or nobody knows the price. */
  costNanodollars: number | null;
  unpriced: boolean;
  usage: Usage | null;
  finish: string;
}

export interface Failure {
  status: number;
  code: string;
  message: string;
  /** Seconds, where the gateway names them. */
  retryAfter: string;
}

export interface UserTurn {
  role: "user";
  text: string;
  /** data: addresses. */
  images: string[];
}

export interface AnswerTurn {
  role: "assistant";
  text: string;
  reasoning: string;
  calls: Call[];
  measured: Measured;
  failure: Failure | null;
  /** `streaming` until it ends; `stopped` by its reader. */
  state: "streaming" | "done" | "stopped" | "failed";
}

export interface ToolTurn {
  role: "tool";
  results: Result[];
}

export type Turn = UserTurn | AnswerTurn | ToolTurn;

export interface Parameters {
  dialect: Dialect;
  stream: boolean;
  system: string;
  temperature: number | null;
  topP: number | null;
  maxTokens: number | null;
  seed: number | null;
  stop: string[];
  json: boolean;
  effort: "" | "minimal" | "low" | "medium" | "high";
  /** JSON text of OpenAI's tools; empty: none. */
  tools: string;
  /** `x-microgate-cache`; empty: as configured. */
  cache: "" | "off" | "read" | "refresh";
}

export const USUAL: Parameters = {
  dialect: "chat",
  stream: true,
  system: "",
  temperature: null,
  topP: null,
  maxTokens: null,
  seed: null,
  stop: [],
  json: false,
  effort: "",
  tools: "",
  cache: "",
};

export const SAMPLE_TOOLS = `[
  {
    "type": "function",
    "function": {
      "name": "get_weather",
      "description": "The weather at a place now",
      "parameters": {
        "type": "object",
        "properties": {
          "place": { "type": "string", "description": "City and country" },
          "unit": { "type": "string", "enum": ["celsius", "fahrenheit"] }
        },
        "required": ["place"]
      }
    }
  }
]`;

interface Tool {
  name: string;
  description?: string;
  parameters?: unknown;
}

/** The tools that a text has: OpenAI's form, or the function alone. Throws an Error that says what is wrong. */
export function toolsIn(text: string): Tool[] {
  if (!text.trim()) return [];
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Error(`Tools are no JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!Array.isArray(found)) throw new Error("Tools are a list: [ … ]");
  return found.map((each: { function?: Tool } & Partial<Tool>, at) => {
    const tool = each?.function ?? each;
    if (typeof tool?.name !== "string" || !tool.name) throw new Error(`Tool ${at + 1} has no name`);
    return tool as Tool;
  });
}

/** Turns as they are sent again: without answers that failed. */
export function sent(turns: Turn[]): Turn[] {
  return turns.filter((turn) => turn.role !== "assistant" || (turn.state !== "failed" && (turn.text !== "" || turn.calls.length > 0)));
}

export function begun(): AnswerTurn {
  return {
    role: "assistant",
    text: "",
    reasoning: "",
    calls: [],
    failure: null,
    state: "streaming",
    measured: {
      startedAt: performance.now(),
      firstMs: null,
      totalMs: null,
      status: 0,
      requestId: "",
      provider: "",
      model: "",
      attempts: 0,
      overheadUs: null,
      cache: "",
      age: "",
      similarity: "",
      receipt: "",
      costNanodollars: null,
      unpriced: false,
      usage: null,
      finish: "",
    },
  };
}
