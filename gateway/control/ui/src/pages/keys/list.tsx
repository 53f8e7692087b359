/** The list of one kind: searched and paged by the gateway. */
import { Badge, Button, Group, Paper, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue, useHotkeys } from "@mantine/hooks";
import { IconKey, IconPlus, IconSearch, IconUsers } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { useSearchParams } from "react-router";
import { type Column, DataTable, EmptyState, type Entity, Explained, Gone, NOUNS, SourceBadge, TimeAgo, dateTime, useEntities, useMe, useNow } from "../../parts";
import { Detail } from "./detail";
import { type Holder, HolderForm } from "./form";
import { ShownOnce } from "./once";
import { useNamed, usePaged } from "./paged";
import { Several } from "./several";
import { MiniBar, useStanding } from "./standing";

const WHAT: Record<Holder, { label: string; empty: string; say: string }> = {
  "virtual-keys": { label: "Virtual keys", empty: "No virtual key yet", say: "A virtual key is what your programs send instead of a vendor's key: with models that it may ask for, limits, and a budget." },
  teams: { label: "Teams", empty: "No team yet", say: "A team holds virtual keys together: its limits and budgets are those of all of them." },
  customers: { label: "Customers", empty: "No customer yet", say: "A customer holds teams and keys together: who pays, with limits and budgets for all of them." },
};

type Seen = { team?: string | null; customer?: string | null; models?: string[]; routes?: string[]; expires?: number | null; enabled?: boolean; limits?: unknown[]; budgets?: unknown[] };

export function HolderList({ kind }: { kind: Holder }) {
  const me = useMe();
  const [typed, setTyped] = useState("");
  const [search] = useDebouncedValue(typed.trim(), 250);
  const [params, setParams] = useSearchParams();
  const [held, setHeld] = useState<{ at: string | null; form: "new" | Entity<Holder> } | null>(null);
  const [once, setOnce] = useState<{ name: string; value: string; model: string } | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const list = usePaged(kind, search);
  const routes = useEntities("routes");
  const rows = list.rows as Entity<Holder>[] | undefined;
  const opened = params.get("open");
  const entity = useNamed(kind, opened, rows) as Entity<Holder> | null | undefined;
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const picked = (rows ?? []).filter((each) => chosen.has(each.path)) as Entity<"virtual-keys">[];
  const many = kind === "virtual-keys" && me.may("operator");
  // Back and Forward lead to another one, or to none: the form goes with the one that it was opened at.
  const form = held !== null && held.at === opened ? held.form : null;
  const setForm = (next: "new" | Entity<Holder> | null) => setHeld(next === null ? null : { at: opened, form: next });
  const making = form === "new" || (form === null && params.get("new") !== null);
  useHotkeys([["/", () => field.current?.focus()]]);
  const noun = NOUNS[kind];
  const show = (name: string | null) => {
    const next = new URLSearchParams(params);
    next.delete("new");
    if (name) next.set("open", name);
    else next.delete("open");
    if (String(next) !== String(params)) setParams(next);
  };
  const shownOnce = (saved: Entity<Holder>) => {
    const value = (saved as { key?: string | null }).key;
    const spec = (saved.spec ?? {}) as Seen;
    const model = spec.routes?.[0] ?? spec.models?.find((each) => !each.endsWith("*")) ?? routes.data?.[0]?.name ?? "MODEL";
    if (value) setOnce({ name: saved.name, value, model });
  };
  const add = (
    <Explained why={me.mayNot("operator")}>
      <Button leftSection={<IconPlus size={16} aria-hidden />} disabled={!me.may("operator")} onClick={() => setForm("new")}>
        New {noun}
      </Button>
    </Explained>
  );

  const columns: Column<Entity<Holder>>[] = [
    {
      key: "name",
      title: "Name",
      render: (each) => (
        <Stack gap={0}>
          <Group gap="xs">
            <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
              {each.name}
            </Text>
            <SourceBadge source={each.source} state={each.state} problem={each.problem} />
            <StateOf spec={each.spec as Seen | null} />
          </Group>
          {"shown" in each && each.shown ? (
            <Text size="xs" c="dimmed">
              {each.shown}
            </Text>
          ) : null}
        </Stack>
      ),
    },
    ...(kind === "customers" ? [] : [{ key: "of", title: kind === "teams" ? "Customer" : "Team", from: "sm" as const, render: (each: Entity<Holder>) => ownerOf(kind, each.spec as Seen | null) }]),
    { key: "models", title: "May ask for", from: "md", render: (each) => <Allowed spec={each.spec as Seen | null} /> },
    { key: "limits", title: "Limits and budget", render: (each) => <Standing entity={each} /> },
    { key: "changed", title: "Changed", from: "lg", render: (each) => (each.updated_at ? <TimeAgo value={each.updated_at} /> : "–") },
  ];

  return (
    <Stack>
      <Group justify="space-between">
        <TextInput ref={field} aria-label={`Search ${WHAT[kind].label.toLowerCase()}`} placeholder="Search by name" leftSection={<IconSearch size={16} aria-hidden />} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} onKeyDown={(event) => { if (event.key === "Escape") setTyped(""); }} className="table-search" />
        {add}
      </Group>
      {opened && entity === null ? <Gone what={`${noun} ${opened}`} onClose={() => show(null)} /> : null}
      {rows?.length === 0 && !search ? (
        <Paper withBorder>
          <EmptyState icon={kind === "virtual-keys" ? <IconKey size={28} aria-hidden /> : <IconUsers size={28} aria-hidden />} title={WHAT[kind].empty} action={add}>
            {WHAT[kind].say}
          </EmptyState>
        </Paper>
      ) : (
        <DataTable label={WHAT[kind].label} columns={columns} rows={rows} rowKey={(each) => each.path} error={list.error} retry={() => void list.refetch()} onOpen={(each) => show(each.name)} choosing={many ? { keys: chosen, onChange: setChosen, name: (each) => each.name, never: (each) => each.source === "file" } : undefined} pageSize={1_000_000} />
      )}
      {list.hasNextPage ? (
        <Group justify="center">
          <Button variant="default" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Show more ({rows?.length} shown)
          </Button>
        </Group>
      ) : null}
      {picked.length ? <Several chosen={picked} onDone={() => setChosen(new Set())} /> : null}
      {entity && !form ? <Detail key={entity.path} kind={kind} entity={entity} onClose={() => show(null)} onEdit={() => setForm(entity)} onRenewed={(made) => shownOnce(made)} /> : null}
      {making || form ? (
        <HolderForm
          key={form && form !== "new" ? form.path : "new"}
          kind={kind}
          entity={form && form !== "new" ? form : undefined}
          onClose={() => { setForm(null); if (params.get("new") !== null) show(null); }}
          onSaved={(saved) => {
            setForm(null);
            // The key comes first; what it is held to is shown when it has been kept.
            show((saved as { key?: string | null }).key ? null : saved.name);
            shownOnce(saved);
          }}
        />
      ) : null}
      {once ? <ShownOnce {...once} onClose={() => { show(once.name); setOnce(null); }} /> : null}
    </Stack>
  );
}

