"""The shell of a worker process: event loop, arena slot, record ring, heartbeat, control channel, signals, memory.

What serves is ``gateway.runtime.Runtime``; nothing in here knows HTTP or providers.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from _speedups import _keys
from _speedups._bucket import Arena, ArenaWorker, RingWriter
from gateway.processes import left_behind, logs
from gateway.processes.channel import Health, Pressure, Publish, Traces, WorkerChannel
from gateway.processes.children import load
from gateway.processes.context import LoopName, WorkerContext
from gateway.processes.heartbeat import BEAT_INTERVAL_S, DRAINING, SERVING, is_serving
from gateway.processes.memory import Memory
from gateway.processes.reserve import FileReserve
from gateway.processes.settings import process_settings

LISTENING_POLL_S = 0.001
"""How often a ready worker looks whether the supervisor has called listen(); that takes the slowest worker's start."""

LAME_DUCK_S = 0.3
"""A draining worker takes connections for this long: the supervisor needs a tick to send new ones elsewhere."""

LEAVING_POLL_S = 0.02

HEALTH_EVERY_BEATS = 20
READINESS_EVERY_BEATS = 2

CONTROL_AWAY_S = 10.0
"""A restart of control takes a second or two and is nobody's business."""

log = logging.getLogger("microgate.worker")


class RuntimeProtocol(Protocol):
    """What serves, as this shell drives it. All methods run on the loop's thread."""

    def load(self, snapshot_path: str) -> None:
        """Serve from this snapshot; raises when it cannot be read."""

    def apply(self, publish: Publish) -> None:
        """Swap to a newer version; raises and changes nothing when it cannot."""

    async def start(self, sockets: list[socket.socket]) -> None:
        """Accept on these sockets, which listen already."""

    async def drain(self, deadline: float) -> None:
        """Stop accepting, finish what runs; what still runs at ``deadline`` (``loop.time()``) ends with an error."""

    def leave(self) -> None:
        """Stop accepting; every connection ends with the answer to its caller's next request."""

    def close(self) -> None: ...
    def readiness(self, ready: bool, why: str) -> None:
        """For /readyz: whether all workers serve, and what is wrong (also when they do: control may be away)."""

    def carried(self) -> list[tuple[bytes, bytes, bytes, bool, str]]:
        """Trace contexts of callers since the last time, for control."""

    def in_flight(self) -> int: ...
    def connections(self) -> int: ...
    def upstream_connections(self) -> int: ...
    def pressure(self) -> Pressure: ...


def run(context: WorkerContext) -> int:
    """Serve until SIGTERM, or until the supervisor is gone; returns the exit status."""
    logs.configure(context.log_level, f"worker-{context.index}")
    gc.disable()
    # A fork inherits its parent's generators: two workers would draw the same numbers.
    random.seed()
    _keys.seed(int.from_bytes(os.urandom(8), "little"))
    paths = context.paths
    snapshot = paths.current_snapshot()
    if snapshot is None:
        log.error("there is no snapshot to serve from in %s", paths.runtime_dir)
        return 1
    loop = loop_factory(context.loop)()
    asyncio.set_event_loop(loop)
    arena = Arena.attach(paths.arena)
    cells = _take_slot(arena, context)
    ring = RingWriter(
        paths.ring(context.place),
        context.place,
        cells.epoch,
        paths.spill(context.place),
        event_fd=context.record_event_fd,
    )
    try:
        runtime: RuntimeProtocol = load(context.runtime)(context, loop, cells, ring)
        runtime.load(snapshot)
        return loop.run_until_complete(Worker(context, loop, runtime, arena, cells, _version(snapshot)).serve())
    finally:
        ring.close()
        loop.close()
        arena.close()


def loop_factory(name: LoopName) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop: uvloop's where it is wanted and installed, else asyncio's. Imports it."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if name == "uvloop":
        try:
            factory = import_module("uvloop").new_event_loop
        except ImportError:
            log.warning("uvloop is not installed: asyncio's own event loop serves, slower")
    return factory


def _take_slot(arena: Arena, context: WorkerContext) -> ArenaWorker:
    waiting = False
    while True:
        try:
            # Where no supervisor was there to do it.
            left_behind.post(arena, context.paths, context.place, context.record_event_fd)
            return arena.worker(context.place)
        except BlockingIOError:
            # Its supervisor was killed and it still finishes its streams: one slot, one process.
            if not waiting:
                log.warning("slot %d is still held by a draining worker; waiting for it", context.index)
            waiting = True
            time.sleep(0.02)


def _version(snapshot_path: str) -> int:
    digits = "".join(filter(str.isdigit, os.path.basename(snapshot_path)))
    return int(digits or 0)


