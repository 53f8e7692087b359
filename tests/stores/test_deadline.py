from __future__ import annotations

import threading

import pytest

from gateway.stores.deadline import within
from tests.waiting import wait_for


def test_what_work_returns_and_raises_is_the_callers() -> None:
    assert within(30, lambda: 5) == 5

    def broken() -> None:
        raise LookupError("it")

    with pytest.raises(LookupError, match="it"):
        within(30, broken)


def test_work_that_takes_too_long_is_left_alone() -> None:
    go_on, done = threading.Event(), threading.Event()

    def work() -> None:
        go_on.wait()
        done.set()

    with pytest.raises(TimeoutError):
        within(0.01, work)
    go_on.set()
    assert done.wait(30)
    wait_for(lambda: "call with a deadline" not in {each.name for each in threading.enumerate()}, "the thread to end")
