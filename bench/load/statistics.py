"""Medians and bootstrap intervals of a handful of rounds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import median

RESAMPLES = 4_000
"""Enough for two stable digits of a 95 % interval."""


def interval(values: Sequence[float], *, seed: int = 1) -> tuple[float, float]:
    """Bootstrap 95 % interval of the median (percentile method); a single value is its own interval."""
    if len(values) < 2:
        only = values[0] if values else 0.0
        return only, only
    draw = random.Random(seed)
    medians = sorted(median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975)]


def summary(values: Sequence[float], digits: int = 3) -> dict[str, object]:
    """``median``, ``low`` and ``high`` of the interval, and the ``rounds`` themselves."""
    low, high = interval(values)
    return {
        "median": round(median(values), digits) if values else None,
        "low": round(low, digits),
        "high": round(high, digits),
        "rounds": [round(value, digits) for value in values],
    }
