import { memo } from "react";

import { clock, count, duration, money } from "../../parts";
import type { LogEntry } from "../logs/entry";
import { type Tone, spaced, tone } from "../logs/words";
import css from "./live.module.css";

interface Props {
  rows: readonly LogEntry[];
  open: string | undefined;
  onOpen: (entry: LogEntry) => void;
  /** The pointer came, or went: rows that are pointed at should not move. */
  onPoint: (at: boolean) => void;
}

const TONES: Readonly<Record<Tone, string | undefined>> = {
  well: css.well,
  cached: css.cached,
  refused: css.refused,
  failed: css.failed,
  gone: css.gone,
};

const classes = (...names: (string | undefined | false)[]) => names.filter(Boolean).join(" ");

export function LiveTable({ rows, open, onOpen, onPoint }: Props) {
  return (
    <table
      className={css.table}
      onPointerEnter={(event) => event.pointerType === "mouse" && onPoint(true)}
      onPointerLeave={() => onPoint(false)}
    >
      <thead>
        <tr>
          <th scope="col" className={css.time}>Ended</th>
          <th scope="col" className={css.status}>Status</th>
          <th scope="col">Model</th>
          <th scope="col" className={css.medium}>Provider</th>
          <th scope="col" className={css.wide}>Virtual key</th>
          <th scope="col" className={classes(css.wide, css.short)}>Cache</th>
          <th scope="col" className={classes(css.number, css.medium, css.short)}>Tokens</th>
          <th scope="col" className={classes(css.number, css.medium, css.short)}>Cost</th>
          <th scope="col" className={classes(css.number, css.wide, css.short)}>First byte</th>
          <th scope="col" className={classes(css.number, css.short)}>Took</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((entry) => (
          <Row
            key={`${entry.request_id}/${entry.kind}/${entry.attempt}`}
            entry={entry}
            open={open === entry.request_id}
            onOpen={onOpen}
          />
        ))}
      </tbody>
    </table>
  );
}

interface RowProps {
  entry: LogEntry;
  open: boolean;
  onOpen: (entry: LogEntry) => void;
}

/** Never drawn again while it moves down: a record does not change. */
const Row = memo(function Row({ entry, open, onOpen }: RowProps) {
  const tokens = entry.prompt_tokens + entry.completion_tokens;
  const ended = new Date(Date.parse(entry.started_at) + entry.total_us / 1000);
  return (
    <tr className={classes(css.row, open && css.open)} onClick={() => onOpen(entry)}>
      <td>
        <button
          type="button"
          className={css.link}
          aria-label={`Request of ${clock(ended)}, ${entry.model}`}
          onClick={(event) => {
            event.stopPropagation();
            onOpen(entry);
          }}
        >
          {clock(ended)}
        </button>
      </td>
      <td>
        <span className={classes(css.badge, TONES[tone(entry)])} title={spaced(entry.error || entry.outcome)}>
          {entry.status || spaced(entry.outcome)}
        </span>
      </td>
      <td title={entry.model}>{entry.model || entry.target_model}</td>
      <td className={css.medium} title={entry.provider}>{entry.provider}</td>
      <td className={css.wide} title={entry.virtual_key}>{entry.virtual_key}</td>
      <td className={css.wide}>{spaced(entry.cache)}</td>
      <td className={classes(css.number, css.medium)}>{tokens > 0 && count(tokens)}</td>
      <td className={classes(css.number, css.medium)}>{entry.cost_nanodollars > 0 && money(entry.cost_nanodollars)}</td>
      <td className={classes(css.number, css.wide)}>{entry.ttft_us > 0 && duration(entry.ttft_us)}</td>
      <td className={css.number}>{duration(entry.total_us)}</td>
    </tr>
  );
});
