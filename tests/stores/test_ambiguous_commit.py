"""A connection that breaks at a commit leaves open whether it took place; posted again, a row is there once."""

from __future__ import annotations

import contextlib
import random
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.stores import postgres_database
from gateway.stores.postgres_database import PostgresDatabase
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.sql_ledger import SqlLedger
from tests.live.rounds import measured, rounds
from tests.postgres import PORT, PostgresServer
from tests.stores.ledger_rows import entry

COMMIT = b"COMMIT"


class Cutter:
    """Stands before the server's socket. A commit is passed on or not, and in either case the connection is cut before
    its answer; every other time it is let through."""

    def __init__(self, directory: Path, server: Path) -> None:
        self.directory = directory
        self._server = str(server / f".s.PGSQL.{PORT}")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / f".s.PGSQL.{PORT}"))
        self._listener.listen(64)
        self._lot = random.Random(11)
        self._threads: list[threading.Thread] = []
        self.cut = {"before": 0, "behind": 0}
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            thread.start()
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._server)
            back = threading.Thread(target=self._back, args=(server, client))
            back.start()
            with contextlib.suppress(OSError):
                while data := client.recv(1 << 16):
                    fate = self._lot.choice(("through", "before", "behind")) if COMMIT in data else "through"
                    if fate == "behind":
                        # Whatever it answers is not passed on.
                        client.shutdown(socket.SHUT_WR)
                    if fate != "before":
                        server.sendall(data)
                    if fate != "through":
                        self.cut[fate] += 1
                        break
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
                server.shutdown(socket.SHUT_WR)
            back.join()

    @staticmethod
    def _back(server: socket.socket, client: socket.socket) -> None:
        """Reads to the server's end, so that a commit that was passed on takes place."""
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                with contextlib.suppress(OSError):
                    client.sendall(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def cutter(postgres: PostgresServer) -> Iterator[Cutter]:
    # The path of a socket is short.
    with tempfile.TemporaryDirectory() as directory:
        cutter = Cutter(Path(directory), postgres.directory)
        yield cutter
        cutter.close()


def test_posted_again_after_a_cut_commit_every_row_is_there_once(
    postgres: PostgresServer, cutter: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_database, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(postgres_database, "LONGEST_PAUSE_S", 0.0)
    url = postgres.database()
    database = PostgresDatabase(url.replace(str(postgres.directory), str(cutter.directory)))
    ledger, wanted, number, reported = SqlLedger(database), rounds(30, 1000), 0, 0
    while sum(cutter.cut.values()) < wanted:
        rows = [entry(number + each) for each in range(3)]
        while True:
            with contextlib.suppress(StoreUnavailable):
                reported += ledger.post(rows)
                break
        number += 3
    database.close()
    direct = PostgresDatabase(url)
    with direct.reading() as at:
        found = at.rows("SELECT count(*), count(DISTINCT request_id) FROM ledger")
    direct.close()
    measured("connections cut at a commit", sum(cutter.cut.values()), str(wanted))
    measured("of these when it had been passed on", cutter.cut["behind"], "some")
    measured(
        "rows, lost, doubled", f"{number}, {number - found[0][1]}, {found[0][0] - found[0][1]}", "0 lost, 0 doubled"
    )
    assert found == [(number, number)]
    assert cutter.cut["before"]
    assert cutter.cut["behind"]
    # Those whose commit took place unheard were not new any more.
    assert reported < number
