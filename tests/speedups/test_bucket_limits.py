"""Each kind of limit against what it promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.speedups.arenas import NOW, S, TwoWorkers, examples

Define = Callable[..., Any]


class Bench(TwoWorkers):
    """Limits are defined one by one."""

    def limit(self, kind: str, limit: int, period_ns: int = 0, **more: int) -> tuple[int, Any]:
        """Slot 0 given to a new limit: its slot and a set of it alone."""
        self.made += 1
        self.arena.define(0, self.made, getattr(self.module, kind), limit, period_ns, **more)
        return 0, self.module.LimitSet([0])


@pytest.fixture
def bench(bucket: ModuleType, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(bucket, tmp_path, reservations=256)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("kind", "period", "admitted"),
    [("GCRA", S, 5), ("WINDOW", S, 5), ("ROLLING", S, 5), ("GAUGE", 0, 5), ("MONEY", S, 1)],
)
def test_admits_up_to_the_limit_over_both_workers(bench: Bench, kind: str, period: int, admitted: int) -> None:
    slot, limits = bench.limit(kind, 5, period)
    verdicts = [bench.workers[i % 2].reserve(limits, 1, 1, 3, NOW) for i in range(9)]
    assert [verdict >= 0 for verdict in verdicts] == [True] * admitted + [False] * (9 - admitted)
    assert verdicts[-1] == -1
    assert bench.arena.used(slot, NOW) == (3 if kind == "MONEY" else 5)
    assert bench.arena.pending() == admitted


def test_settling_corrects_to_the_true_amount(bench: Bench) -> None:
    for kind, period in (("WINDOW", S), ("ROLLING", S), ("MONEY", 0), ("WINDOW", 0)):
        slot, limits = bench.limit(kind, 1000, period, unit=bench.module.TOKENS)
        worker = bench.workers[0]
        for reserved, true in ((100, 40), (100, 130), (0, 7), (50, 0)):
            before = bench.arena.used(slot, NOW)
            handle = worker.reserve(limits, 1, reserved, reserved, NOW)
            assert bench.arena.used(slot, NOW) == before + reserved
            worker.settle(handle, 1, true, true, NOW)
            assert bench.arena.used(slot, NOW) == before + true


def test_gauge_returns_to_nothing(bench: Bench) -> None:
    slot, limits = bench.limit("GAUGE", 3)
    handles = [bench.workers[i % 2].reserve(limits, 1, 0, 0, NOW) for i in range(3)]
    assert bench.workers[0].reserve(limits, 1, 0, 0, NOW) == -1
    assert bench.workers[0].retry_after_ns(limits, 0, NOW) == 0
    for i, handle in enumerate(handles):
        bench.workers[i % 2].settle(handle, i % 2, 0, 0, NOW + i)
    assert bench.arena.used(slot, NOW) == 0


def test_exhausted_limit_refuses_even_nothing(bench: Bench) -> None:
    for kind in ("WINDOW", "ROLLING", "MONEY", "GCRA"):
        _, limits = bench.limit(kind, 10, S, unit=bench.module.TOKENS)
        worker = bench.workers[0]
        assert worker.reserve(limits, 1, 0, 0, NOW) >= 0
        assert worker.reserve(limits, 1, 10, 10, NOW) >= 0
        assert worker.reserve(limits, 1, 0, 0, NOW) == -1, kind


def test_limit_of_zero_admits_nothing(bench: Bench) -> None:
    for kind in ("WINDOW", "ROLLING", "MONEY", "GCRA", "GAUGE"):
        _, limits = bench.limit(kind, 0, S)
        assert bench.workers[0].reserve(limits, 1, 1, 1, NOW) == -1, kind
        assert bench.workers[0].reserve(limits, 0, 0, 0, NOW) == -1, kind


def test_money_near_the_top_of_the_range(bench: Bench) -> None:
    slot, limits = bench.limit("MONEY", 1 << 62)
    assert bench.workers[0].reserve(limits, 1, 0, (1 << 62) - 5, NOW) >= 0
    assert bench.workers[1].reserve(limits, 1, 0, 6, NOW) == -1
    handle = bench.workers[1].reserve(limits, 1, 0, 5, NOW)
    assert handle >= 0
    bench.workers[1].settle(handle, 1, 0, 1 << 62, NOW)
    assert bench.arena.used(slot, NOW) == (1 << 62) + 1, "sums saturate, they never wrap"
    assert bench.workers[0].reserve(limits, 1, 0, 1, NOW) == -1


def test_a_correction_below_nothing_near_the_end_of_the_range(bench: Bench) -> None:
    slot, limits = bench.limit("MONEY", 1 << 62)
    for _ in range(2):
        bench.arena.add(slot, -(1 << 62), NOW)
    for money in (0, 1):
        assert bench.workers[0].reserve(limits, 1, 0, money, NOW) >= 0
    # What is looked at once, since much was left, is refused by the sum behind the store.
    bench.arena.add(slot, (1 << 62) + 1, NOW)
    bench.arena.add(slot, 1 << 62, NOW)
    assert bench.arena.used(slot, NOW) == (1 << 62) + 1
    before = bench.arena.pending()
    assert [bench.workers[0].reserve(limits, 1, 0, money, NOW) for money in (0, 1)] == [-1, -1]
    assert bench.arena.pending() == before
    assert bench.arena.used(slot, NOW) == (1 << 62) + 1, "what was refused took nothing"


def test_window_opens_at_its_boundary_once(bench: Bench) -> None:
    slot, limits = bench.limit("WINDOW", 4, 60 * S)
    start = 60 * S * 1000
    for at in (start, start + 60 * S - 1, start + 60 * S, start + 120 * S - 1):
        verdicts = [bench.workers[i % 2].reserve(limits, 1, 0, 0, at) for i in range(6)]
        first_of_period = at % (60 * S) == 0
        assert sum(verdict >= 0 for verdict in verdicts) == (4 if first_of_period else 0)
        assert bench.arena.used(slot, at) == 4
    assert bench.workers[0].retry_after_ns(limits, 0, start + 120 * S - 7) == 7


def test_a_settlement_belongs_to_its_admission_period(bench: Bench) -> None:
    slot, limits = bench.limit("WINDOW", 100, S, unit=bench.module.TOKENS)
    worker = bench.workers[0]
    old = worker.reserve(limits, 1, 90, 0, NOW)
    new = worker.reserve(limits, 1, 80, 0, NOW + S)
    worker.settle(old, 1, 5, 0, NOW + S)
    assert bench.arena.used(slot, NOW + S) == 80
    worker.settle(new, 1, 70, 0, NOW + 2 * S)
    assert bench.arena.used(slot, NOW + S) == 70
    assert bench.arena.used(slot, NOW + 2 * S) == 0


def test_a_worker_with_a_late_clock_counts_in_the_newer_period(bench: Bench) -> None:
    slot, limits = bench.limit("WINDOW", 3, S)
    assert [bench.workers[0].reserve(limits, 1, 0, 0, NOW + S) >= 0 for _ in range(2)] == [True, True]
    assert [bench.workers[1].reserve(limits, 1, 0, 0, NOW + S - 1) >= 0 for _ in range(3)] == [True, False, False]
    assert bench.arena.used(slot, NOW + S) == 3


operation = st.tuples(
    st.sampled_from(["reserve", "reserve", "settle", "void", "wait"]),
    st.integers(0, 1),
    st.integers(0, 60),
    st.integers(0, 90),
)


@examples
@given(
    operations=st.lists(operation, max_size=60),
    limit=st.integers(0, 200),
    kind=st.sampled_from(["WINDOW", "MONEY", "GAUGE"]),
)
def test_counts_like_a_plain_counter(
    bench: Bench, operations: list[tuple[str, int, int, int]], limit: int, kind: str
) -> None:
    """Fixed windows, money and gauges against a counter a period."""
    slot, limits = bench.limit(kind, limit, 1000, unit=bench.module.TOKENS)
    now, spent, held = NOW, dict[int, int](), list[tuple[Any, int, int, int]]()
    for what, who, amount, true in operations:
        period = 0 if kind == "GAUGE" else now // 1000
        if what == "wait":
            now += amount * 37
        elif what == "reserve":
            taken = 1 if kind == "GAUGE" else amount
            used = spent.get(period, 0)
            fits = used + taken <= limit and used + (not taken) <= limit
            handle = bench.workers[who].reserve(limits, 1, amount, amount, now)
            assert (handle >= 0) == fits
            if fits:
                spent[period] = used + taken
                held.append((bench.workers[who], handle, period, taken))
        elif held:
            worker, handle, period, taken = held.pop(amount % len(held))
            posted = 0 if kind == "GAUGE" or what == "void" else true
            worker.settle(handle, int(what == "settle"), posted, posted, now)
            newest = max((number for number in spent), default=period)
            if kind == "GAUGE" or period == newest:
                spent[period] += posted - taken
        period = 0 if kind == "GAUGE" else now // 1000
        assert bench.arena.used(slot, now) == spent.get(period, 0)
    for worker, handle, _, _ in held:
        worker.settle(handle, 1, 0, 0, now)
    assert bench.arena.pending() == 0


def within_bound(events: list[tuple[int, int]], limit: int, period: int, burst: int) -> bool:
    """Over every stretch of time: sum <= burst + rate x t, to a nanosecond: times are whole ones, and the burst's own
    is rounded up to one."""
    for i, (start, _) in enumerate(events):
        total = 0
        for end, amount in events[i:]:
            total += amount
            if (total - burst) * period > limit * (end - start + 1):
                return False
    return True


arrivals = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 1), st.integers(1, 5), st.booleans()), max_size=60)


@examples
@given(arrivals=arrivals, limit=st.integers(1, 50), burst=st.integers(1, 12), period=st.integers(1000, 10**6))
def test_gcra_requests_stay_below_burst_and_rate(
    bench: Bench, arrivals: list[tuple[int, int, int, bool]], limit: int, burst: int, period: int
) -> None:
    """Voided requests do not count; settling more than was reserved cannot be refused and is left out here."""
    _, limits = bench.limit("GCRA", limit, period, burst=burst)
    now, kept, open_ = NOW, list[tuple[int, int]](), list[tuple[Any, int, int, int]]()
    for gap, who, amount, void in arrivals:
        now += gap * period // limit // 100
        handle = bench.workers[who].reserve(limits, amount, 0, 0, now)
        if handle >= 0:
            open_.append((bench.workers[who], handle, now, amount))
        if open_ and (void or len(open_) > 5):
            worker, handle, at, amount = open_.pop(gap % len(open_))
            worker.settle(handle, 0 if void else amount, 0, 0, now)
            if not void:
                kept.append((at, amount))
    for worker, handle, at, amount in open_:
        worker.settle(handle, amount, 0, 0, now)
        kept.append((at, amount))
    assert within_bound(sorted(kept), limit, period, burst)


@examples
@given(arrivals=arrivals, limit=st.integers(1, 5000), burst=st.integers(1, 500), period=st.integers(1000, 10**6))
def test_gcra_tokens_stay_below_burst_and_rate(
    bench: Bench, arrivals: list[tuple[int, int, int, bool]], limit: int, burst: int, period: int
) -> None:
    """Tokens count when they are settled; what is reserved is held out of the burst until then."""
    _, limits = bench.limit("GCRA", limit, period, burst=burst, unit=bench.module.TOKENS)
    now, spent, open_ = NOW, list[tuple[int, int]](), list[tuple[Any, int, int]]()
    for gap, who, size, settle in arrivals:
        now += gap * period // 1000
        amount = size * burst // 4
        handle = bench.workers[who].reserve(limits, 1, amount, 0, now)
        if handle >= 0:
            open_.append((bench.workers[who], handle, amount))
        if open_ and settle:
            worker, handle, amount = open_.pop(gap % len(open_))
            true = amount * (gap % 4) // 3 if gap % 4 < 3 else amount
            worker.settle(handle, 1, true, 0, now)
            spent.append((now, true))
    for worker, handle, amount in open_:
        worker.settle(handle, 1, amount, 0, now)
        spent.append((now, amount))
    assert within_bound(spent, limit, period, burst)


def test_gcra_gives_its_full_rate(bench: Bench) -> None:
    """A million arrivals at twice the rate (twenty thousand for the pure twin): burst and rate, and not one more."""
    _, limits = bench.limit("GCRA", 1000, S, burst=50)
    arrivals = 20_000 if bench.module.__name__.endswith("_py") else 1_000_000
    admitted = 0
    for i in range(arrivals):
        handle = bench.workers[i & 1].reserve(limits, 1, 0, 0, NOW + i * 500_000)
        if handle >= 0:
            admitted += 1
            bench.workers[i & 1].settle(handle, 1, 0, 0, NOW + i * 500_000)
    ideal = 50 + (arrivals - 1) // 2
    assert ideal - 1 <= admitted <= ideal


@pytest.mark.parametrize("limit", [7, 333, 1_000_003, 10**9])
def test_gcra_rounding_is_to_the_strict_side(bench: Bench, limit: int) -> None:
    _, limits = bench.limit("GCRA", limit, 60 * S, burst=1)
    now, admitted = NOW, 0
    while now < NOW + 200 * 60 * S // limit:
        handle = bench.workers[0].reserve(limits, 1, 0, 0, now)
        if handle >= 0:
            admitted += 1
            bench.workers[0].settle(handle, 1, 0, 0, now)
        now += max(1, 60 * S // limit // 10)
    assert admitted * 60 * S <= limit * (now - NOW) + 60 * S
    # Arrivals come in tenths of a unit's time, so each waits up to one tenth longer than it must.
    assert admitted >= 175


def test_gcra_void_is_given_back_only_while_nobody_came_after(bench: Bench) -> None:
    slot, limits = bench.limit("GCRA", 1, 3600 * S, burst=2)
    first = bench.workers[0].reserve(limits, 1, 0, 0, NOW)
    bench.workers[0].settle(first, 0, 0, 0, NOW)
    assert bench.arena.used(slot, NOW) == 0
    first = bench.workers[0].reserve(limits, 1, 0, 0, NOW)
    assert bench.workers[1].reserve(limits, 1, 0, 0, NOW) >= 0
    bench.workers[0].settle(first, 0, 0, 0, NOW)
    assert bench.arena.used(slot, NOW) == 2


def test_retry_after_is_when_it_admits_again(bench: Bench) -> None:
    for kind, unit, amount in (("GCRA", 0, 3), ("GCRA", 1, 3), ("ROLLING", 0, 3), ("WINDOW", 0, 3)):
        _, limits = bench.limit(kind, 10, S, unit=unit)
        worker, now = bench.workers[0], NOW
        for i in range(20):
            handle = worker.reserve(limits, amount, amount, 0, now + i)
            if handle >= 0:
                worker.settle(handle, amount, amount, 0, now + i)
        now += 20
        assert worker.reserve(limits, amount, amount, 0, now) == -1
        wait = worker.retry_after_ns(limits, 0, now)
        assert wait > 0
        assert worker.reserve(limits, amount, amount, 0, now + wait - S // 30) == -1
        assert worker.reserve(limits, amount, amount, 0, now + wait) >= 0, (kind, unit)


@examples
@given(
    gaps=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 1), st.integers(1, 4)), max_size=80),
    limit=st.integers(1, 20),
)
def test_rolling_never_exceeds_in_any_stretch_of_a_period(
    bench: Bench, gaps: list[tuple[int, int, int]], limit: int
) -> None:
    period = 59_000
    _, limits = bench.limit("ROLLING", limit, period)
    now, kept = NOW, list[tuple[int, int]]()
    for gap, who, amount in gaps:
        now += gap
        handle = bench.workers[who].reserve(limits, amount, 0, 0, now)
        if handle >= 0:
            kept.append((now, amount))
            bench.workers[who].settle(handle, amount, 0, 0, now)
    for i, (start, _) in enumerate(kept):
        assert sum(amount for at, amount in kept[i:] if at - start < period) <= limit
    handle = bench.workers[0].reserve(limits, limit, 0, 0, now + period + 2000)
    assert handle >= 0, "all of it is free again after a period"
    bench.workers[0].settle(handle, limit, 0, 0, now)


def test_state_for_the_headers(bench: Bench) -> None:
    worker = bench.workers[0]
    _, limits = bench.limit("WINDOW", 10, S)
    worker.reserve(limits, 4, 0, 0, NOW + 1)
    assert worker.state_of(limits, 0, NOW + 1) == (10, 6, S - 1)
    _, limits = bench.limit("GCRA", 10, S)
    worker.reserve(limits, 4, 0, 0, NOW)
    assert worker.state_of(limits, 0, NOW) == (10, 6, 4 * S // 10)
    _, limits = bench.limit("GCRA", 10, S, unit=1)
    worker.reserve(limits, 1, 4, 0, NOW)
    assert worker.state_of(limits, 0, NOW) == (10, 6, 4 * S // 10)
    _, limits = bench.limit("GAUGE", 10)
    worker.reserve(limits, 1, 0, 0, NOW)
    assert worker.state_of(limits, 0, NOW) == (10, 9, 0)
    _, limits = bench.limit("ROLLING", 10, S)
    worker.reserve(limits, 4, 0, 0, NOW)
    assert worker.state_of(limits, 0, NOW)[:2] == (10, 6)
