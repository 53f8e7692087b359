"""uvicorn over a socket that listens, with nothing of its own: no signals, no logs, no start-up protocol."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Literal

import uvicorn

SHUTDOWN_S = 3
"""For requests in progress when the process is told to end; the supervisor waits 10 s for all of it."""


class AdminServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Stop serving; ``serve`` returns when what runs is done with."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        """uvicorn's own wakes ten times a second, for its date header and its limits of requests."""
        await self.on_tick(0)
        await self._ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the control process's own business."""
        yield


def server_config(app: Any, *, lifespan: Literal["on", "off"] = "on", **options: Any) -> uvicorn.Config:
    """uvicorn as this process uses it, and ``options``."""
    return uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        server_header=False,
        # Whose word about callers counts is server.trusted_proxies', not an environment variable's.
        proxy_headers=False,
        date_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        **options,
    )


async def serve(app: Any, sock: socket.socket, stop: asyncio.Event) -> None:
    """Answer on ``sock``, which listens, until ``stop`` is set."""
    server = AdminServer(server_config(app))
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([serving, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        server.end()
        await serving
