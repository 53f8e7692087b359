import { Code, Text } from "@mantine/core";
import { CopyIcon } from "../../parts";

/** What a model said: text as it is, with its code blocks set off. Nothing in it is markup. */
export function Said({ text }: { text: string }) {
  return (
    <div className="said">
      {parts(text).map((part, at) =>
        part.code ? (
          <div key={at} className="said-code">
            <div className="said-code-head">
              <Text size="xs" c="dimmed">
                {part.language || "code"}
              </Text>
              <CopyIcon value={part.text} label="Copy the code" />
            </div>
            <Code block tabIndex={0} role="region" aria-label={`Code ${part.language}`.trim()}>
              {part.text}
            </Code>
          </div>
        ) : (
          <Text key={at} size="sm" component="div" className="said-text">
            {part.text}
          </Text>
        ),
      )}
    </div>
  );
}

interface Part {
  code: boolean;
  language: string;
  text: string;
}

/** Fenced blocks (CommonMark 4.5) and what is between them; one that is not closed yet goes to the end. */
function parts(text: string): Part[] {
  const found: Part[] = [];
  let open: Part | null = null;
  let plain: string[] = [];
  const lines: string[] = [];
  const flush = () => {
    const said = plain.join("\n").trim();
    if (said) found.push({ code: false, language: "", text: said });
    plain = [];
  };
  for (const line of text.split("\n")) {
    const fence = /^\s{0,3}```+\s*([\w+#.-]*)/.exec(line);
    if (fence && open === null) {
      flush();
      open = { code: true, language: fence[1] ?? "", text: "" };
      lines.length = 0;
    } else if (fence && open !== null && /^\s{0,3}```+\s*$/.test(line)) {
      found.push({ ...open, text: lines.join("\n") });
      open = null;
    } else if (open !== null) {
      lines.push(line);
    } else {
      plain.push(line);
    }
  }
  if (open !== null) found.push({ ...open, text: lines.join("\n") });
  flush();
  return found;
}
