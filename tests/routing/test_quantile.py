"""The learned delay against exact quantiles."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.quantile import Quantile


def exact(values: list[int], share: float) -> int:
    return sorted(values)[max(0, -(-int(share * len(values) * 1000) // 1000) - 1)]


@given(st.lists(st.integers(1_000, 10**13), min_size=100, max_size=1000), st.floats(0.5, 0.99))
def test_within_a_bucket_of_the_exact_one(values: list[int], share: float) -> None:
    found = Quantile(share)
    for value in values:
        found.add(value)
    found.known_ns = 0
    near = {exact(values, share), sorted(values)[min(len(values) - 1, int(share * len(values)))]}
    assert any(value / 1.05 <= found.value_ns() <= value * 1.05 for value in near)


def test_says_nothing_before_it_knows() -> None:
    found = Quantile(0.97)
    for _ in range(99):
        found.add(5_000_000)
    assert (found.value_ns(), found.share_above(1)) == (0, 0.0)
    found.add(5_000_000)
    assert found.value_ns() > 0


def test_forgets() -> None:
    found = Quantile(0.97)
    for _ in range(10_000):
        found.add(500_000_000)
    for _ in range(20_000):
        found.add(5_000_000)
    assert found.value_ns() < 6_000_000


def test_share_above() -> None:
    found, draw = Quantile(0.97), random.Random(7)
    for _ in range(5_000):
        found.add(900_000_000 if draw.random() < 0.2 else 1_000_000)
    assert 0.17 < found.share_above(100_000_000) < 0.23


@pytest.mark.parametrize("value", [0, 1, -5, 10**30])
def test_any_value(value: int) -> None:
    found = Quantile(0.5)
    for _ in range(100):
        found.add(value)
    assert found.value_ns() > 0


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, 2.0])
def test_refuses_what_is_no_quantile(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Quantile(share)
