from __future__ import annotations

from bench.compare import verdict
from bench.load import statistics


def test_an_interval_holds_its_median_and_repeats() -> None:
    values = [1.0, 1.2, 0.9, 1.1, 1.05, 0.95, 1.3]
    low, high = statistics.interval(values)
    assert min(values) <= low <= 1.05 <= high <= max(values)
    assert statistics.interval(values) == (low, high)


def test_one_value_is_its_own_interval_and_none_is_empty() -> None:
    assert statistics.interval([3.5]) == (3.5, 3.5)
    assert statistics.summary([])["median"] is None


def test_not_slower_means_reaching_one_or_staying_below_the_bound() -> None:
    assert verdict([0.98, 1.1, 1.0, 1.12, 0.99] * 3)[0]
    assert verdict([1.03, 1.04, 1.02, 1.03] * 3)[0]
    assert not verdict([1.06, 1.07, 1.08, 1.06] * 3)[0]
