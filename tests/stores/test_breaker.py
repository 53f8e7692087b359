from __future__ import annotations

import pytest

from gateway.stores.breaker import FIRST_PAUSE_S, LONGEST_PAUSE_S, Breaker
from gateway.stores.protocols import StoreUnavailable


class Now:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def refused(breaker: Breaker) -> bool:
    try:
        breaker.admit()
    except StoreUnavailable:
        return True
    return False


def test_after_a_failure_one_call_a_pause_is_let_through() -> None:
    now = Now()
    breaker = Breaker("it", clock=now)
    assert not refused(breaker)
    breaker.failed("gone")
    assert refused(breaker)
    now.s += FIRST_PAUSE_S
    assert [refused(breaker) for _ in range(3)] == [False, True, True]
    breaker.worked()
    assert [refused(breaker) for _ in range(3)] == [False] * 3


def test_pauses_grow_to_their_longest() -> None:
    now = Now()
    breaker = Breaker("it", clock=now)
    pauses = []
    for _ in range(12):
        breaker.failed("gone")
        begun = now.s
        while refused(breaker):
            now.s += 0.01
        pauses.append(now.s - begun)
    assert all(FIRST_PAUSE_S / 2 <= pause <= LONGEST_PAUSE_S + 0.01 for pause in pauses)
    assert pauses[-1] >= LONGEST_PAUSE_S / 2 > pauses[0]


def test_calls_that_fail_together_are_one_failure() -> None:
    now = Now()
    breaker = Breaker("it", clock=now)
    for _ in range(20):
        breaker.failed("gone")
    now.s += FIRST_PAUSE_S
    assert not refused(breaker)


def test_it_says_once_what_is_wrong_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    breaker = Breaker("it")
    for _ in range(3):
        breaker.failed("gone")
    breaker.failed("silent")
    with pytest.raises(StoreUnavailable, match="silent"):
        breaker.admit()
    breaker.worked()
    breaker.worked()
    assert [record.getMessage() for record in caplog.records] == ["it: gone", "it: silent", "it: answers again"]
    assert breaker.problem == ""
