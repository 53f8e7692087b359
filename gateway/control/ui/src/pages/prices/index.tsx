import { Badge, Tabs } from "@mantine/core";
import { useSearchParams } from "react-router";
import { Page, useEntities } from "../../parts";
import { InForce } from "./in-force";
import { Rules } from "./rules";
import { Unpriced, useUnpriced } from "./unpriced";

const TABS = ["in-force", "rules", "unpriced"];

/** What models cost: `?tab=rules`, and `?rule=…` opens one. */
export function Component() {
  const [search, setSearch] = useSearchParams();
  const { data: rules } = useEntities("prices");
  const unpriced = useUnpriced();
  const tab = TABS.find((each) => each === search.get("tab")) ?? "in-force";
  return (
    <Page title="Prices" description="What each model costs and who says so: your rules first, then the lists that come with the gateway, then what a provider says itself.">
      <Tabs value={tab} onChange={(next) => setSearch(next === null || next === "in-force" ? {} : { tab: next })} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="in-force">In force</Tabs.Tab>
          <Tabs.Tab value="rules" rightSection={rules?.length ? <Badge size="sm" variant="light" color="gray">{rules.length}</Badge> : null}>
            Rules
          </Tabs.Tab>
          <Tabs.Tab value="unpriced" rightSection={unpriced.data?.length ? <Badge size="sm" variant="light" color="orange">{unpriced.data.length}</Badge> : null}>
            Without a price
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="in-force">
          <InForce />
        </Tabs.Panel>
        <Tabs.Panel value="rules">
          <Rules />
        </Tabs.Panel>
        <Tabs.Panel value="unpriced">
          <Unpriced />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
