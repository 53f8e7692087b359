"""Sums over the ledger: whole days and hours from ``usage_days`` and ``usage_hours``, where they are added up already,
the rest from its rows.

A report over a month of ten million rows would read all of them. So what was posted is added to the sums of its hour
and its day whenever many rows have come, and ``usage_summed`` says up to which row: what comes behind it is read row by
row, like the part of an hour with which a report begins or ends. All is read in one transaction, so nothing counts
twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from gateway.stores.database import Database, Row, Transaction, marks
from gateway.stores.ledger import TOKENS, Dimension, Line, Usage, UsageQuery

DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000

KEPT = (
    "virtual_key", "team", "customer", "provider", "provider_key", "route", "model", "target_model", "operation",
    "outcome", "usage_source",
)  # fmt: skip
"""Columns of the ledger that its sums have as well: a report can be by each of them."""

_SUMMED = (*TOKENS, "cost_nanodollars")
SUMS = ("requests", "attempts", *_SUMMED, "estimated", "unpriced")
"""In the order of ``Usage`` behind ``by``."""
_TERMS = (
    "CASE WHEN kind = 2 THEN 1 ELSE 0 END",
    "CASE WHEN line < 2 THEN 1 ELSE 0 END",
    *_SUMMED,
    "CASE WHEN usage_source = 2 AND line < 2 THEN 1 ELSE 0 END",
    "CASE WHEN (flags & 8192) <> 0 AND line < 2 THEN 1 ELSE 0 END",
)
"""What is summed of a row: kind 2 is ``Kind.EXCHANGE``, usage source 2 ``UsageSource.ESTIMATE``, flag 8192
``Flags.UNPRICED``, lines below 2 are no corrections."""
_NAMES = {name: name for name in KEPT}
_HOUR, _DAY = f"started_us / {_HOUR_US}", f"started_us / {DAY_US}"
_OF_ROWS = {**_NAMES, "hour": _HOUR, "day": _DAY, "month": _DAY}
_OF_HOURS = {**_NAMES, "hour": "hour", "day": "hour / 24", "month": "hour / 24"}
_OF_DAYS = {**_NAMES, "day": "day", "month": "day"}
"""Of each dimension; of those that are no column whole numbers, which both databases compute alike. Months are days,
added up here."""
_LABELS: dict[str, Callable[[int], str]] = {
    "hour": lambda number: time.strftime("%Y-%m-%dT%H", time.gmtime(number * 3600)),
    "day": lambda number: time.strftime("%Y-%m-%d", time.gmtime(number * 86400)),
    "month": lambda number: time.strftime("%Y-%m", time.gmtime(number * 86400)),
}


def _totals(terms: Iterable[str]) -> str:
    return ", ".join(f"CAST(COALESCE(SUM({term}), 0) AS BIGINT)" for term in terms)


_SUMS_OF_ROWS, _SUMS_OF_SUMS = _totals(_TERMS), _totals(SUMS)

_SUMMED_UP = "SELECT COALESCE(MAX(through_id), 0) FROM usage_summed"
_LAST = "SELECT COALESCE(MAX(id), 0) FROM ledger"
_ENDS = "SELECT (SELECT MIN(started_us) FROM ledger), (SELECT MAX(started_us) FROM ledger)"
_PLACE = ("hour", *KEPT, "shadow")
_SUM_UP = "SELECT %s FROM ledger WHERE id > ? AND id <= ? GROUP BY %s".__mod__(
    (
        ", ".join((_HOUR, *KEPT, f"CASE WHEN line = {int(Line.SHADOW)} THEN 1 ELSE 0 END", _SUMS_OF_ROWS)),
        ", ".join(str(1 + place) for place in range(len(_PLACE))),
    )
)


def _adding(unit: str) -> str:
    table, place = f"usage_{unit}s", (unit, *_PLACE[1:])
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUMS)
    return "INSERT INTO %s (%s) VALUES %s ON CONFLICT (%s) DO UPDATE SET %s".__mod__(
        (table, ", ".join((*place, *SUMS)), marks(len(place) + len(SUMS)), ", ".join(place), sums)
    )


_ADD_TO_HOURS = _adding("hour")
_ADD_TO_DAYS = _adding("day")
_REACHED = "UPDATE usage_summed SET through_id = ?"
_BEGUN = "INSERT INTO usage_summed (through_id) VALUES (?)"


def sum_up(database: Database, count: int) -> bool:
    """Add the next ``count`` rows to the sums of their hours and days, if so many wait. Whether that was done."""
    with database.reading() as at:
        [[through]], [[last]] = at.rows(_SUMMED_UP), at.rows(_LAST)
        if last - through < count:
            return False
    with database.writing() as at:
        # A row whose number was drawn before, and that is committed later, would never be summed: none is left now.
        at.hold("ledger")
    end = through + count
    with database.reading() as at:
        sums = at.rows(_SUM_UP, (through, end))
    with database.writing() as at:
        at.hold("usage_summed")
        if at.rows(_SUMMED_UP) != [(through,)]:
            # Somebody else has done it: several gateways may keep one ledger.
            return True
        at.many(_ADD_TO_HOURS, sums)
        at.many(_ADD_TO_DAYS, days_of(sums))
        if not at.run(_REACHED, (end,)):
            at.run(_BEGUN, (end,))
    return True


def days_of(hours: Iterable[Row]) -> list[Row]:
    """Sums by hour as sums by day."""
    found: dict[Row, list[int]] = {}
    for row in hours:
        place, sums = (row[0] // 24, *row[1 : len(_PLACE)]), row[len(_PLACE) :]
        known = found.get(place)
        found[place] = list(sums) if known is None else [a + b for a, b in zip(known, sums, strict=True)]
    return [(*place, *sums) for place, sums in found.items()]


def usage(at: Transaction, query: UsageQuery) -> list[Usage]:
    """Sums of what ``query`` asks for, in the order of ``query.by``."""
    rows: list[Row] = []
    for statement, values in _statements(at, query):
        rows += at.rows(statement, values)
    return _added(query.by, rows)


def _statements(at: Transaction, query: UsageQuery) -> Iterator[tuple[str, list[object]]]:
    """The parts of a report; each row of the ledger is in one of them."""
    since, until = _within(at, query)
    first = None if since is None else -(-since // _HOUR_US)
    end = None if until is None else until // _HOUR_US
    if first is not None and end is not None and first >= end:
        yield _of_rows(query, _between("started_us", since, until))
        return
    [[through]] = at.rows(_SUMMED_UP)
    yield from _whole_hours(query, first, end)
    first_us = None if first is None else first * _HOUR_US
    end_us = None if end is None else end * _HOUR_US
    # A sum is no column: rows are found by their numbers, of which few are behind, not by their times.
    yield _of_rows(query, [("id > ?", through), *_between("started_us + 0", first_us, end_us)])
    for begins, ends in ((since, first_us), (end_us, until)):
        if begins is not None and ends is not None and begins < ends:
            yield _of_rows(query, _between("started_us", begins, ends))


def _within(at: Transaction, query: UsageQuery) -> tuple[int | None, int | None]:
    """The time asked for, open where nothing lies beyond: most reports go up to now, which is within an hour."""
    since, until = query.since_us, query.until_us
    [[oldest, newest]] = at.rows(_ENDS)
    if newest is None:
        return since, until
    return (
        None if since is None or since <= oldest else since,
        None if until is None or until > newest else until,
    )


def _whole_hours(query: UsageQuery, first: int | None, end: int | None) -> Iterator[tuple[str, list[object]]]:
    """What is added up of these hours, as far as can be by day."""
    day = None if first is None else -(-first // 24)
    last = None if end is None else end // 24
    if "hour" in query.by or (day is not None and last is not None and day >= last):
        yield _of_sums(query, _OF_HOURS, "usage_hours", _between("hour", first, end))
        return
    yield _of_sums(query, _OF_DAYS, "usage_days", _between("day", day, last))
    if first is not None and day is not None and first < day * 24:
        yield _of_sums(query, _OF_HOURS, "usage_hours", _between("hour", first, day * 24))
    if end is not None and last is not None and last * 24 < end:
        yield _of_sums(query, _OF_HOURS, "usage_hours", _between("hour", last * 24, end))


def _of_rows(query: UsageQuery, more: Sequence[tuple[str, object]]) -> tuple[str, list[object]]:
    return _grouped(query, _OF_ROWS, _SUMS_OF_ROWS, "ledger", where_of(query, *more))


def _of_sums(
    query: UsageQuery, names: dict[str, str], table: str, more: Sequence[tuple[str, object]]
) -> tuple[str, list[object]]:
    return _grouped(query, names, _SUMS_OF_SUMS, table, where_of(query, *more, summed=True))


def _grouped(
    query: UsageQuery, names: dict[str, str], sums: str, table: str, where: tuple[str, list[object]]
) -> tuple[str, list[object]]:
    groups = [names[name] for name in query.by]
    clauses = ["SELECT", ", ".join([*groups, sums]), "FROM", table, where[0]]
    if groups:
        clauses.append(f"GROUP BY {', '.join(groups)}")
    return " ".join(clauses), where[1]


def _between(name: str, since: int | None, until: int | None) -> list[tuple[str, object]]:
    terms: list[tuple[str, object]] = []
    if since is not None:
        terms.append((f"{name} >= ?", since))
    if until is not None:
        terms.append((f"{name} < ?", until))
    return terms


def where_of(query: UsageQuery, *more: tuple[str, object], summed: bool = False) -> tuple[str, list[object]]:
    """WHERE clause, made of constants, and the values it binds; times are among ``more``."""
    terms: list[tuple[str, object]] = [
        (f"{name} = ?", getattr(query, name))
        for name in ("virtual_key", "team", "customer", "provider")
        if getattr(query, name) is not None
    ]
    if query.model is not None:
        terms += [("(model = ?", query.model), ("target_model = ?)", query.model)]
    if not query.shadows:
        terms.append(("shadow = ?", 0) if summed else ("line <> ?", int(Line.SHADOW)))
    terms += more
    if not terms:
        return "", []
    # The two halves of the model's term are alternatives.
    text = " AND ".join(term for term, _ in terms).replace("(model = ? AND ", "(model = ? OR ")
    return f"WHERE {text}", [value for _, value in terms]


def rows_of(query: UsageQuery, *more: tuple[str, object]) -> tuple[str, list[object]]:
    """``where_of`` the ledger's rows themselves."""
    return where_of(query, *_between("started_us", query.since_us, query.until_us), *more)


def _added(by: tuple[Dimension, ...], rows: Iterable[Row]) -> list[Usage]:
    """Rows of sums with their labels, those that have come to be the same added up, in order."""
    labels = [_LABELS.get(name, lambda value: value) for name in by]
    sums: dict[tuple[int | str, ...], list[int]] = {}
    for row in rows:
        key = tuple(label(value) for label, value in zip(labels, row, strict=False))
        amounts = [int(value) for value in row[len(by) :]]
        known = sums.get(key)
        sums[key] = amounts if known is None else [a + b for a, b in zip(known, amounts, strict=True)]
    return [Usage(by=key, **dict(zip(SUMS, sums[key], strict=True))) for key in sorted(sums)]
