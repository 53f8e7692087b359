import { Alert, Badge, Button, Group, PasswordInput, Radio, Stack, Switch, Text, TextInput } from "@mantine/core";
import { IconPlus, IconUsers } from "@tabler/icons-react";
import { useState } from "react";
import { type Column, ConfirmButton, Copyable, DataTable, EmptyState, EntityForm, LatestChange, type Role, TimeAgo, api, done, failed, told, useMe } from "../../parts";
import { type Operator, ROLES, generated, useOperators, useRemoveOperator, useSaveOperator } from "./data";

export function Operators() {
  const me = useMe();
  const { data, error, refetch } = useOperators();
  const [opened, setOpened] = useState<Operator | "new" | null>(null);
  const add = (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setOpened("new")}>
      Add an operator
    </Button>
  );
  const columns: Column<Operator>[] = [
    {
      key: "name",
      title: "Name",
      render: (operator) => (
        <Group gap={6} wrap="nowrap">
          <Text size="sm" fw={600} span>
            {operator.name}
          </Text>
          {operator.name === me.name ? (
            <Badge size="sm" variant="light" tt="none">
              you
            </Badge>
          ) : null}
        </Group>
      ),
      sort: (operator) => operator.name,
    },
    { key: "role", title: "Role", render: (operator) => operator.role, sort: (operator) => ROLES.findIndex((role) => role.value === operator.role) },
    {
      key: "state",
      title: "State",
      render: (operator) => (
        <Badge variant="light" tt="none" color={operator.enabled ? (operator.one_time ? "orange" : "green") : "gray"}>
          {operator.enabled ? (operator.one_time ? "has to set a password" : "may log in") : "switched off"}
        </Badge>
      ),
      sort: (operator) => Number(operator.enabled),
      from: "sm",
    },
    { key: "updated", title: "Changed", render: (operator) => <TimeAgo value={operator.updated_at} />, sort: (operator) => operator.updated_at, from: "md" },
  ];
  return (
    <>
      <DataTable
        label="Operators"
        columns={columns}
        rows={data}
        rowKey={(operator) => operator.id}
        error={error}
        retry={() => void refetch()}
        onOpen={setOpened}
        rowLabel={(operator) => operator.name}
        searchText={(operator) => `${operator.name} ${operator.role}`}
        sorted="name"
        toolbar={add}
        empty={
          <EmptyState icon={<IconUsers size={28} />} title="No operators yet">
            You are here with the admin token of the data directory. Make an operator for each person: changes are then theirs in the audit.
          </EmptyState>
        }
      />
      <OperatorForm key={opened === null ? "none" : opened === "new" ? "new" : opened.id} opened={opened} onClose={() => setOpened(null)} />
    </>
  );
}

function OperatorForm({ opened, onClose }: { opened: Operator | "new" | null; onClose: () => void }) {
  const operator = opened === "new" || opened === null ? undefined : opened;
  const me = useMe();
  const save = useSaveOperator();
  const remove = useRemoveOperator();
  const [base, setBase] = useState(operator);
  const [name, setName] = useState(operator?.name ?? "");
  const [role, setRole] = useState<Role>((operator?.role as Role | undefined) ?? "viewer");
  const [enabled, setEnabled] = useState(operator?.enabled ?? true);
  const [password, setPassword] = useState("");
  const [once, setOnce] = useState(false);
  const [told_, setTold] = useState("");
  const self = operator?.name === me.name;

  const submit = async () => {
    await save.mutateAsync({ operator: base, name: name.trim(), role, enabled, password, oneTime: !self });
    if (once) {
      setTold(password);
    } else {
      done(operator ? `Changed ${operator.name}` : `Made the operator ${name}`);
      onClose();
    }
  };
  const theirs = async (take: boolean) => {
    if (!operator) return;
    const now = await told(api.GET("/api/operators/{operator_id}", { params: { path: { operator_id: operator.id } } }));
    setBase(now);
    save.reset();
    if (take) {
      setRole(now.role as Role);
      setEnabled(now.enabled);
    }
  };

  if (told_) {
    return (
      <EntityForm opened={opened !== null} onClose={onClose} title={`The password of ${name}`} onSubmit={onClose} submit="Done">
        <Alert color="green" title={operator ? "The password is changed" : "The operator is made"}>
          Pass this password on now: it is shown this once. Whoever logs in with it has to set another one before anything else.
        </Alert>
        <Copyable block value={told_} label="Copy the password" />
      </EntityForm>
    );
  }
  return (
    <EntityForm
      opened={opened !== null}
      onClose={onClose}
      title={operator ? `Operator ${operator.name}` : "New operator"}
      what={`the operator ${name}`}
      onSubmit={submit}
      error={save.error}
      submit={operator ? "Save" : "Make"}
      changed={operator ? <LatestChange kind="operator" name={operator.name} /> : null}
      onLoadTheirs={() => void theirs(true)}
      onKeepEditing={() => void theirs(false)}
      more={
        operator ? (
          <ConfirmButton
            title={`Remove ${operator.name}?`}
            message="All sessions and API tokens of this operator end at once. What they changed stays, and so does its audit."
            confirm="Remove"
            disabled={self}
            onConfirm={async () => {
              try {
                await remove.mutateAsync(base ?? operator);
              } catch (error) {
                failed("Not removed", error);
                throw error;
              }
              done(`Removed ${operator.name}`);
              onClose();
            }}
          >
            Remove
          </ConfirmButton>
        ) : null
      }
    >
      {operator ? null : (
        <TextInput label="Name" required maxLength={128} pattern="[A-Za-z0-9][A-Za-z0-9._:\-]*" title="Letters, digits, dots, colons, underscores and hyphens" autoComplete="off" value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
      )}
      <Radio.Group label="Role" value={role} onChange={(next) => setRole(next as Role)}>
        <Stack gap="xs" mt="xs">
          {ROLES.map((each) => (
            <Radio key={each.value} value={each.value} label={each.label} description={each.may} disabled={self} />
          ))}
        </Stack>
      </Radio.Group>
      {operator ? (
        <Switch label="May log in" description="Switched off: sessions end, and every API token is revoked." checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} disabled={self} />
      ) : null}
      {self ? (
        <Text size="sm" c="dimmed">
          One&apos;s own role and access are changed by another admin.
        </Text>
      ) : null}
      <div>
        <PasswordInput
          label={operator ? "New password" : "Password"}
          description={operator ? `Empty: it stays. Every session ends${self ? "" : ", and whoever logs in with it has to set another one"}.` : "At least 12 characters; whoever logs in with it has to set another one"}
          required={!operator}
          minLength={12}
          maxLength={256}
          autoComplete="new-password"
          value={password}
          onChange={(event) => {
            setPassword(event.currentTarget.value);
            setOnce(false);
          }}
        />
        <Button
          mt="xs"
          size="compact-sm"
          variant="light"
          onClick={() => {
            setPassword(generated());
            setOnce(true);
          }}
        >
          Generate one, shown once
        </Button>
      </div>
    </EntityForm>
  );
}
