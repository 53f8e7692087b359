"""The semantic cache's index in PostgreSQL with pgvector (``pip install 'microgate[pgvector]'``), imported when a URL
names it.

    pgvector://user:password@host/name?timeout=0.5&table=microgate_vectors

Other parameters are libpq's. Gateways with the same ``table`` share an index; each number of dimensions has a table of
its own. The extension must be there, or the user be allowed to create it.

Among few vectors of a scope all are compared. Among many, HNSW's neighbours are filtered by scope; pgvector goes on
until it has enough of them since 0.8. When fewer than asked for are left, all are compared after all: nothing is missed
because vectors of others are nearer.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import NamedTuple, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo

from gateway.stores.breaker import Breaker
from gateway.stores.postgres_database import within
from gateway.stores.protocols import StoreStatus, StoreUnavailable
from gateway.stores.store_url import seconds
from gateway.stores.vectors import Vectors, check, signed, unsigned

TIMEOUT_S = 0.5
WRITE_S = 15.0
"""Of what no request waits for."""

MOST_INDEXED = 2000
"""Dimensions that pgvector indexes."""

FEW = 2000
"""Vectors of a scope that are compared one by one: some milliseconds."""

EF_SEARCH = 100

_PUT = """
INSERT INTO {table} (key, scope, expires_ns, embedding) VALUES (%s, %s, %s, %s)
ON CONFLICT (key) DO UPDATE SET scope = excluded.scope, expires_ns = excluded.expires_ns, embedding = excluded.embedding
"""
_REMOVE = """
WITH gone AS (DELETE FROM {table} WHERE key = ANY(%s) RETURNING expires_ns) SELECT FROM gone WHERE expires_ns > %s
"""

_OWN = ("table", "timeout")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,39}", re.ASCII)
_Connection: TypeAlias = "psycopg.Connection[tuple[object, ...]]"


class _Vector(NamedTuple):
    value: bytes


class _VectorDumper(Dumper):
    """pgvector's own binary form: number of dimensions, two bytes of nothing, floats, all big-endian."""

    format = Format.BINARY

    def dump(self, obj: _Vector) -> bytes:
        floats = array("f", obj.value)
        floats.byteswap()
        return len(floats).to_bytes(2, "big") + b"\0\0" + floats.tobytes()


