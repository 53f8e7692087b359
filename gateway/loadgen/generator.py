"""The open loop: a schedule, a timer, a pool of connections."""

from __future__ import annotations

import asyncio
import gc
import resource
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.loadgen.connection import Connection
from gateway.loadgen.report import Report, Tally
from gateway.loadgen.timer import Timer

SHORTEST_TICK_NS = 50_000
"""Requests closer than this leave together: waking more often costs more than the accuracy is worth."""

MAX_BURST = 64
"""Requests sent in one turn of the loop when the schedule is behind, so that answers are still read on time."""

CONNECTING_AT_ONCE = 128
"""Handshakes under way while the pool is warmed: below every listening backlog that is met in practice."""


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
    """Seconds after the last moment when what is still in flight has failed."""
    header: str = ""
    """Answer header with a number to collect: microseconds, or milliseconds when its name ends in ``-ms``."""
    tls: ssl.SSLContext | None = None


class Generator:
    """Runs one plan inside a running loop."""

    def __init__(self, plan: Plan) -> None:
        self.header = plan.header.lower().encode("latin-1") + b":" if plan.header else b""
        self.header_us = 1000 if plan.header.lower().endswith("-ms") else 1
        """Microseconds in one unit of that header."""
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._warmup = Tally()
        self._tally = Tally()
        self._next = 0
        self._start_ns = 0
        self._first_measured_ns = self._last_sent_ns = 0
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
        self._check_end()

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
            self._start_ns = time.monotonic_ns() + 20_000_000
            self._timer.at(self._start_ns)
            length = (plan.moments_ns[-1] if plan.moments_ns else 0) / 1e9
            try:
                await asyncio.wait_for(self._done.wait(), length * 1.5 + plan.timeout)
            except TimeoutError:
                for connection in tuple(self._all):
                    connection.give_up("timed out")
            after = resource.getrusage(resource.RUSAGE_SELF)
        finally:
            gc.enable()
            gc.unfreeze()
            await self._close()
        return self._report(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    def _report(self, cpu_seconds: float) -> Report:
        moments = self._plan.moments_ns
        measured = [moment for moment in moments if moment >= self._plan.warmup_ns]
        seconds = (measured[-1] - measured[0]) / 1e9 if len(measured) > 1 else 0.0
        return Report(
            tally=self._tally,
            rate=(len(measured) - 1) / seconds if seconds else 0.0,
            seconds=seconds,
            sending_seconds=max(0, self._last_sent_ns - self._first_measured_ns) / 1e9,
            cpu_us_per_request=cpu_seconds * 1e6 / max(1, self._tally.sent + self._warmup.sent),
            peak_in_flight=self._peak,
            connections_opened=self._opened,
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
        moments = self._plan.moments_ns
        now = time.monotonic_ns()
        sent = 0
        while self._next < len(moments) and sent < MAX_BURST:
            due = self._start_ns + moments[self._next]
            if due > now:
                break
            tally = self._tally if moments[self._next] >= self._plan.warmup_ns else self._warmup
            self._next += 1
            self._send(due, tally)
            sent += 1
            now = time.monotonic_ns()
        if self._next < len(moments):
            self._timer.at(max(self._start_ns + moments[self._next], now + SHORTEST_TICK_NS))
        else:
            self._timer.stop()
            self._check_end()

    def _send(self, due_ns: int, tally: Tally) -> None:
        self._in_flight += 1
        self._peak = max(self._peak, self._in_flight)
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                self._write(connection, due_ns, tally)
                return
        if len(self._all) + len(self._tasks) >= self._plan.max_connections:
            tally.sent += 1
            tally.failures["no connection left"] += 1
            self.lost()
            return
        task = self._loop.create_task(self._connect_and_send(due_ns, tally))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _write(self, connection: Connection, due_ns: int, tally: Tally) -> None:
        now = time.monotonic_ns()
        if tally is self._tally:
            self._first_measured_ns = self._first_measured_ns or now
            self._last_sent_ns = now
        connection.send(self._plan.request, due_ns, now, tally)

    async def _connect_and_send(self, due_ns: int, tally: Tally) -> None:
        connection = await self._connect()
        if connection is None or connection.closed:
            tally.sent += 1
            tally.failures["not connected"] += 1
            self.lost()
        else:
            self._write(connection, due_ns, tally)

    def _check_end(self) -> None:
        if self._in_flight <= 0 and self._next >= len(self._plan.moments_ns):
            self._done.set()

    async def _close(self) -> None:
        self._timer.close()
        for task in tuple(self._tasks):
            task.cancel()
        for connection in tuple(self._all):
            connection.abort()
        while self._all:
            await asyncio.sleep(0)
