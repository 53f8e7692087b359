"""Limits whose periods end when they are told to: each begins once, for all workers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _speedups import _layout
from tests.speedups.arenas import NOW, S, TwoWorkers, examples

DAY = 86_400 * S
GRAIN = 1 << _layout.END_BITS
"""Ends are rounded up to it."""


def up(ns: int) -> int:
    return -(-ns // GRAIN) * GRAIN


class Bench(TwoWorkers):
    def __init__(self, module: ModuleType, path: Path) -> None:
        super().__init__(module, path)
        self.limits = module.LimitSet([0])

    def define(self, limit: int = 10, ends: tuple[int, int] = (NOW + DAY, NOW + 2 * DAY), label: int = 0) -> None:
        self.arena.define(0, self.made, self.module.MONEY, limit, DAY, ends=ends, label=label)

    def fresh(self, **more: Any) -> None:
        self.made += 1
        self.define(**more)

    def spend(self, who: int, amount: int, now: int) -> bool:
        handle = self.workers[who].reserve(self.limits, 1, 0, amount, now)
        if handle >= 0:
            self.workers[who].settle(handle, 1, 0, amount, now)
        return bool(handle >= 0)


@pytest.fixture
def bench(bucket: ModuleType, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(bucket, tmp_path)
    made.fresh()
    yield made
    made.close()


def test_each_period_has_the_whole_limit_once(bench: Bench) -> None:
    first, second = up(NOW + DAY), up(NOW + 2 * DAY)
    for number, now in enumerate((NOW, first - 1, first, second - 1, second, second + 100 * DAY)):
        assert bench.spend(number % 2, 10, now) is (now in (NOW, first, second))
        assert bench.arena.used(0, now) == 10


def test_the_reset_is_told(bench: Bench) -> None:
    worker = bench.workers[0]
    bench.spend(0, 4, NOW)
    assert worker.state_of(bench.limits, 0, NOW) == (10, 6, up(NOW + DAY) - NOW)
    assert worker.reserve(bench.limits, 1, 0, 7, NOW) == -1
    assert worker.retry_after_ns(bench.limits, 0, NOW) == up(NOW + DAY) - NOW
    late = NOW + 3 * DAY
    assert worker.state_of(bench.limits, 0, late) == (10, 10, 0)


def test_renewal_goes_on_where_the_periods_were(bench: Bench) -> None:
    asked: list[int] = []

    def next_end(after_ns: int) -> int:
        asked.append(after_ns)
        return after_ns + DAY

    assert bench.arena.renew(0, NOW, next_end) == up(NOW + DAY)
    assert asked == []
    now = up(NOW + DAY)
    assert bench.spend(0, 10, now)
    assert bench.arena.renew(0, now, next_end) == up(NOW + 2 * DAY)
    assert asked == [up(NOW + 2 * DAY)]
    assert bench.arena.used(0, now) == 10
    for day in range(2, 40):
        now = up(NOW + day * DAY) + S
        assert bench.spend(day % 2, 10, now)
        assert not bench.spend(0, 1, now)
        bench.arena.renew(0, now, next_end)
        assert bench.arena.used(0, now) == 10
        assert not bench.spend(1, 1, now)


def test_whoever_renews_late_ends_the_period_that_runs(bench: Bench) -> None:
    """No period is skipped by its number, so what runs since the last known end keeps what was spent in it."""
    late, end = NOW + 9 * DAY + S, up(up(NOW + 2 * DAY) + 8 * DAY)
    assert bench.spend(0, 10, late)
    assert bench.arena.renew(0, late, lambda after: after + DAY) == end
    assert bench.arena.used(0, late) == 10
    assert not bench.spend(1, 1, end - S)
    assert bench.spend(1, 10, end)


def test_a_settlement_belongs_to_the_period_of_its_admission(bench: Bench) -> None:
    worker, now = bench.workers[0], up(NOW + DAY)
    handle = worker.reserve(bench.limits, 1, 0, 8, NOW)
    assert bench.arena.used(0, now) == 0
    assert bench.spend(0, 3, now)
    worker.settle(handle, 1, 0, 9, now)
    assert bench.arena.used(0, now) == 3


def test_figures_and_ends_that_change(bench: Bench) -> None:
    bench.spend(0, 7, NOW)
    bench.define(limit=20)
    assert bench.arena.used(0, NOW) == 7
    # The same label: what was laid down stays, whatever a clock says now.
    bench.define(limit=20, ends=(NOW + S, NOW + 2 * S))
    assert bench.workers[0].state_of(bench.limits, 0, NOW) == (20, 13, up(NOW + DAY) - NOW)
    for ends in ((NOW + S, NOW + 2 * S), (NOW + 5 * DAY, NOW + 6 * DAY), (NOW + 3 * S, NOW + 5 * DAY)):
        bench.define(limit=20, ends=ends, label=bench.workers[0].about(0)[2] + 1)
        assert bench.workers[0].state_of(bench.limits, 0, NOW) == (20, 13, up(ends[0]) - NOW)
        assert bench.arena.used(0, up(ends[0])) == 0
        assert bench.arena.used(0, NOW) == 7


def test_a_window_becomes_one_of_the_calendar_and_keeps_what_was_spent(bench: Bench) -> None:
    m, now = bench.module, time.monotonic_ns()
    bench.arena.define(3, 500, m.WINDOW, 10, 10**6 * S)
    alone = m.LimitSet([3])
    worker = bench.workers[0]
    worker.settle(worker.reserve(alone, 4, 0, 0, now), 4, 0, 0, now)
    bench.arena.define(3, 500, m.WINDOW, 10, 10**6 * S, ends=(now + DAY, now + 2 * DAY))
    assert bench.arena.used(3, now + S) == 4
    bench.arena.define(3, 500, m.WINDOW, 10, 10**6 * S, offset_ns=5)
    assert bench.arena.used(3, time.monotonic_ns()) == 4


def test_slots_of_the_calendar_are_listed(bench: Bench) -> None:
    bench.fresh(label=5)
    bench.arena.define(1, 900, bench.module.MONEY, 5, 0)
    bench.arena.define(2, 901, bench.module.WINDOW, 5, DAY, ends=(NOW + 1, NOW + DAY), label=9)
    assert bench.arena.calendar_slots() == [(0, 5), (2, 9)]
    assert bench.arena.renew(1, NOW, lambda after: after + DAY) == 0


@examples
@given(
    st.lists(st.tuples(st.sampled_from(["spend", "renew", "wait", "wait"]), st.integers(0, 2 * DAY)), max_size=60),
    st.integers(1, 3 * DAY),
)
def test_periods_begin_once_whatever_renewal_does(bench: Bench, steps: list[tuple[str, int]], first: int) -> None:
    """While somebody renews within a period, spending a budget is possible once in each of them."""
    bench.fresh(ends=(NOW + first, NOW + first + DAY))
    ends = [up(NOW + first), up(NOW + first + DAY)]
    now, spent_in = NOW, set()
    for what, amount in steps:
        if what == "wait":
            # Never past two ends at once: then nobody could know of the third.
            now = min(now + amount, ends[-1] - 1)
        elif what == "renew":
            bench.arena.renew(0, now, lambda after: after + DAY)
            while ends[-2] <= now:
                ends.append(up(ends[-1] + DAY))
        else:
            period = sum(end <= now for end in ends)
            assert bench.spend(amount % 2, 10, now) is (period not in spent_in)
            spent_in.add(period)
