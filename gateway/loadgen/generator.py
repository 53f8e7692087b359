"""The open loop: a schedule, a timer, a pool of connections."""

from __future__ import annotations

import asyncio
import gc
import resource
import ssl
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic_ns

from gateway.loadgen.connection import Connection
from gateway.loadgen.marks import Marks
from gateway.loadgen.report import Report
from gateway.loadgen.timer import Timer

SHORTEST_TICK_NS = 50_000
"""Requests closer than this leave together: waking more often costs more than the accuracy is worth."""

MAX_BURST = 64
"""Requests sent in one turn of the loop when the schedule is behind, so that answers are still read on time."""

CONNECTING_AT_ONCE = 128
"""Handshakes under way while the pool is warmed: below every listening backlog that is met in practice."""


STALE_NS = 5_000_000_000
"""A connection idle for longer is not used again: its server may be closing it just now (many wait no longer than 10 s
for a first request), and the request would be lost for no fault of anybody's."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run."""

    host: str
    port: int
    request: bytes
    moments_ns: Sequence[int]
    """Ascending, from the start of the run."""
    warmup_ns: int = 0
    """Requests meant to leave earlier than this are sent but not measured."""
    warm_connections: int = 0
    """Opened before the run starts."""
    max_connections: int = 16_000
    timeout: float = 30.0
    """Seconds after the last moment when what is still in flight has failed, and what was not sent is given up."""
    header: str = ""
    """Answer header with a number to collect: microseconds, or milliseconds when its name ends in ``-ms``."""
    tls: ssl.SSLContext | None = None


class Generator:
    """Runs one plan inside a running loop."""

    def __init__(self, plan: Plan) -> None:
        self.header = b"\r\n" + plan.header.lower().encode("latin-1") + b":" if plan.header else b""
        self._header_us = 1000 if plan.header.lower().endswith("-ms") else 1
        """Microseconds in one unit of that header."""
        self._plan = plan
        self._moments = array("q", plan.moments_ns)
        self.marks = Marks(len(self._moments), bisect_left(self._moments, plan.warmup_ns))
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._next = 0
        self._start_ns = 0
        self._in_flight = 0
        self._peak = 0
        self._opened = 0
        self._done = asyncio.Event()
        self._timer = Timer(self._loop, self._tick)

    # called by connections

    def opened(self, connection: Connection) -> None:
        """A connection is up."""
        self._opened += 1
        self._all.add(connection)

    def gone(self, connection: Connection) -> None:
        """A connection is down; if it was idle it is skipped when its turn comes."""
        self._all.discard(connection)

    def lost(self) -> None:
        """A request ended without an answer."""
        self._in_flight -= 1
        self._check_end()

    def finished(self, connection: Connection, *, reusable: bool) -> None:
        """An answer is whole."""
        self._in_flight -= 1
        if reusable:
            self._idle.append(connection)
        else:
            connection.abort()
        if self._in_flight <= 0:
            self._check_end()

    def collect(self, value: bytes) -> None:
        """The header that was asked for, as an answer has it; what is no number is left out."""
        try:
            self.marks.header.append(round(float(value) * self._header_us))
        except ValueError:
            return

    # the run

    async def run(self) -> Report:
        """Warm the pool, keep the schedule, wait for the answers."""
        plan = self._plan
        try:
            await self._warm()
            gc.collect()
            gc.freeze()
            gc.disable()
            before = resource.getrusage(resource.RUSAGE_SELF)
            self._start_ns = monotonic_ns() + 20_000_000
            self._timer.at(self._start_ns)
            length = (self._moments[-1] if self._moments else 0) / 1e9
            try:
                await asyncio.wait_for(self._done.wait(), length + plan.timeout)
            except TimeoutError:
                self._timer.stop()
                for connection in tuple(self._all):
                    connection.give_up("timed out")
                await self._stop_connecting()
            after = resource.getrusage(resource.RUSAGE_SELF)
        finally:
            gc.enable()
            gc.unfreeze()
            await self._close()
        return self._report(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    def _report(self, cpu_seconds: float) -> Report:
        measured = self._moments[self.marks.first_measured :]
        seconds = (measured[-1] - measured[0]) / 1e9 if len(measured) > 1 else 0.0
        return Report(
            tally=self.marks.tally(self._start_ns, self._moments, self._next),
            rate=(len(measured) - 1) / seconds if seconds else 0.0,
            seconds=seconds,
            sending_seconds=self.marks.sending_seconds(self._next),
            cpu_us_per_request=cpu_seconds * 1e6 / max(1, self._next),
            peak_in_flight=self._peak,
            connections_opened=self._opened,
            unsent=len(self._moments) - max(self._next, self.marks.first_measured),
        )

    async def _connect(self) -> Connection | None:
        plan = self._plan
        try:
            _, protocol = await self._loop.create_connection(
                lambda: Connection(self), plan.host, plan.port, ssl=plan.tls
            )
        except OSError:
            return None
        return protocol

    async def _warm(self) -> None:
        gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

        async def one() -> None:
            async with gate:
                connection = await self._connect()
            if connection is not None:
                self._idle.append(connection)

        count = min(self._plan.warm_connections, self._plan.max_connections)
        await asyncio.gather(*(one() for _ in range(count)))

    def _tick(self) -> None:
        moments, start = self._moments, self._start_ns
        number = self._next
        last = min(number + MAX_BURST, len(moments))
        now = monotonic_ns()
        while number < last and start + moments[number] <= now:
            self._next = number + 1
            self._send(number)
            number += 1
        if number < len(moments):
            self._timer.at(max(start + moments[number], monotonic_ns() + SHORTEST_TICK_NS))
        else:
            self._timer.stop()
            self._check_end()

    def _send(self, number: int) -> None:
        self._in_flight += 1
        if self._in_flight > self._peak:
            self._peak = self._in_flight
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.closed:
                continue
            if monotonic_ns() - connection.idle_since_ns < STALE_NS:
                connection.send(number, self._plan.request)
                return
            connection.abort()
        if len(self._all) + len(self._tasks) >= self._plan.max_connections:
            self.marks.failed(number, "no connection left")
            self.lost()
            return
        task = self._loop.create_task(self._connect_and_send(number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect_and_send(self, number: int) -> None:
        try:
            connection = await self._connect()
        except asyncio.CancelledError:
            self.marks.failed(number, "timed out")
            raise
        if connection is None or connection.closed:
            self.marks.failed(number, "not connected")
            self.lost()
        else:
            connection.send(number, self._plan.request)

    def _check_end(self) -> None:
        if self._in_flight <= 0 and self._next >= len(self._moments):
            self._done.set()

    async def _stop_connecting(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _close(self) -> None:
        self._timer.close()
        await self._stop_connecting()
        for connection in tuple(self._all):
            connection.abort()
        while self._all:
            await asyncio.sleep(0)
