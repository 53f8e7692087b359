"""The clock by which the supervisor judges others: it does not run while the supervisor itself is kept from looking."""

from __future__ import annotations

import time
from collections.abc import Callable


class WatchClock:
    """Nanoseconds of CLOCK_MONOTONIC, in steps of at most ``longest_step_ns``.

    On a machine that was suspended, or is so busy that the supervisor comes late, the workers were kept from beating as
    well: such a gap says nothing about them, and must not end in all of them being killed at once.
    """

    def __init__(self, longest_step_ns: int, read: Callable[[], int] = time.monotonic_ns) -> None:
        self._longest_step_ns = longest_step_ns
        self._read = read
        self._looked_ns = read()
        self._now_ns = self._looked_ns

    def now_ns(self) -> int:
        """The time now; each call is a look."""
        looked_ns = self._read()
        self._now_ns += min(looked_ns - self._looked_ns, self._longest_step_ns)
        self._looked_ns = looked_ns
        return self._now_ns