class Worker:
    """From ready to gone."""

    def __init__(
        self,
        context: WorkerContext,
        loop: asyncio.AbstractEventLoop,
        runtime: RuntimeProtocol,
        arena: Arena,
        cells: ArenaWorker,
        version: int,
    ) -> None:
        self.context = context
        self.loop = loop
        self.runtime = runtime
        self.arena = arena
        self.cells = cells
        self.version = version
        self.state = SERVING
        self.memory = Memory()
        self.lag = 0.0
        """Longest lateness of a heartbeat, in seconds, since control was told last."""
        self._beats = 0
        self._control_seen = loop.time()
        self._told = True, ""
        self._beat_due = 0.0
        self._beat_timer: asyncio.TimerHandle | None = None
        self._stop = asyncio.Event()
        self._relieved = False
        """Another process serves the callers: nobody has to be sent away in a hurry."""
        self._reserve = FileReserve(context.sockets)
        self.channel = WorkerChannel(
            loop,
            context.paths.workers_socket,
            context.index,
            cells.epoch,
            lambda: self.version,
            self._publish,
            self._stop.set,
        )

    async def serve(self) -> int:
        """Serve, drain, and return the exit status."""
        self.loop.set_exception_handler(self._reserve.handle)
        self.loop.add_signal_handler(signal.SIGTERM, self._end)
        self.loop.add_signal_handler(signal.SIGUSR2, self._relieve)
        self._beat_due = self.loop.time()
        self._beat()
        # Ready. The first listen() of every slot is the supervisor's, in slot order: steering counts on that order.
        while not all(_listens(sock) for sock in self.context.sockets):
            if self._stop.is_set():
                break
            await asyncio.sleep(LISTENING_POLL_S)
        else:
            await self.runtime.start(self.context.sockets)
            self.channel.start()
            log.debug("worker %d serves", self.context.index)
            await self._stop.wait()
        return await self._drain()

    def _end(self) -> None:
        self._relieved = False
        self._stop.set()

    def _may_stay(self) -> bool:
        """False once SIGTERM has come, too."""
        return self._relieved

    def _relieve(self) -> None:
        self._relieved = True
        self._stop.set()

    async def _drain(self) -> int:
        deadline = self.loop.time() + process_settings(self.context.paths).drain_timeout
        self.state = DRAINING
        self._publish_beat()
        if self._relieved:
            # Versions that the successor's control publishes are for its own workers.
            await self.channel.close()
            self.runtime.leave()
            while self.runtime.connections() and self.loop.time() < deadline and self._may_stay():
                await asyncio.sleep(LEAVING_POLL_S)
        else:
            await asyncio.sleep(LAME_DUCK_S)
        await self.runtime.drain(deadline)
        await self.channel.close()
        self.runtime.close()
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        self._reserve.close()
        return 0

    def _publish(self, message: Publish) -> None:
        if message.version <= self.version:
            return
        self.runtime.apply(message)
        self.version = message.version
        self.memory.swapped()

    def _publish_beat(self) -> None:
        self.cells.beat(time.monotonic_ns(), self.state, self.runtime.in_flight(), self.runtime.connections())

    def _beat(self) -> None:
        now = self.loop.time()
        self.lag = max(self.lag, now - self._beat_due)
        self._publish_beat()
        logs.tend()
        if os.getppid() != self.context.supervisor_pid:
            self._end()
        if self.channel.connected and (carried := self.runtime.carried()):
            self.channel.send(Traces(carried))
        in_flight = self.runtime.in_flight()
        connections = self.runtime.connections() + self.runtime.upstream_connections()
        self.memory.observe(in_flight, connections, now)
        self._beats += 1
        # Whoever asks on a kept connection must not hear that the gateway is ending: it is not.
        if self._beats % READINESS_EVERY_BEATS == 0 and not self._relieved:
            self._readiness(now)
        if self._beats % HEALTH_EVERY_BEATS == 0:
            self._report(in_flight, connections)
        self._beat_due = now + BEAT_INTERVAL_S
        self._beat_timer = self.loop.call_at(self._beat_due, self._beat)

    def _readiness(self, now: float) -> None:
        now_ns = time.monotonic_ns()
        first = self.context.first_place
        others = (index for index in range(self.context.workers) if index != self.context.index)
        idle = [
            f"worker {index} does not serve" for index in others if not is_serving(self.arena, first + index, now_ns)
        ]
        why = [*idle, *self.channel.conditions]
        if self.channel.connected:
            self._control_seen = now
        elif now - self._control_seen > CONTROL_AWAY_S:
            why.append("the control process is away")
        told = not idle, "; ".join(why)
        if told != self._told:
            self._told = told
            self.runtime.readiness(*told)

    def _report(self, in_flight: int, connections: int) -> None:
        health = Health(
            index=self.context.index,
            epoch=self.cells.epoch,
            in_flight=in_flight,
            connections=connections,
            loop_lag_us=int(self.lag * 1e6),
            garbage=self.memory.garbage,
            collections=self.memory.collections,
            pressure=self.runtime.pressure(),
            lost_lines=logs.tend(),
        )
        if self.channel.send(health):
            self.lag = 0.0


def _listens(sock: socket.socket) -> bool:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0
