// What was said, read out of the stored bodies of the dialects that people use: OpenAI chat and responses, Anthropic
// messages, Gemini. Everything is text for the page to show as text; whatever is not understood is left to the raw view.

export interface Part {
  kind: "text" | "thinking" | "call" | "result" | "attachment";
  text: string;
  /** Of a tool, or of what is attached. */
  name?: string;
}

export interface Turn {
  role: string;
  parts: Part[];
}

type Json = Record<string, unknown>;

/** The turns of the request, oldest first; empty where it is no conversation. */
export function requestTurns(body: string): Turn[] {
  const request = parsed(body);
  if (request === null) return [];
  const turns: Turn[] = [];
  for (const key of ["system", "instructions", "systemInstruction", "system_instruction"] as const)
    if (request[key] !== undefined) push(turns, "system", parts(request[key]));
  const input = request.messages ?? request.contents ?? request.input ?? request.prompt;
  if (typeof input === "string") push(turns, "user", parts(input));
  else for (const message of list(input)) turnOf(turns, message);
  return turns;
}

/** The turns of the answer, assembled from its events where it was streamed. */
export function responseTurns(body: string, mediaType: string): Turn[] {
  const whole = parsed(body);
  if (whole !== null) return wholeAnswer(whole);
  // Of a stream the gateway keeps the text that its events make up.
  if (mediaType.startsWith("text/event-stream") && !body.startsWith("data:") && !body.startsWith("event:"))
    return body === "" ? [] : [{ role: "assistant", parts: [{ kind: "text", text: body }] }];
  const events = body.split(/\r?\n/).flatMap((line) => {
    const data = line.startsWith("data:") ? parsed(line.slice(5)) : null;
    return data === null ? [] : [data];
  });
  return streamedAnswer(events);
}

/** The body with its JSON set out, or as it is. A body that was cut off is no JSON any more. */
export function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

/** Parameters of the request other than what was said. */
export function parameters(body: string): [string, string][] {
  const request = parsed(body);
  const said = new Set(["messages", "contents", "input", "prompt", "system", "instructions", "model"]);
  return Object.entries(request ?? {})
    .filter(([name]) => !said.has(name))
    .map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
}

function wholeAnswer(answer: Json): Turn[] {
  const turns: Turn[] = [];
  for (const choice of list(answer.choices)) {
    if (isJson(choice.message)) turnOf(turns, choice.message);
    else if (typeof choice.text === "string") push(turns, "assistant", parts(choice.text));
  }
  for (const candidate of list(answer.candidates)) if (isJson(candidate.content)) turnOf(turns, candidate.content);
  for (const item of list(answer.output)) turnOf(turns, item);
  if (turns.length === 0 && answer.content !== undefined) turnOf(turns, answer);
  if (turns.length === 0 && isJson(answer.error)) push(turns, "error", parts(text(answer.error.message)));
  return turns;
}

function streamedAnswer(events: Json[]): Turn[] {
  const found: Part[] = [];
  const calls = new Map<string, Part>();
  const say = (kind: Part["kind"], piece: unknown) => {
    if (typeof piece !== "string" || piece === "") return;
    const last = found.at(-1);
    if (last?.kind === kind && last.name === undefined) last.text += piece;
    else found.push({ kind, text: piece });
  };
  const call = (place: string, name: unknown, piece: unknown) => {
    let part = calls.get(place);
    if (part === undefined) {
      part = { kind: "call", text: "", name: typeof name === "string" ? name : "" };
      calls.set(place, part);
      found.push(part);
    }
    if (typeof name === "string" && !part.name) part.name = name;
    if (typeof piece === "string") part.text += piece;
  };
  for (const event of events) {
    for (const choice of list(event.choices)) {
      const delta = isJson(choice.delta) ? choice.delta : {};
      say("thinking", delta.reasoning_content ?? delta.reasoning);
      say("text", delta.content ?? choice.text);
      for (const piece of list(delta.tool_calls)) {
        const target = isJson(piece.function) ? piece.function : {};
        call(`c${text(choice.index)}.${text(piece.index)}`, target.name, target.arguments);
      }
    }
    for (const candidate of list(event.candidates))
      if (isJson(candidate.content))
        for (const piece of parts(candidate.content.parts))
          if (piece.kind === "text" || piece.kind === "thinking") say(piece.kind, piece.text);
          else found.push(piece);
    const place = `e${text(event.index ?? event.output_index)}`;
    if (event.type === "content_block_start" && isJson(event.content_block)) {
      const block = event.content_block;
      if (block.type === "tool_use") call(place, block.name, "");
      else say("text", block.text);
    } else if (event.type === "content_block_delta" && isJson(event.delta)) {
      say("text", event.delta.text);
      say("thinking", event.delta.thinking);
      if (event.delta.type === "input_json_delta") call(place, undefined, event.delta.partial_json);
    } else if (event.type === "response.output_text.delta") say("text", event.delta);
    else if (event.type === "response.reasoning_summary_text.delta") say("thinking", event.delta);
    else if (event.type === "response.output_item.added" && isJson(event.item) && event.item.type === "function_call")
      call(place, event.item.name, "");
    else if (event.type === "response.function_call_arguments.delta") call(place, undefined, event.delta);
    if (isJson(event.error)) found.push({ kind: "text", text: text(event.error.message) });
  }
  return found.length === 0 ? [] : [{ role: "assistant", parts: found }];
}

