"""What a threshold would have done: hits and wrong hits by cosine, with and without the guard.

Filled wherever an answer is known to be the same or not: explored and audited look-ups, shadow mode with a comparison.
The reports read the whole curve from it and need no second run of the traffic.
"""

from __future__ import annotations

import struct
import sys
from array import array
from typing import NamedTuple

BINS = 101
"""Cosines 0.00 to 1.00, rounded down; below 0 counts as 0."""
VERSION = 1
HEAD = struct.Struct("<BQ")
ROWS = 4
"""Counters of a bin: (the guard agreed) * 2 + (the answer was the same)."""


class Point(NamedTuple):
    """If every candidate from this cosine on were served."""

    threshold: float
    plain_hits: int
    plain_wrong: int
    hits: int
    """Of those, the ones that the guard lets through; so ``wrong``."""
    wrong: int


class ThresholdCurve:
    """Counters; one for each embedder, since cosines of different ones do not compare."""

    __slots__ = ("_counts", "lookups")

    def __init__(self) -> None:
        self.lookups = 0
        """All whose outcome is known, those without a candidate included."""
        self._counts = array("Q", bytes(8 * ROWS * BINS))

    def add(self, similarity: float, agrees: bool, same: bool) -> None:
        """A look-up whose nearest candidate was this similar."""
        self.lookups += 1
        # Compared this way round, what is no number counts as 0.
        kind = int(min(similarity, 1.0) * 100 + 1e-6) if similarity > 0.0 else 0
        self._counts[kind * ROWS + agrees * 2 + same] += 1

    def add_without_candidate(self) -> None:
        self.lookups += 1

    def merge(self, other: ThresholdCurve) -> None:
        self.lookups += other.lookups
        for place, count in enumerate(other._counts):
            self._counts[place] += count

    def points(self) -> list[Point]:
        """By threshold, lowest first; BINS of them. Hits never rise with the threshold."""
        found: list[Point] = []
        plain_hits = plain_wrong = hits = wrong = 0
        for kind in range(BINS - 1, -1, -1):
            refused_wrong, refused_same, wrongly, rightly = self._counts[kind * ROWS : kind * ROWS + ROWS]
            plain_hits += refused_wrong + refused_same + wrongly + rightly
            plain_wrong += refused_wrong + wrongly
            hits += wrongly + rightly
            wrong += wrongly
            found.append(Point(kind / 100, plain_hits, plain_wrong, hits, wrong))
        return found[::-1]

    def to_bytes(self) -> bytes:
        counts = self._counts[:]
        if sys.byteorder == "big":
            counts.byteswap()
        return HEAD.pack(VERSION, self.lookups) + counts.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> ThresholdCurve:
        """Raises ValueError for what ``to_bytes`` has not written."""
        if len(data) != HEAD.size + 8 * ROWS * BINS or data[0] != VERSION:
            raise ValueError("no threshold curve, or one of another version")
        curve = cls()
        curve.lookups = HEAD.unpack_from(data)[1]
        curve._counts = array("Q")
        curve._counts.frombytes(data[HEAD.size :])
        if sys.byteorder == "big":
            curve._counts.byteswap()
        return curve
