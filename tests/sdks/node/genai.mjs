// Drives @google/genai through the gateway at argv[2] with the key argv[3]; prints one JSON object of findings.
import assert from "node:assert/strict";
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from "@google/genai";

const [base, key] = process.argv.slice(2);
const at = (apiKey, more) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: `${base}/genai`, ...more } }).models;
const models = at(key);
const contents = "hello there, world";
const parameters = { type: "OBJECT", properties: { city: { type: "STRING" } }, required: ["city"] };
const tools = [{ functionDeclarations: [{ name: "weather", description: "Looks it up.", parameters }] }];
const toolConfig = { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } };
const found = {};

for (const provider of ["demo-gemini", "demo", "demo-anthropic"]) {
  const model = `${provider}/echo`;
  const plain = await models.generateContent({ model, contents });
  assert.equal(plain.candidates[0].finishReason, "STOP");
  assert.ok(plain.usageMetadata.promptTokenCount > 0 && plain.usageMetadata.candidatesTokenCount > 0);

  let text = "";
  let last;
  for await (const chunk of await models.generateContentStream({ model, contents })) {
    text += chunk.text ?? "";
    last = chunk;
  }
  assert.equal(last.candidates[0].finishReason, "STOP");
  assert.equal(last.usageMetadata.candidatesTokenCount, plain.usageMetadata.candidatesTokenCount);

  const called = await models.generateContent({ model, contents, config: { tools, toolConfig } });
  const [call] = called.functionCalls;
  const calls = [];
  for await (const chunk of await models.generateContentStream({ model, contents, config: { tools } })) {
    calls.push(...(chunk.functionCalls ?? []));
  }
  assert.deepEqual([calls.length, calls[0].name, calls[0].args], [1, call.name, call.args]);
  const turn = [
    { role: "user", parts: [{ text: contents }] },
    called.candidates[0].content,
    { role: "user", parts: [{ functionResponse: { id: call.id, name: call.name, response: { output: "sunny" } } }] },
  ];
  const end = await models.generateContent({ model, contents: turn, config: { tools } });
  found[provider] = { plain: plain.text, stream: text, tool: call.name, input: call.args, last: end.text };
}

const refused = (promise, status) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.status, status);
    return true;
  });
const v1 = await at(key, { apiVersion: "v1" }).generateContent({ model: "demo-gemini/echo", contents });
assert.equal(v1.text, contents);
await refused(at("wrong").generateContent({ model: "demo/echo", contents }), 401);
await refused(models.generateContent({ model: "no/such", contents }), 404);
for (const provider of ["demo-gemini", "demo"]) {
  await refused(models.generateContent({ model: `${provider}/echo`, contents, config: { temperature: "hot" } }), 400);
  await refused(models.generateContent({ model: `${provider}/error-429`, contents }), 429);
  await refused(models.generateContentStream({ model: `${provider}/error-429`, contents }), 429);
  await assert.rejects(async () => {
    for await (const _ of await models.generateContentStream({ model: `${provider}/error-event`, contents }));
  });
}
console.log(JSON.stringify(found));
