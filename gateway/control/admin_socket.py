"""The unix socket through which workers and commands reach the admin API.

It listens from the process' first moment and is served from its first caller on: what serves it takes half a second
of the processor to import and 27 MB to hold, which a gateway that nobody scrapes or administers need not have.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator

BACKLOG = 128


@contextlib.contextmanager
def listening(path: str) -> Iterator[socket.socket]:
    """A socket bound with mode 0600; one that a dead predecessor left is replaced, and the path removed at the end."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        previous = os.umask(0o177)
        try:
            sock.bind(path)
        finally:
            os.umask(previous)
        sock.listen(BACKLOG)
        sock.setblocking(False)
        yield sock
    finally:
        sock.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


@contextlib.contextmanager
def telling(sock: socket.socket, called: asyncio.Event) -> Iterator[None]:
    """``called`` is set when somebody waits at ``sock``, who stays there."""
    loop = asyncio.get_running_loop()

    def somebody() -> None:
        called.set()
        loop.remove_reader(sock)

    loop.add_reader(sock, somebody)
    try:
        yield
    finally:
        loop.remove_reader(sock)
