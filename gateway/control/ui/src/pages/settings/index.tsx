import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Settings">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
