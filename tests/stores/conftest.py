"""One fixture an implementation: the contract tests of a protocol run over all of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from gateway.control.migrate import upgrade
from gateway.stores import urls
from gateway.stores.database import Database
from gateway.stores.postgres_log import PostgresLog
from gateway.stores.protocols import AnswerStore, ConfigStore, LedgerStore, LogStore, VectorStore
from gateway.stores.sql_config import SqlConfigStore
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_log import SqliteLog
from gateway.stores.urls import open_database, sqlite_url
from tests.postgres import PostgresServer
from tests.redis import RedisServer
from tests.stores.vectors import DIMENSIONS

if TYPE_CHECKING:
    from tests.weaviate_fake import WeaviateFake


class Clock:
    """Wall clock of a test, in seconds."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Callable[[], LogStore]]:
    """Opens the same log again and again, as successive control processes do; closes what the test leaves open."""
    opened: list[LogStore] = []
    url = ""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.database(empty=True)

    def again() -> LogStore:
        for store in opened:
            store.close()
        store = PostgresLog(url, "here", clock=clock) if url else SqliteLog(str(tmp_path / "log"), clock=clock)
        opened.append(store)
        return store

    yield again
    for store in opened:
        store.close()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A control database as the migrations make it, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "control.db"
    upgrade(sqlite_url(str(path)))
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, migrated: Path) -> str:
    """A control database of the test's own."""
    if request.param == "sqlite":
        shutil.copy(migrated, tmp_path / "control.db")
        return sqlite_url(str(tmp_path / "control.db"))
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def open_control(database_url: str) -> Iterator[Callable[[], Database]]:
    """Opens it again and again; closes what the test leaves open."""
    opened: list[Database] = []

    def again() -> Database:
        opened.append(open_database(database_url))
        return opened[-1]

    yield again
    for database in opened:
        database.close()


@pytest.fixture
def config(open_control: Callable[[], Database]) -> ConfigStore:
    return SqlConfigStore(open_control())


@pytest.fixture
def ledger(open_control: Callable[[], Database]) -> LedgerStore:
    return SqlLedger(open_control())


@pytest.fixture(params=["lmdb", "redis"])
def open_answers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], AnswerStore]]:
    """Opens the same cache again and again, as successive cache processes do; closes what the test leaves open."""
    opened: list[AnswerStore] = []
    url = f"lmdb:///{tmp_path}/answers"
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        # A deadline that no busy machine reaches; and a prefix that a pattern would read as something else.
        url = server.url(f"[{uuid4()}]*", more="&timeout=30")

    def again() -> AnswerStore:
        for store in opened:
            store.close()
        opened.append(urls.open_answers(url, 1 << 30))
        return opened[-1]

    yield again
    for store in opened:
        store.close()


@pytest.fixture(scope="session")
def weaviate_fake() -> Iterator[WeaviateFake]:
    # Its client takes a second to import: what needs no Weaviate does without.
    from tests.weaviate_fake import WeaviateFake

    fake = WeaviateFake()
    yield fake
    fake.stop()


def _vectors_url(request: pytest.FixtureRequest) -> str:
    """Of an index of the test's own, with a deadline that no busy machine reaches."""
    if request.param == "pgvector":
        server: PostgresServer = request.getfixturevalue("vector_postgres")
        # A table of the test's own is made sooner than a database.
        return f"{server.url('postgres').replace('postgresql:', 'pgvector:')}&table=t{uuid4().hex}&timeout=30"
    if request.param in ("hnsw", "hnswlib"):
        if request.param == "hnswlib":
            request.getfixturevalue("hnswlib")
        directory: Path = request.getfixturevalue("tmp_path")
        return f"{request.param}:///{directory}/vectors"
    more = f"collection=T{uuid4().hex}&timeout=30"
    # A real server's URL without a collection: weaviate://:key@host:8080?grpc=50051
    if real := os.environ.get("MICROGATE_TEST_WEAVIATE"):
        return f"{real}{'&' if '?' in real else '?'}{more}"
    fake: WeaviateFake = request.getfixturevalue("weaviate_fake")
    return fake.url(f"T{uuid4().hex}", more="&timeout=30")


@pytest.fixture(params=["hnsw", "hnswlib", "pgvector", "weaviate"])
def open_vectors(request: pytest.FixtureRequest) -> Iterator[Callable[[], VectorStore]]:
    """Likewise, the index of the semantic cache."""
    opened: list[VectorStore] = []
    url = _vectors_url(request)

    def again() -> VectorStore:
        for store in opened:
            store.close()
        opened.append(urls.open_vectors(url, DIMENSIONS, 1000))
        return opened[-1]

    yield again
    if request.param == "weaviate" and opened:
        opened.append(urls.open_vectors(url, DIMENSIONS, 1000))
        opened[-1].clear()
    for store in opened:
        store.close()
