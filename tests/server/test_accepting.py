"""Connections that wait behind one that was taken are taken in the same turn, with both event loops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import uvloop

from gateway.server.accepting import TAKEN_A_TURN, Accepting

Main = Callable[[], Awaitable[None]]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Main], None]:
    def whole(main: Main) -> None:
        async def body() -> None:
            await main()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(body())

    return whole


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as sock:
        yield sock


class Made(asyncio.Protocol):
    """Counts the connections that were begun."""

    def __init__(self, begun: list[Made]) -> None:
        self.begun = begun
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.begun.append(self)


def connect(listening: socket.socket, count: int) -> list[socket.socket]:
    return [socket.create_connection(listening.getsockname()) for _ in range(count)]


async def begun_by(begun: list[Made], count: int) -> None:
    async with asyncio.timeout(60):
        while len(begun) < count:
            await asyncio.sleep(0)


def end(begun: list[Made], callers: list[socket.socket]) -> None:
    for one in begun:
        one.transport.abort()
    for caller in callers:
        caller.close()


def test_all_that_wait_are_taken(run: Callable[[Main], None], listening: socket.socket) -> None:
    async def main() -> None:
        begun: list[Made] = []
        accepting = Accepting(asyncio.get_running_loop(), [listening], lambda: Made(begun), None)
        callers = connect(listening, 10)
        accepting.taken()
        await begun_by(begun, 10)
        # They are served, not only taken.
        begun[0].transport.write(b"x")
        peer = next(one for one in callers if one.getsockname() == begun[0].transport.get_extra_info("peername"))
        await asyncio.get_running_loop().run_in_executor(None, peer.recv, 1)
        end(begun, callers)
        await asyncio.sleep(0)

    run(main)


def test_they_are_begun_in_the_turn_that_takes_them(run: Callable[[Main], None], listening: socket.socket) -> None:
    async def main() -> None:
        begun: list[Made] = []
        made: list[Made] = []

        def make() -> Made:
            made.append(Made(begun))
            return made[-1]

        accepting = Accepting(asyncio.get_running_loop(), [listening], make, None)
        callers = connect(listening, 3)
        accepting.taken()
        assert len(made) == 3
        await begun_by(begun, 3)
        end(begun, callers)
        await asyncio.sleep(0)

    run(main)


def test_in_one_turn_no_more_than_a_number(run: Callable[[Main], None], listening: socket.socket) -> None:
    async def main() -> None:
        begun: list[Made] = []
        accepting = Accepting(asyncio.get_running_loop(), [listening], lambda: Made(begun), None)
        callers = connect(listening, TAKEN_A_TURN + 5)
        accepting.taken()
        accepting.taken()
        await begun_by(begun, TAKEN_A_TURN)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(begun) == TAKEN_A_TURN
        accepting.taken()
        await begun_by(begun, TAKEN_A_TURN + 5)
        end(begun, callers)
        await asyncio.sleep(0)

    run(main)


def test_a_caller_who_is_gone_by_then_harms_nobody(run: Callable[[Main], None], listening: socket.socket) -> None:
    async def main() -> None:
        begun: list[Made] = []
        accepting = Accepting(asyncio.get_running_loop(), [listening], lambda: Made(begun), None)
        gone, stays = connect(listening, 2)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gone.close()
        accepting.taken()
        await begun_by(begun, 1)
        while not any(one.transport.get_extra_info("peername") == stays.getsockname() for one in begun):
            await asyncio.sleep(0)
        end(begun, [stays])
        await asyncio.sleep(0)

    run(main)


def test_closed_it_takes_nobody(run: Callable[[Main], None], listening: socket.socket) -> None:
    async def main() -> None:
        begun: list[Made] = []
        accepting = Accepting(asyncio.get_running_loop(), [listening], lambda: Made(begun), None)
        callers = connect(listening, 1)
        accepting.close()
        accepting.taken()
        for _ in range(20):
            await asyncio.sleep(0)
        assert begun == []
        # It still waits for whoever has the socket.
        taken, _ = listening.accept()
        taken.close()
        end(begun, callers)

    run(main)
