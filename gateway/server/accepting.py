"""New connections, all that wait in one turn of the loop.

libuv takes one connection from a listening socket in a turn. A worker under load makes few turns a second, each long: a
caller, or a health check, that comes with a connection of its own would wait for seconds while those who have one are
served. So whenever one was taken, the others that wait are taken behind it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
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
        self._scheduled = False
        self._tasks: set[asyncio.Task[Any]] = set()
        for sock in sockets:
            sock.setblocking(False)

    def taken(self) -> None:
        """A connection was accepted: look for more behind what runs now."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._take)

    def _take(self) -> None:
        self._scheduled = False
        for sock in self._sockets:
            for _ in range(TAKEN_A_TURN):
                try:
                    connection, _ = sock.accept()
                except OSError:
                    # None left; or no descriptor, of which the server itself will be told.
                    break
                task = self._loop.create_task(self._begin(connection))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _begin(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, connection, ssl=self._context)
        except OSError:
            # It was gone before it was served, or its TLS handshake failed.
            connection.close()

    def close(self) -> None:
        """Take no more."""
        self._sockets = []
