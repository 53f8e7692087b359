// Drives the AI SDK of Vercel through the gateway at argv[2] with the key argv[3]; prints one JSON object of findings.
import assert from "node:assert/strict";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const [base, key] = process.argv.slice(2);
globalThis.AI_SDK_LOG_WARNINGS = false; // they go to standard output
const makers = {
  openai: (apiKey) => createOpenAI({ baseURL: `${base}/openai/v1`, apiKey }),
  chat: (apiKey) => createOpenAI({ baseURL: `${base}/v1`, apiKey }).chat,
  anthropic: (apiKey) => createAnthropic({ baseURL: `${base}/anthropic/v1`, apiKey }),
  google: (apiKey) => createGoogleGenerativeAI({ baseURL: `${base}/genai/v1beta`, apiKey }),
};
const own = { openai: "demo", chat: "demo", anthropic: "demo-anthropic", google: "demo-gemini" };
const other = { openai: "demo-anthropic", chat: "demo-gemini", anthropic: "demo", google: "demo" };
const prompt = "hello there, world";
const found = {};

for (const [name, make] of Object.entries(makers)) {
  const client = make(key);
  for (const provider of [own[name], other[name]]) {
    const asked = { model: client(`${provider}/echo`), prompt, maxRetries: 0, maxOutputTokens: 200 };
    const plain = await generateText(asked);
    assert.equal(plain.finishReason, "stop");
    assert.ok(plain.usage.inputTokens > 0 && plain.usage.outputTokens > 0);
    const streamed = streamText(asked);
    let text = "";
    for await (const piece of streamed.textStream) text += piece;
    assert.equal(await streamed.finishReason, "stop");
    assert.equal((await streamed.usage).outputTokens, plain.usage.outputTokens);

    const inputs = [];
    const execute = async (input) => {
      inputs.push(input);
      return "sunny";
    };
    const tools = { weather: tool({ description: "Looks it up.", inputSchema: z.object({ city: z.string() }), execute }) };
    const round = await generateText({ ...asked, tools, stopWhen: stepCountIs(3) });
    const streaming = streamText({ ...asked, tools, stopWhen: stepCountIs(3) });
    assert.ok((await streaming.text).includes("sunny"), await streaming.text);
    assert.equal(inputs.length, 2);
    assert.deepEqual(inputs[0], inputs[1]);
    const made = await generateObject({ ...asked, schema: z.object({ city: z.string() }) });
    assert.equal(typeof made.object.city, "string");
    found[`${name} ${provider}`] = { plain: plain.text, stream: text, tool: "weather", input: inputs[0], last: round.text };
  }
  const refused = (client, model, status) =>
    assert.rejects(generateText({ model: client(model), prompt, maxRetries: 0 }), (error) => {
      assert.ok(APICallError.isInstance(error), String(error));
      assert.deepEqual([error.statusCode, error.isRetryable], [status, status === 429]);
      if (status === 429) assert.equal(error.responseHeaders["retry-after"], "1");
      return true;
    });
  await refused(make("wrong"), "demo/echo", 401);
  await refused(client, "no/such", 404);
  for (const provider of [own[name], other[name]]) {
    await refused(client, `${provider}/error-400`, 400);
    await refused(client, `${provider}/error-429`, 429);
  }
}
console.log(JSON.stringify(found));
