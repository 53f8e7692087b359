"""Whether two answers are the same, so that one could have been given for the other.

Verified mode learns from these verdicts. Taking different answers for one teaches it to serve wrong ones; taking one
for two only costs hits. So in doubt they are different.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gateway.cache.similar.guard import Features, features

SHORT_CHARS = 48
"""Up to here an answer is a value ("Paris", "42", "yes"): equal or not, nothing in between."""
LEXICAL_BOUND = 0.6
"""Dice's coefficient of the words of meaning."""
COSINE_BOUND = 0.92
"""Of the answers' vectors, where there are any. Question embedders put texts on one subject near 0.8."""

DECORATION = re.compile(r"[*_#>`~|]+|[.!?:;,]+(?=\s|$)|[\"“”„«»]")
VALUE = re.compile(r"[^\W_]+")


class Verdict(NamedTuple):
    same: bool
    why: str
    """``exact``, ``alike``, or what speaks against it: ``short``, ``numbers``, ``units``, ``dates``, ``negation``,
    ``code``, ``opposites``, ``names``, ``words``, ``vectors``, ``empty``."""


class Judge(Protocol):
    """What may stand in place of ``LexicalJudge``: another comparison, or a model that is asked."""

    def __call__(
        self, question: str, a: str, b: str, vectors: tuple[Sequence[float], Sequence[float]] | None = None
    ) -> Verdict:
        """Never raises; what it cannot tell is different."""
        ...


def normalised(answer: str) -> str:
    """Without case, mark-up, closing punctuation and superfluous space."""
    text = unicodedata.normalize("NFKC", answer).casefold()
    return " ".join(DECORATION.sub(" ", text).split())


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """0 where there is no direction, or not the same space."""
    if len(a) != len(b):
        return 0.0
    product = math.fsum(x * y for x, y in zip(a, b, strict=True))
    length = math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))
    return product / length if length > 0.0 and math.isfinite(product) else 0.0


def dice(a: frozenset[int], b: frozenset[int]) -> float:
    return 2.0 * len(a & b) / (len(a) + len(b)) if a or b else 0.0


def _against(a: Features, b: Features) -> str:
    """What they say differently. Unlike questions, answers may say the same things in another order, and more often."""
    if set(a.numbers.split()) != set(b.numbers.split()):
        return "numbers"
    if a.units != b.units:
        return "units"
    if a.dates != b.dates:
        return "dates"
    if (a.negations == 0) != (b.negations == 0):
        return "negation"
    if a.code() != b.code():
        return "code"
    if a.opposites != b.opposites:
        return "opposites"
    if not (a.names.issubset(b.words) and b.names.issubset(a.words)):
        return "names"
    return ""


class LexicalJudge:
    """Equal after normalisation; for longer answers also: the same numbers, units, dates, code and names, no denial on
    one side alone, mostly the same words, and, when both vectors are given, close ones."""

    def __init__(self, lexical_bound: float = LEXICAL_BOUND, cosine_bound: float = COSINE_BOUND) -> None:
        self._lexical_bound = lexical_bound
        self._cosine_bound = cosine_bound

    def __call__(
        self, question: str, a: str, b: str, vectors: tuple[Sequence[float], Sequence[float]] | None = None
    ) -> Verdict:
        one, other = normalised(a), normalised(b)
        if not VALUE.search(one) or not VALUE.search(other):
            return Verdict(False, "empty")
        if one == other:
            return Verdict(True, "exact")
        if min(len(one), len(other)) <= SHORT_CHARS:
            return Verdict(False, "short")
        mine, theirs = features(a), features(b)
        against = _against(mine, theirs)
        if against:
            return Verdict(False, against)
        if dice(frozenset(mine.words), frozenset(theirs.words)) < self._lexical_bound:
            return Verdict(False, "words")
        if vectors is not None and not cosine(*vectors) >= self._cosine_bound:
            return Verdict(False, "vectors")
        return Verdict(True, "alike")
