"""How many further attempts may be made: retries must not multiply the load of a provider that is in trouble.

Further attempts at a deployment whose last answer was good are always made, and counted. Others draw on what first
attempts put aside: a share of them, at most that of the last ten seconds or so (ten in any case, and so many to begin
with), so that whatever the rate, requests that all fail make no more calls than that share, and ten. No more of them
may be under way than that share of all requests, or three (B5; the retry budgets of Finagle and Envoy).
"""

from __future__ import annotations

import math

MEMORY_NS = 10_000_000_000
FADE_NS = 100_000_000
FEWEST = 10.0
FEWEST_UNDER_WAY = 3


class RetryBudget:
    """Of one worker. Times are CLOCK_MONOTONIC nanoseconds."""

    def __init__(self) -> None:
        self.recent = 0.0
        """First attempts of the last ten seconds or so."""
        self.new = 0.0
        """First attempts whose share has not been put aside."""
        self.saved = FEWEST
        self.faded_ns = 0

    def fade(self, now_ns: int) -> None:
        age = now_ns - self.faded_ns
        if age < FADE_NS:
            return
        self.recent *= math.exp(-age / MEMORY_NS)
        self.faded_ns = now_ns

    def asked(self, now_ns: int) -> None:
        """A request makes its first attempt."""
        self.fade(now_ns)
        self.recent += 1.0
        self.new += 1.0

    def allows(self, share: float, under_way: int, further_under_way: int, now_ns: int) -> bool:
        """Whether one more attempt may be made at a deployment in trouble: ``under_way`` requests, of which
        ``further_under_way`` are at a further attempt."""
        if share == 0.0:
            return False
        self.fade(now_ns)
        most = share * self.recent
        saved = self.saved + share * self.new
        self.new = 0.0
        self.saved = min(saved, most if most > FEWEST else FEWEST)
        if self.saved < 1.0:
            return False
        most = share * under_way
        return further_under_way < (most if most > FEWEST_UNDER_WAY else FEWEST_UNDER_WAY)

    def spend(self) -> None:
        """A further attempt is made, wherever."""
        self.saved = self.saved - 1.0 if self.saved > 1.0 else 0.0
