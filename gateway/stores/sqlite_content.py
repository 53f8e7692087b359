"""What was said, in SQLite: a file for each hour in which requests began, beside the segments of the request log.

Each has a full-text index of the words, without a copy of the text (FTS5, contentless). A row is stored once, by the
request's id. What is too old goes with its file: nothing of it is left.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable

from gateway.stores.contents import StoredContent, content_of, folded
from gateway.stores.database import Row
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.sqlite_rules import connect_reader, connect_writer, describe, enter_wal
from gateway.stores.sqlite_segment import SegmentName, hour_of, names_in, size_of

log = logging.getLogger("microgate.log")

FORMAT = 1
"""``PRAGMA user_version``."""

MOST_HITS = 30_000
"""Of one hour, the newest ones: more than a statement may bind are not looked for."""

OPEN_WRITERS = 2
"""The present hour, and the one before: requests end later than they begin."""

_SCHEMA = (
    (
        "CREATE TABLE IF NOT EXISTS content (id INTEGER PRIMARY KEY, request_id BLOB NOT NULL UNIQUE, "
        "started_us INTEGER, media_type TEXT, bits INTEGER, request BLOB, response BLOB)"
    ),
    (
        "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(request, response, content='', columnsize=0, "
        "tokenize='unicode61 remove_diacritics 2')"
    ),
    f"PRAGMA user_version = {FORMAT}",
)
_KEEP = (
    "INSERT OR IGNORE INTO content (request_id, started_us, media_type, bits, request, response) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
_WORDS = "INSERT INTO words (rowid, request, response) VALUES (?, ?, ?)"
_FIND = "SELECT request_id, started_us, media_type, bits, request, response FROM content WHERE request_id = ?"
_HITS = (
    "SELECT request_id FROM content WHERE id IN (SELECT rowid FROM words WHERE words MATCH ?) ORDER BY id DESC LIMIT ?"
)


class SqliteContent:
    """``keep`` and ``retain`` belong to one thread at a time each, ``find`` and ``hits`` to any."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._writers: dict[str, sqlite3.Connection] = {}
        self._writing = threading.Lock()

    def keep(self, contents: Iterable[StoredContent]) -> int:
        """How many of them were new. Raises StoreUnavailable; then some may be stored, and all may be given again."""
        by_hour: dict[str, list[StoredContent]] = {}
        for content in contents:
            by_hour.setdefault(hour_of(content.started_us / 1e6), []).append(content)
        new = 0
        for hour, group in by_hour.items():
            try:
                with self._writing:
                    new += self._keep(self._writer(hour), group)
            except (sqlite3.Error, OSError) as error:
                with self._writing:
                    self._let_go(hour)
                    if _is_damage(error):
                        self._set_aside(hour, error)
                raise StoreUnavailable(f"contents of the request log: {describe(error)}") from error
        return new

    @staticmethod
    def _keep(writer: sqlite3.Connection, group: list[StoredContent]) -> int:
        new = 0
        writer.execute("BEGIN IMMEDIATE")
        try:
            for each in group:
                values = (
                    each.request_id,
                    each.started_us,
                    each.media_type,
                    each.bits,
                    folded(each.request),
                    folded(each.response),
                )
                cursor = writer.execute(_KEEP, values)
                if cursor.rowcount > 0:
                    new += 1
                    writer.execute(_WORDS, (cursor.lastrowid, each.request_words, each.response_words))
            writer.execute("COMMIT")
        except BaseException:
            if writer.in_transaction:
                writer.rollback()
            raise
        return new

    def _writer(self, hour: str) -> sqlite3.Connection:
        found = self._writers.get(hour)
        if found is not None:
            return found
        while len(self._writers) >= OPEN_WRITERS:
            self._let_go(min(self._writers))
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        made = connect_writer(self._path(hour))
        try:
            enter_wal(made, synchronous="NORMAL")
            for statement in _SCHEMA:
                made.execute(statement)
        except BaseException:
            made.close()
            raise
        self._writers[hour] = made
        return made

    def _let_go(self, hour: str) -> None:
        writer = self._writers.pop(hour, None)
        if writer is not None:
            with contextlib.suppress(sqlite3.Error):
                writer.close()

    def _set_aside(self, hour: str, error: Exception) -> None:
        """Under a name that nobody takes for one of these files; the next try makes a new one."""
        path = self._path(hour)
        log.error("contents of the request log: %s: %s; set aside as damaged", os.path.basename(path), error)
        for suffix in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                os.rename(path + suffix, f"{path}.damaged{suffix}")

    def _path(self, hour: str) -> str:
        return os.path.join(self.directory, SegmentName(hour, 0).file)

    # -- reading

    def find(self, request_id: bytes, started_us: int) -> StoredContent | None:
        """Raises StoreUnavailable."""
        # Two readings of the clock may lie on both sides of the hour.
        for hour in dict.fromkeys(hour_of(started_us / 1e6 + late) for late in (0, 1, -1)):
            for row in self._asked(hour, lambda reader: reader.execute(_FIND, (request_id,)).fetchall()):
                return content_of(*row)
        return None

    def hits(self, match: str, since_us: int, until_us: int | None) -> list[bytes]:
        """Requests that began in that time, or in the same hours, whose words match. Raises StoreUnavailable."""
        first = hour_of(max(0.0, since_us / 1e6 - 1))
        last = "9" if until_us is None else hour_of(until_us / 1e6 + 1)
        found: list[bytes] = []
        for hour in self._hours():
            if first <= hour <= last:
                found += self._hits(hour, match, MOST_HITS - len(found))
        return found

    def _hits(self, hour: str, match: str, most: int) -> list[bytes]:
        return [row[0] for row in self._asked(hour, lambda reader: reader.execute(_HITS, (match, most)).fetchall())]

    def _hours(self) -> list[str]:
        """Newest first."""
        try:
            return [name.hour for name in reversed(names_in(self.directory))]
        except FileNotFoundError:
            return []

    def _asked(self, hour: str, rows: Callable[[sqlite3.Connection], list[Row]]) -> list[Row]:
        """``rows`` of a file that may go at any time; none of one that is damaged. Raises StoreUnavailable."""
        path = self._path(hour)
        if not os.path.exists(path):
            return []
        try:
            reader = connect_reader(path)
            try:
                return rows(reader)
            finally:
                reader.close()
        except (sqlite3.Error, OSError) as error:
            if _is_damage(error):
                with self._writing:
                    self._let_go(hour)
                    self._set_aside(hour, error)
                return []
            # Whoever makes a file may be killed before its tables are there; retention may have been faster.
            if "no such table" in str(error) or not os.path.exists(path):
                return []
            raise StoreUnavailable(f"contents of the request log: {describe(error)}") from error

    # -- keeping house

    def retain(self, oldest_s: float, max_bytes: int) -> None:
        """Drop files of hours that were over before ``oldest_s``, and the oldest of those that are too much."""
        oldest, spare = hour_of(max(0.0, oldest_s)), max_bytes
        for hour in self._hours():
            path = self._path(hour)
            spare -= size_of(path)
            if hour < oldest or spare < 0:
                with self._writing:
                    self._let_go(hour)
                for suffix in ("", "-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(path + suffix)

    def damaged(self) -> list[str]:
        """Names of files that were set aside."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(file for file in os.listdir(self.directory) if file.endswith(".db.damaged"))
        return []

    def bytes(self) -> int:
        return sum(size_of(self._path(hour)) for hour in self._hours())

    def close(self) -> None:
        for hour in list(self._writers):
            self._let_go(hour)


def _is_damage(error: Exception) -> bool:
    """Of the file, in contrast to a disk that is full or a lock that is held."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
