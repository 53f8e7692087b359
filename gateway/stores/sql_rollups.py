"""``RollupStore`` over a SQL database: a SQLite file beside the log's segments, or the log's own PostgreSQL.

Minutes are only added, one row for each time they are stored; hours and days are made of them later, and a row of a
minute tells whether it is in them. Gateways that keep one log together have one set of roll-ups; each has its own
marks.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence

from gateway.stores.database import Database, Transaction
from gateway.stores.rollups import (
    GRAINS,
    WITH_KEYS,
    WITHOUT_KEYS,
    Cube,
    Gap,
    Grain,
    Merge,
    RollupReader,
    RollupStore,
    Sheet,
)
from gateway.stores.sqlite_database import SqliteDatabase
from gateway.stores.sqlite_rules import connect_reader

log = logging.getLogger("microgate.log")

FILE = "rollups.db"
"""In the log's directory."""

_SQLITE = (
    (
        "CREATE TABLE IF NOT EXISTS rollup_minute (id INTEGER PRIMARY KEY, at_s INTEGER NOT NULL, "
        "cube INTEGER NOT NULL, merged INTEGER NOT NULL, data BLOB NOT NULL)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS rollup_hour (cube INTEGER, at_s INTEGER, merged INTEGER NOT NULL, "
        "data BLOB NOT NULL, PRIMARY KEY (cube, at_s))"
    ),
    (
        "CREATE TABLE IF NOT EXISTS rollup_day (cube INTEGER, at_s INTEGER, data BLOB NOT NULL, "
        "PRIMARY KEY (cube, at_s))"
    ),
    (
        "CREATE TABLE IF NOT EXISTS rollup_gap (id INTEGER PRIMARY KEY, instance TEXT NOT NULL, "
        "reached TEXT NOT NULL, until TEXT NOT NULL, taken INTEGER NOT NULL)"
    ),
)
_POSTGRES = (
    # Gateways that start at once make them one after the other; the lock is given back with the transaction.
    "SELECT pg_advisory_xact_lock(119867401204584)",
    (
        "CREATE TABLE IF NOT EXISTS rollup_minute (id BIGSERIAL PRIMARY KEY, at_s BIGINT NOT NULL, "
        "cube INTEGER NOT NULL, merged INTEGER NOT NULL, data BYTEA NOT NULL)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS rollup_hour (cube INTEGER, at_s BIGINT, merged INTEGER NOT NULL, "
        "data BYTEA NOT NULL, PRIMARY KEY (cube, at_s))"
    ),
    (
        "CREATE TABLE IF NOT EXISTS rollup_day (cube INTEGER, at_s BIGINT, data BYTEA NOT NULL, "
        "PRIMARY KEY (cube, at_s))"
    ),
    (
        "CREATE TABLE IF NOT EXISTS rollup_gap (id BIGSERIAL PRIMARY KEY, instance TEXT NOT NULL, "
        "reached TEXT NOT NULL, until TEXT NOT NULL, taken BIGINT NOT NULL)"
    ),
)
_OF_BOTH = (
    "CREATE INDEX IF NOT EXISTS rollup_minute_at ON rollup_minute (cube, at_s)",
    "CREATE INDEX IF NOT EXISTS rollup_minute_new ON rollup_minute (at_s) WHERE merged = 0",
    "CREATE INDEX IF NOT EXISTS rollup_hour_new ON rollup_hour (at_s) WHERE merged = 0",
    "CREATE TABLE IF NOT EXISTS rollup_mark (instance TEXT PRIMARY KEY, reached TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS rollup_turn (id INTEGER PRIMARY KEY, taken BIGINT NOT NULL)",
    "INSERT INTO rollup_turn (id, taken) VALUES (1, 0) ON CONFLICT (id) DO NOTHING",
)

