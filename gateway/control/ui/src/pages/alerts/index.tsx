import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Alerts">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
