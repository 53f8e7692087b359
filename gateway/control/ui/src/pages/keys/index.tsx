import { EmptyState, Page } from "../../parts";

export function Component() {
  return (
    <Page title="Virtual keys">
      <EmptyState title="Nothing here yet" />
    </Page>
  );
}
