"""Verified mode: an entry answers a similar question only as far as it is known to answer such questions rightly.

After vCache (Schroeder et al. 2025, arXiv 2502.03771). A look-up has found entry ``e`` at similarity ``s``. Either its
answer is served (exploit), or the model is asked and the fresh answer compared with the entry's (explore), which is an
observation ``(s, same)`` of ``e``. If the chance that the entry's answer is right is at least ``alpha``, and we explore
with chance ``tau``, a wrong answer is served with a chance of at most ``(1 - tau) (1 - alpha)``. That is no more than
the user's bound ``delta`` when

    tau >= 1 - delta / (1 - alpha)    (vCache)

So what has to be known is a lower bound ``alpha``; with none, everything is explored. There are two:

*   **Of the entry alone**, as in vCache: a logistic curve by maximum likelihood from the entry's observations, taken at
    the lower end of its confidence band (``logistic.lower_curve``). It needs some twenty observations of one entry,
    which only popular entries get.

*   **Pooled** (``Pool``). Entries of one cache resemble each other: the distribution of their curves, learned from all
    observations, is the prior of each (empirical Bayes; stepwise EM on the grid of ``logistic``, Cappé and Moulines
    2009). The mean of an entry's curves, by their posterior weight, is its *claim* at ``s``. A prior may be wrong, so
    claims prove nothing by themselves. They are put to the test: every explored or audited look-up is counted by what
    was claimed for it **before** its outcome was known. Given a claim, whether a look-up is explored depends on a draw
    of chance alone, never on the outcome, so the explored ones are a fair sample of all look-ups with such a claim, and
    the share of them that came out wrong, plus its uncertainty, bounds the chance of a wrong answer among those that
    are served: that is ``alpha`` here. It holds on average over the look-ups of a claim, however wrong the curves are,
    as long as the traffic stays as it was; the audit keeps measuring after exploration has ended, and old counts fade.

Bounded is the share of *look-ups* that are answered wrongly, as in vCache. Three things differ from the paper. Below
``Policy.floor`` nothing is served, though the formula would allow a share of ``delta``. With a ``Budget`` the bound is
kept over a worker's look-ups together and not by each alone: what sure hits do not use serves others (five times as
many hits on the question pairs of bench/RESULTS.md). And ``Policy.per_hit`` bounds the share of wrong ones among the
*hits*, by serving only where ``1 - alpha <= delta``.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import Literal, NamedTuple

from gateway.cache.similar.logistic import (
    CELLS,
    KNOTS,
    MIDDLES,
    SLOPES,
    STEPS,
    Observation,
    at,
    log_likelihood,
    lower_curve,
    mean_curve,
    packed,
    posterior,
    step_of,
    with_one_more,
)

VERSION = 1
MOST_OBSERVATIONS = 64
"""Of an entry, the latest."""

CLAIMS = (
    0.3,
    0.5,
    0.6,
    0.7,
    0.75,
    0.8,
    0.84,
    0.87,
    0.9,
    0.92,
    0.94,
    0.95,
    0.96,
    0.97,
    0.975,
    0.98,
    0.985,
    0.988,
    0.99,
    0.992,
)
"""Where claims are cut into classes, finer where the bounds are."""
MEMORY = 4000.0
"""Look-ups of a class after which what was seen before counts half."""
CAUTION = 1.0
"""Standard errors that are added to a class's share of wrong answers."""

DOUBTFUL = 4.0
"""Entries' worth of prior that stays with high and low curves, whatever is observed."""
REFRESH = 32
"""Observations after which the pool's own curve is computed anew."""


MOST_SAVED = 5.0
"""Wrong answers that a quiet time may save up for a bad one."""
PROBE = 0.2
"""Explored of what may be wrong more often than the bound, though the budget would allow to serve it: a class whose
first outcomes were lucky is found out."""


class Policy(NamedTuple):
    """What the user bounds."""

    bound: float = 0.02
    """Of wrong answers served, per look-up that found a candidate; so also per look-up of any kind."""
    per_hit: bool = False
    """Bound them per hit instead."""
    floor: float = 0.5
    """An answer that is as likely wrong as right is never served."""


