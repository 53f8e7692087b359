/** Limits and budgets in a form. */
import { ActionIcon, Autocomplete, Button, Group, NumberInput, Paper, Select, Stack, Text, Tooltip } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { Schemas } from "../../parts";

export type Limit = Partial<Schemas["LimitEntry"]>;
export type Budget = Partial<Schemas["BudgetEntry"]> & { usd: number | string };

const COUNTED = ["requests", "tokens", "input_tokens", "output_tokens", "concurrency"] as const;
const COUNTS = [
  { value: "requests", label: "Requests" },
  { value: "tokens", label: "Tokens" },
  { value: "input_tokens", label: "Input tokens" },
  { value: "output_tokens", label: "Output tokens" },
  { value: "concurrency", label: "Requests under way" },
];
const WINDOWS = [
  { value: "fixed", label: "fixed" },
  { value: "rolling", label: "rolling" },
  { value: "smooth", label: "smooth" },
];
const SPANS = ["1m", "1h", "1d", "30d", "minute", "hour", "day", "week", "month", "quarter", "year"];

function countedOf(limit: Limit): (typeof COUNTED)[number] {
  return COUNTED.find((each) => limit[each] !== null && limit[each] !== undefined) ?? "requests";
}

export function Limits({ limits, onChange, readOnly }: { limits: Limit[]; onChange: (limits: Limit[]) => void; readOnly: boolean }) {
  const change = (at: number, next: Limit) => onChange(limits.map((each, index) => (index === at ? next : each)));
  return (
    <Section title="Limits" add="Add a limit" onAdd={() => onChange([...limits, { requests: 60, per: "1m" }])} readOnly={readOnly}>
      {limits.map((limit, at) => {
        const counted = countedOf(limit);
        const name = `limit ${at + 1}`;
        const count = (kind: string, value: number) => {
          const next: Limit = { ...limit };
          for (const each of COUNTED) delete next[each];
          next[kind as "requests"] = value;
          if (kind === "concurrency") {
            delete next.per;
            delete next.window;
          } else if (!next.per) next.per = "1m";
          change(at, next);
        };
        return (
          <Row key={at} name={name} onRemove={() => onChange(limits.filter((_, index) => index !== at))} readOnly={readOnly}>
            <NumberInput label="At most" aria-label={`Amount of ${name}`} min={1} thousandSeparator="," value={limit[counted] ?? 1} onChange={(value) => count(counted, Number(value) || 1)} w={120} hideControls />
            <Select label="of" aria-label={`What ${name} counts`} data={COUNTS} value={counted} allowDeselect={false} onChange={(kind) => count(kind ?? "requests", limit[counted] ?? 1)} w={170} disabled={readOnly} />
            {counted === "concurrency" ? null : (
              <>
                <Span name={name} value={limit.per} onChange={(per) => change(at, { ...limit, per } as Limit)} readOnly={readOnly} />
                <Select label="Window" aria-label={`Window of ${name}`} data={WINDOWS} value={limit.window ?? "fixed"} allowDeselect={false} onChange={(window) => change(at, { ...limit, window: window as never })} w={100} disabled={readOnly} />
              </>
            )}
          </Row>
        );
      })}
    </Section>
  );
}

export function Budgets({ budgets, onChange, readOnly }: { budgets: Budget[]; onChange: (budgets: Budget[]) => void; readOnly: boolean }) {
  const change = (at: number, next: Budget) => onChange(budgets.map((each, index) => (index === at ? next : each)));
  return (
    <Section title="Budgets" add="Add a budget" onAdd={() => onChange([...budgets, { usd: 10, per: "month" }])} readOnly={readOnly}>
      {budgets.map((budget, at) => {
        const name = `budget ${at + 1}`;
        return (
          <Row key={at} name={name} onRemove={() => onChange(budgets.filter((_, index) => index !== at))} readOnly={readOnly}>
            <NumberInput label="At most" aria-label={`Amount of ${name}`} prefix="$" min={0} decimalScale={6} thousandSeparator="," value={plain(budget.usd)} onChange={(value) => change(at, { ...budget, usd: String(value) || "0" })} w={140} hideControls />
            <Span name={name} value={budget.per} onChange={(per) => change(at, { ...budget, per } as Budget)} readOnly={readOnly} placeholder="once for all" />
            <Select label="Window" aria-label={`Window of ${name}`} data={WINDOWS.slice(0, 2)} value={budget.window ?? "fixed"} allowDeselect={false} onChange={(window) => change(at, { ...budget, window: window as never })} w={100} disabled={readOnly} />
          </Row>
        );
      })}
    </Section>
  );
}

/** Money is stored with nine decimals; six can be typed here, so those that say nothing are no half-typed ones. */
function plain(usd: number | string): number | string {
  return typeof usd === "string" && /\.\d{9}$/.test(usd) ? usd.replace(/\.?0+$/, "") : usd;
}

function Span({ name, value, onChange, readOnly, placeholder }: { name: string; value: number | string | null | undefined; onChange: (per: number | string | null) => void; readOnly: boolean; placeholder?: string }) {
  return (
    <Autocomplete
      label="per"
      aria-label={`Span of ${name}`}
      data={SPANS}
      placeholder={placeholder ?? "1m"}
      value={typeof value === "number" ? `${value}s` : (value ?? "")}
      onChange={(text) => onChange(text === "" ? null : /^\d+(\.\d+)?$/.test(text) ? Number(text) : text)}
      w={120}
      disabled={readOnly}
    />
  );
}

function Section({ title, add, onAdd, readOnly, children }: { title: string; add: string; onAdd: () => void; readOnly: boolean; children: ReactNode }) {
  return (
    <Stack gap="xs" component="section" aria-label={title}>
      <Group justify="space-between">
        <Text fw={600}>{title}</Text>
        {readOnly ? null : (
          <Button size="xs" variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={onAdd}>
            {add}
          </Button>
        )}
      </Group>
      {children}
    </Stack>
  );
}

function Row({ name, onRemove, readOnly, children }: { name: string; onRemove: () => void; readOnly: boolean; children: ReactNode }) {
  return (
    <Paper withBorder p="xs" role="group" aria-label={name}>
      <Group align="flex-end" gap="xs">
        {children}
        {readOnly ? null : (
          <Tooltip label="Remove">
            <ActionIcon variant="subtle" color="red" size="lg" aria-label={`Remove ${name}`} onClick={onRemove}>
              <IconTrash size={18} aria-hidden />
            </ActionIcon>
          </Tooltip>
        )}
      </Group>
    </Paper>
  );
}