/** One message or item, whatever its dialect. */
function turnOf(turns: Turn[], message: Json): void {
  const role = text(message.role) || "assistant";
  if (message.type === "function_call") {
    push(turns, role, [{ kind: "call", name: text(message.name), text: text(message.arguments) }]);
    return;
  }
  if (message.type === "function_call_output") {
    push(turns, "tool", [{ kind: "result", text: text(message.output) }]);
    return;
  }
  const said: Part[] = [];
  const thought = message.reasoning_content ?? message.reasoning ?? (message.type === "reasoning" ? message.summary : "");
  if (typeof thought === "string" && thought) said.push({ kind: "thinking", text: thought });
  else if (Array.isArray(thought)) said.push(...parts(thought).map((part): Part => ({ ...part, kind: "thinking" })));
  said.push(...parts(message.content ?? message.parts));
  for (const tool of list(message.tool_calls)) {
    const target = isJson(tool.function) ? tool.function : {};
    said.push({ kind: "call", name: text(target.name), text: text(target.arguments) });
  }
  push(turns, role, role === "tool" ? said.map((part): Part => ({ ...part, kind: "result" })) : said);
}

function parts(content: unknown): Part[] {
  if (typeof content === "string") return content === "" ? [] : [{ kind: "text", text: content }];
  if (isJson(content) && content.parts !== undefined) return parts(content.parts);
  if (isJson(content)) return [partOf(content)];
  if (!Array.isArray(content)) return [];
  return content.flatMap((piece): Part[] =>
    typeof piece === "string" ? [{ kind: "text", text: piece }] : isJson(piece) ? [partOf(piece)] : [],
  );
}

function partOf(piece: Json): Part {
  if (typeof piece.text === "string")
    return { kind: piece.thought === true ? "thinking" : "text", text: piece.text };
  if (typeof piece.thinking === "string") return { kind: "thinking", text: piece.thinking };
  if (piece.type === "tool_use") return { kind: "call", name: text(piece.name), text: text(piece.input) };
  if (piece.type === "tool_result")
    return { kind: "result", text: parts(piece.content).map((part) => part.text).join("\n") };
  if (isJson(piece.functionCall))
    return { kind: "call", name: text(piece.functionCall.name), text: text(piece.functionCall.args) };
  if (isJson(piece.functionResponse))
    return { kind: "result", name: text(piece.functionResponse.name), text: text(piece.functionResponse.response) };
  if (typeof piece.refusal === "string") return { kind: "text", text: piece.refusal };
  const name = text(piece.type) || Object.keys(piece)[0] || "attachment";
  return { kind: "attachment", name, text: abridged(piece) };
}

/** What an image or a file is, without its bytes. */
function abridged(piece: Json): string {
  return JSON.stringify(piece, (_, value: unknown) =>
    typeof value === "string" && value.length > 200 ? `${value.slice(0, 60)}… (${value.length} characters)` : value,
  );
}

function push(turns: Turn[], role: string, said: Part[]): void {
  if (said.length > 0) turns.push({ role, parts: said });
}

function parsed(body: string): Json | null {
  try {
    const value: unknown = JSON.parse(body);
    return isJson(value) ? value : null;
  } catch {
    return null;
  }
}

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isJson) : [];
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value);
}

/** What the playground takes over: the instructions, and the last that the user said. */
export function questionOf(body: string): { system: string; text: string } {
  const turns = requestTurns(body);
  const said = (turn: Turn | undefined) =>
    (turn?.parts ?? []).filter((part) => part.kind === "text").map((part) => part.text).join("\n");
  return {
    system: turns.filter((turn) => turn.role === "system" || turn.role === "developer").map(said).join("\n\n"),
    text: said(turns.findLast((turn) => turn.role === "user")),
  };
}
