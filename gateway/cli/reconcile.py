"""``microgate usage reconcile FILE.csv``: hold the ledger against what somebody else says it cost."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TextIO

from msgspec import structs

from gateway.cli.stored import Names, NoDatabase, open_to_read, url_of
from gateway.cli.usage import EXIT_FAILED, EXIT_OK, EXIT_WRONG, Asked, Wrong, moment, named
from gateway.stores.ledger import LedgerRow, UsageQuery
from gateway.stores.protocols import LedgerStore, StoreUnavailable
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.usage_report import DIMENSIONS, dollars

TOLERATED = Decimal("0.001")
"""Of the file's total: the sum of all differences, none set off against another."""

AMOUNTS = {"cost_nanodollars": Decimal(1), "cost_usd": Decimal(1_000_000_000)}
"""Column -> nano-dollars that its unit is."""

KEYS = ("request_id", *(name for name in DIMENSIONS if name not in ("hour", "outcome", "usage-source")))

Key = tuple[str, ...]


def reconcile(file: str, asked: Asked, out: TextIO) -> int:
    """Print rows that differ and how much; returns 0 when file and ledger agree within 0.1 %, 1 when they do not, 2
    when the file is none."""
    try:
        columns, theirs = _read(file)
        span = moment(asked.since, "--since"), moment(asked.until, "--until")
        database = open_to_read(url_of(asked.data_dir, asked.database))
        try:
            names = Names(database)
            query = UsageQuery(
                since_us=span[0],
                until_us=span[1],
                provider=names.id_of("provider", asked.provider) if asked.provider else None,
            )
            ledger = SqlLedger(database)
            if columns == ["request_id"]:
                ours = _by_request(theirs, query, ledger)
            else:
                ours = _by(columns, theirs, query, ledger, names)
        finally:
            database.close()
    except (Wrong, OSError, UnicodeDecodeError, csv.Error) as error:
        print(f"microgate: {file}: {error}", file=sys.stderr)
        return EXIT_WRONG
    except (NoDatabase, StoreUnavailable) as error:
        print(f"microgate: {error}", file=sys.stderr)
        return EXIT_FAILED
    return _tell(columns, theirs, ours, out)


def _read(file: str) -> tuple[list[str], Counter[Key]]:
    """The columns that say what a row is about, and nano-dollars by them. Raises Wrong, OSError."""
    with open(file, encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text)
        head = list(reader.fieldnames or ())
        amounts = [name for name in AMOUNTS if name in head]
        columns = ["request_id"] if "request_id" in head else [name for name in head if name in KEYS]
        if not amounts or not columns:
            raise Wrong(f"needs a column {' or '.join(AMOUNTS)}, and some of {', '.join(KEYS)}")
        found: Counter[Key] = Counter()
        for row in reader:
            try:
                amount = Decimal(row[amounts[0]]) * AMOUNTS[amounts[0]]
                found[tuple((row[name] or "").strip() for name in columns)] += int(amount.to_integral_value())
            except (InvalidOperation, TypeError, ValueError):
                raise Wrong(f"line {reader.line_num}: {row[amounts[0]]!r} is no amount") from None
        return columns, found


def _by_request(theirs: Iterable[Key], query: UsageQuery, ledger: LedgerStore) -> Counter[Key]:
    """What the ledger has of the file's requests and, where a span is given, of any in it."""
    ids = []
    for (text,) in theirs:
        try:
            ids.append(bytes.fromhex(text))
        except ValueError:
            raise Wrong(f"{text!r} is no request id") from None
    found: Counter[Key] = Counter()
    seen: set[tuple[bytes, int, int]] = set()

    def add(rows: Iterable[LedgerRow]) -> None:
        for row in rows:
            identity = row.request_id, row.attempt, row.line
            if identity not in seen and query.provider in (None, row.provider):
                seen.add(identity)
                found[row.request_id.hex(),] += row.cost_nanodollars

    add(ledger.find(ids))
    if (query.since_us, query.until_us) != (None, None):
        after = 0
        while page := ledger.rows(query, after=after):
            after = page[-1][0]
            add(row for _, row in page)
    return found


def _by(
    columns: Sequence[str], theirs: Iterable[Key], query: UsageQuery, ledger: LedgerStore, names: Names
) -> Counter[Key]:
    """The ledger's sums by the file's columns, over the span or else over the days and months that the file names."""
    by = tuple(DIMENSIONS[name] for name in columns)
    if (query.since_us, query.until_us) == (None, None):
        since_us, until_us = _named_span(columns, theirs)
        query = structs.replace(query, since_us=since_us, until_us=until_us)
    found: Counter[Key] = Counter()
    for labels, usage in named(ledger.usage(structs.replace(query, by=by)), by, names):
        found[tuple(labels)] += usage.cost_nanodollars
    return found


def _named_span(columns: Sequence[str], theirs: Iterable[Key]) -> tuple[int | None, int | None]:
    for column, text_format, days in (("day", "%Y-%m-%d", 1), ("month", "%Y-%m", 31)):
        if column in columns:
            place = columns.index(column)
            try:
                named_days = [datetime.strptime(key[place], text_format).replace(tzinfo=UTC) for key in theirs]
            except ValueError as error:
                raise Wrong(str(error)) from None
            if not named_days:
                return None, None
            # The first of the month that follows the last one.
            end = max(named_days) + timedelta(days=days)
            end = end if column == "day" else end.replace(day=1)
            return int(min(named_days).timestamp()) * 1_000_000, int(end.timestamp()) * 1_000_000
    return None, None


def _tell(columns: Sequence[str], theirs: Counter[Key], ours: Counter[Key], out: TextIO) -> int:
    differing = [(abs(ours[key] - theirs[key]), key) for key in sorted({*theirs, *ours}) if ours[key] != theirs[key]]
    for _, key in sorted(differing, key=lambda each: (-each[0], each[1])):
        about = ", ".join(f"{name} {value or '-'}" for name, value in zip(columns, key, strict=True))
        missing = "" if key in theirs and key in ours else f" (not in the {'ledger' if key in theirs else 'file'})"
        said = f"file {dollars(theirs[key])}, ledger {dollars(ours[key])}"
        print(f"{about}: {said}, difference {dollars(ours[key] - theirs[key])}{missing}", file=out)
    difference, total = sum(each for each, _ in differing), sum(theirs.values())
    share = Decimal(difference) / total if total else Decimal(bool(difference))
    print(
        f"file {dollars(total)} USD, ledger {dollars(sum(ours.values()))} USD; {len(differing)} of "
        f"{len({*theirs, *ours})} rows differ, by {dollars(difference)} USD in all: {share:.4%}",
        file=out,
    )
    return EXIT_OK if share <= TOLERATED else EXIT_FAILED