class Budget:
    """Wrong answers that may still be served. Every look-up earns ``bound`` of one, an answer served costs what may be
    wrong about it (``1 - alpha``), so that the expected number of wrong ones is at most ``bound`` times the look-ups.
    vCache's ``tau`` is the same budget without a memory: what a look-up does not spend is lost."""

    __slots__ = ("_saved",)

    def __init__(self) -> None:
        self._saved = 0.0

    def earn(self, bound: float) -> None:
        self._saved = min(self._saved + bound, MOST_SAVED)

    def spend(self, cost: float) -> bool:
        """False: it would be more than there is."""
        if cost > self._saved:
            return False
        self._saved -= cost
        return True


class Decision(NamedTuple):
    action: Literal["exploit", "explore"]
    claim: float
    """What ``Pool.observe`` has to be told if this look-up is explored or audited."""
    alpha: float
    """Lower bound of the chance that the entry's answer is right."""
    tau: float
    """Chance with which such a look-up is explored."""


def exploration(alpha: float, policy: Policy) -> float:
    """The least ``tau`` that keeps the bound."""
    wrong = 1.0 - alpha
    if wrong <= policy.bound:
        return 0.0
    if policy.per_hit or alpha < policy.floor:
        return 1.0
    return 1.0 - policy.bound / wrong


class EntryState(NamedTuple):
    """What is known of one entry. At most 300 bytes."""

    observations: tuple[Observation, ...] = ()
    curve: tuple[int, ...] = ()
    """Packed (``logistic.at``): the entry's claims, or without a pool the lower bound; empty before an observation."""

    def to_bytes(self) -> bytes:
        steps = [step_of(seen.similarity) * 2 + seen.same for seen in self.observations]
        return bytes((VERSION, len(self.observations))) + _shorts([*steps, *self.curve])

    @classmethod
    def from_bytes(cls, data: bytes) -> EntryState:
        """Raises ValueError for what ``to_bytes`` has not written."""
        if len(data) < 2 or data[0] != VERSION:
            raise ValueError("no state of an entry, or one of another version")
        count = data[1]
        if len(data) != 2 + 2 * (count + (KNOTS if count else 0)):
            raise ValueError("the state of an entry is damaged")
        words = _read_shorts(data[2:])
        seen = tuple(Observation((word >> 1) / STEPS, bool(word & 1)) for word in words[:count])
        return cls(seen, tuple(words[count:]))

    def seen(self, similarity: float, same: bool) -> tuple[Observation, ...]:
        """The latest observations, with this one."""
        return (*self.observations, Observation(step_of(similarity) / STEPS, same))[-MOST_OBSERVATIONS:]


FRESH = EntryState()
"""Of an entry that nobody has observed."""


def _shorts(words: list[int]) -> bytes:
    found = array("H", words)
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


def _read_shorts(data: bytes) -> array[int]:
    found = array("H")
    found.frombytes(data)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _doubtful() -> list[float]:
    """The prior before anything is known: half of it with the low curve, the rest more with high middles than low."""
    grid = [middle**4 for middle in MIDDLES for _ in SLOPES]
    scale = 0.5 * DOUBTFUL / math.fsum(grid)
    return [*(weight * scale for weight in grid), 0.5 * DOUBTFUL]


PRIOR = _doubtful()
HEAD = struct.Struct("<BII")


