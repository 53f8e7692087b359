import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { IconPlus, IconRoute } from "@tabler/icons-react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { type Column, DataTable, EmptyState, type Entity, Explained, Gone, Page, SourceBadge, api, told, useEntities, useMe } from "../../parts";
import { DryRun } from "./dry-run";
import { RouteEditor } from "./editor";
import { type Target, longOf } from "./targets";
import { STRATEGIES } from "./words";

type Route = Entity<"routes">;

export function Component() {
  const me = useMe();
  const routes = useEntities("routes");
  const config = useQuery({ queryKey: ["config"], queryFn: () => told(api.GET("/api/config")) });
  const [search] = useSearchParams();
  const navigate = useNavigate();
  const opened = search.get("open");
  const entity = routes.data?.find((each) => each.name === opened);
  const providers = (config.data?.providers ?? []).map((each) => ({ name: each.name, models: [...each.models, ...each.listed] }));
  if ((search.get("new") || entity) && config.data) {
    return <RouteEditor key={entity?.path ?? "new"} entity={entity} providers={providers} onClose={() => void navigate("/routes")} />;
  }

  const none = config.data?.providers.length === 0;
  const add = (
    <Explained why={me.mayNot("operator")}>
      <Button leftSection={<IconPlus size={16} aria-hidden />} disabled={!me.may("operator")} onClick={() => void navigate("/routes?new=1")}>
        New route
      </Button>
    </Explained>
  );
  const columns: Column<Route>[] = [
    {
      key: "name",
      title: "Name",
      sort: (each) => each.name,
      render: (each) => (
        <Group gap="xs">
          <Text size="sm" fw={600}>
            {each.name}
          </Text>
          <SourceBadge source={each.source} state={each.state} problem={each.problem} />
        </Group>
      ),
    },
    { key: "strategy", title: "Strategy", from: "sm", sort: (each) => each.spec?.strategy ?? "", render: (each) => STRATEGIES.find((known) => known.value === (each.spec?.strategy ?? "weighted"))?.label },
    {
      key: "targets",
      title: "Targets",
      render: (each) => (
        <Stack gap={4}>
          <Chain targets={(each.spec?.targets ?? []) as Target[]} color="indigo" />
          {each.spec?.fallbacks?.length ? <Chain targets={each.spec.fallbacks as Target[]} color="gray" before="then" /> : null}
        </Stack>
      ),
    },
  ];
  return (
    <Page title="Routes" description="Model names of your own: which targets stand behind them, and who is asked when one fails." actions={add}>
      {opened && routes.data && !entity ? <Gone what={`route ${opened}`} onClose={() => void navigate("/routes")} /> : null}
      <DataTable
        label="Routes"
        columns={columns}
        rows={routes.data}
        rowKey={(each) => each.path}
        error={routes.error}
        retry={() => void routes.refetch()}
        onOpen={(each) => void navigate(`/routes?${new URLSearchParams({ open: each.name })}`)}
       
        searchText={(each) => `${each.name} ${JSON.stringify(each.spec?.targets ?? [])}`}
        sorted="name"
        empty={
          <EmptyState
            icon={<IconRoute size={28} aria-hidden />}
            title="No route yet"
            action={none ? <Button component={Link} to="/providers?new=1">Add a provider first</Button> : add}
          >
            Callers can ask for provider/model without any. A route gives a name of your own to several targets, with weights, conditions and fallbacks.
          </EmptyState>
        }
      />
      <DryRun />
    </Page>
  );
}

function Chain({ targets, color, before }: { targets: Target[]; color: string; before?: string }) {
  return (
    <Group gap={6}>
      {before ? (
        <Text size="xs" c="dimmed">
          {before}
        </Text>
      ) : null}
      {targets.map((target, at) => {
        const long = longOf(target);
        return (
          <Badge key={at} color={color} variant="light" tt="none">
            {long.provider}/{long.model}
            {(long.weight ?? 1) === 1 ? "" : ` × ${long.weight}`}
            {long.when ? " ?" : ""}
          </Badge>
        );
      })}
    </Group>
  );
}
