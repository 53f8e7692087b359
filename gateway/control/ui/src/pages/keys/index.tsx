import { Tabs } from "@mantine/core";
import { useSearchParams } from "react-router";
import { Page } from "../../parts";
import { type Holder } from "./form";
import { HolderList } from "./list";

const TABS: { value: Holder; label: string }[] = [
  { value: "virtual-keys", label: "Virtual keys" },
  { value: "teams", label: "Teams" },
  { value: "customers", label: "Customers" },
];

export function Component() {
  const [params, setParams] = useSearchParams();
  const tab = TABS.find((each) => each.value === params.get("tab"))?.value ?? "virtual-keys";
  return (
    <Page title="Virtual keys" description="Who may ask, for what, and how much: keys, the teams they belong to, and the customers who pay.">
      <Tabs value={tab} onChange={(value) => setParams(value && value !== "virtual-keys" ? { tab: value } : {})} keepMounted={false}>
        <Tabs.List>
          {TABS.map((each) => (
            <Tabs.Tab key={each.value} value={each.value}>
              {each.label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {TABS.map((each) => (
          <Tabs.Panel key={each.value} value={each.value} pt="md">
            <HolderList kind={each.value} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  );
}
