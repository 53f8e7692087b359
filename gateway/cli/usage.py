"""``microgate usage``: what was used and what it cost, by whatever the ledger tells apart."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast

import msgspec

from gateway.cli.stored import Names, NoDatabase, open_to_read, url_of
from gateway.config.units import parse_duration
from gateway.stores.ledger import Dimension, Usage, UsageQuery
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.usage_report import DIMENSIONS, dollars, spelled

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_WRONG = 2

Format = Literal["table", "json", "csv"]

_SUMS = tuple(name for name in Usage.__struct_fields__ if name not in ("by", "cost_nanodollars"))
_SHOWN = ("requests", "attempts", "prompt_tokens", "completion_tokens", "cached_tokens", "estimated", "unpriced")
"""Of these sums a table has; JSON and CSV have all."""


class Wrong(Exception):
    """The command line is wrong; the message is for a person."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command."""

    data_dir: str = ""
    database: str = ""
    by: str = ""
    since: str = ""
    until: str = ""
    key: str = ""
    team: str = ""
    customer: str = ""
    provider: str = ""
    model: str = ""
    format: str = "table"


def report(asked: Asked, out: TextIO) -> int:
    """Print the report; returns the exit status."""
    try:
        names_of = [name for name in asked.by.split(",") if name]
        unknown = [name for name in names_of if name not in DIMENSIONS]
        if unknown:
            raise Wrong(f"--by {unknown[0]}: not one of {', '.join(DIMENSIONS)}")
        since_us, until_us = moment(asked.since, "--since"), moment(asked.until, "--until")
        database = open_to_read(url_of(asked.data_dir, asked.database))
        try:
            names = Names(database)
            query = UsageQuery(
                by=tuple(DIMENSIONS[name] for name in names_of),
                since_us=since_us,
                until_us=until_us,
                virtual_key=names.id_of("virtual_key", asked.key) if asked.key else None,
                team=names.id_of("team", asked.team) if asked.team else None,
                customer=names.id_of("customer", asked.customer) if asked.customer else None,
                provider=names.id_of("provider", asked.provider) if asked.provider else None,
                model=asked.model or None,
            )
            rows = named(SqlLedger(database).usage(query), query.by, names)
        finally:
            database.close()
    except Wrong as error:
        print(f"microgate: {error}", file=sys.stderr)
        return EXIT_WRONG
    except (NoDatabase, StoreUnavailable) as error:
        print(f"microgate: {error}", file=sys.stderr)
        return EXIT_FAILED
    _PRINTERS[asked.format](names_of, rows, out)
    return EXIT_OK


def moment(text: str, option: str) -> int | None:
    """A time in microseconds: a day or a time of UTC (2026-11-22, 2026-11-22T10:00), or how long ago (7d, 12h). None
    for none. Raises Wrong."""
    if not text:
        return None
    try:
        return int((time.time() - parse_duration(text)) * 1e6)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong(f"{option} {text!r}: neither a time such as 2026-11-22T10:00 nor how long ago (7d, 12h)") from None
    return int((found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def named(rows: Sequence[Usage], by: Sequence[Dimension], names: Names) -> list[tuple[list[str], Usage]]:
    """Rows with what their ids are called, those that cost most first; in the order of time where they are by one."""
    found = [([spelled(name, value, names.name) for name, value in zip(by, row.by, strict=True)], row) for row in rows]
    if not set(by) & {"hour", "day", "month"}:
        found.sort(key=lambda each: (-each[1].cost_nanodollars, each[0]))
    return found


Rows = list[tuple[list[str], Usage]]


def _print_table(by: Sequence[str], rows: Rows, out: TextIO) -> None:
    head = [*by, *(name.replace("_", " ") for name in _SHOWN), "cost USD"]
    lines = [
        [
            *(label or "-" for label in labels),
            *(f"{getattr(row, name):,}" for name in _SHOWN),
            dollars(row.cost_nanodollars),
        ]
        for labels, row in rows
    ]
    total = [sum(getattr(row, name) for _, row in rows) for name in _SHOWN]
    if len(rows) > 1:
        cost = dollars(sum(row.cost_nanodollars for _, row in rows))
        lines.append(["total", *[""] * (len(by) - 1), *(f"{value:,}" for value in total), cost])
    widths = [max(len(line[place]) for line in [head, *lines]) for place in range(len(head))]
    for line in [head, *lines]:
        cells = [
            cell.ljust(width) if place < len(by) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip(), file=out)


def _print_json(by: Sequence[str], rows: Rows, out: TextIO) -> None:
    print(json.dumps([_flat(by, labels, row) for labels, row in rows], indent=1), file=out)


def _print_csv(by: Sequence[str], rows: Rows, out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    head = [*by, *_SUMS, "cost_nanodollars", "cost_usd"]
    writer.writerow(head)
    for labels, row in rows:
        flat = _flat(by, list(map(harmless, labels)), row)
        writer.writerow([flat[name] for name in head])


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _flat(by: Sequence[str], labels: Sequence[str], row: Usage) -> dict[str, Any]:
    sums = {name: getattr(row, name) for name in _SUMS}
    cost = {"cost_nanodollars": row.cost_nanodollars, "cost_usd": dollars(row.cost_nanodollars)}
    return {**dict(zip(by, labels, strict=True)), **sums, **cost}


_PRINTERS = {"table": _print_table, "json": _print_json, "csv": _print_csv}
FORMATS = cast("tuple[Format, ...]", tuple(_PRINTERS))