_ADD = "INSERT INTO rollup_minute (at_s, cube, merged, data) VALUES (?, ?, 0, ?)"
_MARK = (
    "INSERT INTO rollup_mark (instance, reached) VALUES (?, ?) "
    "ON CONFLICT (instance) DO UPDATE SET reached = excluded.reached"
)
_REACHED = "SELECT reached FROM rollup_mark WHERE instance = ?"
_OPEN = "INSERT INTO rollup_gap (instance, reached, until, taken) VALUES (?, ?, ?, 0)"
_GAPS = "SELECT id, reached, until, taken FROM rollup_gap WHERE instance = ? ORDER BY id DESC"
# Only from where it was read: a part that somebody else has filled meanwhile is not added twice.
_CLOSE = "DELETE FROM rollup_gap WHERE id = ? AND reached = ?"
_ADVANCE = "UPDATE rollup_gap SET reached = ?, taken = taken + ? WHERE id = ? AND reached = ?"
_MINUTE_ROWS = "SELECT data FROM rollup_minute WHERE cube = ? AND at_s >= ? AND at_s < ?"
_HOUR_ROWS = "SELECT data FROM rollup_hour WHERE cube = ? AND at_s >= ? AND at_s < ?"
_NEW = "SELECT data FROM rollup_minute WHERE cube = ? AND at_s >= ? AND at_s < ? AND merged = 0"
_NEW_OF_ALL = "SELECT id, cube, data FROM rollup_minute WHERE at_s >= ? AND at_s < ? AND merged = 0"
_HOURS = "SELECT DISTINCT at_s / 3600 FROM rollup_minute WHERE merged = 0 AND at_s < ? ORDER BY 1"
_MERGED = "UPDATE rollup_minute SET merged = 1 WHERE id = ?"
# A row that everybody takes in turn: one merges at a time.
_TURN = "UPDATE rollup_turn SET taken = taken + 1 WHERE id = 1"
_HOUR = "SELECT data FROM rollup_hour WHERE cube = ? AND at_s = ?"
_PUT_HOUR = (
    "INSERT INTO rollup_hour (cube, at_s, merged, data) VALUES (?, ?, 0, ?) "
    "ON CONFLICT (cube, at_s) DO UPDATE SET data = excluded.data, merged = 0"
)
_PUT_DAY = (
    "INSERT INTO rollup_day (cube, at_s, data) VALUES (?, ?, ?) "
    "ON CONFLICT (cube, at_s) DO UPDATE SET data = excluded.data"
)
_DAYS = "SELECT DISTINCT at_s / 86400 FROM rollup_hour WHERE merged = 0 AND at_s < ? ORDER BY 1"
_NEW_DAYS = "SELECT DISTINCT at_s / 86400 FROM rollup_hour WHERE cube = ? AND merged = 0 AND at_s >= ? AND at_s < ?"
_DAY_ROWS = "SELECT at_s, data FROM rollup_day WHERE cube = ? AND at_s >= ? AND at_s < ?"
_IN_DAY = "UPDATE rollup_hour SET merged = 1 WHERE cube = ? AND at_s >= ? AND at_s < ?"
_FORGET_MINUTES = "DELETE FROM rollup_minute WHERE merged = 1 AND at_s < ?"
_FORGET_HOURS = "DELETE FROM rollup_hour WHERE at_s < ?"
_FORGET_DAYS = "DELETE FROM rollup_day WHERE at_s < ?"


