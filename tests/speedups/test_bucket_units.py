"""What limits take of one request: tokens by kind, money, and what becomes of reservations that nobody settles."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.speedups.arenas import NOW, S, TwoWorkers, examples

BUDGET = 5000 * 10**9


class Bench(TwoWorkers):
    """With a limit of each unit in slots 0 to 6."""

    def __init__(self, module: ModuleType, path: Path) -> None:
        super().__init__(module, path)
        self.define()

    def define(self) -> None:
        m = self.module
        rows = [
            (m.WINDOW, 1 << 40, m.REQUESTS), (m.WINDOW, 1 << 40, m.TOKENS), (m.WINDOW, 1 << 40, m.INPUT_TOKENS),
            (m.ROLLING, 1 << 34, m.OUTPUT_TOKENS), (m.ROLLING, BUDGET, m.USD), (m.MONEY, BUDGET, 0),
            (m.GCRA, 1 << 40, m.OUTPUT_TOKENS),
        ]  # fmt: skip
        for slot, (kind, limit, unit) in enumerate(rows):
            self.made += 1
            self.arena.define(slot, self.made, kind, limit, 1 << 50, unit=unit)
        self.limits = m.LimitSet(range(len(rows)))

    def used(self) -> list[int]:
        return [self.arena.used(slot, NOW) for slot in range(7)]


@pytest.fixture
def bench(bucket: ModuleType, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(bucket, tmp_path)
    yield made
    made.close()


def test_each_unit_takes_its_own(bench: Bench) -> None:
    worker = bench.workers[0]
    handle = worker.reserve(bench.limits, 1, 700, 90_000, NOW, 200)
    assert bench.used()[:4] == [1, 700, 500, 200]
    assert bench.used()[5:] == [90_000, 200]
    worker.settle(handle, 1, 90, 7_000, NOW, 30)
    assert bench.used()[:4] == [1, 90, 60, 30]
    assert bench.used()[5:] == [7_000, 30]


def test_output_is_never_more_than_all_tokens(bench: Bench) -> None:
    worker = bench.workers[0]
    handle = worker.reserve(bench.limits, 1, 10, 0, NOW, 50)
    assert bench.used()[1:4] == [10, 0, 10]
    worker.settle(handle, 1, 4, 0, NOW, 9)
    assert bench.used()[1:4] == [4, 0, 4]


def test_each_limit_refuses_by_its_unit(bench: Bench) -> None:
    m, worker = bench.module, bench.workers[1]
    for unit, amount in ((m.TOKENS, 100), (m.INPUT_TOKENS, 60), (m.OUTPUT_TOKENS, 40)):
        bench.made += 1
        bench.arena.define(9, bench.made, m.WINDOW, amount, S, unit=unit)
        alone = m.LimitSet([9])
        assert worker.reserve(alone, 1, 101, 0, NOW, 41 if unit != m.INPUT_TOKENS else 40) == -1
        handle = worker.reserve(alone, 1, 100, 0, NOW, 40)
        assert handle >= 0
        worker.settle(handle, 0, 0, 0, NOW)


def test_a_rolling_budget_larger_than_a_sub_window_holds(bench: Bench) -> None:
    """Counted in grains that are rounded up: never less than what was spent, never more than a grain too much."""
    m, worker = bench.module, bench.workers[0]
    alone, spent, grain = m.LimitSet([4]), 0, 1 << (BUDGET.bit_length() - 35)
    for amount in (1, 10**9, 4_999 * 10**9 // 2, 12_345):
        handle = worker.reserve(alone, 1, 0, amount, NOW)
        spent += amount
        worker.settle(handle, 1, 0, amount, NOW)
        assert spent <= bench.arena.used(4, NOW) <= spent + 4 * grain
    limit, remaining, _ = worker.state_of(alone, 0, NOW)
    assert limit == BUDGET
    assert abs(limit - remaining - spent) <= 4 * grain
    assert worker.reserve(alone, 1, 0, BUDGET - spent + 5 * grain, NOW) == -1
    assert worker.reserve(alone, 1, 0, BUDGET - spent - 5 * grain, NOW) >= 0


def test_another_figure_of_a_rolling_budget_keeps_what_was_spent(bench: Bench) -> None:
    m, worker = bench.module, bench.workers[0]
    bench.arena.define(9, 77, m.ROLLING, 10**9, 59 * S, unit=m.USD)
    now = time.monotonic_ns()
    worker.settle(worker.reserve(m.LimitSet([9]), 1, 0, 10**9, now), 1, 0, 10**9, now)
    for limit in (BUDGET, 10**12, 10**9):
        bench.arena.define(9, 77, m.ROLLING, limit, 59 * S, unit=m.USD)
        used = bench.arena.used(9, time.monotonic_ns())
        assert 10**9 <= used <= 10**9 + 4096


def test_a_crash_posts_what_was_delivered_of_each_kind(bench: Bench) -> None:
    worker = bench.workers[0]
    handle = worker.reserve(bench.limits, 1, 700, 90_000, NOW, 200)
    worker.deliver(handle, 520, 60_000, 20)
    worker.close()
    assert bench.arena.replay(0) == 1
    assert bench.used()[:4] == [1, 520, 500, 20]
    assert bench.used()[5] == 60_000
    bench.workers[0] = bench.arena.worker(0)


def test_what_nobody_settles_expires_with_what_it_delivered(bench: Bench) -> None:
    worker = bench.workers[0]
    late = worker.reserve(bench.limits, 1, 700, 90_000, NOW, 200, NOW + S)
    kept = worker.reserve(bench.limits, 1, 10, 10, NOW, 5, NOW + S)
    forever = worker.reserve(bench.limits, 1, 1, 1, NOW, 1)
    worker.deliver(late, 510, 7, 10)
    worker.deliver(kept, 0, 0, 0, NOW + 3 * S)
    assert worker.expire(NOW + S - 1) == 0
    assert worker.expire(NOW + S) == 1
    assert bench.used()[:4] == [3, 521, 505, 16]
    with pytest.raises(ValueError, match="not pending"):
        worker.settle(late, 1, 0, 0, NOW)
    worker.settle(kept, 1, 10, 10, NOW, 5)
    assert worker.expire(NOW + 100 * S) == 0
    assert bench.arena.pending() == 1
    worker.settle(forever, 1, 1, 1, NOW, 1)
    assert worker.expire(NOW + 200 * S) == 0


def test_the_reserved_part_is_told_apart(bench: Bench) -> None:
    first, second = bench.workers
    first.settle(first.reserve(bench.limits, 1, 50, 500, NOW, 20), 1, 50, 500, NOW, 20)
    handle = first.reserve(bench.limits, 1, 30, 300, NOW, 10)
    other = second.reserve(bench.module.LimitSet([5, 1]), 1, 7, 70, NOW, 2)
    for who in (first, second, bench.arena):
        assert [who.reserved(slot, NOW) for slot in (0, 1, 2, 3, 5, 6)] == [1, 37, 20, 10, 370, 10]
    assert bench.used()[5] == 870
    # Of a period that is over nothing is reserved any more.
    assert bench.arena.reserved(1, NOW + (1 << 50)) == 0
    first.settle(handle, 0, 0, 0, NOW)
    second.settle(other, 1, 7, 70, NOW, 2)
    assert [first.reserved(slot, NOW) for slot in range(7)] == [0] * 7


def test_a_limit_tells_what_it_is(bench: Bench) -> None:
    m = bench.module
    bench.arena.define(9, 88, m.ROLLING, 5, 59 * S, unit=m.OUTPUT_TOKENS, label=0x1ABC)
    assert bench.workers[0].about(9) == (m.ROLLING, m.OUTPUT_TOKENS, 0x1ABC, 59 * S)
    bench.arena.define(9, 88, m.ROLLING, 6, 59 * S, unit=m.OUTPUT_TOKENS, label=7)
    assert bench.workers[0].about(9) == (m.ROLLING, m.OUTPUT_TOKENS, 7, 59 * S)


@pytest.mark.parametrize(
    ("kind", "more"),
    [("WINDOW", {"unit": 4}), ("WINDOW", {"unit": 5}), ("GAUGE", {"label": 1 << 13}), ("ROLLING", {"ends": (1, 2)})],
)
def test_definitions_that_cannot_be(bench: Bench, kind: str, more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown|kind MONEY|bits|calendar"):
        bench.arena.define(9, 99, getattr(bench.module, kind), 5, S, **more)


@examples
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 500), st.integers(0, 500), st.integers(0, 10**12), st.booleans()),
        max_size=40,
    )
)
def test_what_was_settled_is_what_is_counted(bench: Bench, calls: list[tuple[int, int, int, int, bool]]) -> None:
    """Every level sums to what the ledger would have, to the unit (rolling budgets: to a grain a call)."""
    bench.define()
    asked = tokens = output = money = 0
    for who, entered, left, spent, void in calls:
        worker = bench.workers[who]
        handle = worker.reserve(bench.limits, 1, 2000, 10**9, NOW, 1000)
        if handle < 0:
            continue
        if void:
            worker.settle(handle, 0, 0, 0, NOW)
            continue
        worker.settle(handle, 1, entered + left, spent, NOW, left)
        asked, tokens, output, money = asked + 1, tokens + entered + left, output + left, money + spent
    used = bench.used()
    assert used[:4] == [asked, tokens, tokens - output, output]
    assert used[5] == money
    assert money <= used[4] <= money + len(calls) * (1 << (BUDGET.bit_length() - 35))
