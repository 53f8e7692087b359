"""How long the loop takes to come to what is ready: what a request that arrives now would wait."""

from __future__ import annotations

import asyncio
import os

from _speedups._bytes import monotonic_ns


class Probe:
    """An eventfd that is rung now and then. A timer is not enough: it is looked at in every turn of the loop, while a
    turn takes up a thousand of the ready sockets at most, and the rest wait for as many turns as it takes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._rung_ns = 0
        self._worst_ns = 0
        loop.add_reader(self._fd, self._heard)

    def look(self) -> int:
        """The greatest delay since the last look, in nanoseconds, and another ring."""
        now_ns = monotonic_ns()
        if self._rung_ns:
            # Still not heard.
            return max(self._worst_ns, now_ns - self._rung_ns)
        worst_ns, self._worst_ns = self._worst_ns, 0
        self._rung_ns = now_ns
        os.eventfd_write(self._fd, 1)
        return worst_ns

    def _heard(self) -> None:
        os.eventfd_read(self._fd)
        self._worst_ns = max(self._worst_ns, monotonic_ns() - self._rung_ns)
        self._rung_ns = 0

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
