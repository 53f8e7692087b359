"""One segment of the request log: a SQLite file of its own, written for an hour, then indexed and left alone.

While it is open it has no index, so that a row costs an append. Whoever queries it then scans backwards, newest first.
Closing it builds the indexes, folds the WAL into the file and turns WAL mode off: from then on it is one plain file.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.stores.protocols import LogRow, Positions
from gateway.stores.segment_summary import keep_summary
from gateway.stores.sqlite_rules import connect_reader, connect_writer, enter_wal

FORMAT = 4
"""``PRAGMA user_version`` of a segment. A reader refuses a greater one. 1: without ``client``. 1 and 2: with a unique
key on the record's identity, and the positions of rings alone. Up to 3: without ``team`` and ``customer``."""

_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d)(?:-(\d+))?\.db", re.ASCII)

_TYPES = {
    "request_id": "BLOB",
    "model": "TEXT",
    "target_model": "TEXT",
    "dropped": "TEXT",
    "receipt": "TEXT",
    "client": "BLOB",
}
_COLUMNS = ", ".join(f"{name} {_TYPES.get(name, 'INTEGER')}" for name in LogRow._fields)

_POSITION = (
    "CREATE TABLE position "
    "(slot INTEGER, spilled INTEGER, epoch INTEGER, sequence INTEGER, PRIMARY KEY (slot, spilled))"
)
_SCHEMA = (
    f"CREATE TABLE log (id INTEGER PRIMARY KEY, {_COLUMNS})",
    _POSITION,
    "CREATE TABLE closed (first_us INTEGER, last_us INTEGER, row_count INTEGER)",
    f"PRAGMA user_version = {FORMAT}",
)

_INDEXES = (
    "CREATE INDEX IF NOT EXISTS log_request ON log (request_id)",
    "CREATE INDEX IF NOT EXISTS log_key ON log (virtual_key)",
    "CREATE INDEX IF NOT EXISTS log_provider ON log (provider)",
    "CREATE INDEX IF NOT EXISTS log_target_model ON log (target_model)",
    "CREATE INDEX IF NOT EXISTS log_error ON log (status) WHERE status >= 400 OR status = 0",
)
"""A filter on anything else scans; (model as asked) mostly equals the target's, so it has none of its own."""

_NO_ID = (1 << 63) - 1
WIDTH = len(LogRow._fields)
GROUP = 16
"""Rows that one statement inserts: a row's share of preparing and stepping it falls below that of its values. 736
values are within the 999 that any SQLite takes."""

_NAMES = ", ".join(LogRow._fields)
_MARKS = f"({', '.join('?' * WIDTH)})"
# Built from the field names alone; values are always bound. A segment that an earlier program began has a unique key
# still; what is there already is left out.
_INSERT = "INSERT OR IGNORE INTO log (%s) VALUES %s".__mod__((_NAMES, _MARKS))
_INSERT_GROUP = _INSERT + f", {_MARKS}" * (GROUP - 1)
_SELECT = "SELECT * FROM log WHERE "
_ADVANCE = "INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?)"


class SegmentName(NamedTuple):
    """Sorts by age."""

    hour: str
    """``2026-11-22T10``, UTC."""
    number: int
    """0, then counted up when one hour needs several files."""

    @property
    def file(self) -> str:
        return f"{self.hour}-{self.number}.db" if self.number else f"{self.hour}.db"


def parse_name(file: str) -> SegmentName | None:
    """The name behind a file name; None when the file is no segment (a WAL, a lock)."""
    match = _NAME.fullmatch(file)
    return SegmentName(match[1], int(match[2] or 0)) if match else None


