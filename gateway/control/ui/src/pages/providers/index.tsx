import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Providers & keys">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
