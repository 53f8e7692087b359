"""A single helper process of the supervisor (control, demo): restarted with growing pauses when it ends."""

from __future__ import annotations

import socket

from gateway.processes.slot import backoff_ns

STABLE_AFTER_NS = 10_000_000_000
"""Who ran this long starts again at once: control takes a second or two to come up."""


class Service:
    """Times are nanoseconds of the supervisor's ``WatchClock``."""

    __slots__ = ("failures", "name", "pid", "restart_at_ns", "started_ns")

    def __init__(self, name: str) -> None:
        self.name = name
        self.pid = 0
        """0: not running."""
        self.started_ns = 0
        self.failures = 0
        self.restart_at_ns = 0

    def started(self, pid: int, now_ns: int) -> None:
        self.pid = pid
        self.started_ns = now_ns

    def died(self, now_ns: int) -> None:
        self.failures = 0 if now_ns - self.started_ns >= STABLE_AFTER_NS else self.failures + 1
        self.restart_at_ns = now_ns + backoff_ns(self.failures)
        self.pid = 0


def answers(path: str) -> bool:
    """Whether a service takes connections on this unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0
