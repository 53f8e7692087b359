"""``LedgerStore`` over a SQL database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import get_args

from gateway.stores.database import Database, Row, marks
from gateway.stores.ledger import TOKENS, Dimension, LedgerRow, Line, Spent, Usage, UsageQuery
from gateway.stores.protocols import LedgerStore

GROUP = 16
"""Rows that one statement inserts, as in the request log. 400 values are within the 999 that any SQLite takes."""

MOST_ROWS = 10_000
"""Of one page."""

ASKED_AT_ONCE = 400
"""Requests looked up by one statement."""

WIDTH = len(LedgerRow._fields)
_NAMES = ", ".join(LedgerRow._fields)
_ROW = marks(WIDTH)
_ONCE = " ON CONFLICT (request_id, attempt, line) DO NOTHING"
# Made of field names alone; values are always bound.
_INTO = "INSERT INTO ledger (%s) VALUES ".__mod__(_NAMES)
_INSERT = _INTO + _ROW + _ONCE
_INSERT_GROUP = _INTO + ", ".join([_ROW] * GROUP) + _ONCE

_NEVER_US = 1 << 62
_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_EXPRESSIONS: dict[str, str] = {
    **{name: name for name in get_args(Dimension)},
    "hour": f"started_us / {_HOUR_US}",
    "day": f"started_us / {_DAY_US}",
    "month": f"started_us / {_DAY_US}",
}
"""Of each dimension; of those that are no column whole numbers, which both databases compute alike. Months are days,
added up here."""
_LABELS: dict[str, Callable[[int], str]] = {
    "hour": lambda number: time.strftime("%Y-%m-%dT%H", time.gmtime(number * 3600)),
    "day": lambda number: time.strftime("%Y-%m-%d", time.gmtime(number * 86400)),
    "month": lambda number: time.strftime("%Y-%m", time.gmtime(number * 86400)),
}

_SUMMED = (*TOKENS, "cost_nanodollars")
_SUMS = ", ".join(
    f"CAST(COALESCE(SUM({term}), 0) AS BIGINT)"
    for term in (
        "CASE WHEN kind = 2 THEN 1 ELSE 0 END",
        "CASE WHEN line < 2 THEN 1 ELSE 0 END",
        *_SUMMED,
        "CASE WHEN usage_source = 2 AND line < 2 THEN 1 ELSE 0 END",
        "CASE WHEN (flags & 8192) <> 0 AND line < 2 THEN 1 ELSE 0 END",
    )
)
"""In the order of ``Usage`` behind ``by``: kind 2 is ``Kind.EXCHANGE``, usage source 2 ``UsageSource.ESTIMATE``,
flag 8192 ``Flags.UNPRICED``."""
_SUM_NAMES = ("requests", "attempts", *_SUMMED, "estimated", "unpriced")

_SPENT = (
    "SELECT virtual_key, team, customer, provider, (started_us * 1000 - ?) / ?, "
    "CAST(SUM(CASE WHEN kind = 2 THEN 1 ELSE 0 END) AS BIGINT), "
    "CAST(SUM(CASE WHEN line = 0 THEN 1 ELSE 0 END) AS BIGINT), "
    "CAST(SUM(CASE WHEN kind IN (2, 4) THEN prompt_tokens ELSE 0 END) AS BIGINT), "
    "CAST(SUM(CASE WHEN kind IN (2, 4) THEN completion_tokens ELSE 0 END) AS BIGINT), "
    "CAST(SUM(cost_nanodollars) AS BIGINT) "
    "FROM ledger WHERE started_us >= ? AND started_us < ? AND line <> 1 "
    # By their places: PostgreSQL takes two values that are bound for two expressions.
    "GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
)
"""Kind 2 is ``REQUEST``, 4 ``CORRECTION``; line 0 is ``Line.CALL``, 1 ``Line.SHADOW``."""
_FIND = "SELECT %s FROM ledger WHERE request_id IN %s ORDER BY id"


class SqlLedger(LedgerStore):
    """Over any ``Database`` that has the tables of ``control/schema.py``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def post(self, rows: Sequence[LedgerRow]) -> int:
        try:
            return self._post(rows)
        except ValueError:
            # PostgreSQL's texts have no character 0, which a model's name may have had.
            return self._post([_without_zeros(row) for row in rows])

    def _post(self, rows: Sequence[LedgerRow]) -> int:
        if not rows:
            return 0
        new = 0
        whole = len(rows) - len(rows) % GROUP
        with self._database.writing() as at:
            for first in range(0, whole, GROUP):
                values: list[object] = []
                for row in rows[first : first + GROUP]:
                    values += row
                new += at.run(_INSERT_GROUP, values)
            new += at.many(_INSERT, rows[whole:])
        return new

    def usage(self, query: UsageQuery) -> list[Usage]:
        groups = [_EXPRESSIONS[name] for name in query.by]
        where, values = _where(query)
        clauses = ["SELECT", ", ".join([*groups, _SUMS]), "FROM ledger", where]
        if groups:
            clauses.append(f"GROUP BY {', '.join(groups)}")
        with self._database.reading() as at:
            return _added(query.by, at.rows(" ".join(clauses), values))

    def spent(self, base_ns: int, part_ns: int = 1 << 62, until_us: int | None = None) -> list[Spent]:
        values = (base_ns, part_ns, -(-base_ns // 1000), _NEVER_US if until_us is None else until_us)
        with self._database.reading() as at:
            return [Spent(*map(int, row)) for row in at.rows(_SPENT, values)]

    def rows(self, query: UsageQuery, *, after: int = 0, limit: int = 1000) -> list[tuple[int, LedgerRow]]:
        where, values = _where(query, ("id > ?", after))
        clauses = ["SELECT id,", _NAMES, "FROM ledger", where, "ORDER BY id LIMIT ?"]
        with self._database.reading() as at:
            found = at.rows(" ".join(clauses), (*values, max(1, min(limit, MOST_ROWS))))
        return [(row[0], _ledger_row(row[1:])) for row in found]

    def find(self, request_ids: Sequence[bytes]) -> list[LedgerRow]:
        found: list[LedgerRow] = []
        for first in range(0, len(request_ids), ASKED_AT_ONCE):
            asked = list(request_ids[first : first + ASKED_AT_ONCE])
            statement = _FIND.__mod__((_NAMES, marks(len(asked))))
            with self._database.reading() as at:
                found += map(_ledger_row, at.rows(statement, asked))
        return found


def _without_zeros(row: Sequence[object]) -> LedgerRow:
    texts = (value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in row)
    return LedgerRow(*texts)  # type: ignore[arg-type]


def _ledger_row(row: Row) -> LedgerRow:
    return LedgerRow(bytes(row[0]), *row[1:])


def _where(query: UsageQuery, *more: tuple[str, object]) -> tuple[str, list[object]]:
    """WHERE clause, made of constants, and the values it binds."""
    terms: list[tuple[str, object]] = [
        (f"{name} = ?", getattr(query, name))
        for name in ("virtual_key", "team", "customer", "provider")
        if getattr(query, name) is not None
    ]
    if query.since_us is not None:
        terms.append(("started_us >= ?", query.since_us))
    if query.until_us is not None:
        terms.append(("started_us < ?", query.until_us))
    if query.model is not None:
        terms += [("(model = ?", query.model), ("target_model = ?)", query.model)]
    if not query.shadows:
        terms.append(("line <> ?", int(Line.SHADOW)))
    terms += more
    if not terms:
        return "", []
    # The two halves of the model's term are alternatives.
    text = " AND ".join(term for term, _ in terms).replace("(model = ? AND ", "(model = ? OR ")
    return f"WHERE {text}", [value for _, value in terms]


def _added(by: tuple[Dimension, ...], rows: Iterable[Row]) -> list[Usage]:
    """Rows of sums with their labels, those that have come to be the same added up, in order."""
    labels = [_LABELS.get(name, lambda value: value) for name in by]
    sums: dict[tuple[int | str, ...], list[int]] = {}
    for row in rows:
        key = tuple(label(value) for label, value in zip(labels, row, strict=False))
        amounts = [int(value) for value in row[len(by) :]]
        known = sums.get(key)
        sums[key] = amounts if known is None else [a + b for a, b in zip(known, amounts, strict=True)]
    return [Usage(by=key, **dict(zip(_SUM_NAMES, sums[key], strict=True))) for key in sorted(sums)]
