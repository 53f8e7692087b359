"""How often answers that were served were wrong, as measured on a sample of them."""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

RECORD = struct.Struct("<BQQQQ")
VERSION = 1


def clopper_pearson_upper(wrong: int, of: int, confidence: float = 0.95) -> float:
    """One-sided upper limit of a rate of which ``wrong`` of ``of`` were seen (Clopper and Pearson 1934): the largest
    rate at which so few, or fewer, still come with a chance of ``1 - confidence``. 1 when none was looked at."""
    if of <= 0 or wrong >= of:
        return 1.0
    doubt = 1.0 - confidence
    low, high = wrong / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(wrong, of, middle) > doubt:
            low = middle
        else:
            high = middle
    return high


def _at_most(count: int, of: int, rate: float) -> float:
    """Chance of at most ``count`` of ``of``, by the terms' logarithms."""
    if rate >= 1.0:
        return 0.0
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    ways = math.lgamma(of + 1)
    terms = (
        math.exp(ways - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * log_rate + (of - k) * log_rest)
        for k in range(count + 1)
    )
    return min(1.0, math.fsum(terms))


class Audit(NamedTuple):
    """Counters; added up over workers and time. ``audited`` are drawn from would-be hits without regard to what they
    are, so the share of ``wrong`` among them is that of all hits."""

    lookups: int = 0
    hits: int = 0
    """Would-be hits: those served, and those asked afresh for the sample."""
    audited: int = 0
    wrong: int = 0

    def __add__(self, other: object) -> Audit:
        if not isinstance(other, Audit):
            return NotImplemented
        return Audit(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def wrong_per_hit(self) -> float:
        return self.wrong / self.audited if self.audited else 0.0

    def wrong_per_hit_upper(self, confidence: float = 0.95) -> float:
        return clopper_pearson_upper(self.wrong, self.audited, confidence)

    def wrong_per_lookup_upper(self, confidence: float = 0.95) -> float:
        """The rate that verified mode bounds."""
        return self.wrong_per_hit_upper(confidence) * self.hits / self.lookups if self.lookups else 1.0

    def to_bytes(self) -> bytes:
        return RECORD.pack(VERSION, *self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Audit:
        """Raises ValueError."""
        if len(data) != RECORD.size or data[0] != VERSION:
            raise ValueError("no counters of an audit")
        return cls(*RECORD.unpack(data)[1:])


def audited(draw: float, share: float) -> bool:
    """Whether a would-be hit is asked afresh; ``draw`` is uniform in [0, 1)."""
    return draw < share
