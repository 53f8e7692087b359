"""``Database`` over PostgreSQL (``pip install 'microgate[postgres]'``), imported when a URL names it.

One connection writes, a few read. Every wait has an end: for a connection, for a statement, for a peer that says
nothing. Between two failed attempts to connect there is a pause, which grows and is never the same twice, so that many
gateways do not come back at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import psycopg
from psycopg import IsolationLevel, sql

from gateway.stores.database import Duplicate, Row
from gateway.stores.protocols import StoreReadOnly, StoreUnavailable

log = logging.getLogger("microgate.database")

CONNECT_S = 3
STATEMENT_MS = 30_000
"""Of a report over many rows; what writes takes milliseconds."""
SILENT_MS = 5_000
"""How long a peer may leave sent bytes unacknowledged (tcp_user_timeout)."""
SILENT_WRITER_S = 10.0
SILENT_READER_S = 35.0
"""After which a transaction is cut off from here: a server that hangs ends no statement, and its kernel acknowledges
all the same."""
READERS = 4
WAIT_FOR_READER_S = 5.0
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0

_OPTIONS = f"-c statement_timeout={STATEMENT_MS} -c idle_in_transaction_session_timeout={STATEMENT_MS} -c timezone=UTC"


@lru_cache(maxsize=256)
def _spelled(statement: str) -> str:
    """With the driver's marks. No statement has a question or percent mark of its own."""
    return statement.replace("?", "%s")


def connect(url: str) -> psycopg.Connection[Row]:
    """A connection with this module's time limits. Raises psycopg.Error."""
    try:
        return psycopg.connect(
            url,
            autocommit=False,
            connect_timeout=CONNECT_S,
            options=_OPTIONS,
            application_name="microgate",
            keepalives_idle=30,
            tcp_user_timeout=SILENT_MS,
        )
    except psycopg.Error as error:
        # The driver's frame holds the socket that it gave up, the error holds the frame, and the frame the error: open
        # until a collection, and a server that goes on would have one for each attempt.
        raise error.with_traceback(None) from None


class PostgresDatabase:
    """The database that ``url`` (libpq's ``postgresql://user:password@host/name``) leads to."""

    def __init__(self, url: str) -> None:
        self.problem = ""
        self._url = url
        self._writer: psycopg.Connection[Row] | None = None
        self._lock = threading.Lock()
        self._readers: list[psycopg.Connection[Row]] = []
        self._room = threading.BoundedSemaphore(READERS)
        self._pause_s = 0.0
        self._not_before = 0.0

    @contextlib.contextmanager
    def writing(self) -> Iterator[_PostgresTransaction]:
        with self._lock:
            with self._guarded():
                writer = self._writer = self._writer or self._connect()
            try:
                with self._guarded(), within(writer, SILENT_WRITER_S):
                    yield _PostgresTransaction(writer)
                    writer.commit()
            except BaseException as error:
                self._writer = self._undone(writer, error)
                raise
            self.problem = ""

    @contextlib.contextmanager
    def reading(self) -> Iterator[_PostgresTransaction]:
        if not self._room.acquire(timeout=WAIT_FOR_READER_S):
            raise StoreUnavailable("database: too many look-ups at once")
        try:
            with self._guarded():
                reader = self._readers.pop() if self._readers else self._connect()
                reader.isolation_level = IsolationLevel.REPEATABLE_READ
                reader.read_only = True
            try:
                with self._guarded(), within(reader, SILENT_READER_S):
                    yield _PostgresTransaction(reader)
                    reader.rollback()
            except BaseException as error:
                self._put_back(self._undone(reader, error))
                raise
            self._put_back(reader)
        finally:
            self._room.release()

    def _put_back(self, reader: psycopg.Connection[Row] | None) -> None:
        if reader is not None:
            self._readers.append(reader)
            return
        # What ended one has probably ended the others: the next look-up begins anew.
        while self._readers:
            with contextlib.suppress(psycopg.Error, IndexError):
                self._readers.pop().close()

    def _connect(self) -> psycopg.Connection[Row]:
        if time.monotonic() < self._not_before:
            raise StoreUnavailable(self.problem or "database: not reachable")
        try:
            made = connect(self._url)
        except psycopg.Error:
            self._pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, self._pause_s * 2))
            self._not_before = time.monotonic() + self._pause_s * random.uniform(0.5, 1.0)
            raise
        self._pause_s = 0.0
        return made

    @staticmethod
    def _undone(connection: psycopg.Connection[Row], error: BaseException) -> psycopg.Connection[Row] | None:
        """The connection behind a failed transaction; None when it is of no more use."""
        if not connection.closed and not isinstance(error, StoreUnavailable):
            with contextlib.suppress(psycopg.Error):
                connection.rollback()
                return connection
        with contextlib.suppress(psycopg.Error):
            connection.close()
        return None

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except psycopg.errors.UniqueViolation as error:
            raise Duplicate(str(error).partition("\n")[0]) from error
        except psycopg.DataError as error:
            # Values that no column takes are the caller's mistake: the same for every implementation.
            raise ValueError(str(error).partition("\n")[0]) from error
        except psycopg.Error as error:
            # The driver's own words name host, user and database.
            state = f" ({error.sqlstate})" if error.sqlstate else ""
            problem = f"database: {type(error).__name__}{state}"
            if problem != self.problem:
                log.error("%s: %s", problem, str(error).partition("\n")[0])  # noqa: TRY400 - the cause is in the line
            self.problem = problem
            if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
                raise StoreReadOnly(problem) from error
            raise StoreUnavailable(problem) from error

    def close(self) -> None:
        with self._lock:
            for connection in (*self._readers, self._writer):
                if connection is not None:
                    with contextlib.suppress(psycopg.Error):
                        connection.close()
            self._readers.clear()
            self._writer = None


@contextlib.contextmanager
def within(connection: psycopg.Connection[Row], seconds: float) -> Iterator[None]:
    """Whatever waits for the server on this connection fails once the block has taken so long."""
    timer = threading.Timer(seconds, _cut, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: psycopg.Connection[Row]) -> None:
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


class _PostgresTransaction:
    __slots__ = ("_connection",)

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        return self._connection.execute(_spelled(statement), values).fetchall()

    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        return self._connection.execute(_spelled(statement), values).rowcount

    def many(self, statement: str, rows: Iterable[Sequence[object]]) -> int:
        with self._connection.cursor() as cursor:
            cursor.executemany(_spelled(statement), rows)
            return cursor.rowcount

    def hold(self, table: str) -> None:
        self._connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(table)))
