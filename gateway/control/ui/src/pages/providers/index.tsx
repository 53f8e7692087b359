import { Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { IconPlug, IconPlus } from "@tabler/icons-react";
import { useSearchParams } from "react-router";
import { type Column, DataTable, EmptyState, type Entity, Explained, Gone, Page, SourceBadge, api, told, useEntities, useMe } from "../../parts";
import { ProviderEditor } from "./editor";
import { type Deployment, HealthSummary, Traffic, useDeployments } from "./health";
import { useVendors, vendorOf } from "./vendors";

type Provider = Entity<"providers">;

export function Component() {
  const me = useMe();
  const providers = useEntities("providers");
  const vendors = useVendors();
  const deployments = useDeployments();
  const config = useQuery({ queryKey: ["config"], queryFn: () => told(api.GET("/api/config")) });
  const [search, setSearch] = useSearchParams();
  const opened = search.get("open");
  const edited = providers.data?.find((each) => each.name === opened);
  const of = (entity: Provider): Deployment[] => (deployments.data ?? []).filter((each) => each.provider_id === entity.id);
  const open = (name: string) => setSearch(name ? { open: name } : {});
  const add = (
    <Explained why={me.mayNot("admin")}>
      <Button leftSection={<IconPlus size={16} aria-hidden />} disabled={!me.may("admin")} onClick={() => setSearch({ new: "1" })}>
        Add a provider
      </Button>
    </Explained>
  );

  const columns: Column<Provider>[] = [
    {
      key: "name",
      title: "Name",
      sort: (each) => each.name,
      render: (each) => (
        <Stack gap={0}>
          <Group gap="xs">
            <Text size="sm" fw={600}>
              {each.name}
            </Text>
            <SourceBadge source={each.source} state={each.state} problem={each.problem} />
          </Group>
          <Text size="xs" c="dimmed">
            {vendorOf(each.name, each.spec, vendors.data)}
            {each.spec?.base_url ? ` · ${each.spec.base_url}` : ""}
          </Text>
        </Stack>
      ),
    },
    { key: "health", title: "Health", render: (each) => (deployments.data ? <HealthSummary found={of(each)} enabled={each.spec?.enabled !== false} /> : null) },
    { key: "traffic", title: "Now", from: "md", render: (each) => <Traffic found={of(each)} /> },
    { key: "keys", title: "Keys", from: "sm", align: "right", sort: (each) => each.spec?.keys?.length ?? 0, render: (each) => each.spec?.keys?.length ?? 0 },
    { key: "models", title: "Models", from: "md", align: "right", render: (each) => modelsOf(each.name, config.data?.providers) },
  ];

  return (
    <Page title="Providers & keys" description="Who is asked, with which keys, and how they are doing right now." actions={add}>
      {opened && providers.data && !edited ? <Gone what={`provider ${opened}`} onClose={() => setSearch({})} /> : null}
      <DataTable
        label="Providers"
        columns={columns}
        rows={providers.data}
        rowKey={(each) => each.path}
        error={providers.error}
        retry={() => void providers.refetch()}
        onOpen={(each) => open(each.name)}
       
        searchText={(each) => `${each.name} ${vendorOf(each.name, each.spec, vendors.data)} ${each.spec?.base_url ?? ""}`}
        sorted="name"
        empty={
          <EmptyState icon={<IconPlug size={28} aria-hidden />} title="No provider yet" action={add}>
            A provider is a vendor, or a server of your own, with the keys that it is asked with. Once there is one, callers can ask for provider/model.
          </EmptyState>
        }
      />
      {vendors.data && (search.get("new") || (opened && edited)) ? (
        <ProviderEditor
          key={edited?.path ?? "new"}
          entity={edited}
          vendors={vendors.data}
          standing={edited ? of(edited) : []}
          listed={config.data?.providers.find((each) => each.name === edited?.name)?.listed ?? []}
          onClose={() => setSearch({})}
        />
      ) : null}
    </Page>
  );
}

function modelsOf(name: string, found: { name: string; models: string[]; listed: string[] }[] | undefined): number | string {
  const provider = found?.find((each) => each.name === name);
  return provider ? new Set([...provider.models, ...provider.listed]).size : "–";
}
