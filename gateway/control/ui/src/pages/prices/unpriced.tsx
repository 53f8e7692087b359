import { Button, Text } from "@mantine/core";
import { IconCircleCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";
import { type Column, DataTable, EmptyState, type Schemas, Tokens, api, told, useMe } from "../../parts";

type Used = Schemas["UsageEntry"];

const DAYS = 30;

/** What was used in the last days although nobody knows what it costs. */
export function useUnpriced() {
  return useQuery({
    queryKey: ["unpriced"],
    queryFn: async ({ signal }) => {
      const since = Math.floor(Date.now() / 1000) - DAYS * 86_400;
      const page = await told(api.GET("/api/usage", { params: { query: { by: "provider,model", since } }, signal }));
      return page.entries.filter((entry) => entry.unpriced > 0);
    },
    staleTime: 60_000,
  });
}

export function Unpriced() {
  const { data, error, refetch } = useUnpriced();
  const [, setSearch] = useSearchParams();
  const me = useMe();
  const columns: Column<Used>[] = [
    { key: "model", title: "Model", render: (row) => `${row.by["provider"]}/${row.by["model"]}`, sort: (row) => row.by["model"] ?? "" },
    { key: "attempts", title: "Requests without a price", render: (row) => <Tokens value={row.unpriced} />, sort: (row) => row.unpriced, align: "right" },
    { key: "prompt", title: "Input tokens", render: (row) => <Tokens value={row.prompt_tokens} />, sort: (row) => row.prompt_tokens, align: "right", from: "sm" },
    { key: "completion", title: "Output tokens", render: (row) => <Tokens value={row.completion_tokens} />, sort: (row) => row.completion_tokens, align: "right", from: "sm" },
    {
      key: "set",
      title: "",
      render: (row) => (
        <Button size="compact-xs" variant="light" disabled={!me.may("operator")} onClick={() => setSearch({ tab: "rules", provider: row.by["provider"] ?? "", model: row.by["model"] ?? "" })}>
          Set a price
        </Button>
      ),
      align: "right",
    },
  ];
  return (
    <>
      <DataTable
        label="Models without a price"
        columns={columns}
        rows={data}
        rowKey={(row) => JSON.stringify(row.by)}
        error={error}
        retry={() => void refetch()}
        sorted="-attempts"
        empty={
          <EmptyState icon={<IconCircleCheck size={28} />} title="Everything that was used has a price">
            In the last {DAYS} days no request went to a model whose price nobody knows.
          </EmptyState>
        }
      />
      {data?.length ? (
        <Text size="sm" c="dimmed" mt="sm">
          Of the last {DAYS} days. What these requests cost is not in any sum; a rule holds for the requests to come.
        </Text>
      ) : null}
    </>
  );
}
