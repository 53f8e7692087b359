"""Keeps calls from a server that does not answer: a cache that is waited for is worse than none."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from gateway.stores.protocols import StoreUnavailable

log = logging.getLogger("microgate.cache")

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0


class Breaker:
    """Opens with a failure; then one call a pause is let through. Pauses grow, and are never the same twice, so that
    many gateways do not come back at once. For any thread."""

    def __init__(self, what: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``what`` begins log lines and errors."""
        self.problem = ""
        """Of the last call; empty when it was answered."""
        self._what = what
        self._clock = clock
        self._lock = threading.Lock()
        self._pause_s = 0.0
        self._not_before = 0.0
        self._trying = False

    def admit(self) -> None:
        """Raises StoreUnavailable, with the last problem, unless a call may be tried."""
        if not self._pause_s:
            return
        with self._lock:
            now = self._clock()
            if self._pause_s and now < self._not_before:
                raise StoreUnavailable(f"{self._what}: {self.problem}")
            # Whoever comes while this call is tried does not wait with it.
            self._not_before, self._trying = now + self._pause_s, True

    def worked(self) -> None:
        if not self._pause_s:
            return
        with self._lock:
            self._pause_s, self._trying, self.problem = 0.0, False, ""
        log.warning("%s: answers again", self._what)

    def failed(self, problem: str) -> None:
        with self._lock:
            news, self.problem = problem != self.problem, problem
            # Several calls may have been under way when the server went: that is one failure.
            if not self._pause_s or self._trying:
                self._pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * self._pause_s))
                self._not_before = self._clock() + self._pause_s * random.uniform(0.5, 1.0)
            self._trying = False
        if news:
            log.error("%s: %s", self._what, problem)
