import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Dashboard">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
