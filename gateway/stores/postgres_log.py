"""The request log in PostgreSQL, for several gateways that keep it together.

One table for all of them. How far a gateway's rings are stored is kept by its ``instance``, in the transaction that
stores the rows. The tables are made when the log is opened: what is in them is no more than a log, so a later program
that needs others makes others.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from gateway.stores.contents import StoredContent, as_typed, content_of, folded
from gateway.stores.database import Duplicate, Transaction, marks
from gateway.stores.log_query import LogQuery, conditions_of, named_conditions
from gateway.stores.postgres_database import PostgresDatabase
from gateway.stores.protocols import LogLimits, LogPage, LogRow, Positions, StoreStatus, StoreUnavailable
from gateway.stores.sqlite_log import DEFAULT_LIMITS, PAGE_BUDGET_S
from gateway.stores.sqlite_search import MOST_ROWS

WIDTH = len(LogRow._fields)
GROUP = 16
"""Rows that one statement inserts."""

WINDOW_IDS = 100_000
"""Rows looked at between two glances at the clock."""

DROPPED = 20_000
"""Old rows that one transaction removes: nobody waits for it for long."""

MOST_WORDS_BYTES = 512 << 10
"""Of one request's words: an index entry of more than 1 MiB is refused, and one takes up to twice the text."""

_TYPES = {
    **dict.fromkeys(("request_id", "client"), "BYTEA"),
    **dict.fromkeys(("model", "target_model", "dropped", "receipt"), "TEXT"),
}
_NAMES = ", ".join(LogRow._fields)
_COLUMNS = ", ".join(f"{name} {_TYPES.get(name, 'BIGINT')}" for name in LogRow._fields)

_SCHEMA = (
    # Gateways that start at once make them one after the other; the lock is given back with the transaction.
    "SELECT pg_advisory_xact_lock(119867401204583)",
    (
        "CREATE TABLE IF NOT EXISTS request_log (id BIGSERIAL PRIMARY KEY, instance TEXT NOT NULL, "
        f"stored_us BIGINT NOT NULL, {_COLUMNS})"
    ),
    (
        "CREATE TABLE IF NOT EXISTS request_log_position (instance TEXT, slot BIGINT, spilled BIGINT, epoch BIGINT, "
        "sequence BIGINT, PRIMARY KEY (instance, slot, spilled))"
    ),
    # A block's summary instead of an entry a row: times grow with the rows.
    "CREATE INDEX IF NOT EXISTS request_log_started ON request_log USING brin (started_us, stored_us)",
    "CREATE INDEX IF NOT EXISTS request_log_request ON request_log (request_id)",
    "CREATE INDEX IF NOT EXISTS request_log_key ON request_log (virtual_key, id)",
    "CREATE INDEX IF NOT EXISTS request_log_error ON request_log (id) WHERE status >= 400 OR status = 0",
    (
        "CREATE TABLE IF NOT EXISTS request_content (request_id BYTEA PRIMARY KEY, started_us BIGINT NOT NULL, "
        "media_type TEXT NOT NULL, bits BIGINT NOT NULL, request BYTEA NOT NULL, response BYTEA NOT NULL, "
        "words TSVECTOR NOT NULL)"
    ),
    "CREATE INDEX IF NOT EXISTS request_content_words ON request_content USING gin (words)",
    "CREATE INDEX IF NOT EXISTS request_content_started ON request_content USING brin (started_us)",
)
_ROW = marks(WIDTH + 2)
_INSERT = "INSERT INTO request_log (instance, stored_us, %s) VALUES ".__mod__(_NAMES)
_INSERT_ONE = _INSERT + _ROW
_INSERT_GROUP = _INSERT + ", ".join([_ROW] * GROUP)
_ADVANCE = (
    "INSERT INTO request_log_position (instance, slot, spilled, epoch, sequence) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (instance, slot, spilled) DO UPDATE SET epoch = excluded.epoch, sequence = excluded.sequence"
)
_POSITIONS = "SELECT slot, spilled, epoch, sequence FROM request_log_position WHERE instance = ?"
_SELECT = "SELECT id, %s FROM request_log WHERE ".__mod__(_NAMES)
_BEHIND = "SELECT id, %s FROM request_log WHERE id > ? AND id <= ? AND instance = ? ORDER BY id LIMIT ?".__mod__(_NAMES)
_DROP = "DELETE FROM request_log WHERE id IN (SELECT id FROM request_log WHERE stored_us < ? ORDER BY id LIMIT ?)"
_KEEP = (
    "INSERT INTO request_content (request_id, started_us, media_type, bits, request, response, words) "
    "VALUES (?, ?, ?, ?, ?, ?, to_tsvector('simple', ?)) ON CONFLICT (request_id) DO NOTHING"
)
_CONTENT = (
    "SELECT request_id, started_us, media_type, bits, request, response FROM request_content WHERE request_id = ?"
)
_SAID = "request_id IN (SELECT request_id FROM request_content WHERE words @@ websearch_to_tsquery('simple', ?))"
_DROP_CONTENT = (
    "DELETE FROM request_content WHERE request_id IN "
    "(SELECT request_id FROM request_content WHERE started_us < ? LIMIT ?)"
)
_SIZE = "SELECT pg_total_relation_size('request_log')"


