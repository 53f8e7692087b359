"""How many further attempts may be made: retries must not multiply the load of a provider that is in trouble.

Further attempts at a deployment whose last answer was good are always made, and counted. Others draw on the budget: a
share of the first attempts over about ten seconds (ten in any case, for where little is asked), and no more of them
under way than that share of all requests, or three (B5; the retry budgets of Finagle and Envoy).
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
        self.first = 0.0
        self.further = 0.0
        self.faded_ns = 0

    def fade(self, now_ns: int) -> None:
        age = now_ns - self.faded_ns
        if age < FADE_NS:
            return
        factor = math.exp(-age / MEMORY_NS)
        self.first *= factor
        self.further *= factor
        self.faded_ns = now_ns

    def asked(self, now_ns: int) -> None:
        """A request makes its first attempt."""
        self.fade(now_ns)
        self.first += 1.0

    def allows(self, share: float, under_way: int, further_under_way: int, now_ns: int) -> bool:
        """Whether one more attempt may be made at a deployment in trouble: ``under_way`` requests, of which
        ``further_under_way`` are at a further attempt."""
        self.fade(now_ns)
        bound = share * self.first
        if self.further >= (bound if bound > FEWEST or share == 0.0 else FEWEST):
            return False
        most = share * under_way
        return further_under_way < (most if most > FEWEST_UNDER_WAY else FEWEST_UNDER_WAY)

    def spend(self) -> None:
        """A further attempt is made, wherever."""
        self.further += 1.0
