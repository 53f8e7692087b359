"""One provider that the proxy stands before or plays: its port, its faults, its meter."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gateway.demo.connection import DemoConnection, Disconnected, Reply, Request
from gateway.demo.routes import Demo
from gateway.faults import forms, instead, tokens
from gateway.faults.draw import Faults
from gateway.faults.meter import Ending, Meter
from gateway.faults.reading import address
from gateway.faults.relay import relay
from gateway.faults.reply import FaultyReply
from gateway.faults.schema import AnyFault, Down, UpstreamEntry
from gateway.faults.target import Target
from gateway.faults.wire import Stopped

BACKLOG = 1024
"""Connections that may wait to be accepted."""


class Upstream:
    """Listens from ``start`` to ``close``, but for the times at which it is down."""

    def __init__(self, name: str, entry: UpstreamEntry, id_headers: tuple[str, ...], dice: random.Random) -> None:
        self.name = name
        self.meter = Meter(entry.prices, id_headers)
        self.faults = Faults(entry.faults, dice)
        self._dice = dice
        self._target = Target(entry.to) if entry.to else None
        self._demo = Demo()
        self._address = address(entry.listen)
        self._place: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[DemoConnection] = set()
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def url(self) -> str:
        """Where callers find it."""
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Take the port and listen. Raises OSError."""
        host, port = self._address
        # Bound and never listening: it keeps the port while the upstream is down.
        place = self._bound(host, port)
        self._place = place
        self._address = (host, int(place.getsockname()[1]))
        await self._schedule()

    async def close(self) -> None:
        """Stop listening and abort what is open."""
        for timer in self._timers:
            timer.cancel()
        await self._unlisten()
        if self._target is not None:
            self._target.close()
        if self._place is not None:
            self._place.close()

    async def set(self, faults: Iterable[AnyFault]) -> None:
        """Replace the faults. Calls that are under way keep those that they met."""
        self.faults.set(faults)
        await self._schedule()

    async def add(self, faults: Iterable[AnyFault]) -> None:
        """Set more faults. If one of them is ``down``, the times of all such begin anew."""
        self.faults.add(faults)
        await self._schedule()

    # being down

    async def _schedule(self) -> None:
        for timer in self._timers:
            timer.cancel()
        loop = asyncio.get_running_loop()
        downs = [fault for fault in self.faults.all if isinstance(fault, Down)]
        moments = {moment for fault in downs for moment in (fault.since, fault.until) if moment}
        begun = loop.time()
        self._timers = [loop.call_later(moment, self._turn, downs, begun, moment) for moment in moments]
        await self._listen_unless(any(not fault.since for fault in downs))

    def _turn(self, downs: list[Down], begun: float, age: float) -> None:
        down = any(fault.since <= age and (not fault.until or age < fault.until) for fault in downs)
        self._task = asyncio.get_running_loop().create_task(self._listen_unless(down))

    async def _listen_unless(self, down: bool) -> None:
        if down:
            await self._unlisten()
        elif self._server is None:
            made = self._bound(*self._address)
            self._server = await asyncio.get_running_loop().create_server(self._connection, sock=made, backlog=BACKLOG)

    async def _unlisten(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in tuple(self._connections):
            connection.reset()
        if server is not None:
            await server.wait_closed()

    @staticmethod
    def _bound(host: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, port))
        except OSError:
            made.close()
            raise
        return made

    # calls

    def _connection(self) -> DemoConnection:
        self.meter.connections += 1
        return DemoConnection(self._handle, self._connections, FaultyReply)

    async def _handle(self, request: Request, reply: Reply) -> None:
        assert isinstance(reply, FaultyReply)
        body = _json(request.body)
        call = self.meter.begin(request, body)
        faults = self.faults.draw(call.model, call.stream, request.nth > 0)
        reply.meet(call, faults, self._dice)
        ending: Ending = "failed"
        try:
            if faults:
                await reply.wait("head")
                await reply.greet()
            if not faults or not await instead.answer(faults, request, reply, stream=call.stream):
                await self._answer(request, reply)
            ending = reply.ending
        except Stopped:
            ending = "cut"
            return
        except (asyncio.CancelledError, Disconnected):
            ending = "cancelled"
            raise
        finally:
            self.meter.end(call, ending, reply.read, tokens.asked(body))
        await reply.finish()

    async def _answer(self, request: Request, reply: FaultyReply) -> None:
        if self._target is not None:
            await relay(self._target, request, reply)
            return
        path = forms.played(request.path)
        if path != request.path:
            request.target = path.encode("latin-1")
        await self._demo.handle(request, reply)


def _json(data: bytes) -> Mapping[str, Any]:
    """A request's body; empty when it is no JSON object."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
