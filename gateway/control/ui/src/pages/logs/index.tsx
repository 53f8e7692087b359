import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Logs">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
