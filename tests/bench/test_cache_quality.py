"""The quality bench: its classes, its near misses, and what it counts as a hit."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bench import near_misses
from bench.cache_quality import Mode, Query, Stream, above, classes, guard_alone, play, verified
from gateway.cache.similar.guard import features
from gateway.cache.similar.verified import Policy

PAIRS = near_misses.pairs(1, 500, 300)


def test_classes_are_unions_of_the_same() -> None:
    found = classes([("a", "b", True), ("b", "c", True), ("a", "d", False), ("e", "d", True), ("a", "b", True)])
    meanings = {query.text: query.meaning for query in found}
    assert len(found) == len(meanings) == 5
    assert meanings["a"] == meanings["b"] == meanings["c"]
    assert meanings["d"] == meanings["e"] != meanings["a"]


def test_near_misses_are_labelled_by_what_they_mean() -> None:
    assert near_misses.pairs(1, 500, 300) == PAIRS, "equal for equal seeds"
    assert sum(not pair.same for pair in PAIRS) == 500
    assert all(count >= 40 for count in near_misses.by_kind(PAIRS).values())
    meant: dict[str, str] = {}
    for pair in PAIRS:
        assert (pair.meaning_a == pair.meaning_b) is pair.same
        assert pair.a != pair.b
        for text, meaning in ((pair.a, pair.meaning_a), (pair.b, pair.meaning_b)):
            assert meant.setdefault(text, meaning) == meaning, f"{text} has two meanings"


def test_the_guard_stops_near_misses_and_few_paraphrases() -> None:
    """Of names that are written small it knows only the common ones; all else in this set it can read."""
    for kind, row in guard_alone(PAIRS).items():
        assert row["let_through"] <= (0.25 if kind == "entities" else 0.0)
        assert row["refused"] <= 0.35


TEXTS = ("sort a list", "order a list", "sort 5 lists", "sort 6 lists")


def stream() -> Stream:
    similarity = np.full((4, 4), 0.9, dtype=np.float32)
    np.fill_diagonal(similarity, 1.0)
    queries = [Query(text, meaning) for text, meaning in zip(TEXTS, (0, 0, 1, 2), strict=True)]
    return Stream(queries, similarity, [features(text) for text in TEXTS])


def test_hits_and_wrong_hits() -> None:
    assert play(stream(), [0, 1, 2, 3], guarded=False, choose=above(0.8)) == (4, 3, 2, 1)
    assert play(stream(), [0, 1, 2, 3], guarded=False, choose=above(0.95)) == (4, 0, 0, 1)
    with_guard = play(stream(), [0, 2, 3], guarded=True, choose=above(0.8))
    assert with_guard == (3, 0, 0, 0), "other numbers"


@pytest.mark.parametrize("budgeted", [False, True])
def test_verified_mode_learns_only_from_what_is_asked_afresh(budgeted: bool) -> None:
    choose = verified(1, Mode(Policy(0.05), budgeted), None)
    draw = random.Random(2)
    served = [choose(0, 1, 0.97, draw.random() < 0.99) for _ in range(600)]
    assert not any(served[:3]), "next to nothing is known yet"
    assert sum(served[300:]) > 200