class PgvectorVectors:
    """``VectorStore`` over a PostgreSQL database. Calls may come from any thread."""

    def __init__(
        self, url: str, dimensions: int, most: int, kind: str = "float32", *, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """Connects with the first call. ``kind`` is float32 whatever is asked for. Raises ValueError for a URL that
        cannot be understood."""
        del kind
        self.dimensions = dimensions
        self.most = most
        self._clock = clock
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        self._timeout_s = seconds("timeout", given.get("timeout", ""), TIMEOUT_S)
        name = given.get("table") or "microgate_vectors"
        if not _NAME.fullmatch(name):
            raise ValueError("table is a name of at most 40 small letters, digits and _")
        name = f"{name}_{dimensions}"
        self._url = urlunsplit(
            ("postgresql", parts.netloc, parts.path, urlencode({k: v for k, v in given.items() if k not in _OWN}), "")
        )
        try:
            psycopg.conninfo.conninfo_to_dict(self._url)
        except psycopg.ProgrammingError:
            raise ValueError("the URL of the store cannot be read") from None
        self._table = sql.Identifier(name)
        self._indexes = [sql.Identifier(f"{name}_{column}") for column in ("scope", "expires", "near")]
        self._breaker = Breaker("pgvector")
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._ready = False

    # -- connections

    @contextlib.contextmanager
    def _connected(self, timeout_s: float) -> Iterator[_Connection]:
        """One for this call; errors as StoreUnavailable or ValueError."""
        self._breaker.admit()
        connection: _Connection | None = None
        try:
            connection = self._take()
            with within(connection, timeout_s):
                yield connection
        except psycopg.DataError as error:
            self._breaker.worked()
            raise ValueError(str(error).partition("\n")[0]) from error
        except psycopg.errors.UndefinedTable as error:
            # Somebody has removed it: it is a cache.
            self._ready = False
            raise StoreUnavailable("pgvector: its table is gone") from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if connection is not None:
                connection.close()
            # The driver's own words name host, user and database.
            problem = f"not reachable ({type(error).__name__}{f' {error.sqlstate}' if error.sqlstate else ''})"
            self._breaker.failed(problem)
            raise StoreUnavailable(f"pgvector: {problem}") from error
        except psycopg.Error as error:
            self._breaker.worked()
            raise StoreUnavailable(f"pgvector: {type(error).__name__} {error.sqlstate or ''}".rstrip()) from error
        else:
            self._breaker.worked()
        finally:
            self._put_back(connection)

    def _take(self) -> _Connection:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None or connection.closed:
            connection = self._connect()
        if not self._ready:
            with self._lock:
                if not self._ready:
                    self._prepare(connection)
                    self._ready = True
        return connection

    def _put_back(self, connection: _Connection | None) -> None:
        with self._lock:
            if connection is not None and not connection.closed:
                self._idle.append(connection)
                return
            # What ended one has probably ended the others.
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()

    def _connect(self) -> _Connection:
        try:
            made = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=max(1, round(self._timeout_s)),
                options=f"-c statement_timeout={round(WRITE_S * 1000)}",
                application_name="microgate",
                tcp_user_timeout=round(max(self._timeout_s, 1.0) * 1000),
            )
        except psycopg.Error as error:
            # Without the frame that holds the socket (postgres_database.py).
            raise error.with_traceback(None) from None
        try:
            with within(made, WRITE_S):
                self._introduce(made)
        except BaseException:
            made.close()
            raise
        return made

    def _introduce(self, connection: _Connection) -> None:
        """Have the connection know the type ``vector`` and search as this module expects."""
        if not connection.execute("SELECT FROM pg_extension WHERE extname = 'vector'").rowcount:
            with _one_at_a_time(connection):
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        info = TypeInfo.fetch(connection, "vector")
        if info is None:
            raise psycopg.OperationalError("the type vector is in no schema of the search path")
        dumper = type("VectorDumper", (_VectorDumper,), {"oid": info.oid})
        connection.adapters.register_dumper(_Vector, dumper)
        [[version]] = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchall()
        # Known once the library is loaded, which is when something of its is used.
        connection.execute("SELECT '[1]'::vector")
        connection.execute(f"SET hnsw.ef_search = {EF_SEARCH}")
        if can_iterate(str(version)):
            connection.execute("SET hnsw.iterative_scan = strict_order")

    def _prepare(self, connection: _Connection) -> None:
        """Table and indexes. Raises psycopg.Error."""
        with within(connection, WRITE_S), _one_at_a_time(connection):
            self._run(
                connection,
                "CREATE TABLE IF NOT EXISTS {table} (key bigint PRIMARY KEY, scope bigint NOT NULL,"
                " expires_ns bigint NOT NULL, embedding vector({dimensions}) NOT NULL)",
            )
            self._run(connection, "CREATE INDEX IF NOT EXISTS {by_scope} ON {table} (scope)")
            self._run(connection, "CREATE INDEX IF NOT EXISTS {by_expiry} ON {table} (expires_ns)")
            if self.dimensions <= MOST_INDEXED:
                near = "CREATE INDEX IF NOT EXISTS {near} ON {table} USING hnsw (embedding vector_cosine_ops)"
                self._run(connection, near)

    def _spelled(self, statement: str) -> sql.Composed:
        by_scope, by_expiry, near = self._indexes
        return sql.SQL(statement).format(
            table=self._table,
            by_scope=by_scope,
            by_expiry=by_expiry,
            near=near,
            dimensions=sql.Literal(self.dimensions),
        )

    def _run(
        self, connection: _Connection, statement: str, values: tuple[object, ...] = ()
    ) -> psycopg.Cursor[tuple[object, ...]]:
        return connection.execute(self._spelled(statement), values)

    # -- VectorStore

    def put(self, vectors: Vectors) -> None:
        rows = []
        for scope, key, vector, expires_ns in vectors:
            check(vector, self.dimensions)
            rows.append((signed(key), signed(scope), expires_ns, _Vector(vector)))
        if not rows:
            return
        # In one order whoever writes, so that none waits for another that waits for it; of equal keys the last counts.
        rows.sort(key=itemgetter(0))
        with (
            self._connected(WRITE_S) as connection,
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            cursor.executemany(self._spelled(_PUT), rows)

    def nearest(self, scope: int, vector: bytes, most: int) -> list[tuple[int, float]]:
        check(vector, self.dimensions)
        own, asked, now_ns = signed(scope), _Vector(vector), self._clock()
        with self._connected(self._timeout_s) as connection:
            few = self._run(connection, "SELECT FROM {table} WHERE scope = %s LIMIT %s", (own, FEW + 1)).rowcount <= FEW
            if not few and self.dimensions <= MOST_INDEXED:
                found = self._run(
                    connection,
                    "SELECT key, 1 - (embedding <=> %s) FROM {table} WHERE scope = %s AND expires_ns > %s"
                    " ORDER BY embedding <=> %s LIMIT %s",
                    (asked, own, now_ns, asked, most),
                ).fetchall()
                if len(found) == most:
                    return _read(found)
            # Ordered by what no index is sorted by.
            found = self._run(
                connection,
                "SELECT key, 1 - (embedding <=> %s) AS cosine FROM {table} WHERE scope = %s AND expires_ns > %s"
                " ORDER BY cosine DESC LIMIT %s",
                (asked, own, now_ns, most),
            ).fetchall()
        return _read(found)

    def remove(self, keys: Iterable[int]) -> int:
        with self._connected(WRITE_S) as connection:
            return self._run(connection, _REMOVE, ([signed(key) for key in keys], self._clock())).rowcount

    def clear(self) -> None:
        with self._connected(WRITE_S) as connection:
            self._run(connection, "TRUNCATE {table}")

    def maintain(self) -> None:
        """Forgets what is over, and of more than ``most`` those that end soonest."""
        with self._connected(WRITE_S) as connection:
            self._run(connection, "DELETE FROM {table} WHERE expires_ns <= %s", (self._clock(),))
            self._run(
                connection,
                "DELETE FROM {table} WHERE key IN (SELECT key FROM {table} ORDER BY expires_ns DESC, key OFFSET %s)",
                (self.most,),
            )

    def status(self) -> StoreStatus:
        try:
            with self._connected(self._timeout_s) as connection:
                table = self._table.as_string(connection)
                asked = "SELECT pg_total_relation_size(%s::regclass), (SELECT count(*) FROM {table})"
                [[size, entries]] = self._run(connection, asked, (table,)).fetchall()
        except StoreUnavailable as error:
            return StoreStatus(False, str(error))
        notes = () if self.dimensions <= MOST_INDEXED else (f"more than {MOST_INDEXED} dimensions have no index",)
        return StoreStatus(True, notes=notes, bytes=int(str(size)), entries=int(str(entries)))

    def close(self) -> None:
        self._put_back(None)


@contextlib.contextmanager
def _one_at_a_time(connection: _Connection) -> Iterator[None]:
    """A transaction for what creates something: two that create the same at the same time would disturb each other, IF
    NOT EXISTS or not."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('microgate vectors'))")
        yield


def can_iterate(version: str) -> bool:
    """Whether this pgvector goes on until enough neighbours are of the scope (0.8)."""
    numbers = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
    return numbers >= [0, 8]


def _read(rows: list[tuple[object, ...]]) -> list[tuple[int, float]]:
    return [(unsigned(int(str(key))), float(str(cosine))) for key, cosine in rows]
