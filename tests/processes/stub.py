"""Stand-ins for what the processes run: a runtime that answers one fixed HTTP response, a boot that writes an empty
snapshot, a control process that only waits. Their behaviour is chosen by variables of the environment."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, cast

import msgspec

from gateway.processes.channel import ChannelServer, Pressure, Publish
from gateway.processes.context import BootOptions, ControlContext, WorkerContext
from gateway.processes.handover import complain
from gateway.processes.paths import Paths


def boot(options: BootOptions, paths: Paths) -> int:
    """Like the real one: a snapshot on tmpfs, or a message and a status. Files called ``boot-fails`` and ``boot-waits``
    in the data directory do the same to a successor, whose environment is that of its predecessor."""
    marks = Path(paths.data_dir)
    if (marks / "boot-fails").exists():
        complain(os.environ, "config.yaml:3: unknown field")
        return 2
    while (marks / "boot-waits").exists():
        time.sleep(0.01)
    if os.environ.get("STUB_BOOT") == "fail":
        sys.stderr.write("config.yaml:3: unknown field 'prot', did you mean 'port'?\n")
        return 2
    if os.environ.get("STUB_BOOT") == "hang":
        (Path(paths.data_dir) / "boot-hangs").touch()
        time.sleep(600)
    drain = float(os.environ.get("STUB_DRAIN_TIMEOUT", "5"))
    Path(paths.snapshot(1)).write_bytes(msgspec.msgpack.encode({"version": 1, "settings": {"drain_timeout": drain}}))
    paths.point_at(1)
    return 0


ANSWER = "ok"
"""Another one in what stands for new code."""


class Connection(asyncio.Protocol):
    """Keep-alive HTTP/1.1 for requests without a body.

    ``/pid`` answers the worker's process id, ``/slot`` its index, ``/ready`` and ``/version`` what the shell told it,
    ``/slow`` takes 0.3 s, ``/wait`` until another connection asks for ``/release`` (answered like ``/pid``),
    ``/hold`` until the drain's deadline, ``/freeze`` for ever. Who expects 100 Continue gets it at the request's begin.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.runtime.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.runtime.open.discard(self)
        self.runtime.running.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            if b"expect: 100-continue" in head:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.request(head.split(b" ")[1].decode())

    def request(self, path: str) -> None:
        loop = asyncio.get_running_loop()
        if path == "/slow":
            self.runtime.running.add(self)
            loop.call_later(0.3, self.answer, b"slow")
        elif path == "/wait":
            self.runtime.running.add(self)
            self.runtime.waiting.append(self)
        elif path == "/hold":
            self.runtime.running.add(self)
        elif path == "/freeze":
            # Not at once: what was written goes out at the end of the loop's turn.
            loop.call_later(0.01, time.sleep, 600)
        elif path == "/ready":
            self.answer(self.runtime.ready.encode())
        elif path == "/version":
            self.answer(str(self.runtime.version).encode())
        else:
            pid = str(os.getpid())
            values = {"/pid": pid, "/release": pid, "/slot": str(self.runtime.context.index)}
            self.answer(values.get(path, ANSWER).encode())
            while path == "/release" and self.runtime.waiting:
                self.runtime.waiting.pop().answer(b"waited")

    def answer(self, body: bytes, close: bool = False) -> None:
        self.runtime.running.discard(self)
        if self.transport.is_closing():
            return
        end = b"connection: close\r\n" if close or self.runtime.draining else b""
        self.transport.write(b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (end, len(body), body))
        if end:
            self.transport.close()


class Runtime:
    """The shell's counterpart, see gateway.worker.RuntimeProtocol."""

    def __init__(self, context: WorkerContext, loop: asyncio.AbstractEventLoop, cells: Any, ring: Any) -> None:
        self.context = context
        self.loop = loop
        self.open: set[Connection] = set()
        self.running: set[Connection] = set()
        self.waiting: list[Connection] = []
        self.draining = False
        self.ready = "True"
        self.version = 1
        self.server: asyncio.Server | None = None
        crash = os.environ.get("STUB_CRASH", "")
        if crash == "all" or crash == str(context.index) or (Path(context.paths.data_dir) / "worker-fails").exists():
            raise RuntimeError("this worker dies at its start")

    def load(self, snapshot_path: str) -> None:
        Path(snapshot_path).read_bytes()

    def apply(self, publish: Any) -> None:
        Path(publish.path).read_bytes()
        self.version = publish.version

    async def start(self, sockets: list[socket.socket]) -> None:
        self.server = await self.loop.create_server(lambda: Connection(self), sock=sockets[0], backlog=4096)

    async def drain(self, deadline: float) -> None:
        self.draining = True
        assert self.server is not None
        self.server.close()
        for idle in self.open - self.running:
            idle.transport.close()
        while self.running and self.loop.time() < deadline:
            await asyncio.sleep(0.01)
        for late in list(self.running):
            late.answer(b"cut by the drain's deadline", close=True)

    def carried(self) -> list[Any]:
        return []

    def leave(self) -> None:
        self.draining = True
        assert self.server is not None
        self.server.close()

    def close(self) -> None:
        for connection in list(self.open):
            connection.transport.abort()

    def readiness(self, ready: bool, why: str) -> None:
        self.ready = f"{ready} {why}".strip()

    def in_flight(self) -> int:
        return len(self.running)

    def connections(self) -> int:
        return len(self.open)

    def upstream_connections(self) -> int:
        return 0

    def pressure(self) -> Pressure:
        return Pressure()


async def _channel(context: ControlContext) -> None:
    """Publishes version 2 to every worker and says that its database is away."""
    server = ChannelServer(
        context.paths.workers_socket, lambda hello: Publish(2, context.paths.snapshot(1)) if hello.version < 2 else None
    )
    server.tell(("the database is away",))
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.close()


def control(context: ControlContext) -> int:
    """Waits for SIGTERM; each SIGHUP leaves a line in the data directory."""
    if os.environ.get("STUB_CONTROL") == "crash":
        return 3
    if os.environ.get("STUB_CONTROL") == "channel":
        asyncio.run(_channel(context))
        return 0
    seen = Path(context.paths.data_dir) / "control-saw"
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM})
    with seen.open("a") as file:
        file.write(f"start {os.getpid()}\n")
    while signal.sigwait({signal.SIGHUP, signal.SIGTERM}) == signal.SIGHUP:
        with seen.open("a") as file:
            file.write("SIGHUP\n")
    return 0
