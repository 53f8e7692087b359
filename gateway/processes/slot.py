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


def backoff_ns(failures: int) -> int:
    """How long to wait before the next start after ``failures`` starts in a row that came to nothing."""
    return 0 if failures <= 0 else min(BACKOFF_MOST_NS, BACKOFF_FIRST_NS << min(failures - 1, 16))


class Slot:
    """Times are CLOCK_MONOTONIC nanoseconds."""

    __slots__ = (
        "beat_ns",
        "epoch",
        "failures",
        "index",
        "pid",
        "restart_at_ns",
        "serving_since_ns",
        "started_ns",
        "state",
    )

    def __init__(self, index: int) -> None:
        self.index = index
        self.pid = 0
        """0: nobody is in it."""
        self.epoch = 0
        """The arena's epoch before this process took the slot."""
        self.state = STARTING
        self.started_ns = 0
        self.beat_ns = 0
        self.serving_since_ns = 0
        """0: not yet."""
        self.failures = 0
        self.restart_at_ns = 0

    def started(self, pid: int, epoch: int, now_ns: int) -> None:
        self.pid = pid
        self.epoch = epoch
        self.state = STARTING
        self.started_ns = now_ns
        self.beat_ns = 0
        self.serving_since_ns = 0

    def observe(self, status: tuple[int, int, int, int, int], now_ns: int) -> None:
        """Take in what the arena shows for this slot; what a predecessor left there is not believed."""
        epoch, _pid, beat_ns, state, _in_flight = status
        if not self.pid or epoch == self.epoch or beat_ns < self.started_ns:
            return
        self.beat_ns = beat_ns
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

    def live(self, now_ns: int, awake_since_ns: int) -> bool:
        """Whether it should get new connections. ``awake_since_ns``: before that the supervisor itself slept (a stopped
        machine), so silence is counted from then on."""
        return self.pid != 0 and self.state == SERVING and now_ns - max(self.beat_ns, awake_since_ns) < SILENT_AFTER_NS

    def overdue(self, now_ns: int, awake_since_ns: int) -> bool:
        """Whether it has to be killed: frozen, or never came up."""
        if not self.pid:
            return False
        if self.beat_ns:
            return now_ns - max(self.beat_ns, awake_since_ns) >= FROZEN_AFTER_NS
        return now_ns - max(self.started_ns, awake_since_ns) >= START_WITHIN_NS
