"""When callers have sent a certain part of the memory, it is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from gateway.core import Core
from gateway.server.connection import ServerConnection
from gateway.serving import View
from gateway.snapshot.model import Snapshot


class Transport:
    """Takes no notice of anything."""

    def write(self, data: bytes) -> None: ...

    def get_extra_info(self, name: str) -> object:
        return ("127.0.0.1", 1) if name == "peername" else None

    def set_write_buffer_limits(self, high: int, low: int) -> None: ...

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None: ...


@pytest.fixture
def core() -> Iterator[Core]:
    loop = asyncio.new_event_loop()
    snapshot = Snapshot(version=1, created_ns=0, providers={}, routes={})
    yield Core(loop, View(snapshot, {}), None, None, None)
    loop.close()


def test_after_so_many_bytes_of_all_connections(core: Core) -> None:
    looks = 0

    def measure() -> None:
        nonlocal looks
        looks += 1
        core.intake = 1000

    core.measure = measure
    core.intake = 1000
    connections = [ServerConnection(core) for _ in range(2)]
    for connection in connections:
        connection.connection_made(Transport())
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n" + b"x: y\r\n" * 5
    for connection in connections:
        connection.data_received(head)
    assert looks == 0
    sent = 2 * len(head)
    piece = b"z: %b\r\n" % (b"z" * 295)
    while sent + len(piece) <= 1000:
        connections[0].data_received(piece)
        sent += len(piece)
    assert looks == 0
    connections[1].data_received(piece)
    assert looks == 1
