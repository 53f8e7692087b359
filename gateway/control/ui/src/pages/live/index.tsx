import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Live">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
