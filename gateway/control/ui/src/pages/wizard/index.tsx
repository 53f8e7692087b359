import { Anchor, Button, Group, Paper, Stack, Stepper, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { ErrorNotice, Page, api, told, useMe } from "../../parts";
import { FirstRequest } from "./request";
import { type Model, ProviderStep } from "./provider";

/** From an empty installation to the first request seen: a provider, a key, a request. */
export function Component() {
  const [step, setStep] = useState(0);
  const [model, setModel] = useState<Model | null>(null);
  const me = useMe();
  const config = useQuery({ queryKey: ["config"], queryFn: () => told(api.GET("/api/config")) });

  return (
    <Page title="Welcome" description="Two steps: who answers, and your first request, with a key of your own.">
      <ErrorNotice error={config.error} />
      {me.may("operator") ? null : <ErrorNotice title="Somebody else has to do this" error={new Error(me.mayNot("operator"))} />}
      <Paper withBorder p={{ base: "md", sm: "xl" }} maw={820}>
        <Stepper active={step} onStepClick={(at) => at < step && setStep(at)} size="sm">
          <Stepper.Step label="Provider" description="Who answers">
            <ProviderStep
              config={config.data}
              onDone={(chosen) => {
                setModel(chosen);
                setStep(1);
              }}
            />
          </Stepper.Step>
          <Stepper.Step label="First request" description="With a key of your own">
            {model ? <FirstRequest model={model} onSeen={() => setStep(2)} /> : null}
          </Stepper.Step>
          <Stepper.Completed>
            <Stack align="flex-start" pt="md">
              <Text fw={600} size="lg">
                That is all it takes.
              </Text>
              <Text size="sm">
                The request is in the log with what it cost and why it went where it did. From here: give every program its own{" "}
                <Anchor component={Link} to="/keys">virtual key</Anchor> with a budget, give models names of your own with{" "}
                <Anchor component={Link} to="/routes">routes</Anchor> that fall back, and try any model in the{" "}
                <Anchor component={Link} to="/playground">playground</Anchor>.
              </Text>
              <Group>
                <Button component={Link} to="/logs">
                  See it in the log
                </Button>
                <Button component={Link} to="/dashboard" variant="default">
                  To the dashboard
                </Button>
              </Group>
            </Stack>
          </Stepper.Completed>
        </Stepper>
      </Paper>
    </Page>
  );
}
