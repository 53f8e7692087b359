import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Welcome">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
