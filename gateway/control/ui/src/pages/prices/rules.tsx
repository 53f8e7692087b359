import { Button, Text } from "@mantine/core";
import { IconCoin, IconPlus } from "@tabler/icons-react";
import { useSearchParams } from "react-router";
import { type Column, DataTable, EmptyState, type Entity, Explained, SourceBadge, useEntities, useMe } from "../../parts";
import { RuleForm } from "./rule-form";

type Rule = Entity<"prices">;

/** The operator's rules, the file's and those made here. */
export function Rules() {
  const me = useMe();
  const { data, error, refetch } = useEntities("prices");
  const [search, setSearch] = useSearchParams();
  const wanted = search.get("rule");
  const opened = data?.find((rule) => rule.name === wanted);
  const model = search.get("model");
  const isNew = search.has("new") || model !== null;
  const close = () => setSearch({ tab: "rules" });
  const add = (
    <Explained why={me.mayNot("operator")}>
      <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setSearch({ tab: "rules", new: "" })} disabled={!me.may("operator")}>
        New rule
      </Button>
    </Explained>
  );
  const columns: Column<Rule>[] = [
    { key: "name", title: "Rule", render: (rule) => <Text size="sm" fw={600} span>{rule.name}</Text>, sort: (rule) => rule.name },
    { key: "for", title: "For", render: (rule) => scope(rule), sort: scope, from: "sm" },
    { key: "input", title: "Input", render: (rule) => dollars(rule.spec?.input), sort: (rule) => Number(rule.spec?.input ?? 0), align: "right" },
    { key: "output", title: "Output", render: (rule) => dollars(rule.spec?.output), sort: (rule) => Number(rule.spec?.output ?? 0), align: "right" },
    { key: "more", title: "Also", render: (rule) => <Text size="xs" c="dimmed">{more(rule)}</Text>, from: "lg" },
    { key: "source", title: "", render: (rule) => <SourceBadge source={rule.source} state={rule.state} problem={rule.problem} /> },
  ];
  return (
    <>
      <DataTable
        label="Price rules"
        columns={columns}
        rows={data}
        rowKey={(rule) => rule.id}
        error={error}
        retry={() => void refetch()}
        onOpen={(rule) => setSearch({ tab: "rules", rule: rule.name })}
        rowLabel={(rule) => `the rule ${rule.name}`}
        searchText={(rule) => `${rule.name} ${scope(rule)}`}
        sorted="name"
        toolbar={add}
        empty={
          <EmptyState icon={<IconCoin size={28} />} title="No rules of your own">
            Models cost what the lists say. Make a rule for models that they do not know, for negotiated prices, or to charge some virtual keys otherwise.
          </EmptyState>
        }
      />
      <RuleForm
        key={opened?.id ?? (isNew ? `new ${model}` : "none")}
        opened={opened !== undefined || isNew}
        entity={opened}
        provider={search.get("provider") ?? ""}
        model={model ?? ""}
        onClose={close}
      />
    </>
  );
}

function scope(rule: Rule): string {
  const spec = rule.spec;
  if (!spec) return "";
  const models = `${spec.provider ?? "any provider"}, ${spec.model ?? "any model"}`;
  return spec.virtual_keys?.length ? `${models}, for ${spec.virtual_keys.join(", ")}` : models;
}

function dollars(value: number | string | null | undefined): string {
  return value === null || value === undefined ? "" : `$${value}`;
}

const ELSEWHERE = ["provider", "model", "virtual_keys", "input", "output", "above", "tiers"];

function more(rule: Rule): string {
  const spec = (rule.spec ?? {}) as Record<string, unknown>;
  const { above, tiers } = spec;
  return [
    ...Object.entries(spec)
      .filter(([kind, value]) => !ELSEWHERE.includes(kind) && value !== null && value !== undefined)
      .map(([kind, value]) => `${kind.replaceAll("_", " ")} $${String(value)}`),
    Array.isArray(above) && above.length ? "longer requests" : "",
    tiers && Object.keys(tiers).length ? Object.keys(tiers).join(", ") : "",
  ]
    .filter(Boolean)
    .join(", ");
}
