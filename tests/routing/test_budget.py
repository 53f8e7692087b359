"""The retry budget: a share of what is asked, whatever the rate, and few at a time."""

from __future__ import annotations

import pytest

from gateway.routing.budget import RetryBudget

SECOND_NS = 1_000_000_000
TO_BEGIN_WITH = 10
FEWEST_UNDER_WAY = 3


def everything_fails(budget: RetryBudget, rate: float, seconds: float, share: float = 0.2) -> tuple[int, int]:
    """First and further attempts when each request may be repeated twice."""
    first = further = 0
    now_ns = 0
    for _ in range(int(rate * seconds)):
        now_ns += int(SECOND_NS / rate)
        budget.asked(now_ns)
        first += 1
        for _ in range(2):
            if budget.allows(share, 1, 0, now_ns):
                budget.spend()
                further += 1
    return first, further


@pytest.mark.parametrize("rate", [0.01, 0.5, 1, 20, 2000])
def test_no_more_than_the_share_and_ten_at_any_rate(rate: float) -> None:
    first, further = everything_fails(RetryBudget(), rate, max(100 / rate, 5))
    assert 0.2 * first <= further <= 0.2 * first + TO_BEGIN_WITH


def test_ten_to_begin_with() -> None:
    budget = RetryBudget()
    allowed = 0
    while budget.allows(0.2, 0, 0, SECOND_NS):
        budget.spend()
        allowed += 1
    assert allowed == TO_BEGIN_WITH
    assert not budget.allows(0.2, 0, 0, 3600 * SECOND_NS), "time alone earns nothing"


def test_good_times_are_not_saved_for_ever() -> None:
    budget = RetryBudget()
    for number in range(100_000):
        budget.asked(number * SECOND_NS // 1000)
    allowed = 0
    while budget.allows(0.2, 0, 0, 100 * SECOND_NS):
        budget.spend()
        allowed += 1
    assert allowed <= 0.2 * 1000 * 11, "a fifth of ten seconds, of a hundred that there were"


def test_few_at_a_time() -> None:
    budget = RetryBudget()
    assert budget.allows(0.2, 0, FEWEST_UNDER_WAY - 1, 0)
    assert not budget.allows(0.2, 0, FEWEST_UNDER_WAY, 0)
    assert budget.allows(0.2, 100, 19, 0)
    assert not budget.allows(0.2, 100, 20, 0)


def test_a_share_of_nothing_allows_nothing() -> None:
    budget = RetryBudget()
    budget.asked(0)
    assert not budget.allows(0.0, 100, 0, 0)


def test_attempts_made_in_any_case_are_counted() -> None:
    budget = RetryBudget()
    for _ in range(30):
        budget.spend()
    assert not budget.allows(0.2, 0, 0, 0)
    for _ in range(5):
        budget.asked(0)
    assert budget.allows(0.2, 0, 0, 0)
