"""``Database`` over one SQLite file, by the rules of ``sqlite_rules.py``: one process writes it, over one connection.

Whoever only reads (commands beside a running gateway, too) has a connection of its own that can neither write nor
checkpoint.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence

from gateway.stores.database import Duplicate, Row
from gateway.stores.protocols import StoreReadOnly, StoreUnavailable
from gateway.stores.sqlite_rules import connect_reader, connect_writer, describe, enter_wal

log = logging.getLogger("microgate.database")

VERIFIED_BYTES = 256 << 20
"""A file up to this size is read through whenever it is opened (some 0.5 s); a larger one after an unclean end only."""


class DamagedDatabase(Exception):
    """The file is there and is no sound database: it is neither written nor made anew."""


class SqliteDatabase:
    """The file at ``path``; it must exist and have its schema by the time of the first transaction."""

    def __init__(
        self, path: str, *, read_only: bool = False, name: str = "control database", derived: bool = False
    ) -> None:
        """``name``: in messages. ``derived``: what is in it can be made anew, so it is read through only after an
        error."""
        self.path = path
        self._name = name
        self._derived = derived
        self.problem = ""
        self._read_only = read_only
        self._writer: sqlite3.Connection | None = None
        self._verify = False
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def writing(self) -> Iterator[_SqliteTransaction]:
        with self._lock, self._guarded():
            writer = self._writer or self._open()
            # The write lock is taken at once, so that no statement behind a read fails for want of it.
            writer.execute("BEGIN IMMEDIATE")
            try:
                yield _SqliteTransaction(writer)
                writer.execute("COMMIT")
            except BaseException:
                if writer.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        writer.rollback()
                raise
            self.problem = ""

    @contextlib.contextmanager
    def reading(self) -> Iterator[_SqliteTransaction]:
        try:
            reader = connect_reader(self.path)
            try:
                reader.execute("BEGIN")
                yield _SqliteTransaction(reader)
            finally:
                reader.close()
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"{self._name}: {describe(error)}") from error

    def _open(self) -> sqlite3.Connection:
        if self._read_only:
            raise StoreUnavailable(f"{self._name}: opened for reading only")
        if not os.path.exists(self.path):
            # Made by the migration; an empty one in its place would look like a fresh installation.
            raise FileNotFoundError(2, "the file is missing")
        doubtful = os.path.getsize(self.path) <= VERIFIED_BYTES or os.path.exists(f"{self.path}-wal")
        verify = self._verify or (doubtful and not self._derived)
        writer = connect_writer(self.path)
        try:
            if verify and (found := writer.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise DamagedDatabase(
                    f"it is damaged ({found.splitlines()[-1]}); it is left as it is, and a backup restored"
                )
            enter_wal(writer, synchronous="FULL")
        except BaseException:
            writer.close()
            raise
        self._writer, self._verify = writer, False
        return writer

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise Duplicate(str(error)) from error
        except (sqlite3.Error, OSError, DamagedDatabase) as error:
            read_only = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
            problem = f"{self._name}: {'it can be read, but not changed' if read_only else describe(error)}"
            if problem != self.problem:
                log.error("%s", problem)  # noqa: TRY400 - the cause is in the line
            self.problem = problem
            self._recover(error)
            raise (StoreReadOnly if read_only else StoreUnavailable)(problem) from error

    def _recover(self, error: Exception) -> None:
        """Full or locked: the connection is sound. Anything else: what it holds in memory may differ from the disk (a
        failed fsync is never repeated and believed), so it is dropped, and the file is read through before the next
        transaction."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            self._close()
            self._verify = True

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(sqlite3.Error):
                writer.close()

    def close(self) -> None:
        """Fold the WAL into the file (SQLite does that when its last connection closes) and let go of it."""
        with self._lock:
            self._close()


class _SqliteTransaction:
    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        return self._connection.execute(statement, values).fetchall()

    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        before = self._connection.total_changes
        self._connection.execute(statement, values)
        return self._connection.total_changes - before

    def many(self, statement: str, rows: Iterable[Sequence[object]]) -> int:
        before = self._connection.total_changes
        self._connection.executemany(statement, rows)
        return self._connection.total_changes - before

    def hold(self, table: str) -> None:
        """One transaction writes at a time."""
