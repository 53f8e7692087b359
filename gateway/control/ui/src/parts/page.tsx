import { Group, Stack, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";

interface PageProps {
  title: string;
  /** One sentence: what one does here. */
  description?: ReactNode;
  /** Buttons of the whole page, at its right. */
  actions?: ReactNode;
  children: ReactNode;
}

/** A page: its heading (the one h1), its actions, its content. */
export function Page({ title, description, actions, children }: PageProps) {
  useDocumentTitle(`${title} · microgate`);
  return (
    <Stack gap="lg" component="section" aria-labelledby="page-title">
      <Group justify="space-between" align="flex-start" gap="sm">
        <div className="page-heading">
          <Title order={1} size="h2" id="page-title" tabIndex={-1}>
            {title}
          </Title>
          {description ? (
            <Text size="sm" c="dimmed" maw={720}>
              {description}
            </Text>
          ) : null}
        </div>
        {actions ? <Group gap="xs">{actions}</Group> : null}
      </Group>
      {children}
    </Stack>
  );
}
