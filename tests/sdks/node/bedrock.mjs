// Drives @aws-sdk/client-bedrock-runtime through the gateway at argv[2] with the key argv[3]; prints one JSON object of
// findings.
import assert from "node:assert/strict";
import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  ThrottlingException,
  ValidationException,
} from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const [base, key] = process.argv.slice(2);
const at = (accessKeyId, more) =>
  new BedrockRuntimeClient({
    region: "us-east-1",
    endpoint: `${base}/bedrock`,
    credentials: { accessKeyId, secretAccessKey: "unused" },
    requestHandler: new NodeHttpHandler(),
    maxAttempts: 1,
    ...more,
  });
const client = at(key);
const messages = [{ role: "user", content: [{ text: "hello there, world" }] }];
const json = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ toolSpec: { name: "weather", description: "Looks it up.", inputSchema: { json } } }];
const found = {};

const ask = (modelId, more) => client.send(new ConverseCommand({ modelId, messages, ...more }));
async function stream(modelId, more) {
  const answer = await client.send(new ConverseStreamCommand({ modelId, messages, ...more }));
  const read = { text: "", input: "" };
  for await (const event of answer.stream) {
    const delta = event.contentBlockDelta?.delta;
    read.text += delta?.text ?? "";
    read.input += delta?.toolUse?.input ?? "";
    read.name ??= event.contentBlockStart?.start?.toolUse?.name;
    read.stop ??= event.messageStop?.stopReason;
    read.usage ??= event.metadata?.usage;
  }
  return read;
}

for (const provider of ["demo-bedrock", "demo", "demo-anthropic"]) {
  const modelId = `${provider}/echo`;
  const plain = await ask(modelId);
  assert.equal(plain.stopReason, "end_turn");
  assert.ok(plain.usage.inputTokens > 0 && plain.usage.outputTokens > 0);
  const streamed = await stream(modelId);
  assert.deepEqual([streamed.stop, streamed.usage.outputTokens], ["end_turn", plain.usage.outputTokens]);

  const called = await ask(modelId, { toolConfig: { tools, toolChoice: { any: {} } } });
  assert.equal(called.stopReason, "tool_use");
  const call = called.output.message.content.find((block) => block.toolUse).toolUse;
  const calling = await stream(modelId, { toolConfig: { tools } });
  assert.deepEqual([calling.stop, calling.name, JSON.parse(calling.input)], ["tool_use", call.name, call.input]);
  const result = { toolResult: { toolUseId: call.toolUseId, content: [{ text: "sunny" }] } };
  const turn = [...messages, called.output.message, { role: "user", content: [result] }];
  const last = await ask(modelId, { messages: turn, toolConfig: { tools } });
  found[provider] = {
    plain: plain.output.message.content[0].text,
    stream: streamed.text,
    tool: call.name,
    input: call.input,
    last: last.output.message.content[0].text,
  };
}

const body = JSON.stringify({ anthropic_version: "bedrock-2023-05-31", max_tokens: 99, messages: [{ role: "user", content: "hi" }] });
const invoked = await client.send(new InvokeModelCommand({ modelId: "demo-bedrock/echo", body, contentType: "application/json" }));
assert.equal(JSON.parse(invoked.body.transformToString()).content[0].text, "hi");

const stranger = at("wrong").send(new ConverseCommand({ modelId: "demo/echo", messages }));
await assert.rejects(stranger, (error) => {
  found.stranger = [error.name, error.$metadata.httpStatusCode];
  return true;
});
await assert.rejects(ask("no/such"), { name: "ResourceNotFoundException" });
for (const provider of ["demo-bedrock", "demo"]) {
  await assert.rejects(ask(`${provider}/echo`, { messages: [{ role: "user", content: [{ image: { format: "png" } }] }] }), ValidationException);
  await assert.rejects(ask(`${provider}/error-429`), ThrottlingException);
  await assert.rejects(stream(`${provider}/error-429`), ThrottlingException);
  await assert.rejects(stream(`${provider}/error-event`));
}
// Its own way of asking, HTTP/2 from the first byte, is not spoken: 13 is HTTP_1_1_REQUIRED.
const http2 = at(key, { requestHandler: undefined });
await assert.rejects(http2.send(new ConverseCommand({ modelId: "demo/echo", messages })), /error code 13/);
console.log(JSON.stringify(found));
