// Drives the official npm client through the gateway at argv[2] with the key argv[3]; prints one JSON object of findings.
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";

const [base, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: key, maxRetries: 0 });
const model = "demo/gpt-4o-mini";
const messages = [{ role: "user", content: "hello there, world" }];
const found = {};

const plain = await client.chat.completions.create({ model, messages });
assert.ok(plain.usage.total_tokens > 0);
found.chat = plain.choices[0].message.content;

let text = "";
let last;
const stream = await client.chat.completions.create({
  model,
  messages,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  last = chunk;
}
assert.deepEqual(last.choices, []);
assert.deepEqual(last.usage, plain.usage);
found.stream = text;

const tools = [
  {
    type: "function",
    function: {
      name: "weather",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];
const called = await client.chat.completions.create({ model, messages, tools, tool_choice: "required" });
found.tool = called.choices[0].message.tool_calls[0].function.name;

const embeddings = await client.embeddings.create({ model: "demo/text-embedding-3-small", input: ["a", "b"] });
found.embeddings = embeddings.data.length;
assert.ok(embeddings.data[0].embedding.length > 0);

const response = await client.responses.create({ model, input: "hello there, world" });
found.response = response.output_text;
const types = [];
for await (const event of await client.responses.create({ model, input: "hello there, world", stream: true })) {
  types.push(event.type);
}
assert.equal(types.at(-1), "response.completed");

const speech = await client.audio.speech.create({ model: "demo/tts-1", voice: "alloy", input: "hello" });
const audio = Buffer.from(await speech.arrayBuffer());
found.speech = audio.length > 0;
const heard = await client.audio.transcriptions.create({
  model: "demo/whisper-1",
  file: await toFile(audio, "a.wav", { type: "audio/wav" }),
});
found.transcription = typeof heard.text;

const image = await client.images.generate({ model: "demo/gpt-image-1", prompt: "a hat" });
found.image = Boolean(image.data[0].b64_json ?? image.data[0].url);

const models = [];
for await (const entry of client.models.list()) models.push(entry.id);
found.models = models.length > 0;

await assert.rejects(new OpenAI({ baseURL: `${base}/v1`, apiKey: "wrong", maxRetries: 0 }).models.list(), OpenAI.AuthenticationError);
await assert.rejects(client.chat.completions.create({ model: "no/such", messages }), OpenAI.NotFoundError);
console.log(JSON.stringify(found));
