"""Signals as bytes on a pipe: handlers do nothing, the main loop reads what arrived. No event loop needed."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Set as AbstractSet
from types import FrameType


def _noted(number: int, frame: FrameType | None) -> None:
    """set_wakeup_fd has written the number already."""


class SignalPipe:
    """Collects the signals it is made for until ``close``."""

    def __init__(self, numbers: tuple[signal.Signals, ...]) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._seen: set[int] = set()
        self._poll = select.poll()
        self._poll.register(self._read, select.POLLIN)
        # A full pipe means that hundreds wait already: nothing is lost by dropping one more.
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, _noted)

    def wait(self, seconds: float) -> set[int]:
        """Numbers of the signals that arrived, at once when some have, else after at most ``seconds``."""
        if not self._seen:
            self._poll.poll(max(0.0, seconds) * 1000)
        self._take()
        arrived, self._seen = self._seen, set()
        return arrived

    def has(self, numbers: AbstractSet[int]) -> bool:
        """Whether one of these has arrived; ``wait`` returns it nonetheless."""
        self._take()
        return not self._seen.isdisjoint(numbers)

    def _take(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._seen.update(os.read(self._read, 4096))

    def close(self) -> None:
        """Close both ends. A second call does nothing."""
        if self._read < 0:
            return
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)
        self._read = self._write = -1
