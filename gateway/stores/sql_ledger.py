"""``LedgerStore`` over a SQL database."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.stores.database import Database, Row, marks
from gateway.stores.ledger import LedgerRow, Spent, Usage, UsageQuery
from gateway.stores.protocols import LedgerStore
from gateway.stores.sql_usage import rows_of, sum_up, usage

GROUP = 16
"""Rows that one statement inserts, as in the request log. 400 values are within the 999 that any SQLite takes."""

MOST_ROWS = 10_000
"""Of one page."""

SUMMED_AT_ONCE = 100_000
"""Rows that are added to their hours and days together: some 6 us each, and fewer at a time cost more each. Those that
are posted meanwhile wait 0.2 s; a report reads that many one by one in half a second."""

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
        with self._database.reading() as at:
            return usage(at, query)

    def sum_up(self) -> bool:
        return sum_up(self._database, SUMMED_AT_ONCE)

    def spent(self, base_ns: int, part_ns: int = 1 << 62, until_us: int | None = None) -> list[Spent]:
        values = (base_ns, part_ns, -(-base_ns // 1000), _NEVER_US if until_us is None else until_us)
        with self._database.reading() as at:
            return [Spent(*map(int, row)) for row in at.rows(_SPENT, values)]

    def rows(self, query: UsageQuery, *, after: int = 0, limit: int = 1000) -> list[tuple[int, LedgerRow]]:
        where, values = rows_of(query, ("id > ?", after))
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
