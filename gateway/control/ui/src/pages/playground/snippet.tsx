import { Modal, Tabs, Text } from "@mantine/core";
import { Copyable } from "../../parts";
import type { Parameters, Turn } from "./conversation";
import { bodyOf, dialectOf } from "./dialects";

interface Props {
  opened: boolean;
  onClose: () => void;
  model: string;
  turns: Turn[];
  parameters: Parameters;
}

/** The request as a program sends it. */
export function Snippet({ opened, onClose, model, turns, parameters }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title="The same from a program" size="xl">
      {opened ? <Code {...{ model, turns, parameters }} /> : null}
    </Modal>
  );
}

function Code({ model, turns, parameters }: Pick<Props, "model" | "turns" | "parameters">) {
  let body: Record<string, unknown>;
  try {
    const asked = turns.some((turn) => turn.role === "user") ? turns : [{ role: "user" as const, text: "Hello", images: [] }];
    body = bodyOf(model || "provider/model", upToQuestion(asked), parameters);
  } catch (error) {
    return <Text size="sm">{(error as Error).message}</Text>;
  }
  const path = dialectOf(parameters.dialect).path;
  return (
    <Tabs defaultValue="curl" keepMounted={false}>
      <Tabs.List>
        <Tabs.Tab value="curl">curl</Tabs.Tab>
        <Tabs.Tab value="python">Python</Tabs.Tab>
        <Tabs.Tab value="javascript">JavaScript</Tabs.Tab>
      </Tabs.List>
      <Text size="sm" c="dimmed" my="sm">
        With a virtual key of the program&apos;s own in MICROGATE_KEY; the playground&apos;s key is for this page alone.
      </Text>
      <Tabs.Panel value="curl">
        <Copyable block value={curl(path, body)} label="Copy the command" />
      </Tabs.Panel>
      <Tabs.Panel value="python">
        <Copyable block value={python(parameters, body)} label="Copy the program" />
      </Tabs.Panel>
      <Tabs.Panel value="javascript">
        <Copyable block value={javascript(parameters, body)} label="Copy the program" />
      </Tabs.Panel>
    </Tabs>
  );
}

/** Without the answer that a program would get itself. */
function upToQuestion(turns: Turn[]): Turn[] {
  return turns.at(-1)?.role === "assistant" ? turns.slice(0, -1) : turns;
}

function curl(path: string, body: object): string {
  const text = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  return `curl ${window.location.origin}${path} \\\n  -H "Authorization: Bearer $MICROGATE_KEY" \\\n  -H 'Content-Type: application/json' \\\n  -d '${text}'\n`;
}

function python(parameters: Parameters, body: object): string {
  const given = Object.entries(body)
    .map(([name, value]) => `    ${name}=${pythonValue(value)},\n`)
    .join("");
  if (parameters.dialect === "messages") {
    return `import os\nfrom anthropic import Anthropic\n\nclient = Anthropic(base_url="${window.location.origin}/anthropic", api_key=os.environ["MICROGATE_KEY"])\nanswer = client.messages.create(\n${given})\n${shownInPython(parameters)}`;
  }
  const method = parameters.dialect === "chat" ? "chat.completions" : "responses";
  return `import os\nfrom openai import OpenAI\n\nclient = OpenAI(base_url="${window.location.origin}/v1", api_key=os.environ["MICROGATE_KEY"])\nanswer = client.${method}.create(\n${given})\n${shownInPython(parameters)}`;
}

function shownInPython(parameters: Parameters): string {
  if (parameters.stream) return "for event in answer:\n    print(event)\n";
  return { chat: "print(answer.choices[0].message.content)\n", responses: "print(answer.output_text)\n", messages: "print(answer.content[0].text)\n" }[parameters.dialect];
}

/** JSON as Python has it, in the place of an argument. */
function pythonValue(value: unknown): string {
  const text = JSON.stringify(value, null, 4).replace(/("(?:[^"\\]|\\.)*")|\b(true|false|null)\b/g, (whole, text: string | undefined, word: string | undefined) =>
    text !== undefined ? whole : word === "true" ? "True" : word === "false" ? "False" : "None",
  );
  return text.replaceAll("\n", "\n    ");
}

function javascript(parameters: Parameters, body: object): string {
  const given = JSON.stringify(body, null, 2);
  const anthropic = parameters.dialect === "messages";
  const method = { chat: "chat.completions", responses: "responses", messages: "messages" }[parameters.dialect];
  const name = anthropic ? "Anthropic" : "OpenAI";
  const url = anthropic ? `${window.location.origin}/anthropic` : `${window.location.origin}/v1`;
  const shown = parameters.stream ? "for await (const event of answer) console.log(event);\n" : "console.log(answer);\n";
  return `import ${name} from "${anthropic ? "@anthropic-ai/sdk" : "openai"}";\n\nconst client = new ${name}({ baseURL: "${url}", apiKey: process.env.MICROGATE_KEY });\nconst answer = await client.${method}.create(${given});\n${shown}`;
}
