"""Providers in a process of their own that count what they are asked: the truth about calls that a gateway makes."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self, cast

import uvloop

from tests.live.upstreams import CHAT, chunk, chunked_head, http, stream_events

CALLS, UNDER_WAY, MOST, LEFT = range(4)
FIGURES = 4
READY_WITHIN_S = 20.0
SICK = b'{"error":{"message":"The server is overloaded.","type":"server_error"}}'


@dataclass(frozen=True, slots=True)
class Manner:
    """How a provider answers."""

    status: int = 200
    delay_s: float = 0.0
    spread_s: float = 0.0
    """Up to so much later, evenly distributed."""
    slow_share: float = 0.0
    """Of the answers, which take ``slow_s`` instead."""
    slow_s: float = 0.0
    hangs: bool = False
    fields: tuple[str, ...] = ()

    def pause_s(self) -> float:
        if self.slow_share and random.random() < self.slow_share:
            return self.slow_s
        return self.delay_s + random.random() * self.spread_s

    def answer(self, body: bytes) -> bytes:
        if self.status != 200:
            return http(SICK, self.status, fields=self.fields)
        if b'"stream":true' in body:
            return _STREAM
        return http(CHAT, fields=self.fields)


_STREAM = chunked_head() + b"".join(chunk(event) for event in stream_events(4)) + chunk(b"")


class Providers:
    """A server whose first path segment names the provider: ``url("a")`` is a base URL. A context manager."""

    def __init__(self, **manners: Manner) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.names = list(manners)
        self._meter = spawn.Array("q", FIGURES * len(manners), lock=False)
        self._orders, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(manners, self._meter, theirs), daemon=True)
        self._process.start()
        if not self._orders.poll(READY_WITHIN_S):
            raise RuntimeError("the providers did not start")
        self.port = cast(int, self._orders.recv())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.join()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}/v1"

    def become(self, **manners: Manner) -> None:
        """Let them answer otherwise from the next request on."""
        self._orders.send(manners)
        self._orders.recv()

    def calls(self, *names: str) -> int:
        """Requests received by these, or by all."""
        return sum(self._of(name)[CALLS] for name in names or self.names)

    def under_way(self, name: str) -> int:
        """Requests that are neither answered nor given up."""
        return self._of(name)[UNDER_WAY]

    def most(self, name: str) -> int:
        """The most that were under way at one time."""
        return self._of(name)[MOST]

    def left(self, name: str) -> int:
        """Requests whose connection was closed before they were answered."""
        return self._of(name)[LEFT]

    def clear(self) -> None:
        """Count from nought."""
        for index in range(len(self._meter)):
            if index % FIGURES != UNDER_WAY:
                self._meter[index] = 0

    def _of(self, name: str) -> list[int]:
        first = self.names.index(name) * FIGURES
        return list(self._meter[first : first + FIGURES])


class _Server:
    def __init__(self, manners: Mapping[str, Manner], meter: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.manners = dict(manners)
        self.first = {name: index * FIGURES for index, name in enumerate(manners)}
        self.meter = meter
        self.loop = loop


class _Visit(asyncio.Protocol):
    """One connection; requests on it come one after the other, as from every gateway."""

    def __init__(self, server: _Server) -> None:
        self.server = server
        self.transport: Any = None
        self.buffer = b""
        self.first = 0
        self.timer: asyncio.TimerHandle | None = None
        self.under_way = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.under_way:
            self.server.meter[self.first + LEFT] += 1
            self.end()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        body = self.buffer[end + 4 :]
        self.buffer = b""
        self.asked(head.split(b"/", 2)[1].decode(), body)

    def asked(self, name: str, body: bytes) -> None:
        server, manner = self.server, self.server.manners[name]
        self.first = server.first[name]
        meter = server.meter
        meter[self.first + CALLS] += 1
        meter[self.first + UNDER_WAY] += 1
        meter[self.first + MOST] = max(meter[self.first + MOST], meter[self.first + UNDER_WAY])
        self.under_way = True
        if manner.hangs:
            return
        pause_s = manner.pause_s()
        answer = manner.answer(body)
        if pause_s:
            self.timer = server.loop.call_later(pause_s, self.answer, answer)
        else:
            self.answer(answer)

    def answer(self, data: bytes) -> None:
        self.timer = None
        self.end()
        self.transport.write(data)

    def end(self) -> None:
        self.under_way = False
        self.server.meter[self.first + UNDER_WAY] -= 1


def _serve(manners: Mapping[str, Manner], meter: Any, orders: Connection) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = _Server(manners, meter, loop)

        def obey() -> None:
            try:
                server.manners.update(orders.recv())
            except EOFError:
                loop.stop()
                return
            orders.send(None)

        listening = await loop.create_server(lambda: _Visit(server), "127.0.0.1", 0, backlog=4096)
        loop.add_reader(orders.fileno(), obey)
        orders.send(listening.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
