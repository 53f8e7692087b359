import { Badge, Stack, Table, Text } from "@mantine/core";
import { percent } from "../../parts";

/** A question that was asked before, as `x-microgate-cache: explain` tells of it. */
export interface Neighbour {
  similarity: number;
  /** What the guard has against it; null: nothing. */
  guard: string | null;
  decision: string;
  /** With which its answer is told, audits left out. */
  chance: number;
  /** Verified mode: how likely its answer is right, and from how many comparisons that is known. */
  right?: number;
  observed?: number;
  /** Only where nobody else shares the answers. */
  question?: string;
}

export interface SimilarTold {
  mode: string;
  hit: boolean;
  because: string | null;
  question: string | null;
  threshold: number | null;
  error_bound: number | null;
  nearest: Neighbour[];
}

/** Two lines rather than the beginning of a reason. */
const WHOLE = { root: { height: "auto", minHeight: 20 }, label: { whiteSpace: "normal", overflow: "visible", textOverflow: "clip" } } as const;

const GUARD: Record<string, string> = {
  numbers: "other numbers",
  units: "other units",
  dates: "other dates",
  negation: "one of them denies",
  quotes: "other quotations",
  code: "other code",
  identifiers: "other identifiers",
  operators: "other operators",
  opposites: "opposites",
  names: "other names",
  question: "asks for something else",
  order: "the same words in other parts",
  word: "a word stands for another",
  unread: "cannot be read",
  version: "kept by another version",
};

/** Decision -> what became of the answer, and why. */
function outcome(each: Neighbour, told: SimilarTold): string {
  switch (each.decision) {
    case "hit":
      return "told";
    case "would hit":
      return "would be told: shadow mode only counts";
    case "differs":
      return "not told: the guard forbids it";
    case "not near enough":
      return `not told: below the threshold ${told.threshold ?? ""}`;
    case "asked afresh":
      return "not told: it is not sure enough that it is right";
    case "by lot":
      return `told to ${percent(each.chance)} of those who ask`;
    default:
      return `not told: ${each.decision}`;
  }
}

/** The questions that were nearest, and what became of each. */
export function Nearest({ told }: { told: SimilarTold }) {
  const verified = told.nearest.some((each) => each.right !== undefined);
  return (
    <Stack gap={6}>
      <Text size="sm">
        <b>Similar questions</b>, mode {told.mode}
        {told.threshold === null ? "" : `, from ${told.threshold} on`}
        {told.error_bound === null ? "" : `, at most ${percent(told.error_bound)} of the look-ups wrong`}
        {told.because ? `: ${told.because}.` : "."}
      </Text>
      {told.question ? (
        <Text size="sm" c="dimmed" className="cache-value">
          Looked for: {told.question}
        </Text>
      ) : null}
      {told.nearest.length ? (
        <Table.ScrollContainer minWidth={0} type="native">
          <Table aria-label="Nearest questions" verticalSpacing={6} horizontalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Known question</Table.Th>
                <Table.Th ta="right">Cosine</Table.Th>
                <Table.Th miw={96}>Guard</Table.Th>
                {verified ? <Table.Th ta="right" title="How likely its answer is right, at least">Surely right</Table.Th> : null}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {told.nearest.map((each, at) => (
                <Table.Tr key={at}>
                  <Table.Td className="cache-value">
                    <Text size="sm" {...(each.question === undefined ? { c: "dimmed" } : {})}>
                      {each.question ?? "not shown: answers are shared with others"}
                    </Text>
                    <Text size="xs" {...(each.chance > 0 ? { fw: 600 } : { c: "dimmed" })}>
                      {outcome(each, told)}
                    </Text>
                  </Table.Td>
                  <Table.Td ta="right" className="figure">
                    {each.similarity.toFixed(3)}
                  </Table.Td>
                  <Table.Td>
                    <Badge variant="light" tt="none" color={each.guard ? "orange" : "teal"} styles={WHOLE}>
                      {each.guard ? (GUARD[each.guard] ?? each.guard) : "agrees"}
                    </Badge>
                  </Table.Td>
                  {verified ? (
                    <Table.Td ta="right" className="figure">
                      {each.right === undefined ? "–" : percent(each.right)}
                      {each.observed === undefined ? null : (
                        <Text size="xs" c="dimmed">
                          of {each.observed} compared
                        </Text>
                      )}
                    </Table.Td>
                  ) : null}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      ) : null}
    </Stack>
  );
}
