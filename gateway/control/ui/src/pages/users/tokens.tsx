import { Alert, Button, Group, Select, Switch, Text, TextInput } from "@mantine/core";
import { IconKey, IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { type Column, ConfirmButton, Copyable, DataTable, EmptyState, EntityForm, Explained, type Role, TimeAgo, done, failed, useMe } from "../../parts";
import { ROLES, type Token, useMakeToken, useOperators, useRevokeToken, useTokens } from "./data";

/** One's own tokens; admins see everybody's. */
export function ApiTokens() {
  const me = useMe();
  const [all, setAll] = useState(false);
  const [making, setMaking] = useState(0);
  const [opened, setOpened] = useState(false);
  const { data, error, refetch } = useTokens(all);
  const { data: operators } = useOperators(all);
  const revoke = useRevokeToken();
  const names = new Map(operators?.map((operator) => [operator.id, operator.name]));
  const why = me.via === "session" ? undefined : "Tokens are made by who has logged in with a password.";

  const columns: Column<Token>[] = [
    { key: "name", title: "Token", render: (token) => <Text size="sm" fw={600} span>{token.name}</Text>, sort: (token) => token.name },
    ...(all ? [{ key: "owner", title: "Of", render: (token: Token) => names.get(token.operator_id) ?? token.operator_id, sort: (token: Token) => names.get(token.operator_id) ?? "" }] : []),
    { key: "role", title: "Role", render: (token) => token.role, sort: (token) => token.role },
    { key: "shown", title: "Ends with", render: (token) => <Text size="sm" span ff="monospace">…{token.shown.replace(/^\.+/, "")}</Text>, from: "md" },
    { key: "used", title: "Last used", render: (token) => (token.used_at === token.created_at ? "never" : <TimeAgo value={token.used_at} />), sort: (token) => token.used_at, from: "sm" },
    { key: "expires", title: "Expires", render: (token) => (token.expires_at ? <TimeAgo value={token.expires_at} /> : "never"), sort: (token) => token.expires_at ?? "9", from: "sm" },
    {
      key: "revoke",
      title: "",
      align: "right",
      render: (token) => (
        <ConfirmButton
          size="compact-sm"
          title={`Revoke ${token.name}?`}
          message="Programs that use it are refused from now on."
          confirm="Revoke"
          aria-label={`Revoke ${token.name}`}
          onConfirm={() => revoke.mutateAsync(token).then(() => done(`Revoked ${token.name}`), (failure: unknown) => failed("Not revoked", failure))}
        >
          Revoke
        </ConfirmButton>
      ),
    },
  ];
  return (
    <>
      <DataTable
        label="API tokens"
        columns={columns}
        rows={data}
        rowKey={(token) => token.id}
        error={error}
        retry={() => void refetch()}
        searchText={(token) => `${token.name} ${names.get(token.operator_id) ?? ""}`}
        toolbar={
          <Group gap="md">
            {me.may("admin") ? <Switch label="Of everybody" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} /> : null}
            <Explained why={why}>
              <Button
                leftSection={<IconPlus size={16} aria-hidden />}
                disabled={why !== undefined}
                onClick={() => {
                  setMaking(making + 1);
                  setOpened(true);
                }}
              >
                New token
              </Button>
            </Explained>
          </Group>
        }
        empty={
          <EmptyState icon={<IconKey size={28} />} title={all ? "Nobody has a token" : "You have no tokens"}>
            A token lets a program use the admin API in your name, with your role or a lesser one, until it is revoked. To ask models, programs use virtual keys.
          </EmptyState>
        }
      />
      <TokenForm key={making} opened={opened} onClose={() => setOpened(false)} />
    </>
  );
}

const DAY_S = 86_400;
const LIVES = [
  { value: "30", label: "in 30 days" },
  { value: "90", label: "in 90 days" },
  { value: "365", label: "in a year" },
  { value: "0", label: "never" },
];

function TokenForm({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const me = useMe();
  const make = useMakeToken();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [days, setDays] = useState("90");
  if (make.data?.token) {
    return (
      <EntityForm opened={opened} onClose={onClose} title={`Token ${make.data.name}`} onSubmit={onClose} submit="Done">
        <Alert color="green" title="The token is made">
          Copy it now: it is shown this once.
        </Alert>
        <Copyable block value={make.data.token} label="Copy the token" />
        <Copyable block value={`curl ${window.location.origin}/api/health -H "Authorization: Bearer ${make.data.token}"`} label="Copy the command" />
      </EntityForm>
    );
  }
  return (
    <EntityForm
      opened={opened}
      onClose={onClose}
      title="New API token"
      submit="Make"
      error={make.error}
      onSubmit={() => make.mutateAsync({ name: name.trim(), role, expires_at: days === "0" ? null : Math.floor(Date.now() / 1000) + Number(days) * DAY_S })}
    >
      <TextInput label="Name" description="What it is for" required maxLength={128} pattern="[A-Za-z0-9][A-Za-z0-9._:\-]*" title="Letters, digits, dots, colons, underscores and hyphens" value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
      <Select label="Role" description="At most your own" allowDeselect={false} data={ROLES.filter((each) => me.may(each.value)).map(({ value, label }) => ({ value, label }))} value={role} onChange={(next) => setRole((next ?? "viewer") as Role)} />
      <Select label="Expires" allowDeselect={false} data={LIVES} value={days} onChange={(next) => setDays(next ?? "90")} />
    </EntityForm>
  );
}
