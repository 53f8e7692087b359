"""How the chance of the same answer rises with similarity: logistic curves on a fixed grid.

An entry's chance that a question at cosine ``s`` has its answer is taken as ``sigma(gamma * (s - t))`` (vCache,
arXiv 2502.03771): ``t`` is where right and wrong are equally likely, ``gamma`` how sharp the border is. Likelihoods
are computed on a grid of both, so a fit is a maximum, a confidence band a comparison, and a mean a sum; nothing can
fail to converge, whatever was observed (separable data have no maximum off a grid).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from operator import add, mul
from typing import NamedTuple

MIDDLES = tuple(round(0.20 + 0.03 * number, 2) for number in range(31))
"""``t``: 0.20 to 1.10. Above 1 even the same text would be in doubt."""
SLOPES = (10.0, 25.0, 60.0, 150.0)
"""``gamma``: from a border that is 0.2 wide to one that is 0.01 wide."""
CELLS = len(MIDDLES) * len(SLOPES) + 1
"""Every pair of them, slopes innermost, and last the curve that is low everywhere: an entry that answers nobody else,
such as one about today's weather."""
NOISE = 0.005
"""Of any curve's both ends: judges err, and no single observation may exclude a curve for ever."""

FIRST_KNOT = 30
KNOTS = 71
"""Curves are kept as their values at cosines 0.30, 0.31 ... 1.00."""
STEPS = 500
"""Similarities are told apart to 1 / STEPS."""

DOUBTS = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
"""Chances that the true curve lies outside the band; the best of them is used at each similarity."""


class Observation(NamedTuple):
    similarity: float
    same: bool


def sigmoid(x: float) -> float:
    """Without overflow at either end."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    grown = math.exp(x)
    return grown / (1.0 + grown)


def step_of(similarity: float) -> int:
    """Rounded down; what is no similarity is none."""
    return int(min(max(similarity, 0.0), 1.0) * STEPS + 1e-9) if math.isfinite(similarity) else 0


def knot_step(knot: int) -> int:
    return (FIRST_KNOT + knot) * STEPS // 100


@lru_cache(maxsize=STEPS + 1)
def chances(step: int) -> tuple[float, ...]:
    """Of the same answer at this similarity, by each cell."""
    s = step / STEPS
    inner = 1.0 - 2.0 * NOISE
    found = [NOISE + inner * sigmoid(slope * (s - middle)) for middle in MIDDLES for slope in SLOPES]
    return (*found, NOISE)


@lru_cache(maxsize=2 * (STEPS + 1))
def _log_chances(step: int, same: bool) -> tuple[float, ...]:
    return tuple(math.log(p if same else 1.0 - p) for p in chances(step))


def log_likelihood(observations: Sequence[Observation]) -> list[float]:
    """By cell."""
    total = [0.0] * CELLS
    for seen in observations:
        total = with_one_more(total, seen)
    return total


def with_one_more(log_likelihoods: Sequence[float], seen: Observation) -> list[float]:
    return list(map(add, log_likelihoods, _log_chances(step_of(seen.similarity), seen.same)))


def posterior(prior: Sequence[float], log_likelihoods: Sequence[float]) -> list[float]:
    """By cell; sums to 1. ``prior`` is positive everywhere and need not sum to 1."""
    top = max(log_likelihoods)
    found = [weight * math.exp(value - top) for weight, value in zip(prior, log_likelihoods, strict=True)]
    total = math.fsum(found)
    return [weight / total for weight in found]


def mean_curve(weights: Sequence[float]) -> list[float]:
    """The chance of the same answer at each knot, over all cells by weight (which sum to 1). It never falls."""
    return [sum(map(mul, weights, chances(knot_step(knot)))) for knot in range(KNOTS)]


def at(curve: Sequence[int], similarity: float) -> float:
    """A packed curve's value, that of the knot below; 0 below the first."""
    knot = int(similarity * 100 + 1e-6) - FIRST_KNOT if math.isfinite(similarity) else -1
    return curve[min(knot, KNOTS - 1)] / PACKED if knot >= 0 else 0.0


PACKED = 65535


def packed(curve: Sequence[float]) -> list[int]:
    """Rounded down."""
    return [int(min(max(value, 0.0), 1.0) * PACKED) for value in curve]


def lower_curve(observations: Sequence[Observation]) -> list[float]:
    """A lower bound of the chance of the same answer at each knot, from the observations of one entry; 0 with none.

    vCache takes the maximum of the likelihood and moves its middle up to the end of a confidence band; its bound is
    ``max over doubts of (1 - doubt) * sigma(gamma * (s - t_upper(doubt)))``. There ``gamma`` stays at its maximum,
    which is infinite as long as no wrong answer came from above a right one. Here the band is one of middle and
    slope together: every curve whose likelihood ratio to the best is at least the doubt (Wilks: minus twice its
    logarithm is chi square with two degrees of freedom, whose quantile at ``1 - doubt`` is ``-2 ln doubt``), and
    the lowest of them counts.
    """
    bounds = [0.0] * KNOTS
    if not observations:
        return bounds
    found = log_likelihood(observations)
    top = max(found)
    width = len(SLOPES)
    for doubt in DOUBTS:
        least = top + math.log(doubt)
        if found[-1] >= least:  # It may be the low curve.
            break
        # Of one slope, the curve with the highest middle is the lowest.
        inside = {cell % width: cell for cell in range(CELLS - 1) if found[cell] >= least}
        for knot in range(KNOTS):
            row = chances(knot_step(knot))
            bounds[knot] = max(bounds[knot], (1.0 - doubt) * min(row[cell] for cell in inside.values()))
    return bounds