class PostgresLog:
    """``LogStore`` over a database. ``append`` belongs to one thread, ``maintain`` to one thread, ``page`` to any."""

    def __init__(
        self,
        url: str,
        instance: str = "",
        *,
        limits: LogLimits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``instance`` tells this gateway's rings from those of others. A server that is away is tried again by
        whoever asks."""
        self.limits = limits
        self._instance = instance
        self._clock = clock
        self._database = PostgresDatabase(url)
        self._made = False
        self._making = threading.Lock()
        with contextlib.suppress(StoreUnavailable):
            self._make()

    def append(self, rows: Iterable[Sequence[object]], positions: Positions) -> int:
        self._make()
        new, now_us = 0, int(self._clock() * 1e6)
        with self._database.writing() as at:
            for values in rows:
                new += self._insert(at, values, now_us)
            at.many(_ADVANCE, [(self._instance, *where, *reached) for where, reached in positions.items()])
        return new

    def _insert(self, at: Transaction, values: Sequence[object], now_us: int) -> int:
        rows = [
            (self._instance, now_us, *(_stored(value) for value in values[first : first + WIDTH]))
            for first in range(0, len(values), WIDTH)
        ]
        if len(rows) == GROUP:
            return at.run(_INSERT_GROUP, list(itertools.chain.from_iterable(rows)))
        return at.many(_INSERT_ONE, rows)

    def settle(self) -> None:
        """Nothing to do: a commit is on the server's disk."""

    def positions(self) -> Positions:
        self._make()
        with self._database.reading() as at:
            found = at.rows(_POSITIONS, (self._instance,))
        return {(slot, spilled): (epoch, sequence) for slot, spilled, epoch, sequence in found}

    def mark(self) -> str:
        self._make()
        with self._database.reading() as at:
            [(last,)] = at.rows("SELECT COALESCE(MAX(id), 0) FROM request_log")
        return str(last)

    def between(self, after: str, until: str, most: int) -> tuple[list[Sequence[object]], str]:
        low, high = _below(after or "0"), _below(until)
        self._make()
        with self._database.reading() as at:
            found = at.rows(_BEHIND, (low, high, self._instance, most))
        rows: list[Sequence[object]] = [row[1:] for row in found]
        return rows, str(found[-1][0]) if len(rows) == most else until

    def page(self, query: LogQuery) -> LogPage:
        below = _below(query.cursor)
        conditions, values = conditions_of(query)
        if query.search:
            named = named_conditions(query.search)
            either = f"(({' AND '.join(named.terms)}) OR {_SAID})"
            conditions, values = [*conditions, either], [*values, *named.values, as_typed(query.search)]
        most = max(1, min(query.limit, MOST_ROWS))
        statement = _SELECT + " AND ".join(("id > ?", "id < ?", *conditions)) + " ORDER BY id DESC LIMIT ?"
        rows: list[LogRow] = []
        end = time.monotonic() + PAGE_BUDGET_S
        self._make()
        with self._database.reading() as at:
            if below is None:
                [(last,)] = at.rows("SELECT COALESCE(MAX(id), 0) FROM request_log")
                below = last + 1
            [(first,)] = at.rows("SELECT COALESCE(MIN(id), 0) FROM request_log")
            while below > first:
                low = max(first - 1, below - 1 - WINDOW_IDS)
                found = at.rows(statement, (low, below, *values, most - len(rows)))
                rows += [_log_row(row[1:]) for row in found]
                if len(rows) == most:
                    return LogPage(rows, str(found[-1][0]))
                below = low + 1
                if below > first and time.monotonic() > end:
                    return LogPage(rows, str(below))
        return LogPage(rows, None)

    def keep_contents(self, contents: Iterable[StoredContent]) -> int:
        self._make()
        rows = [
            (
                each.request_id,
                each.started_us,
                each.media_type,
                each.bits,
                folded(each.request),
                folded(each.response),
                _stored(_bounded(f"{each.request_words}\n{each.response_words}")),
            )
            for each in contents
        ]
        with self._database.writing() as at:
            return at.many(_KEEP, rows)

    def content(self, request_id: bytes, started_us: int) -> StoredContent | None:
        self._make()
        with self._database.reading() as at:
            found = at.rows(_CONTENT, (request_id,))
        return content_of(*found[0]) if found else None

    def maintain(self) -> None:
        """Remove what is too old. How much is kept is a matter of its age alone: the disk is the server's."""
        self._make()
        limits = self.limits
        age_s = min(limits.max_age_s, limits.content_max_age_s)
        self._drop(_DROP, int((self._clock() - limits.max_age_s) * 1e6))
        self._drop(_DROP_CONTENT, int((self._clock() - age_s) * 1e6))

    def _drop(self, statement: str, oldest_us: int) -> None:
        while True:
            with self._database.writing() as at:
                if at.run(statement, (oldest_us, DROPPED)) < DROPPED:
                    return

    def status(self) -> StoreStatus:
        try:
            self._make()
            with self._database.reading() as at:
                [(size,)] = at.rows(_SIZE)
        except StoreUnavailable as error:
            return StoreStatus(ok=False, problem=f"request log: {error}")
        problem = self._database.problem
        return StoreStatus(not problem, f"request log: {problem}" if problem else "", (), int(size), 1)

    def close(self) -> None:
        self._database.close()

    def _make(self) -> None:
        if self._made:
            return
        with self._making, contextlib.suppress(Duplicate):
            with self._database.writing() as at:
                for statement in _SCHEMA:
                    at.run(statement)
            self._made = True


def _stored(value: object) -> object:
    """PostgreSQL's texts have no character 0, which a model's name may have had."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value


def _bounded(words: str) -> str:
    return words.encode()[:MOST_WORDS_BYTES].decode(errors="ignore")


def _below(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise ValueError("not a cursor of the request log")
    return int(cursor)


def _log_row(row: Sequence[object]) -> LogRow:
    # The driver's bytes are bytes already; a column that is empty is None as in SQLite.
    return LogRow(*row)  # type: ignore[arg-type]


def open_log(url: str, instance: str = "") -> PostgresLog:
    """For ``stores/urls.py``."""
    return PostgresLog(url, instance)
