import { Button, Group } from "@mantine/core";
import { Link, isRouteErrorResponse, useRouteError } from "react-router";
import { ErrorNotice } from "../parts/notices";
import { Page } from "../parts/page";

/** A page that could not be shown. */
export function Failure() {
  const error = useRouteError();
  if (isRouteErrorResponse(error) && error.status === 404) return <NotFound />;
  return <ErrorNotice error={error} title="This page failed" retry={() => window.location.reload()} />;
}

export function NotFound() {
  return (
    <Page title="There is no such page" description="Its address is misspelled, or it has another one now. Every page stands in the navigation.">
      <Group>
        <Button component={Link} to="/">
          To the start
        </Button>
      </Group>
    </Page>
  );
}
