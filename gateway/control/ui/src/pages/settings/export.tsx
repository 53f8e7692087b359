import { Button, Group, Modal, Skeleton, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconDownload, IconFileExport } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Copyable, ErrorNotice, Explained, fetched, useMe } from "../../parts";

/** What is in force as a configuration file. */
export function ExportButton() {
  const me = useMe();
  const [opened, { open, close }] = useDisclosure(false);
  const why = me.mayNot("admin");
  return (
    <>
      <Explained why={why}>
        <Button variant="default" leftSection={<IconFileExport size={16} aria-hidden />} onClick={open} disabled={why !== undefined}>
          Export
        </Button>
      </Explained>
      <Modal opened={opened} onClose={close} title="The configuration in force" size="xl">
        {opened ? <Exported /> : null}
      </Modal>
    </>
  );
}

function Exported() {
  const { data, error } = useQuery({ queryKey: ["export"], queryFn: async () => (await fetched("/api/export")).text(), gcTime: 0 });
  if (error) return <ErrorNotice error={error} title="Not exported" />;
  return (
    <Stack>
      <Text size="sm">
        The file and what is stored here as one file, without any secret: comments at its beginning name the variables that have to be set. A gateway that is started with it
        does the same.
      </Text>
      <Group>
        <Button component="a" href="/api/export" download="microgate.yaml" leftSection={<IconDownload size={16} aria-hidden />}>
          Download
        </Button>
      </Group>
      {data === undefined ? <Skeleton height={320} /> : <Copyable block value={data} label="Copy the file" />}
    </Stack>
  );
}
