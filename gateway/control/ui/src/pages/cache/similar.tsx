import { Badge, Button, Group, SimpleGrid, Slider, Stack, Switch, Table, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { Copyable, type Schemas, count, percent, useMe } from "../../parts";
import { ChartPanel } from "../../parts/charts";
import { AXIS_WIDTH, CurveChart } from "../../parts/curve";

type Semantic = Schemas["SemanticFigures"];
type InForce = Schemas["SemanticInForce"];

/** Lower ones ask for wrong answers. */
const LEAST = 0.7;
/** Of fewer hits no share is drawn: one answer more or less would move it by a third. */
const FEWEST = 3;

type Curve = Semantic["curve"];

/** Where the curve has something to tell: below, no neighbour was compared. The threshold in force is always in it. */
function toldPart(curve: Curve, inForce: number): Curve {
  const sorted = curve.toSorted((a, b) => a.threshold - b.threshold);
  const least = Math.min(LEAST, inForce);
  const first = sorted.findIndex((point, at) => point.threshold >= least - 1e-9 && point.plain_hits > (sorted[at + 1]?.plain_hits ?? 0));
  return first < 0 ? [] : sorted.filter((point, at) => at >= first || point.threshold >= inForce - 1e-9);
}

/** What each threshold would have meant, with a slider over the curve. */
export function Thresholds({ figures, settings }: { figures: Semantic; settings: InForce }) {
  const [guard, setGuard] = useState(settings.guard);
  const me = useMe();
  const curve = toldPart(figures.curve, settings.threshold);
  const [wanted, setWanted] = useState(settings.threshold);
  // Verified mode decides for each question: there, no threshold is in force.
  const verified = settings.mode === "verified";
  if (figures.compared === 0 || curve.length === 0) {
    return (
      <ChartPanel title="Threshold explorer">
        <Text size="sm" c="dimmed">
          Nothing was compared yet. {verified ? "Every question with a neighbour that has yet to prove itself" : "In shadow mode every question whose neighbour is near enough"} is asked afresh, and both
          answers are compared; the curve grows from these. Questions have to come for that: {count(figures.lookups)} were looked up so far.
        </Text>
      </ChartPanel>
    );
  }
  // In shadow mode every near neighbour is compared. In the others those that were told are not, but for a sample.
  const whole = figures.mode === "shadow";
  const all = whole ? figures.lookups : figures.compared;
  const told = curve.map((point) => {
    const hits = guard ? point.hits : point.plain_hits;
    const wrong = guard ? point.wrong : point.plain_wrong;
    return { x: point.threshold, rate: all ? hits / all : 0, wrong: hits ? wrong / hits : null, hits, wrongHits: wrong };
  });
  const at = told.reduce((near, point) => (Math.abs(point.x - wanted) < Math.abs(near.x - wanted) ? point : near), told[0] as (typeof told)[number]);
  return (
    <ChartPanel title="Threshold explorer" aside={<Switch size="sm" label="With the guard" checked={guard} onChange={(event) => setGuard(event.currentTarget.checked)} />}>
      <CurveChart
        label="Hits and wrong hits by threshold"
        axis="Threshold"
        points={told.map(({ x, rate, wrong, hits }) => ({ x, rate, wrong: hits < FEWEST ? null : wrong }))}
        series={[
          { key: "rate", label: whole ? "hits, of the look-ups" : "hits, of what was compared", color: "teal.6" },
          { key: "wrong", label: "wrong, of the hits", color: "red.6" },
        ]}
        format={percent}
        formatX={(x) => x.toFixed(2)}
        marked={at.x}
      />
      <Slider
        my="lg"
        ml={AXIS_WIDTH}
        min={told[0]?.x ?? LEAST}
        max={told.at(-1)?.x ?? 1}
        step={0.01}
        value={wanted}
        onChange={setWanted}
        label={(value) => value.toFixed(2)}
        thumbLabel="Threshold"
        {...(verified ? {} : { marks: [{ value: settings.threshold, label: "in force" }] })}
      />
      <Group justify="space-between" mt="xl" align="flex-start">
        <Stack gap={2} flex="1 1 320px">
          <Text size="sm" role="status">
            From <b>{at.x.toFixed(2)}</b> on, {guard ? "with the guard" : "without the guard"}: <b>{count(at.hits)}</b> of {count(all)} {whole ? "look-ups" : "compared questions"} would be hits (
            {percent(at.rate)}), and <b>{count(at.wrongHits)}</b> of these wrong{at.wrong === null ? "" : ` (${percent(at.wrong)})`}.
          </Text>
          <Text size="xs" c="dimmed">
            {whole
              ? (told[0]?.x ?? 0) > LEAST
                ? `Neighbours further away than ${(told[0]?.x ?? 0).toFixed(2)} were not compared.`
                : "Every question whose neighbour was near enough was asked afresh, and both answers compared."
              : verified
                ? "No threshold is in force in verified mode, which decides for each known question; this is what one for all would have meant. Answers that are told are compared only now and then: good hits are more than the curve shows."
                : "Answers that are told are compared only now and then, those that are not far more often: shares of hits are too low from the threshold in force on. Shadow mode compares all."}
          </Text>
        </Stack>
        <Group gap="xs">
          <Copyable value={`threshold: ${at.x.toFixed(2)}`} label="Copy the line for cache.semantic" />
          {me.may("admin") && !verified && at.x.toFixed(2) !== settings.threshold.toFixed(2) ? (
            <Button component={Link} to="/settings?group=cache" state={{ semantic: { threshold: Number(at.x.toFixed(2)) } }} variant="light" size="xs">
              Set it …
            </Button>
          ) : null}
        </Group>
      </Group>
    </ChartPanel>
  );
}

const MODES: Record<string, string> = {
  shadow: "Similar questions are counted and compared; their answers are not told.",
  threshold: "A question that is near enough, and with which the guard agrees, is answered.",
};

/** What verified mode is at, for who never heard of it. */
function learned(figures: Semantic, settings: InForce): string {
  const how = `A known question's answer is told once comparisons have shown that it is right for such a similar one, so that at most ${percent(settings.error_bound)} of all look-ups are answered wrongly. Until then the provider is asked, and both answers are compared.`;
  if (figures.would_be_hits) return how;
  const many = figures.observations;
  return `${how} It is still learning: ${many ? `${count(many)} answer${many === 1 ? " was" : "s were"} compared, and none is sure enough yet` : "nothing was compared yet"}. Questions that are asked often get there first.`;
}

type Row = [name: string, value: string, more: string];

function rowsOf(figures: Semantic, settings: InForce): Row[] {
  const wrong = figures.audited ? `${percent(figures.wrong_per_hit)}, with 95 % confidence at most ${percent(figures.wrong_per_hit_upper)}` : "nothing was compared yet";
  const bound = figures.audited ? `≤ ${percent(figures.wrong_per_lookup_upper)}` : "–";
  if (settings.mode === "verified") {
    return [
      ["Looked up", count(figures.lookups), "questions that were compared with known ones"],
      ["Learned from", count(figures.observations), "comparisons of a known answer with a fresh one"],
      ["Sure enough", count(figures.would_be_hits), `answers told, but for ${percent(settings.audit)} of them that are asked afresh as a check`],
      ["Checked", count(figures.audited), figures.audited ? "of those that were sure enough" : "none of those that were sure enough so far"],
      ["Of these wrong", count(figures.wrong), figures.audited ? wrong : "nothing was checked yet"],
      ["Wrong, of all look-ups", bound, `the bound is ${percent(settings.error_bound)}${figures.audited ? "; few checks say little, more bring the figure down" : ""}`],
    ];
  }
  return [
    ["Looked up", count(figures.lookups), "questions that were compared with known ones"],
    ["Near enough", count(figures.would_be_hits), `at the threshold ${settings.threshold}, told or asked afresh`],
    ["Asked afresh and compared", count(figures.audited), settings.mode === "shadow" ? "all of them, in shadow mode" : `${percent(settings.audit)} of the hits are`],
    ["Of these wrong", count(figures.wrong), wrong],
    ["Wrong, of all look-ups", bound, "with 95 % confidence"],
  ];
}

/** What has been seen of similar questions. */
export function Shadow({ figures, settings }: { figures: Semantic; settings: InForce }) {
  const rows = rowsOf(figures, settings);
  const indexes = Object.entries(figures.indexes);
  return (
    <ChartPanel title="Similar questions" aside={<Badge variant="light" tt="none">{figures.mode}</Badge>}>
      <Text size="sm" c="dimmed" mb="sm">
        {MODES[figures.mode] ?? learned(figures, settings)} Vectors come from {figures.embedder}
        {figures.problem ? `, which cannot be used now: ${figures.problem}` : ""}.
      </Text>
      <SimpleGrid cols={{ base: 1, md: indexes.length ? 2 : 1 }} style={{ alignItems: "start" }}>
        <Table aria-label="Similar questions">
          <Table.Tbody>
            {rows.map(([name, value, more]) => (
              <Table.Tr key={name}>
                <Table.Th scope="row">{name}</Table.Th>
                <Table.Td ta="right" className="figure">
                  {value}
                </Table.Td>
                <Table.Td visibleFrom="sm">
                  <Text size="xs" c="dimmed">
                    {more}
                  </Text>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        {indexes.length ? (
          <Table aria-label="Indexes of vectors">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Dimensions</Table.Th>
                <Table.Th ta="right">Vectors</Table.Th>
                <Table.Th>State</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {indexes.map(([dimension, index]) => (
                <Table.Tr key={dimension}>
                  <Table.Td>{dimension}</Table.Td>
                  <Table.Td ta="right">{count(index.entries)}</Table.Td>
                  <Table.Td>{index.ok ? "well" : index.problem}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        ) : null}
      </SimpleGrid>
    </ChartPanel>
  );
}
