"""Weighted rendezvous hashing: shares by weight, and only the keys move that have to."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.hashing import choose

KEYS = [f"key-{number}".encode() for number in range(4000)]
NAMES = [b"a/m", b"b/m", b"c/m", b"d/m"]


def first(names: list[bytes], weights: list[float]) -> list[bytes]:
    """The name that each of ``KEYS`` prefers."""
    return [names[choose(key, names, weights)[0]] for key in KEYS]


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0], [10.0, 0.5, 0.5, 1.0]])
def test_shares_are_in_proportion_to_weights(weights: list[float]) -> None:
    """Within five standard deviations of a binomial distribution; the draw is a hash, so it is the same every time."""
    seen = Counter(first(NAMES, weights))
    for name, weight in zip(NAMES, weights, strict=True):
        share = weight / sum(weights)
        assert abs(seen[name] - share * len(KEYS)) < 5 * math.sqrt(len(KEYS) * share * (1 - share))


def test_one_that_goes_moves_its_own_keys_only_and_spreads_them() -> None:
    weights = [1.0, 2.0, 1.0, 1.0]
    before = first(NAMES, weights)
    after = first([NAMES[0], *NAMES[2:]], [1.0, 1.0, 1.0])
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert {old for old, _ in moved} == {NAMES[1]}
    assert len(moved) == before.count(NAMES[1])
    spread = Counter(new for _, new in moved)
    assert min(spread.values()) > 0.8 * len(moved) / 3


def test_they_move_to_where_the_order_says() -> None:
    """What fails is followed by the second in order, which is the first once the failed one is gone."""
    weights = [1.0, 2.0, 1.0, 1.0]
    for key in KEYS[:500]:
        order = [NAMES[index] for index in choose(key, NAMES, weights)]
        left = [name for name in NAMES if name != order[0]]
        kept = [weight for name, weight in zip(NAMES, weights, strict=True) if name != order[0]]
        assert [left[index] for index in choose(key, left, kept)] == order[1:]


def test_more_weight_only_draws_keys_to_it() -> None:
    before, after = first(NAMES, [1.0, 1.0, 1.0, 1.0]), first(NAMES, [1.0, 1.0, 1.5, 1.0])
    assert {new for old, new in zip(before, after, strict=True) if old != new} == {NAMES[2]}


@given(st.binary(max_size=40), st.lists(st.floats(0.0, 1e6), min_size=1, max_size=8))
def test_any_order_names_each_once(key: bytes, weights: list[float]) -> None:
    names = [b"%d/m" % index for index in range(len(weights))]
    order = choose(key, names, weights)
    assert sorted(order) == list(range(len(weights)))
    assert choose(key, names, weights) == order
    usable = [weights[index] > 0.0 for index in order]
    assert usable == sorted(usable, reverse=True), "those without weight come last"


def test_the_order_of_the_names_is_of_no_account() -> None:
    weights = [1.0, 2.0, 3.0, 4.0]
    backwards = first(NAMES[::-1], weights[::-1])
    assert first(NAMES, weights) == backwards
