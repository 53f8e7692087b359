"""Records on their way to whoever tells of them elsewhere: lines of the access log, spans.

The ingest thread puts, one other thread takes. Whoever is too slow loses records, counted, and holds up nobody: log,
ledger and counters have them all the same.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from gateway.control.trail import WIDTH, Values

MOST_RECORDS = 20_000
"""Some 30 MiB, and several seconds of a busy gateway."""


class Tap(Protocol):
    """Whoever is told of records."""

    @property
    def sums(self) -> bool:
        """It adds up, so it is told of all; one that tells of each misses those of which nothing is to be kept."""

    def put(self, values: Values) -> None:
        """Of one record or of several; on the ingest thread, which waits for it."""


class RecordTap:
    """A bounded queue of the values of records, as ``RingReader.read`` gives them: nobody changes them."""

    def __init__(self, most: int = MOST_RECORDS, *, sums: bool = False) -> None:
        self.sums = sums
        self._most = most
        self._pieces: deque[Values] = deque()
        self._waiting = 0
        self._lock = threading.Lock()
        self._there = threading.Event()
        self.dropped = 0

    def put(self, values: Values) -> None:
        """Of one record or of several; never waits for the taker."""
        count = len(values) // WIDTH
        with self._lock:
            if self._waiting + count > self._most:
                self.dropped += count
                return
            self._pieces.append(values)
            self._waiting += count
        self._there.set()

    def take(self, wait_s: float) -> list[Values]:
        """What has come, after ``wait_s`` at the latest; the ingest thread's pieces, oldest first."""
        self._there.wait(wait_s)
        with self._lock:
            self._there.clear()
            taken = list(self._pieces)
            self._pieces.clear()
            self._waiting = 0
        return taken

    def wake(self) -> None:
        """Let ``take`` return."""
        self._there.set()


def tell(taps: Iterable[Tap], values: Values, told: Values) -> None:
    """Put records to those who want them; ``told``: those of the records that may be told of one by one."""
    for tap in taps:
        if wanted := values if tap.sums else told:
            tap.put(wanted)
