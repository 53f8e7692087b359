"""Counts of durations with a bounded relative error, cheap enough for every request."""

from __future__ import annotations

from collections.abc import Iterable

SUB_BITS = 7
"""128 buckets per power of two: a value is known to 1/128, 0.8 %, better than two runs on one machine agree."""

_SUB = 1 << SUB_BITS
MAX_VALUE = (1 << 40) - 1
"""Twelve days in microseconds; anything above is counted here."""

_SIZE = ((40 - SUB_BITS) << SUB_BITS) + _SUB


class Histogram:
    """Log-linear buckets over non-negative integers (microseconds throughout this package)."""

    __slots__ = ("_counts", "count", "highest", "lowest", "total")

    def __init__(self) -> None:
        self._counts = [0] * _SIZE
        self.count = 0
        self.total = 0
        self.lowest = MAX_VALUE
        self.highest = 0

    def record(self, value: int) -> None:
        """Count one value; negative ones count as 0."""
        if value < 2 * _SUB:
            value = max(value, 0)
            index = value
        else:
            value = min(value, MAX_VALUE)
            shift = value.bit_length() - SUB_BITS - 1
            index = (shift << SUB_BITS) + (value >> shift)
        self._counts[index] += 1
        self.count += 1
        self.total += value
        self.lowest = min(self.lowest, value)
        self.highest = max(self.highest, value)

    @staticmethod
    def _middle(index: int) -> float:
        """The value a bucket stands for: the middle of what falls into it."""
        if index < 2 * _SUB:
            return float(index)
        shift = (index >> SUB_BITS) - 1
        low = (index - (shift << SUB_BITS)) << shift
        return low + ((1 << shift) - 1) / 2

    def percentile(self, percent: float) -> float:
        """The smallest value (as its bucket knows it) that ``percent`` of all values do not exceed; 0 if empty."""
        if not self.count:
            return 0.0
        wanted = max(1, -int(-self.count * percent // 100))
        seen = 0
        for index, number in enumerate(self._counts):
            seen += number
            if seen >= wanted:
                return min(max(self._middle(index), float(self.lowest)), float(self.highest))
        raise AssertionError("count is the sum of all buckets")

    def merge(self, other: Histogram) -> None:
        """Add another histogram's values to this one."""
        self._counts = [mine + theirs for mine, theirs in zip(self._counts, other._counts, strict=True)]
        self.count += other.count
        self.total += other.total
        self.lowest = min(self.lowest, other.lowest)
        self.highest = max(self.highest, other.highest)

    def summary(self, percents: Iterable[float] = (50, 90, 99, 99.9)) -> dict[str, float]:
        """``count``, ``mean``, ``min``, ``max``, percentiles as ``p50``, ``p99.9``...; ``{"count": 0}`` if empty."""
        if not self.count:
            return {"count": 0}
        figures: dict[str, float] = {
            "count": self.count,
            "mean": round(self.total / self.count, 1),
            "min": self.lowest,
            "max": self.highest,
        }
        figures.update({f"p{percent:g}": round(self.percentile(percent), 1) for percent in percents})
        return figures
