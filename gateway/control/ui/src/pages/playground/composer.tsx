import { ActionIcon, Button, FileButton, Group, Image, Paper, Text, Textarea, Tooltip } from "@mantine/core";
import { IconPhoto, IconPlayerStop, IconSend, IconX } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { failed } from "../../parts";
import type { UserTurn } from "./conversation";

const MOST_IMAGES = 4;
const MOST_IMAGE_BYTES = 8 << 20;

interface Props {
  /** What stands there at first. */
  begun?: string | undefined;
  busy: boolean;
  /** Why nothing can be sent now. */
  why: string | undefined;
  onSend: (turn: UserTurn) => void;
  onStop: () => void;
}

/** What is asked next. Enter sends, Shift+Enter begins a line, Esc stops. */
export function Composer({ begun = "", busy, why, onSend, onStop }: Props) {
  const [text, setText] = useState(begun);
  const [images, setImages] = useState<string[]>([]);
  const field = useRef<HTMLTextAreaElement>(null);
  const ready = !busy && why === undefined && (text.trim() !== "" || images.length > 0);

  const send = () => {
    if (!ready) return;
    onSend({ role: "user", text: text.trim(), images });
    setText("");
    setImages([]);
    field.current?.focus();
  };
  const attach = async (files: File[]) => {
    for (const file of files.slice(0, MOST_IMAGES - images.length)) {
      if (file.size > MOST_IMAGE_BYTES) {
        failed("Not attached", new Error(`${file.name} is larger than 8 MiB.`));
        continue;
      }
      const url = await asUrl(file);
      setImages((old) => [...old, url]);
    }
  };

  return (
    <Paper withBorder p="xs" className="composer" component="form" onSubmit={(event) => { event.preventDefault(); send(); }}>
      {images.length ? (
        <Group gap="xs" mb="xs">
          {images.map((url, at) => (
            <div key={at} className="attached">
              <Image src={url} h={56} w="auto" radius="sm" alt={`Attached image ${at + 1}`} />
              <ActionIcon size="xs" variant="filled" color="gray" className="detach" onClick={() => setImages((old) => old.filter((_, other) => other !== at))} aria-label={`Remove image ${at + 1}`}>
                <IconX size={12} aria-hidden />
              </ActionIcon>
            </div>
          ))}
        </Group>
      ) : null}
      <Textarea
        ref={field}
        aria-label="Message"
        placeholder="Ask something"
        autosize
        minRows={2}
        maxRows={10}
        variant="unstyled"
        px={4}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault();
            send();
          }
          if (event.key === "Escape" && busy) onStop();
        }}
        onPaste={(event) => {
          const files = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
          if (files.length) void attach(files);
        }}
      />
      <Group justify="space-between" wrap="nowrap">
        <Group gap="xs" wrap="nowrap" miw={0}>
          <FileButton accept="image/png,image/jpeg,image/gif,image/webp" multiple onChange={(files) => void attach(files)}>
            {(props) => (
              <Tooltip label="Attach images">
                <ActionIcon variant="subtle" color="gray" {...props} aria-label="Attach images" disabled={images.length >= MOST_IMAGES}>
                  <IconPhoto size={18} aria-hidden />
                </ActionIcon>
              </Tooltip>
            )}
          </FileButton>
          <Text size="xs" c="dimmed" truncate {...(why ? {} : { visibleFrom: "sm" })}>
            {why ?? "Enter sends, Shift+Enter begins a new line"}
          </Text>
        </Group>
        {busy ? (
          <Button variant="light" color="red" className="send" leftSection={<IconPlayerStop size={16} aria-hidden />} onClick={onStop}>
            Stop
          </Button>
        ) : (
          <Button type="submit" className="send" leftSection={<IconSend size={16} aria-hidden />} disabled={!ready}>
            Send
          </Button>
        )}
      </Group>
    </Paper>
  );
}

function asUrl(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error ?? new Error("The file cannot be read."));
    reader.readAsDataURL(file);
  });
}
