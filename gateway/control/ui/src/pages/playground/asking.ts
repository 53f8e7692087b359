/** One question to the gateway, as any client asks it: with the operator's own playground key. */
import { type Schemas, api, told } from "../../parts";
import { type AnswerTurn, type Parameters, type Turn, begun } from "./conversation";
import { bodyOf, dialectOf } from "./dialects";
import { events, take, takeWhole } from "./reading";

/** In the memory of this page and nowhere else. */
let own: Schemas["PlaygroundKey"] | undefined;
let making: Promise<Schemas["PlaygroundKey"]> | undefined;
const SPARE_MS = 60_000;
const LOG_TRIES = 6;
const LOG_WAIT_MS = 400;

/** The key, another one than was ``refused``. A new one ends the one before, so all who need one at once share it. */
export async function playgroundKey(refused = ""): Promise<string> {
  if (own !== undefined && own.key !== refused && Date.parse(own.expires_at) - Date.now() > SPARE_MS) return own.key;
  making ??= told(api.POST("/api/playground", { body: {} })).finally(() => {
    making = undefined;
  });
  own = await making;
  return own.key;
}

/** Ask `/v1` with the key; with a new one where another page of the same operator has renewed it. */
export async function askGateway(path: string, body: unknown, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
  const ask = async (key: string) =>
    fetch(path, {
      method: "POST",
      // The session is of no concern to /v1.
      credentials: "omit",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      ...(signal ? { signal } : {}),
    });
  const key = await playgroundKey();
  const response = await ask(key);
  return response.status === 401 ? ask(await playgroundKey(key)) : response;
}

/** The answer as it grows: `tell` has it each time it has changed. Never rejects: what goes wrong is in the answer. */
export async function answer(model: string, turns: Turn[], parameters: Parameters, tell: (answer: AnswerTurn) => void, signal: AbortSignal): Promise<void> {
  const turn = begun();
  const measured = turn.measured;
  const show = throttled(() => tell({ ...turn, calls: turn.calls.map((call) => ({ ...call })), measured: { ...measured } }));
  try {
    const body = bodyOf(model, turns, parameters);
    const headers = { "x-microgate-explain": "1", ...(parameters.cache ? { "x-microgate-cache": parameters.cache } : {}) };
    const response = await askGateway(dialectOf(parameters.dialect).path, body, headers, signal);
    note(response, turn);
    if (!response.ok) {
      turn.failure = await failureOf(response);
    } else if (response.headers.get("content-type")?.startsWith("text/event-stream") && response.body) {
      for await (const event of events(response.body)) {
        if (take(parameters.dialect, event, turn)) measured.firstMs ??= performance.now() - measured.startedAt;
        show.soon();
      }
    } else {
      takeWhole(parameters.dialect, await response.json(), turn);
    }
    turn.state = turn.failure ? "failed" : "done";
  } catch (error) {
    if (signal.aborted) {
      turn.state = "stopped";
    } else {
      turn.state = "failed";
      turn.failure ??= { status: 0, code: "", message: error instanceof Error ? error.message : String(error), retryAfter: "" };
    }
  }
  measured.totalMs = performance.now() - measured.startedAt;
  show.now();
  if (measured.requestId && (measured.costNanodollars === null || !measured.usage)) {
    await lookUp(turn);
    show.now();
  }
}

function note(response: Response, turn: AnswerTurn): void {
  const field = (name: string) => response.headers.get(name) ?? "";
  const cost = field("x-microgate-cost");
  Object.assign(turn.measured, {
    status: response.status,
    requestId: field("x-microgate-request-id"),
    provider: field("x-microgate-provider"),
    model: field("x-microgate-model"),
    attempts: Number(field("x-microgate-attempts") || 0),
    overheadUs: field("x-microgate-overhead-us") ? Number(field("x-microgate-overhead-us")) : null,
    cache: field("x-microgate-cache"),
    age: field("age"),
    similarity: field("x-microgate-cache-similarity"),
    receipt: field("x-microgate-explain"),
    costNanodollars: cost ? Math.round(Number(cost) * 1e9) : null,
  });
}

async function failureOf(response: Response) {
  const body = (await response.json().catch(() => undefined)) as { error?: { message?: string; code?: string; type?: string } } | undefined;
  return {
    status: response.status,
    code: body?.error?.code ?? body?.error?.type ?? "",
    message: body?.error?.message ?? `The gateway answered ${response.status} ${response.statusText}`.trim(),
    retryAfter: response.headers.get("retry-after") ?? "",
  };
}

/** What a stream cost stands in its record alone, which is written once it has ended. */
async function lookUp(turn: AnswerTurn): Promise<void> {
  for (let attempt = 0; attempt < LOG_TRIES; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, LOG_WAIT_MS * (attempt + 1) * 0.5));
    const query = { request_id: turn.measured.requestId, limit: 1 };
    const page = await told(api.GET("/api/logs", { params: { query } })).catch(() => undefined);
    const entry = page?.entries[0];
    if (!entry) continue;
    turn.measured.unpriced = entry.flags.includes("unpriced");
    turn.measured.costNanodollars = turn.measured.unpriced ? null : entry.cost_nanodollars;
    turn.measured.usage ??= entry.usage_source
      ? { prompt: entry.prompt_tokens, completion: entry.completion_tokens, cached: entry.cached_tokens, reasoning: entry.reasoning_tokens }
      : null;
    return;
  }
}

/** At most once a frame, however fast a stream is. */
function throttled(act: () => void): { soon: () => void; now: () => void } {
  let frame = 0;
  return {
    soon: () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        act();
      });
    },
    now: () => {
      cancelAnimationFrame(frame);
      frame = 0;
      act();
    },
  };
}
