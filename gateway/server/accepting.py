"""New connections, all that wait in one turn of the loop.

libuv takes one connection from a listening socket in a turn. A worker under load makes few turns a second, each long: a
caller, or a health check, that comes with a connection of its own would wait for seconds while those who have one are
served. So whenever one was taken, the others that wait are taken with it, and begun in the same turn.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

TAKEN_A_TURN = 32
"""Of each socket. What takes longer to accept than this keeps the others waiting in its turn."""


class Accepting:
    """Beside the servers of one worker. ``taken`` is to be told of each connection that they make."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: list[socket.socket],
        make: Callable[[], Any],
        context: ssl.SSLContext | None,
    ) -> None:
        self._loop = loop
        self._sockets = sockets
        self._make = make
        self._context = context
        self._looked = False
        """In this turn of the loop."""
        for sock in sockets:
            sock.setblocking(False)

    def taken(self) -> None:
        """A connection was accepted: take those that wait behind it, once a turn."""
        if self._looked:
            return
        self._looked = True
        self._loop.call_soon(self._next_turn)
        for sock in self._sockets:
            for _ in range(TAKEN_A_TURN):
                try:
                    connection, _ = sock.accept()
                except OSError:
                    # None left; or no descriptor, of which the server itself will be told.
                    break
                Begun(self._begin(connection)).step()

    def _next_turn(self) -> None:
        self._looked = False

    async def _begin(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, connection, ssl=self._context)
        except OSError:
            # It was gone before it was served, or its TLS handshake failed.
            connection.close()

    def close(self) -> None:
        """Take no more."""
        self._sockets = []


class Begun:
    """A coroutine whose first step is taken at once. A task's is taken a turn of the loop later."""

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine

    def step(self, _: object = None) -> None:
        """Go on to the next future that it waits for. Raises what the coroutine raises."""
        try:
            future = self._coroutine.send(None)
        except StopIteration:
            return
        # As a task does it (asyncio.Task): what is awaited is told that somebody waits.
        future._asyncio_future_blocking = False
        future.add_done_callback(self.step)
