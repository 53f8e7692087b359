import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Routes">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
