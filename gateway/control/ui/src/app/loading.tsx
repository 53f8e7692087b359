import { Skeleton, Stack } from "@mantine/core";

/** While a page is loaded. */
export function PageLoading() {
  return (
    <Stack gap="lg" aria-busy aria-label="Loading">
      <Skeleton height={32} width={220} />
      <Skeleton height={280} />
    </Stack>
  );
}
