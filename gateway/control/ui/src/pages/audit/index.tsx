import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Audit">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
