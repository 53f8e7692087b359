"""One worker's place as the supervisor sees it, over all processes that fill it one after another. No I/O in here."""

from __future__ import annotations

from gateway.processes.heartbeat import (
    DRAINING,
    FROZEN_AFTER_NS,
    SERVING,
    SILENT_AFTER_NS,
    START_WITHIN_NS,
    STARTING,
)

STABLE_AFTER_NS = 1_000_000_000
"""Who served this long is replaced at once: its death says nothing about its successor's chances."""

BACKOFF_FIRST_NS = 125_000_000
BACKOFF_MOST_NS = 30_000_000_000


GONE, COMING, SILENT, LIVE = range(4)
"""Standings. A silent worker is better than one still to come: on a starved machine all are silent at times, and
whoever is put into the queue of an empty slot waits for a start that may be 30 s away."""


def backoff_ns(failures: int) -> int:
    """How long to wait before the next start after ``failures`` starts in a row that came to nothing."""
    return 0 if failures <= 0 else min(BACKOFF_MOST_NS, BACKOFF_FIRST_NS << min(failures - 1, 16))


class Slot:
    """Times are nanoseconds of the supervisor's ``WatchClock``."""

    __slots__ = (
        "_last_beat",
        "failures",
        "heard_ns",
        "index",
        "pid",
        "place",
        "restart_at_ns",
        "serving_since_ns",
        "started_ns",
        "state",
    )

    def __init__(self, index: int, place: int | None = None) -> None:
        self.index = index
        self.place = index if place is None else place
        """Where in the arena its worker counts."""
        self.pid = 0
        """0: nobody is in it."""
        self.state = STARTING
        self.started_ns = 0
        self.heard_ns = 0
        """When the last new heartbeat was seen; 0: none yet."""
        self.serving_since_ns = 0
        """0: not yet."""
        self.failures = 0
        self.restart_at_ns = 0
        self._last_beat = 0

    def started(self, pid: int, last_beat: int, now_ns: int) -> None:
        """A process takes the slot; ``last_beat`` is what its predecessor left in the arena."""
        self.pid = pid
        self.state = STARTING
        self.started_ns = now_ns
        self.heard_ns = 0
        self.serving_since_ns = 0
        self._last_beat = last_beat

    def observe(self, status: tuple[int, int, int, int, int], now_ns: int) -> None:
        """Take in what the arena shows for this slot. The heartbeat is written last: a new one vouches for the rest."""
        _epoch, _pid, beat, state, _in_flight = status
        if not self.pid or beat == self._last_beat:
            return
        self._last_beat = beat
        self.heard_ns = now_ns
        self.state = state
        if state == SERVING and not self.serving_since_ns:
            self.serving_since_ns = now_ns

    def died(self, now_ns: int) -> None:
        """Empty the slot and decide when it is filled again."""
        served = now_ns - self.serving_since_ns if self.serving_since_ns else 0
        self.failures = 0 if served >= STABLE_AFTER_NS or self.state == DRAINING else self.failures + 1
        self.restart_at_ns = now_ns + backoff_ns(self.failures)
        self.pid = 0
        self.state = STARTING
        self.serving_since_ns = 0

    def silence_ns(self, now_ns: int) -> int:
        """How long nothing was heard of the process."""
        return now_ns - (self.heard_ns or self.started_ns)

    def standing(self, now_ns: int) -> int:
        """How fit it is for new connections: those of the best standing share them."""
        if not self.pid or self.state == DRAINING:
            return GONE
        if self.state != SERVING:
            return COMING
        return LIVE if self.silence_ns(now_ns) < SILENT_AFTER_NS else SILENT

    def overdue(self, now_ns: int) -> bool:
        """Whether it has to be killed: frozen, or never came up."""
        allowed_ns = FROZEN_AFTER_NS if self.heard_ns else START_WITHIN_NS
        return self.pid != 0 and self.silence_ns(now_ns) >= allowed_ns
