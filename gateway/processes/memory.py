"""When a worker gives memory back: once little runs, and every half minute what a burst has left.

Automatic collection is off in workers: with thousands of exchanges in flight a full collection stalls all of them. What
the garbage collector would find is waited for until nothing runs; where something always does, for a minute.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

from gateway.processes.kernel import own_memory, trim_memory

CALM_SHARE = 10
"""Calm is a load below a tenth of its recent peak,"""

CALM_FOR_S = 10.0
"""for this long: a burst that is only pausing would have to allocate everything anew."""

WORTHWHILE_PEAK = 64
"""Below this many exchanges or connections there is nothing worth trimming."""

GARBAGE_WORTH_COLLECTING = 20_000
"""Containers allocated and not freed since the last collection; collected when nothing runs at all,"""

LONGEST_WAIT_S = 60.0
"""or after this long: under a load that never pauses it would grow without end. With 4,000 connections a collection
takes 5 ms."""

TRIM_EVERY_S = 30.0
"""Under load. What is freed below something that lives on stays with the process: each burst that was larger than those
before it left it larger for good."""

GROWN_BYTES = 1 << 20
"""Since the last trim; less is not worth the time: giving back 2 to 9 MiB takes 1.5 ms, nothing 0.1 ms."""


def _forget_names() -> None:
    """Empty the interpreter's cache of attribute look-ups. It keeps alive every name that was asked for, and asyncio
    makes a new "result" for each connect that was awaited: a burst leaves thousands strewn over megabytes that could
    be given back."""
    if sys.version_info < (3, 13):
        sys._clear_type_cache()


def _garbage() -> int:
    return gc.get_count()[0]


class Memory:
    """Watches the load at every heartbeat. Times in seconds (monotonic)."""

    def __init__(
        self,
        collect: Callable[[], int] = gc.collect,
        trim: Callable[[], bool] = trim_memory,
        garbage: Callable[[], int] = _garbage,
        own: Callable[[], int] = own_memory,
    ) -> None:
        self._collect = collect
        self._trim = trim
        self._garbage = garbage
        self._own = own
        self._left = 0
        """Memory that the last trim left."""
        self._trim_at: float | None = None
        self._peaks = [0, 0]
        self._calm_since: list[float | None] = [None, None]
        self._stale = False
        self._waits_since: float | None = None
        """When something worth collecting was seen first."""
        self.collections = 0

    @property
    def garbage(self) -> int:
        """Containers allocated and not freed since the last collection."""
        return self._garbage()

    def swapped(self) -> None:
        """A snapshot was replaced: the old one's objects refer to each other and wait for a collection."""
        self._stale = True

    def observe(self, in_flight: int, connections: int, now: float) -> bool:
        """Note the load; True when memory was given back because of it."""
        eased = False
        for i, load in enumerate((in_flight, connections)):
            peak = self._peaks[i] = max(self._peaks[i], load)
            if peak < WORTHWHILE_PEAK or load * CALM_SHARE >= peak:
                self._calm_since[i] = None
                continue
            since = self._calm_since[i]
            if since is None:
                self._calm_since[i] = now
            elif now - since >= CALM_FOR_S:
                self._peaks[i] = load
                self._calm_since[i] = None
                eased = True
        if eased:
            _forget_names()
            self._collect_now()
            self._trim_now(now)
        elif self._stale or self._garbage() >= GARBAGE_WORTH_COLLECTING:
            if self._waits_since is None:
                self._waits_since = now
            if in_flight == 0 or now - self._waits_since >= LONGEST_WAIT_S:
                self._collect_now()
        if self._trim_at is None:
            self._trim_at = now + TRIM_EVERY_S
        elif now >= self._trim_at:
            self._trim_at = now + TRIM_EVERY_S
            if self._own() - self._left >= GROWN_BYTES:
                self._trim_now(now)
        return eased

    def _trim_now(self, now: float) -> None:
        self._trim()
        self._trim_at = now + TRIM_EVERY_S
        self._left = self._own()

    def _collect_now(self) -> None:
        self._collect()
        self._stale = False
        self._waits_since = None
        self.collections += 1
