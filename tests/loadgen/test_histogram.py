from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.loadgen.histogram import MAX_VALUE, SUB_BITS, Histogram


def _of(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(st.lists(st.integers(0, MAX_VALUE), min_size=1, max_size=200), st.sampled_from((1, 50, 90, 99, 99.9, 100)))
def test_percentiles_are_those_of_the_sorted_values_within_one_bucket(values: list[int], percent: float) -> None:
    rank = max(1, -int(-len(values) * percent // 100))
    true = sorted(values)[rank - 1]
    assert _of(values).percentile(percent) == pytest.approx(true, rel=2**-SUB_BITS, abs=0)


@given(st.lists(st.integers(0, 10**7)), st.lists(st.integers(0, 10**7)))
def test_merging_is_recording_both(left: list[int], right: list[int]) -> None:
    merged = _of(left)
    merged.merge(_of(right))
    assert merged.summary() == _of(left + right).summary()


def test_small_values_are_exact() -> None:
    assert [_of([value]).percentile(50) for value in range(256)] == list(range(256))


def test_what_does_not_fit_is_counted_at_the_ends() -> None:
    histogram = _of([-5, MAX_VALUE * 8])
    assert (histogram.lowest, histogram.highest, histogram.count) == (0, MAX_VALUE, 2)


def test_an_empty_histogram_says_so() -> None:
    assert Histogram().summary() == {"count": 0}
    assert Histogram().percentile(99) == 0.0
