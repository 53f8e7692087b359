import { Group, Image, Paper, Stack, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";

/** Around the pages before the log-in. */
export function EntryPage({ title, lead, children }: { title: string; lead?: ReactNode; children: ReactNode }) {
  useDocumentTitle(`${title} · microgate`);
  return (
    <main className="entry-page">
      <Stack w="100%" maw={400} gap="lg">
        <Group justify="center" gap="sm">
          <Image src="/ui/mark.svg" w={36} h={36} alt="" />
          <Text fw={700} size="xl">
            microgate
          </Text>
        </Group>
        <Paper withBorder p="xl" shadow="sm">
          <Title order={1} size="h3" mb="xs">
            {title}
          </Title>
          {lead ? (
            <Text size="sm" c="dimmed" mb="md">
              {lead}
            </Text>
          ) : null}
          {children}
        </Paper>
      </Stack>
    </main>
  );
}
