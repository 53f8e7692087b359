import { Box, Button, Checkbox, Group, Paper, Skeleton, Table, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { IconArrowDown, IconArrowUp, IconSearch } from "@tabler/icons-react";
import { type ReactNode, useMemo, useRef, useState } from "react";
import { EmptyState, ErrorNotice } from "./notices";

export interface Column<T> {
  key: string;
  title: ReactNode;
  render: (row: T) => ReactNode;
  /** What is sorted by; without it the column does not sort. */
  sort?: (row: T) => string | number;
  align?: "left" | "right";
  width?: number | string;
  /** Left out below this width: `"sm"` 768 px, `"md"` 992 px. */
  from?: "sm" | "md" | "lg";
}

/** Rows that are picked out, to do something with all of them. */
export interface Choosing<T> {
  /** `rowKey` of those that are chosen. */
  keys: ReadonlySet<string>;
  onChange: (keys: Set<string>) => void;
  /** Name of a row. */
  name: (row: T) => string;
  /** Whether nothing can be done with a row. */
  never?: (row: T) => boolean;
}

interface DataTableProps<T> {
  /** What the rows are, for who cannot see them: "Virtual keys". */
  label: string;
  columns: Column<T>[];
  /** Undefined while they are loaded. */
  rows: T[] | undefined;
  rowKey: (row: T) => string;
  error?: unknown;
  retry?: () => void;
  /** Opens a row; by pointer anywhere on it, by keyboard at its first cell. */
  onOpen?: (row: T) => void;
  /** Name of what is opened, for who cannot see the row. */
  rowLabel?: (row: T) => string;
  /** Shown instead of a table without rows. */
  empty?: ReactNode;
  /** What is searched in a row; without it there is no search field. `/` leads to it. */
  searchText?: (row: T) => string;
  /** Beside the search field: filters, buttons. */
  toolbar?: ReactNode;
  /** Column that is sorted by at first; `-` before it: descending. */
  sorted?: string;
  choosing?: Choosing<T> | undefined;
  /** Rows drawn at first; a button draws more. */
  pageSize?: number;
}

/** Rows that are all here: sorted and searched in the browser. On narrow screens the first column and those without
 * `from` remain. Lists that are paged by the gateway give `rows` and their own button below. */
export function DataTable<T>(props: DataTableProps<T>) {
  const { label, columns, rows, rowKey, error, retry, onOpen, rowLabel, empty, searchText, toolbar, choosing, pageSize = 100 } = props;
  const [search, setSearch] = useState("");
  const [order, setOrder] = useState(props.sorted ?? "");
  const [drawn, setDrawn] = useState(pageSize);
  const field = useRef<HTMLInputElement>(null);
  useHotkeys(searchText ? [["/", () => field.current?.focus()]] : []);

  const shown = useMemo(() => {
    if (rows === undefined) return undefined;
    const words = search.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length && searchText ? rows.filter((row) => words.every((word) => searchText(row).toLowerCase().includes(word))) : rows;
    const key = order.replace(/^-/, "");
    const by = columns.find((column) => column.key === key)?.sort;
    if (!by) return found;
    const sign = order.startsWith("-") ? -1 : 1;
    return [...found].sort((a, b) => sign * compared(by(a), by(b)));
  }, [rows, search, order, columns, searchText]);

  const notice = error ? <ErrorNotice error={error} title={`${label} could not be loaded${rows ? " anew" : ""}`} {...(retry ? { retry } : {})} /> : null;
  if (notice && rows === undefined) return notice;
  if (rows !== undefined && rows.length === 0 && empty) {
    return (
      <Paper withBorder>
        {toolbar ? <Box p="sm">{toolbar}</Box> : null}
        {empty}
      </Paper>
    );
  }

  return (
    <Paper withBorder className="table-paper">
      {notice}
      {searchText || toolbar ? (
        <Group p="sm" gap="sm" justify="space-between">
          {searchText ? (
            <TextInput
              ref={field}
              aria-label={`Search ${label.toLowerCase()}`}
              placeholder="Search"
              leftSection={<IconSearch size={16} aria-hidden />}
              value={search}
              onChange={(event) => setSearch(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key === "Escape") setSearch("");
              }}
              className="table-search"
            />
          ) : null}
          {toolbar}
        </Group>
      ) : null}
      <Table.ScrollContainer minWidth={0} type="native">
        <Table highlightOnHover={onOpen !== undefined} verticalSpacing="sm" aria-label={label} aria-busy={rows === undefined}>
          <Table.Thead>
            <Table.Tr>
              {choosing ? (
                <Table.Th w={36}>
                  <ChooseAll choosing={choosing} rows={(shown ?? []).slice(0, drawn)} rowKey={rowKey} label={label} />
                </Table.Th>
              ) : null}
              {columns.map((column) => (
                <Table.Th key={column.key} ta={column.align} w={column.width} visibleFrom={column.from} aria-sort={sortOf(order, column.key)}>
                  {column.sort ? (
                    <UnstyledButton className="column-sort" onClick={() => setOrder(order === column.key ? `-${column.key}` : column.key)}>
                      {column.title}
                      {order === column.key ? <IconArrowUp size={14} aria-hidden /> : null}
                      {order === `-${column.key}` ? <IconArrowDown size={14} aria-hidden /> : null}
                    </UnstyledButton>
                  ) : (
                    column.title
                  )}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {shown === undefined
              ? Array.from({ length: 5 }, (_, line) => (
                  <Table.Tr key={line}>
                    {choosing ? <Table.Td /> : null}
                    {columns.map((column) => (
                      <Table.Td key={column.key} visibleFrom={column.from}>
                        <Skeleton height={16} my={3} />
                      </Table.Td>
                    ))}
                  </Table.Tr>
                ))
              : shown.slice(0, drawn).map((row) => (
                  <Table.Tr key={rowKey(row)} className={onOpen ? "opens" : undefined} onClick={onOpen ? (event) => isPlain(event) && onOpen(row) : undefined}>
                    {choosing ? (
                      <Table.Td className="chooses">
                        <Checkbox
                          size="xs"
                          aria-label={`Choose ${choosing.name(row)}`}
                          checked={choosing.keys.has(rowKey(row))}
                          disabled={choosing.never?.(row) ?? false}
                          onChange={(event) => choosing.onChange(withKey(choosing.keys, rowKey(row), event.currentTarget.checked))}
                        />
                      </Table.Td>
                    ) : null}
                    {columns.map((column, at) => (
                      <Table.Td key={column.key} ta={column.align} visibleFrom={column.from}>
                        {at === 0 && onOpen ? (
                          <UnstyledButton className="row-opener" title={rowLabel ? `Open ${rowLabel(row)}` : undefined} onClick={() => onOpen(row)}>
                            {column.render(row)}
                          </UnstyledButton>
                        ) : (
                          column.render(row)
                        )}
                      </Table.Td>
                    ))}
                  </Table.Tr>
                ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {shown?.length === 0 ? (
        <EmptyState title={search ? "Nothing matches" : "Nothing here"} action={search ? <Button variant="light" onClick={() => setSearch("")}>Clear the search</Button> : undefined} />
      ) : null}
      {shown && shown.length > drawn ? (
        <Group justify="space-between" p="sm">
          <Text size="sm" c="dimmed">
            {drawn} of {shown.length}
          </Text>
          <Button variant="default" size="xs" onClick={() => setDrawn(drawn + pageSize)}>
            Show more
          </Button>
        </Group>
      ) : null}
    </Paper>
  );
}

function ChooseAll<T>({ choosing, rows, rowKey, label }: { choosing: Choosing<T>; rows: T[]; rowKey: (row: T) => string; label: string }) {
  const able = rows.filter((row) => !choosing.never?.(row)).map(rowKey);
  const chosen = able.filter((key) => choosing.keys.has(key)).length;
  const every = able.length > 0 && chosen === able.length;
  return (
    <Checkbox
      size="xs"
      aria-label={`Choose all ${label.toLowerCase()} shown`}
      checked={every}
      indeterminate={chosen > 0 && !every}
      disabled={able.length === 0}
      onChange={() => choosing.onChange(new Set(every ? [] : able))}
    />
  );
}

function withKey(keys: ReadonlySet<string>, key: string, chosen: boolean): Set<string> {
  const next = new Set(keys);
  if (chosen) next.add(key);
  else next.delete(key);
  return next;
}

function compared(a: string | number, b: string | number): number {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
}

function sortOf(order: string, key: string): "ascending" | "descending" | undefined {
  return order === key ? "ascending" : order === `-${key}` ? "descending" : undefined;
}

/** A click on the row itself: not on a control in it, and no end of a selection of text. */
function isPlain(event: React.MouseEvent): boolean {
  const inside = (event.target as Element).closest("button, a, input, label, .chooses, [role=switch], [role=menuitem]");
  return inside === null && !window.getSelection()?.toString();
}
