"""The demo upstream as a process: listens on a unix socket (TCP for tests) until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import uvloop

from gateway.demo.connection import DemoConnection
from gateway.demo.routes import Demo

BACKLOG = 1024
"""Connections that may wait to be accepted: more than a burst of a laptop's clients."""


class DemoServer:
    """A listening demo upstream inside a running loop; ``close`` ends its connections too."""

    def __init__(self) -> None:
        self._demo = Demo()
        self._connections: set[DemoConnection] = set()
        self._server: asyncio.Server | None = None

    def _connection(self) -> DemoConnection:
        return DemoConnection(self._demo.handle, self._connections)

    async def listen_unix(self, path: str) -> None:
        """Listen on a unix socket only its owner can open. One of a process that is dead, or about to end, is replaced
        without a moment in which nobody listens."""
        provisional = f"{path}.{os.getpid()}"
        before = os.umask(0o177)
        try:
            self._server = await asyncio.get_running_loop().create_unix_server(
                self._connection, provisional, backlog=BACKLOG
            )
        finally:
            os.umask(before)
        os.rename(provisional, path)

    async def listen_tcp(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen on TCP; returns the port."""
        self._server = await asyncio.get_running_loop().create_server(self._connection, host, port, backlog=BACKLOG)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and abort what is open."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.abort()
        if self._server is not None:
            await self._server.wait_closed()


async def _serve(socket_path: str) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = DemoServer()
    await server.listen_unix(socket_path)
    own = os.stat(socket_path).st_ino
    try:
        await stop.wait()
    finally:
        await server.close()
        with contextlib.suppress(FileNotFoundError):
            # After an upgrade the path leads to a successor.
            if os.stat(socket_path).st_ino == own:
                os.unlink(socket_path)


def run(socket_path: str) -> int:
    """Serve on ``socket_path`` until SIGTERM or SIGINT; the exit code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(socket_path))
    return 0
