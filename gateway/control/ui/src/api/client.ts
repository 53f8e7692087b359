/** The admin API, typed by its own description (`../../openapi.json`). */
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema";
import { sessionEnded } from "./session";

export type Schemas = components["schemas"];

/** An answer that is none: what the gateway says is wrong, in its words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Seconds to wait, where the gateway names them. */
    readonly retryAfter: number | null = null,
    readonly requestId: string = "",
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** Somebody else changed it meanwhile. */
  get isConflict(): boolean {
    return this.status === 412;
  }
}

const session: Middleware = {
  onResponse({ request, response }) {
    // Log-in and set-up say 401 of what was typed, not of the session.
    if (response.status === 401 && !/\/api\/(login|setup)$/.test(new URL(request.url).pathname)) sessionEnded();
    return undefined;
  },
};

export const api = createClient<paths>({ baseUrl: "" });
api.use(session);

interface Told<T> {
  data?: T | undefined;
  error?: unknown;
  response: Response;
}

/** What an operation of `api` answered. Throws ApiError. */
export async function told<T>(asked: Promise<Told<T>>): Promise<T> {
  let answer: Told<T>;
  try {
    answer = await asked;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The gateway does not answer.");
  }
  if (!answer.response.ok) throw errorOf(answer.response, answer.error);
  return answer.data as T;
}

/** For what the description does not know (streams, exports, /v1): fetch with the same errors. */
export async function fetched(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The gateway does not answer.");
  }
  if (response.ok) return response;
  if (response.status === 401 && path.startsWith("/api/")) sessionEnded();
  throw errorOf(response, await response.json().catch(() => undefined));
}

/** JSON of `path`; `body` is sent as JSON. */
export async function json<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  const init: RequestInit = { method, headers: { ...headers } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...headers, "content-type": "application/json" };
  }
  const response = await fetched(path, init);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

function errorOf(response: Response, body: unknown): ApiError {
  const said = (body as { error?: { message?: string; code?: string; request_id?: string } } | undefined)?.error;
  const wait = Number(response.headers.get("retry-after"));
  return new ApiError(
    response.status,
    said?.code ?? "",
    said?.message ?? `The gateway answered ${response.status} ${response.statusText}`.trim(),
    Number.isFinite(wait) && wait > 0 ? wait : null,
    said?.request_id ?? response.headers.get("x-microgate-request-id") ?? "",
  );
}