class Pool:
    """What is known of all entries together. Changed by the cache process; workers read a copy from bytes (2 KB) and
    decide by it."""

    __slots__ = ("_curve", "_mass", "_seen", "_since", "_trusted", "_wrong", "observations")

    def __init__(self) -> None:
        self.observations = 0
        self._mass = [0.0] * CELLS
        self._seen = [0.0] * (len(CLAIMS) + 1)
        self._wrong = [0.0] * (len(CLAIMS) + 1)
        self._since = 0
        self._curve: list[int] = packed(mean_curve(posterior(PRIOR, [0.0] * CELLS)))
        self._trusted = [0.0] * (len(CLAIMS) + 1)

    def claim(self, state: EntryState, similarity: float) -> float:
        """The chance of the same answer by this entry's curves. Not to be relied upon."""
        return at(state.curve or self._curve, similarity)

    def trusted(self, claim: float) -> float:
        """The lower bound of the chance of the same answer for look-ups with such a claim."""
        return self._trusted[bisect_right(CLAIMS, claim)]

    def observe(self, state: EntryState, claim: float, similarity: float, same: bool) -> EntryState:
        """An explored or audited look-up and its outcome: the entry's new state. Each is told once; ``claim`` is the
        one the look-up was decided by. Takes a few milliseconds."""
        self._count(bisect_right(CLAIMS, claim), same)
        prior = self._prior()
        seen = state.seen(similarity, same)
        likelihoods = log_likelihood(seen[:-1])
        weights = posterior(prior, with_one_more(likelihoods, seen[-1]))
        # An entry counts once, by its weights of today. What it counted for before is what it would have now.
        before = posterior(prior, likelihoods) if state.observations else [0.0] * CELLS
        moved = zip(self._mass, before, weights, strict=True)
        self._mass = [max(mass - old + new, 0.0) for mass, old, new in moved]
        self.observations += 1
        self._since += 1
        if self._since >= REFRESH or self.observations <= REFRESH:
            self._since = 0
            self._curve = packed(mean_curve(posterior(self._prior(), [0.0] * CELLS)))
        return EntryState(seen, tuple(packed(mean_curve(weights))))

    def _prior(self) -> list[float]:
        return [mass + doubt for mass, doubt in zip(self._mass, PRIOR, strict=True)]

    def _count(self, kind: int, same: bool) -> None:
        if self._seen[kind] >= MEMORY:
            self._seen[kind] /= 2
            self._wrong[kind] /= 2
        self._seen[kind] += 1
        self._wrong[kind] += not same
        self._trusted = list(self._tested())

    def _tested(self) -> Iterator[float]:
        """By class of claims. A class is right at least as often as those below it, so it may be counted together with
        them; whichever way gives the best bound is taken, which is what makes thinly filled classes usable."""
        best = 0.0
        for kind in range(len(self._seen)):
            seen = wrong = 0.0
            for lower in range(kind, -1, -1):
                seen += self._seen[lower]
                wrong += self._wrong[lower]
                # One wrong answer more than there was, and a standard error: of 200 with none wrong, 1 in 100.
                share = (wrong + 1.0) / (seen + 1.0)
                best = max(best, 1.0 - share - CAUTION * math.sqrt(share * (1.0 - share) / (seen + 1.0)))
            yield best

    def to_bytes(self) -> bytes:
        counts = array("d", (*self._mass, *self._seen, *self._wrong))
        if sys.byteorder == "big":
            counts.byteswap()
        return HEAD.pack(VERSION, self.observations, self._since) + _shorts(self._curve) + counts.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Pool:
        """Raises ValueError for what ``to_bytes`` has not written."""
        classes = len(CLAIMS) + 1
        body = HEAD.size + 2 * KNOTS
        if len(data) != body + 8 * (CELLS + 2 * classes) or data[0] != VERSION:
            raise ValueError("no pool of a verified cache, or one of another version")
        counts = array("d")
        counts.frombytes(data[body:])
        if sys.byteorder == "big":
            counts.byteswap()
        if not all(0.0 <= count < math.inf for count in counts):
            raise ValueError("the pool of a verified cache is damaged")
        pool = cls()
        _, pool.observations, pool._since = HEAD.unpack_from(data)
        pool._curve = list(_read_shorts(data[HEAD.size : body]))
        pool._mass = list(counts[:CELLS])
        pool._seen = list(counts[CELLS : CELLS + classes])
        pool._wrong = list(counts[CELLS + classes :])
        pool._trusted = list(pool._tested())
        return pool


def decide(
    state: EntryState,
    similarity: float,
    policy: Policy,
    draw: float,
    pool: Pool | None = None,
    budget: Budget | None = None,
) -> Decision:
    """Whether the entry's answer is served. ``draw`` is uniform in [0, 1). Without a pool the entry stands alone;
    without a budget every look-up keeps the bound by itself. ``similarity`` is any score that rises with likeness, from
    0 to 1, as long as it is always the same one (``guard.evidence``). Takes a few microseconds."""
    if pool is None:
        claim = alpha = at(state.curve, similarity) if state.curve else 0.0
    else:
        claim = pool.claim(state, similarity)
        alpha = pool.trusted(claim)
    tau = exploration(alpha, policy)
    if budget is not None and not policy.per_hit:
        budget.earn(policy.bound)
        if alpha >= policy.floor:
            tau = PROBE if tau > 0.0 else 0.0
            if draw >= tau and not budget.spend(1.0 - alpha):
                tau = 1.0
    return Decision("explore" if draw < tau else "exploit", claim, alpha, tau)


def observe_alone(state: EntryState, similarity: float, same: bool) -> EntryState:
    """The entry's state after an explored look-up, without a pool."""
    seen = state.seen(similarity, same)
    return EntryState(seen, tuple(packed(lower_curve(seen))))
