import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Prices">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
