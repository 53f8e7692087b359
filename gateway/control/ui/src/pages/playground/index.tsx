import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Playground">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
