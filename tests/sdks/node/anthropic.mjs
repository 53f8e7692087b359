// Drives @anthropic-ai/sdk through the gateway at argv[2] with the key argv[3]; prints one JSON object of findings.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const [base, key] = process.argv.slice(2);
const options = { baseURL: `${base}/anthropic`, apiKey: key, maxRetries: 0 };
const client = new Anthropic(options);
const messages = [{ role: "user", content: "hello there, world" }];
const input_schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ name: "weather", description: "Looks it up.", input_schema }];
const found = {};

for (const provider of ["demo-anthropic", "demo", "demo-gemini"]) {
  const asked = { model: `${provider}/echo`, max_tokens: 200, messages };
  const plain = await client.messages.create(asked);
  assert.deepEqual([plain.type, plain.role, plain.stop_reason], ["message", "assistant", "end_turn"]);
  assert.ok(plain.usage.input_tokens > 0 && plain.usage.output_tokens > 0);

  let text = "";
  const stream = client.messages.stream(asked).on("text", (piece) => (text += piece));
  const final = await stream.finalMessage();
  assert.equal(final.content[0].text, text);
  assert.equal(final.usage.output_tokens, plain.usage.output_tokens);

  const called = await client.messages.create({ ...asked, tools, tool_choice: { type: "any" } });
  const call = called.content.find((block) => block.type === "tool_use");
  assert.equal(called.stop_reason, "tool_use");
  const streamed = await client.messages.stream({ ...asked, tools }).finalMessage();
  assert.deepEqual(streamed.content.find((block) => block.type === "tool_use").input, call.input);
  const turn = [
    ...messages,
    { role: "assistant", content: called.content },
    { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "sunny" }] },
  ];
  const last = await client.messages.create({ ...asked, messages: turn, tools });
  found[provider] = { plain: plain.content[0].text, stream: text, tool: call.name, input: call.input, last: last.content[0].text };
}

const thinking = await client.messages.create({ model: "demo-anthropic/echo+think-3", max_tokens: 200, messages });
assert.equal(thinking.content[0].type, "thinking");
const bearer = new Anthropic({ ...options, apiKey: null, authToken: key });
const beta = await bearer.beta.messages.create({ model: "demo-anthropic/echo", max_tokens: 200, messages, betas: ["x-1"] });
assert.equal(beta.content[0].text, "hello there, world");

const ask = (model, more) => client.messages.create({ model, max_tokens: 200, messages, ...more });
await assert.rejects(new Anthropic({ ...options, apiKey: "wrong" }).messages.create({ model: "demo/echo", max_tokens: 9, messages }), Anthropic.AuthenticationError);
await assert.rejects(ask("no/such"), Anthropic.NotFoundError);
for (const provider of ["demo-anthropic", "demo"]) {
  await assert.rejects(ask(`${provider}/echo`, { messages: [{ role: "user", content: 7 }] }), Anthropic.BadRequestError);
  await assert.rejects(ask(`${provider}/error-429`), (error) => {
    assert.ok(error instanceof Anthropic.RateLimitError);
    assert.equal(error.headers.get("retry-after"), "1");
    assert.equal(error.error.error.type, "rate_limit_error");
    return true;
  });
  await assert.rejects(client.messages.stream({ model: `${provider}/error-event`, max_tokens: 200, messages }).finalMessage(), Anthropic.APIError);
  await assert.rejects(client.messages.stream({ model: `${provider}/cut-stream`, max_tokens: 200, messages }).finalMessage());
}
console.log(JSON.stringify(found));
