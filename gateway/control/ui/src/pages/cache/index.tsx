import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Cache">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
