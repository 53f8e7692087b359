/** Answers as they come: events of each dialect, and whole bodies, made into one turn. */
import type { AnswerTurn, Dialect, Usage } from "./conversation";

/* eslint-disable @typescript-eslint/no-explicit-any -- what providers send is anybody's form; each member is looked at */
type Event = any;

/** Data of server-sent events (WHATWG HTML 9.2.6), each parsed. */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<Event> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = block
        .split("\n")
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trimStart())
        .join("\n");
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

/** Take one event of a stream into `answer`; whether it brought words, thoughts or a call. */
export function take(dialect: Dialect, event: Event, answer: AnswerTurn): boolean {
  const error = event?.error ?? (event?.type === "response.failed" ? event.response?.error : undefined);
  if (error) {
    answer.failure = { status: 0, code: String(error.code ?? error.type ?? ""), message: String(error.message ?? "The stream broke off."), retryAfter: "" };
    return false;
  }
  return { chat: takeChat, responses: takeResponses, messages: takeMessages }[dialect](event, answer);
}

function takeChat(event: Event, answer: AnswerTurn): boolean {
  const choice = event.choices?.[0];
  if (event.usage) answer.measured.usage = chatUsage(event.usage);
  if (choice?.finish_reason) answer.measured.finish = choice.finish_reason;
  return heardChat(choice?.delta, answer);
}

function heardChat(said: Event, answer: AnswerTurn): boolean {
  const before = answer.text.length + answer.reasoning.length + answer.calls.length;
  answer.text += typeof said?.content === "string" ? said.content : "";
  answer.reasoning += said?.reasoning_content ?? said?.reasoning ?? "";
  let called = false;
  for (const [at, part] of (said?.tool_calls ?? []).entries()) {
    const place = part.index ?? at;
    const call = (answer.calls[place] ??= { id: "", name: "", arguments: "" });
    call.id ||= part.id ?? "";
    call.name ||= part.function?.name ?? "";
    call.arguments += part.function?.arguments ?? "";
    called = true;
  }
  return called || answer.text.length + answer.reasoning.length + answer.calls.length > before;
}

function takeResponses(event: Event, answer: AnswerTurn): boolean {
  switch (event.type) {
    case "response.output_text.delta":
      answer.text += event.delta ?? "";
      return true;
    case "response.reasoning_summary_text.delta":
    case "response.reasoning_text.delta":
      answer.reasoning += event.delta ?? "";
      return true;
    case "response.output_item.done":
      if (event.item?.type !== "function_call") return false;
      answer.calls.push({ id: event.item.call_id ?? "", name: event.item.name ?? "", arguments: event.item.arguments ?? "" });
      return true;
    case "response.completed":
    case "response.incomplete":
      answer.measured.finish = event.response?.incomplete_details?.reason ?? event.response?.status ?? "";
      answer.measured.usage = responsesUsage(event.response?.usage);
      return false;
    default:
      return false;
  }
}

function takeMessages(event: Event, answer: AnswerTurn): boolean {
  switch (event.type) {
    case "message_start":
      answer.measured.usage = messagesUsage(event.message?.usage, answer.measured.usage);
      return false;
    case "content_block_start":
      if (event.content_block?.type !== "tool_use") return false;
      answer.calls.push({ id: event.content_block.id, name: event.content_block.name, arguments: "" });
      return true;
    case "content_block_delta": {
      const delta = event.delta ?? {};
      const call = answer.calls.at(-1);
      answer.text += delta.type === "text_delta" ? delta.text : "";
      answer.reasoning += delta.type === "thinking_delta" ? delta.thinking : "";
      if (delta.type === "input_json_delta" && call) call.arguments += delta.partial_json ?? "";
      return true;
    }
    case "message_delta":
      answer.measured.finish = event.delta?.stop_reason ?? answer.measured.finish;
      answer.measured.usage = messagesUsage(event.usage, answer.measured.usage);
      return false;
    default:
      return false;
  }
}

/** A whole answer. */
export function takeWhole(dialect: Dialect, body: Event, answer: AnswerTurn): void {
  if (dialect === "chat") {
    const choice = body.choices?.[0];
    heardChat(choice?.message, answer);
    answer.measured.finish = choice?.finish_reason ?? "";
    answer.measured.usage = body.usage ? chatUsage(body.usage) : null;
  } else if (dialect === "responses") {
    for (const item of body.output ?? []) {
      if (item.type === "message") answer.text += (item.content ?? []).map((part: Event) => part.text ?? "").join("");
      if (item.type === "reasoning") answer.reasoning += (item.summary ?? []).map((part: Event) => part.text ?? "").join("\n");
      if (item.type === "function_call") answer.calls.push({ id: item.call_id, name: item.name, arguments: item.arguments ?? "" });
    }
    answer.measured.finish = body.incomplete_details?.reason ?? body.status ?? "";
    answer.measured.usage = responsesUsage(body.usage);
  } else {
    for (const block of body.content ?? []) {
      if (block.type === "text") answer.text += block.text;
      if (block.type === "thinking") answer.reasoning += block.thinking;
      if (block.type === "tool_use") answer.calls.push({ id: block.id, name: block.name, arguments: JSON.stringify(block.input ?? {}) });
    }
    answer.measured.finish = body.stop_reason ?? "";
    answer.measured.usage = messagesUsage(body.usage, null);
  }
}

function chatUsage(usage: Event): Usage {
  return {
    prompt: usage.prompt_tokens ?? 0,
    completion: usage.completion_tokens ?? 0,
    cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
    reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
  };
}

function responsesUsage(usage: Event): Usage | null {
  if (!usage) return null;
  return {
    prompt: usage.input_tokens ?? 0,
    completion: usage.output_tokens ?? 0,
    cached: usage.input_tokens_details?.cached_tokens ?? 0,
    reasoning: usage.output_tokens_details?.reasoning_tokens ?? 0,
  };
}

/** Input and output come in different events. */
function messagesUsage(usage: Event, before: Usage | null): Usage | null {
  if (!usage) return before;
  const cached = usage.cache_read_input_tokens ?? before?.cached ?? 0;
  const fresh = usage.input_tokens === undefined ? undefined : usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0);
  return { prompt: fresh ?? before?.prompt ?? 0, completion: usage.output_tokens ?? before?.completion ?? 0, cached, reasoning: before?.reasoning ?? 0 };
}
