import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Users">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
