"""Running out of file descriptors without spinning: one is kept in reserve to turn callers away with.

libuv, and so uvloop, has its own reserve. asyncio's selector loop retries accept() as often as the backlog is long,
logs each failure and then pauses for a second, while callers wait.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

LOG_EVERY_S = 10.0

log = logging.getLogger("microgate.worker")


class FileReserve:
    """Refuses waiting connections of ``sockets`` at once when accept() fails for want of descriptors."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._sockets = list(sockets)
        self._reserve = _spare()
        self._logged_at = -LOG_EVERY_S
        self.refused = 0

    def handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Exception handler of the loop: asyncio reports failed accept() calls there."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
            return
        if time.monotonic() - self._logged_at >= LOG_EVERY_S:
            self._logged_at = time.monotonic()
            log.warning("out of file descriptors: new connections are refused")
        for sock in self._sockets:
            self._turn_away(sock)

    def _turn_away(self, sock: socket.socket) -> None:
        # One descriptor is enough for any number of callers, one after another.
        if self._reserve >= 0:
            os.close(self._reserve)
            self._reserve = -1
        try:
            while True:
                caller, _ = sock.accept()
                caller.close()
                self.refused += 1
        except OSError:
            # Nobody waits any more, or somebody else took the descriptor: the next failure tries again.
            pass
        finally:
            self._reserve = _spare()

    def close(self) -> None:
        if self._reserve >= 0:
            os.close(self._reserve)
            self._reserve = -1


def _spare() -> int:
    try:
        return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
