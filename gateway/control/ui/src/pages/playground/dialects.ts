/** The same conversation as a request in each dialect. */
import { type Dialect, type Parameters, type Turn, sent, toolsIn } from "./conversation";

export const DIALECTS: { value: Dialect; label: string; path: string; without: string[] }[] = [
  { value: "chat", label: "Chat completions (OpenAI)", path: "/v1/chat/completions", without: [] },
  { value: "responses", label: "Responses (OpenAI)", path: "/v1/responses", without: ["stop", "seed"] },
  { value: "messages", label: "Messages (Anthropic)", path: "/anthropic/v1/messages", without: ["seed", "json", "effort"] },
];

/** Anthropic's dialect wants a bound. */
const MAX_TOKENS = 4096;

export function dialectOf(dialect: Dialect) {
  return DIALECTS.find((each) => each.value === dialect) as (typeof DIALECTS)[number];
}

type Body = Record<string, unknown>;

/** The body. Throws an Error for tools that are none. */
export function bodyOf(model: string, turns: Turn[], parameters: Parameters): Body {
  const body = { chat: chatBody, responses: responsesBody, messages: messagesBody }[parameters.dialect](model, sent(turns), parameters);
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined && value !== null && value !== ""));
}

function chatBody(model: string, turns: Turn[], p: Parameters): Body {
  const tools = toolsIn(p.tools).map((tool) => ({ type: "function", function: tool }));
  const messages: Body[] = p.system ? [{ role: "system", content: p.system }] : [];
  for (const turn of turns) {
    if (turn.role === "user") {
      const images = turn.images.map((url) => ({ type: "image_url", image_url: { url } }));
      messages.push({ role: "user", content: images.length ? [{ type: "text", text: turn.text }, ...images] : turn.text });
    } else if (turn.role === "assistant") {
      const calls = turn.calls.map((call) => ({ id: call.id, type: "function", function: { name: call.name, arguments: call.arguments } }));
      messages.push({ role: "assistant", content: turn.text || null, ...(calls.length ? { tool_calls: calls } : {}) });
    } else {
      messages.push(...turn.results.map((result) => ({ role: "tool", tool_call_id: result.id, content: result.text })));
    }
  }
  return {
    model,
    messages,
    temperature: p.temperature,
    top_p: p.topP,
    // Models that reason take the newer name alone.
    [p.effort ? "max_completion_tokens" : "max_tokens"]: p.maxTokens,
    seed: p.seed,
    stop: p.stop.length ? p.stop : undefined,
    response_format: p.json ? { type: "json_object" } : undefined,
    reasoning_effort: p.effort,
    tools: tools.length ? tools : undefined,
    stream: p.stream || undefined,
    stream_options: p.stream ? { include_usage: true } : undefined,
  };
}

function responsesBody(model: string, turns: Turn[], p: Parameters): Body {
  const tools = toolsIn(p.tools).map((tool) => ({ type: "function", ...tool }));
  const input: Body[] = [];
  for (const turn of turns) {
    if (turn.role === "user") {
      const images = turn.images.map((url) => ({ type: "input_image", image_url: url }));
      input.push({ role: "user", content: [{ type: "input_text", text: turn.text }, ...images] });
    } else if (turn.role === "assistant") {
      if (turn.text) input.push({ role: "assistant", content: [{ type: "output_text", text: turn.text }] });
      input.push(...turn.calls.map((call) => ({ type: "function_call", call_id: call.id, name: call.name, arguments: call.arguments })));
    } else {
      input.push(...turn.results.map((result) => ({ type: "function_call_output", call_id: result.id, output: result.text })));
    }
  }
  return {
    model,
    instructions: p.system,
    input,
    temperature: p.temperature,
    top_p: p.topP,
    max_output_tokens: p.maxTokens,
    text: p.json ? { format: { type: "json_object" } } : undefined,
    reasoning: p.effort ? { effort: p.effort } : undefined,
    tools: tools.length ? tools : undefined,
    store: false,
    stream: p.stream || undefined,
  };
}

function messagesBody(model: string, turns: Turn[], p: Parameters): Body {
  const tools = toolsIn(p.tools).map(({ name, description, parameters }) => ({ name, description, input_schema: parameters ?? { type: "object" } }));
  const messages: Body[] = [];
  for (const turn of turns) {
    if (turn.role === "user") {
      messages.push({ role: "user", content: [...turn.images.map(imageBlock), { type: "text", text: turn.text }] });
    } else if (turn.role === "assistant") {
      const calls = turn.calls.map((call) => ({ type: "tool_use", id: call.id, name: call.name, input: parsed(call.arguments) }));
      messages.push({ role: "assistant", content: [...(turn.text ? [{ type: "text", text: turn.text }] : []), ...calls] });
    } else {
      const blocks = turn.results.map((result) => ({ type: "tool_result", tool_use_id: result.id, content: result.text }));
      messages.push({ role: "user", content: blocks });
    }
  }
  return {
    model,
    system: p.system,
    messages,
    temperature: p.temperature,
    top_p: p.topP,
    max_tokens: p.maxTokens ?? MAX_TOKENS,
    stop_sequences: p.stop.length ? p.stop : undefined,
    tools: tools.length ? tools : undefined,
    stream: p.stream || undefined,
  };
}

function imageBlock(url: string): Body {
  const [head, data] = url.slice("data:".length).split(";base64,");
  return { type: "image", source: { type: "base64", media_type: head, data } };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text || "{}");
  } catch {
    return {};
  }
}