def hour_of(now_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H", time.gmtime(now_s))


def names_in(directory: str) -> list[SegmentName]:
    """All segments of a directory, oldest first."""
    return sorted(name for name in map(parse_name, os.listdir(directory)) if name is not None)


class DamagedSegment(Exception):
    """The file is there and is no sound segment; it is never overwritten or recreated."""


class OpenSegment:
    """The newest segment, with the one writing connection."""

    def __init__(self, path: str, positions: Positions, *, verify: bool = False) -> None:
        """Opens, or creates with ``positions``. ``verify`` reads it through first (after an I/O error).

        Raises sqlite3.Error, OSError; DamagedSegment when what is there is no sound segment.
        """
        self.path = path
        self._connection = connect_writer(path)
        try:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > FORMAT:
                raise DamagedSegment(f"it has format {version}, this program writes {FORMAT}")
            if version == 0 and self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                raise DamagedSegment("it is a database of another program")
            if verify and self._connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise DamagedSegment("it is damaged")
            enter_wal(self._connection, synchronous="NORMAL")
            if version == 0:
                self._create(positions)
            elif version < FORMAT:
                self._upgrade(version)
            self.is_closed = bool(self._connection.execute("SELECT count(*) FROM closed").fetchone()[0])
        except BaseException:
            self._connection.close()
            raise

    def _create(self, positions: Positions) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            self._connection.execute(statement)
        self._advance(positions)
        self._connection.execute("COMMIT")

    def _upgrade(self, version: int) -> None:
        """What an earlier program began this hour goes on with the present columns."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        if version == 1:
            execute("ALTER TABLE log ADD COLUMN client BLOB")
        execute("ALTER TABLE log ADD COLUMN team INTEGER DEFAULT 0")
        execute("ALTER TABLE log ADD COLUMN customer INTEGER DEFAULT 0")
        if version < 3:
            execute(_POSITION)
            execute("INSERT INTO position SELECT slot, 0, epoch, max(sequence) FROM ring_position GROUP BY slot")
            execute("DROP TABLE ring_position")
        execute(f"PRAGMA user_version = {FORMAT}")
        execute("COMMIT")

    def positions(self) -> dict[tuple[int, int], tuple[int, int]]:
        stored = self._connection.execute("SELECT slot, spilled, epoch, sequence FROM position")
        return {(slot, spilled): (epoch, sequence) for slot, spilled, epoch, sequence in stored}

    def append(self, rows: Iterable[Sequence[object]], positions: Positions) -> int:
        """Insert rows and positions in one transaction; how many rows were new."""
        cursor = self._connection.cursor()
        before = self._connection.total_changes
        cursor.execute("BEGIN IMMEDIATE")
        try:
            for values in rows:
                if len(values) == GROUP * WIDTH:
                    cursor.execute(_INSERT_GROUP, values)
                else:
                    cursor.executemany(_INSERT, [values[at : at + WIDTH] for at in range(0, len(values), WIDTH)])
            new = self._connection.total_changes - before
            self._advance(positions)
            cursor.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise
        return new

    def _advance(self, positions: Positions) -> None:
        self._connection.executemany(_ADVANCE, [(*where, *reached) for where, reached in positions.items()])

    def last_id(self) -> int:
        return last_id(self._connection)

    def sync(self) -> None:
        """Put what was committed on the disk, by its WAL alone: a checkpoint would cost a hundred times as much. Its
        descriptor may be opened and closed at will, because SQLite has its locks on other files. Raises OSError."""
        fd = os.open(f"{self.path}-wal", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def bytes(self) -> int:
        return size_of(self.path)

    def close(self) -> None:
        self._connection.close()


def size_of(path: str) -> int:
    """Bytes of a segment on disk, its WAL included."""
    total = 0
    for suffix in ("", "-wal", "-shm"):
        try:
            total += os.stat(path + suffix).st_size
        except FileNotFoundError:
            continue
    return total


def finish(path: str) -> bool:
    """Index a segment that is written no more and fold it into one plain file; True when that was still to do.

    Interrupted at any point it is simply done again. Raises sqlite3.OperationalError while a reader is in the file.
    """
    reader = connect_reader(path)
    try:
        if reader.execute("SELECT count(*) FROM closed").fetchone()[0]:
            return False
    finally:
        reader.close()
    writer = connect_writer(path)
    try:
        enter_wal(writer, synchronous="NORMAL")
        writer.execute("BEGIN IMMEDIATE")
        for statement in _INDEXES:
            writer.execute(statement)
        keep_summary(writer)
        writer.execute("INSERT INTO closed SELECT min(started_us), max(started_us), count(*) FROM log")
        writer.execute("COMMIT")
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer.execute("PRAGMA journal_mode=DELETE")
    finally:
        writer.close()
    return True


def span(reader: sqlite3.Connection) -> tuple[int, int] | None:
    """(first, last) start time in a closed segment; None while it is open or empty."""
    row = reader.execute("SELECT first_us, last_us FROM closed").fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def first_start(reader: sqlite3.Connection) -> int:
    """When the first of its rows began, in microseconds; 0: it has none."""
    row = reader.execute("SELECT started_us FROM log ORDER BY id LIMIT 1").fetchone()
    return 0 if row is None else int(row[0])


def last_id(reader: sqlite3.Connection) -> int:
    row = reader.execute("SELECT max(id) FROM log").fetchone()
    return int(row[0] or 0)


def rows_between(
    reader: sqlite3.Connection, low: int, high: int, conditions: Sequence[str], values: Sequence[object], most: int
) -> list[tuple[int, LogRow]]:
    """(id, row) with low <= id <= high, newest first. ``conditions`` are constants of the caller, values are bound."""
    where = " AND ".join(("id BETWEEN ? AND ?", *conditions))
    cursor = reader.execute(_SELECT + where + " ORDER BY id DESC LIMIT ?", (low, high, *values, most))
    return [(row[0], LogRow(*row[1:])) for row in cursor]


def rows_behind(path: str, low: int, high: int | None, most: int) -> list[tuple[int, LogRow]]:
    """(id, row) with low < id <= high, oldest first."""
    reader = connect_reader(path)
    try:
        statement = "SELECT * FROM log WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
        cursor = reader.execute(statement, (low, _NO_ID if high is None else high, most))
        return [(row[0], LogRow(*row[1:])) for row in cursor]
    finally:
        reader.close()
