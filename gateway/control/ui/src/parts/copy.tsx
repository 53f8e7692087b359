import { ActionIcon, Box, Button, Code, CopyButton, Group, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";

/** Text to be copied, with its button; several lines as a block. */
export function Copyable({ value, label = "Copy", block = false }: { value: string; label?: string; block?: boolean }) {
  if (!block) {
    return (
      <Group gap={4} wrap="nowrap" className="copyable">
        <Code className="copyable-text">{value}</Code>
        <CopyIcon value={value} label={label} />
      </Group>
    );
  }
  return (
    <Box pos="relative" className="copyable-block">
      <Code block tabIndex={0} role="region" aria-label={label}>
        {value}
      </Code>
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <Button size="compact-xs" variant="default" className="copy-over" leftSection={copied ? <IconCheck size={14} aria-hidden /> : <IconCopy size={14} aria-hidden />} onClick={copy} aria-label={copied ? "Copied" : label}>
            {copied ? "Copied" : "Copy"}
          </Button>
        )}
      </CopyButton>
    </Box>
  );
}

export function CopyIcon({ value, label = "Copy" }: { value: string; label?: string }) {
  return (
    <CopyButton value={value}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? "Copied" : label}>
          <ActionIcon variant="subtle" color={copied ? "green" : "gray"} onClick={copy} aria-label={copied ? "Copied" : label}>
            {copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}
