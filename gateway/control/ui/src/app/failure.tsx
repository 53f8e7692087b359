import { Button, Group } from "@mantine/core";
import { Link, isRouteErrorResponse, useRouteError } from "react-router";
import { EmptyState, ErrorNotice } from "../parts/notices";

/** A page that could not be shown. */
export function Failure() {
  const error = useRouteError();
  if (isRouteErrorResponse(error) && error.status === 404) return <NotFound />;
  return <ErrorNotice error={error} title="This page failed" retry={() => window.location.reload()} />;
}

export function NotFound() {
  return (
    <EmptyState
      title="There is no such page"
      action={
        <Group>
          <Button component={Link} to="/">
            To the start
          </Button>
        </Group>
      }
    />
  );
}
