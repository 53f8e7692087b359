"""What becomes of transactions when the server does not do as it should."""

from __future__ import annotations

import gc
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import psycopg
import pytest

from gateway.stores import postgres_database
from gateway.stores.database import Duplicate
from gateway.stores.postgres_database import PostgresDatabase
from gateway.stores.protocols import StoreUnavailable
from tests.postgres import PostgresServer, standing_still
from tests.waiting import PATIENCE_S, wait_for

INSERT = "INSERT INTO names (id_hash, kind, name, first_seen_us, last_seen_us) VALUES (?, 'k', ?, 0, 0)"


@pytest.fixture(scope="module")
def durable() -> Iterator[PostgresServer]:
    server = PostgresServer(durable=True)
    yield server
    server.close()


@pytest.fixture
def server(durable: PostgresServer) -> PostgresServer:
    """One that may be stopped."""
    if not durable.running:
        durable.start()
    return durable


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[PostgresDatabase]:
    database = PostgresDatabase(postgres.database())
    yield database
    database.close()


def add(database: PostgresDatabase, number: int, name: object = "n", then: type[Exception] | None = None) -> bool:
    try:
        with database.writing() as at:
            at.run(INSERT, (number, name))
            if then is not None:
                raise then
    except StoreUnavailable:
        return False
    return True


def count(database: PostgresDatabase) -> int:
    with database.reading() as at:
        return int(at.rows("SELECT count(*) FROM names")[0][0])


def test_a_block_that_raises_leaves_nothing_behind(database: PostgresDatabase) -> None:
    with pytest.raises(KeyError):
        add(database, 1, then=KeyError)
    with pytest.raises(Duplicate), database.writing() as at:
        at.many(INSERT, [(2, "n"), (2, "n")])
    for value in (1 << 70, "no number"):
        with pytest.raises(ValueError):  # noqa: PT011 - its words are the server's
            add(database, value)  # type: ignore[arg-type]
    with pytest.raises(ValueError):  # noqa: PT011
        add(database, 3, "a\0b")
    assert count(database) == 0
    assert add(database, 3)
    assert database.problem == ""


def test_who_reads_sees_one_state_and_cannot_write(database: PostgresDatabase) -> None:
    add(database, 1)
    with database.reading() as at:
        assert at.rows("SELECT count(*) FROM names") == [(1,)]
        add(database, 2)
        assert at.rows("SELECT count(*) FROM names") == [(1,)]
    with pytest.raises(StoreUnavailable), database.reading() as at:
        at.run(INSERT, (3, "n"))
    assert count(database) == 2


def test_readers_are_bounded(database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_database, "WAIT_FOR_READER_S", 0.05)
    inside, leave = threading.Barrier(postgres_database.READERS + 1), threading.Event()

    def read() -> None:
        with database.reading():
            inside.wait(PATIENCE_S)
            leave.wait(PATIENCE_S)

    threads = [threading.Thread(target=read) for _ in range(postgres_database.READERS)]
    for thread in threads:
        thread.start()
    inside.wait(PATIENCE_S)
    with pytest.raises(StoreUnavailable, match="too many"), database.reading():
        pass
    leave.set()
    for thread in threads:
        thread.join()
    assert count(database) == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_comes_back_is_used_again(
    server: PostgresServer, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_database, "LONGEST_PAUSE_S", 0.5)
    database = PostgresDatabase(server.database())
    assert add(database, 1)
    assert count(database) == 1
    server.stop(how)
    for _ in range(3):
        assert not add(database, 2)
    with pytest.raises(StoreUnavailable):
        count(database)
    assert "postgres" not in database.problem
    server.start()
    wait_for(lambda: add(database, 2), "the server to be used again")
    assert database.problem == ""
    assert count(database) == 2
    database.close()


def test_between_attempts_to_connect_there_is_a_pause(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    connect = postgres_database.connect

    def counted(url: str) -> psycopg.Connection[tuple[object, ...]]:
        asked.append(time.monotonic())
        return connect(url)

    monkeypatch.setattr(postgres_database, "connect", counted)
    database = PostgresDatabase(server.database())
    server.stop()
    while len(asked) < 4:
        assert not add(database, 1)
        time.sleep(0.002)
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses[0] >= postgres_database.FIRST_PAUSE_S / 2
    assert pauses[2] >= postgres_database.FIRST_PAUSE_S * 2
    database.close()


def test_a_server_that_hangs_is_given_up(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own clock, as long as the server has one; see tcp_user_timeout for the rest."""
    monkeypatch.setattr(postgres_database, "_OPTIONS", "-c statement_timeout=200")
    database = PostgresDatabase(postgres.database())
    with pytest.raises(StoreUnavailable, match="QueryCanceled"), database.writing() as at:
        at.rows("SELECT pg_sleep(30)")
    assert add(database, 1) or wait_for(lambda: add(database, 1), "it is used again")
    database.close()


def test_a_server_that_says_nothing_at_all_is_given_up(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its processes stand still: no clock of its own runs, and the kernel acknowledges whatever it is sent."""
    database = PostgresDatabase(server.database())
    assert add(database, 1)
    assert count(database) == 1
    # Such times are only for a server that says nothing: one on a busy machine takes longer.
    with standing_still(server), monkeypatch.context() as patch:
        patch.setattr(postgres_database, "SILENT_WRITER_S", 0.3)
        patch.setattr(postgres_database, "SILENT_READER_S", 0.3)
        patch.setattr(postgres_database, "CONNECT_S", 2)
        began = time.monotonic()
        assert not add(database, 2)
        with pytest.raises(StoreUnavailable):
            count(database)
        assert time.monotonic() - began < 30
    wait_for(lambda: add(database, 3), "it is used again")
    assert database.problem == ""
    assert count(database) in (2, 3)
    database.close()


def test_a_connection_that_was_given_up_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_database, "CONNECT_S", 2)
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{folder}/.s.PGSQL.5432")
        silent.listen()
        gc.disable()
        try:
            with pytest.raises(StoreUnavailable):
                count(PostgresDatabase(f"postgresql://nobody@/none?host={folder}"))
            peer, _ = silent.accept()
            with peer:
                peer.settimeout(PATIENCE_S)
                assert peer.recv(4096), "it asked"
                assert peer.recv(1) == b"", "and is gone without a collection"
        finally:
            gc.enable()