function ownerOf(kind: Holder, spec: Seen | null): string {
  if (kind === "teams") return spec?.customer ?? "–";
  return spec?.team ?? (spec?.customer ? `customer ${spec.customer}` : "–");
}

function Allowed({ spec }: { spec: Seen | null }) {
  const all = [...(spec?.routes ?? []), ...(spec?.models ?? [])];
  if (all.length === 0) return <Text size="sm" c="dimmed">everything</Text>;
  return (
    <Group gap={4}>
      {all.slice(0, 3).map((each) => (
        <Badge key={each} variant="light" color="gray" tt="none">
          {each}
        </Badge>
      ))}
      {all.length > 3 ? <Text size="xs">+{all.length - 3}</Text> : null}
    </Group>
  );
}

function StateOf({ spec }: { spec: Seen | null }) {
  const now = useNow(spec?.expires ? 60_000 : 0);
  if (spec?.enabled === false) return <Badge color="gray" variant="light">off</Badge>;
  if (spec?.expires && spec.expires * 1000 < now) return <Badge color="red" variant="light" title={dateTime(spec.expires)}>expired</Badge>;
  return null;
}

/** The one that is nearest to its end; asked for only where there is some. */
function Standing({ entity }: { entity: Entity<Holder> }) {
  const spec = entity.spec as Seen | null;
  const own = (spec?.limits?.length ?? 0) + (spec?.budgets?.length ?? 0) > 0;
  const { data } = useStanding(entity.path, own && entity.state === "in_force", false);
  if (!own) return <Text size="sm" c="dimmed">none</Text>;
  const nearest = [...(data ?? [])].filter((each) => each.level !== "provider").sort((a, b) => Number(b.spent) / Number(b.limit) - Number(a.spent) / Number(a.limit))[0];
  return nearest ? <MiniBar standing={nearest} whose={nearest.level === "team" || nearest.level === "customer" ? (nearest.name === entity.name ? undefined : `of ${nearest.level} ${nearest.name}`) : undefined} /> : <Text size="sm" c="dimmed">…</Text>;
}
