import { Tabs } from "@mantine/core";
import { useSearchParams } from "react-router";
import { Page, useMe } from "../../parts";
import { Operators } from "./operators";
import { ApiTokens } from "./tokens";

/** Operators, for admins, and API tokens, one's own or everybody's: `?tab=tokens`. */
export function Component() {
  const me = useMe();
  const [search, setSearch] = useSearchParams();
  const admin = me.may("admin");
  const tab = !admin || search.get("tab") === "tokens" ? "tokens" : "operators";
  return (
    <Page title={admin ? "Users" : "API tokens"} description={admin ? "Who may administer this gateway, and the tokens with which programs do." : "With a token a program administers the gateway in your name."}>
      <Tabs value={tab} onChange={(next) => setSearch(next === "tokens" ? { tab: "tokens" } : {})} keepMounted={false}>
        {admin ? (
          <Tabs.List mb="md">
            <Tabs.Tab value="operators">Operators</Tabs.Tab>
            <Tabs.Tab value="tokens">API tokens</Tabs.Tab>
          </Tabs.List>
        ) : null}
        {admin ? (
          <Tabs.Panel value="operators">
            <Operators />
          </Tabs.Panel>
        ) : null}
        {admin ? (
          <Tabs.Panel value="tokens">
            <ApiTokens />
          </Tabs.Panel>
        ) : (
          <ApiTokens />
        )}
      </Tabs>
    </Page>
  );
}