class SqlRollups:
    """``RollupStore`` over ``database``; ``schema`` are the statements that make its tables where they are not there,
    ``merge`` adds up sheets."""

    def __init__(self, database: Database, schema: Sequence[str], instance: str, merge: Merge) -> None:
        self._database = database
        self._schema = schema
        self._instance = instance
        self._merge = merge
        self._made = False
        self._making = threading.Lock()

    def begin(self, mark: str) -> None:
        self._make()
        with self._database.writing() as at:
            before = self._reached(at)
            if before != mark:
                at.run(_OPEN, (self._instance, before or "", mark))
                at.run(_MARK, (self._instance, mark))

    def keep(self, sheets: Sequence[Sheet], mark: str) -> None:
        self._make()
        with self._database.writing() as at:
            at.many(_ADD, sheets)
            at.run(_MARK, (self._instance, mark))

    def gaps(self) -> list[Gap]:
        """The newest first."""
        self._make()
        with self._database.reading() as at:
            return [Gap(*row) for row in at.rows(_GAPS, (self._instance,))]

    def fill(self, gap: Gap, sheets: Sequence[Sheet], reached: str, rows: int) -> None:
        self._make()
        with self._database.writing() as at:
            if reached == gap.until:
                changed = at.run(_CLOSE, (gap.number, gap.reached))
            else:
                changed = at.run(_ADVANCE, (reached, rows, gap.number, gap.reached))
            if changed:
                at.many(_ADD, sheets)

    @contextlib.contextmanager
    def reading(self) -> Iterator[RollupReader]:
        self._make()
        with self._database.reading() as at:
            yield _Reader(at, self._reached(at))

    def _reached(self, at: Transaction) -> str | None:
        found = at.rows(_REACHED, (self._instance,))
        return found[0][0] if found else None

    def unmerged(self, before_s: int) -> list[int]:
        self._make()
        with self._database.reading() as at:
            hours = [int(hour) * 3600 for (hour,) in at.rows(_HOURS, (before_s,))]
        return [hour for hour in hours if hour + 3600 <= before_s]

    def merge(self, hour_s: int) -> None:
        with self._database.writing() as at:
            at.run(_TURN)
            rows = at.rows(_NEW_OF_ALL, (hour_s, hour_s + GRAINS["hour"]))
            for cube in sorted({cube for _, cube, _ in rows}):
                before = [bytes(data) for (data,) in at.rows(_HOUR, (cube, hour_s))]
                new = [bytes(data) for _, of, data in rows if of == cube]
                at.run(_PUT_HOUR, (cube, hour_s, self._merge(before + new)))
            at.many(_MERGED, [(number,) for number, _, _ in rows])

    def unmerged_days(self, before_s: int) -> list[int]:
        self._make()
        with self._database.reading() as at:
            days = [int(day) * 86400 for (day,) in at.rows(_DAYS, (before_s,))]
        return [day for day in days if day + 86400 <= before_s]

    def merge_day(self, day_s: int) -> None:
        for cube in (WITHOUT_KEYS, WITH_KEYS):
            with self._database.writing() as at:
                at.run(_TURN)
                span = (cube, day_s, day_s + 86400)
                if hours := [bytes(data) for (data,) in at.rows(_HOUR_ROWS, span)]:
                    at.run(_PUT_DAY, (cube, day_s, self._merge(hours)))
                at.run(_IN_DAY, span)

    def forget(self, minutes_before_s: int, hours_before_s: int) -> None:
        self._make()
        with self._database.writing() as at:
            at.run(_FORGET_MINUTES, (minutes_before_s,))
            at.run(_FORGET_HOURS, (hours_before_s,))
            at.run(_FORGET_DAYS, (hours_before_s - GRAINS["day"],))

    def problem(self) -> str:
        return self._database.problem

    def close(self) -> None:
        self._database.close()

    def _make(self) -> None:
        if self._made:
            return
        with self._making:
            with self._database.writing() as at:
                for statement in (*self._schema, *_OF_BOTH):
                    at.run(statement)
            self._made = True


class _Reader:
    def __init__(self, at: Transaction, reached: str | None) -> None:
        self._at = at
        self.reached = reached

    def sheets(self, grain: Grain, cube: Cube, since_s: int, until_s: int) -> list[bytes]:
        if since_s >= until_s:
            return []
        span = (cube, since_s, until_s)
        if grain == "minute":
            return self._of(_MINUTE_ROWS, span)
        found = self._of(_NEW, span)
        if grain == "hour":
            return found + self._of(_HOUR_ROWS, span)
        # A day with an hour that is newer than it, or that is not over, is read by its hours.
        new = {int(day) * 86400 for (day,) in self._at.rows(_NEW_DAYS, span)}
        found += [bytes(data) for at_s, data in self._at.rows(_DAY_ROWS, span) if at_s not in new]
        for day_s in new:
            found += self._of(_HOUR_ROWS, (cube, day_s, day_s + 86400))
        return found

    def _of(self, statement: str, span: tuple[Cube, int, int]) -> list[bytes]:
        return [bytes(data) for (data,) in self._at.rows(statement, span)]


def open_sqlite(path: str, instance: str, merge: Merge) -> RollupStore:
    """For ``stores/urls.py``: beside the segments in directory ``path``. What is there and is no database is set aside,
    and a file that is not there is made: what was in it can be had from the log again, as far as that reaches."""
    file = os.path.join(path, FILE)
    with contextlib.suppress(OSError):
        os.makedirs(path, mode=0o700, exist_ok=True)
        if _is_damaged(file):
            log.error("roll-ups: %s is no database; set aside as %s.damaged, and made anew from the log", FILE, FILE)
            for suffix in ("-wal", "-shm", ""):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(file + suffix, f"{file}.damaged{suffix}")
        with contextlib.suppress(FileExistsError):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return SqlRollups(SqliteDatabase(file, name="roll-ups", derived=True), _SQLITE, instance, merge)


def _is_damaged(file: str) -> bool:
    if not os.path.exists(file):
        return False
    try:
        reader = connect_reader(file)
        try:
            reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        finally:
            reader.close()
    except sqlite3.OperationalError:
        return False
    except sqlite3.DatabaseError:
        return True
    return False


def open_postgres(url: str, instance: str, merge: Merge) -> RollupStore:
    """For ``stores/urls.py``: in the database of the log."""
    from gateway.stores.postgres_database import PostgresDatabase

    return SqlRollups(PostgresDatabase(url), _POSTGRES, instance, merge)
