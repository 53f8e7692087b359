"""A high quantile of times that change: how long most first tokens take, at present."""

from __future__ import annotations

import math

STEPS = 16
"""Buckets for each doubling: a value is known to within 2.2 %."""
BUCKETS = STEPS * 36
"""From 1 us to 19 hours."""
HALVED_AFTER = 2000
"""Samples after which all counts are halved, so that the last few thousand decide."""
FEWEST = 100
REFRESHED_AFTER = 32
NS_PER_US = 1000


class Quantile:
    """The value that ``share`` of the recent samples do not exceed, from a logarithmic histogram that forgets."""

    def __init__(self, share: float) -> None:
        if not 0.0 < share < 1.0:
            raise ValueError(f"a quantile lies between 0 and 1, got {share}")
        self.share = share
        self.counts = [0.0] * BUCKETS
        self.total = 0.0
        self.samples = 0
        self.known_ns = 0

    def add(self, value_ns: int) -> None:
        self.counts[bucket_of(value_ns)] += 1.0
        self.total += 1.0
        self.samples += 1
        if self.samples % HALVED_AFTER == 0:
            self.counts = [count / 2 for count in self.counts]
            self.total /= 2
        if self.samples >= FEWEST and self.samples % REFRESHED_AFTER == 0:
            self.known_ns = self.look_up()

    def value_ns(self) -> int:
        """Upper bound of its bucket; 0 until there are 100 samples."""
        if self.known_ns == 0 and self.samples >= FEWEST:
            self.known_ns = self.look_up()
        return self.known_ns

    def look_up(self) -> int:
        left = self.share * self.total
        for index, count in enumerate(self.counts):
            left -= count
            if left <= 0.0 and count:
                return int(2.0 ** ((index + 1) / STEPS) * NS_PER_US)
        return 0

    def share_above(self, value_ns: int) -> float:
        """Of the recent samples, those in buckets above that of ``value_ns``; 0 until there are 100."""
        if self.samples < FEWEST:
            return 0.0
        return sum(self.counts[bucket_of(value_ns) + 1 :]) / self.total


def bucket_of(value_ns: int) -> int:
    us = max(value_ns / NS_PER_US, 1.0)
    return min(int(math.log2(us) * STEPS), BUCKETS - 1)
