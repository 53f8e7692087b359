"""Rolling limits: each worker keeps the sum of its sub-windows beside them, and it is always what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic_ns
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _speedups import _layout
from tests.speedups.test_bucket_crash import CountedWords, Died

SUB_WINDOW = 1000
PERIOD = SUB_WINDOW * (_layout.SUB_WINDOWS - 1)
NOW = 10**9 * SUB_WINDOW
SIZES = {"workers": 2, "capacity": 64, "reservations": 64}


def cells(arena: Any, slot: int) -> Iterator[tuple[int, int, int]]:
    """Of each worker and of control: tag, sum, and what its sub-windows hold in the 60 that end with the tag's."""
    segment, at = arena.line(slot)
    block, base = arena.sub_windows(segment.q[at + _layout.L_EXTENSION])
    for index in range(arena.geometry.cells):
        tag, count = segment.q[at + _layout.LINE + 2 * index :][:2]
        words = block.q[base + index * _layout.ROLL_WORDS :][: _layout.SUB_WINDOWS]
        yield tag, count, _layout.roll_sum(words, tag)


def assert_sums_agree(arena: Any, slot: int) -> None:
    assert all(count == held for _, count, held in cells(arena, slot)), list(cells(arena, slot))


class Model:
    """A count for each worker and sub-window."""

    def __init__(self) -> None:
        self.words: dict[tuple[int, int], tuple[int, int]] = {}
        self.newest = 0

    def used(self, number: int) -> int:
        return sum(count for own, count in self.words.values() if 0 <= number - own < _layout.SUB_WINDOWS)

    def add(self, who: int, number: int, amount: int) -> None:
        own, count = self.words.get((who, number % _layout.SUB_WINDOWS), (number, 0))
        if own < number:
            own, count = number, 0
        if own == number:
            self.words[who, number % _layout.SUB_WINDOWS] = number, max(0, count + amount)


steps = st.tuples(
    st.sampled_from(["reserve", "reserve", "settle", "add"]),
    st.integers(0, 1),
    st.integers(0, 9),
    st.integers(0, 12),
    st.one_of(st.just(0), st.integers(0, 3 * SUB_WINDOW), st.integers(0, 70 * SUB_WINDOW)),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(steps, max_size=60), limit=st.integers(0, 40), late=st.integers(0, 2 * SUB_WINDOW))
def test_counts_like_a_counter_for_each_sub_window(
    bucket: ModuleType, arena: Any, operations: list[tuple[str, int, int, int, int]], limit: int, late: int
) -> None:
    """Two workers, one of whose clocks may be late, either of them idle for any time; control corrects."""
    arena.made += 1
    arena.define(0, arena.made, bucket.ROLLING, limit, PERIOD, unit=bucket.TOKENS)
    limits, model, now, held = bucket.LimitSet([0]), Model(), NOW, list[tuple[int, int, int, int]]()
    for what, who, amount, true, wait in operations:
        now += wait
        at = now - late * who
        number = max(at // SUB_WINDOW, model.newest)
        if what == "reserve":
            used = model.used(number)
            handle = arena.places[who].reserve(limits, 1, amount, 0, at)
            assert (handle >= 0) == (used + amount <= limit and used + (not amount) <= limit)
            if handle >= 0:
                model.newest = number
                model.add(who, number, amount)
                held.append((who, handle, number, amount))
        elif what == "add":
            number = now // SUB_WINDOW
            arena.add(0, true - 6, now)
            model.newest = max(model.newest, number)
            model.add(2, number, true - 6)
        elif held:
            who, handle, number, reserved = held.pop(amount % len(held))
            arena.places[who].settle(handle, 1, true, 0, now)
            own, _ = model.words[who, number % _layout.SUB_WINDOWS]
            if own == number:
                model.add(who, number, true - reserved)
        assert_sums_agree(arena, 0)
        assert arena.used(0, now) == model.used(now // SUB_WINDOW)
    for who, handle, _, _ in held:
        arena.places[who].settle(handle, 1, 0, 0, now)
    assert arena.pending() == 0


@pytest.fixture
def arena(bucket: ModuleType, tmp_path: Path) -> Iterator[Any]:
    made = bucket.Arena.create(str(tmp_path / "arena"), **SIZES)
    made.made, made.places = 0, [made.worker(0), made.worker(1)]
    yield made
    for place in made.places:
        place.close()
    made.close()


def test_a_redefinition_begins_with_what_was_spent(bucket: ModuleType, arena: Any) -> None:
    """It stands in control's sub-windows, and their sum counts for the workers."""
    hour = 3600 * 10**9
    arena.define(0, 1, bucket.ROLLING, 100, hour)
    limits = bucket.LimitSet([0])
    for place in arena.places:
        place.settle(place.reserve(limits, 30, 0, 0, monotonic_ns()), 30, 0, 0, monotonic_ns())
    arena.define(0, 1, bucket.ROLLING, 100, 2 * hour)
    assert_sums_agree(arena, 0)
    for later in (0, hour):
        assert arena.places[1].reserve(limits, 41, 0, 0, monotonic_ns() + later) == -1
        handle = arena.places[1].reserve(limits, 40, 0, 0, monotonic_ns() + later)
        assert handle >= 0
        arena.places[1].settle(handle, 0, 0, 0, monotonic_ns() + later)


@pytest.mark.parametrize("later", [0, 1, 59, 60], ids=lambda later: f"{later}-sub-windows-later")
@pytest.mark.parametrize("ending", ["settled", "refused"])
def test_killed_at_every_store_it_never_counts_too_little(tmp_path: Path, later: int, ending: str) -> None:
    """What was acknowledged counts for the others while nobody has replayed yet; afterwards the sums agree."""
    from _speedups import _bucket_py as bucket

    stores, limit = 0, 1000
    while True:
        path = tmp_path / f"arena-{stores}"
        arena = bucket.Arena.create(str(path), **SIZES)
        arena.define(0, 1, bucket.ROLLING, limit, PERIOD, unit=bucket.TOKENS)
        arena.define(1, 2, bucket.GCRA, 1000, PERIOD)
        worker, limits = arena.worker(0), bucket.LimitSet([0, 1])
        worker.settle(worker.reserve(limits, 1, 20, 0, NOW), 1, 10, 0, NOW)
        now = NOW + later * SUB_WINDOW
        CountedWords.put_under(arena, worker, stores)
        if ending == "refused":
            worker._arena.take = lambda *_: -1  # type: ignore[method-assign]
        # What counts now at least, and what may be posted for a reservation that was killed.
        acknowledged, posted = 0, {0}
        try:
            handle = worker.reserve(limits, 1, 100, 0, now)
            if ending == "settled":
                acknowledged, posted = 70, {0, 40}
                worker.deliver(handle, 40, 0)
                posted = {40, 70}
                worker.settle(handle, 1, 70, 0, now)
                posted = {70}
            finished = True
        except Died:
            finished = False
        CountedWords.left = -1
        worker.close()
        arena.close()
        arena = bucket.Arena.attach(str(path))
        other, alone = arena.worker(1), bucket.LimitSet([0])
        for number in (later, later + 1):
            least = acknowledged + (10 if number < _layout.SUB_WINDOWS else 0)
            assert other.reserve(alone, 1, limit - least + 1, 0, NOW + number * SUB_WINDOW) == -1, stores
        arena.replay(0)
        assert_sums_agree(arena, 0)
        assert arena.used(0, now) - (10 if later < _layout.SUB_WINDOWS else 0) in posted
        assert arena.pending(0) == 0
        other.close()
        arena.close()
        path.unlink()
        if finished:
            break
        stores += 1
    assert stores > 12


@pytest.mark.parametrize("now", [NOW, 3 * SUB_WINDOW], ids=["later", "just-up"])
def test_what_was_spent_before_leaves_as_if_it_had_been_counted_then(bucket: ModuleType, arena: Any, now: int) -> None:
    """Control puts in what the ledger has; just after a reboot its sub-windows lie before the clock's beginning."""
    arena.define(0, 1, bucket.ROLLING, 100, PERIOD)
    for age in (59, 40, 1, 0):
        arena.add(0, 10 + age, now, age)
        assert_sums_agree(arena, 0)
    arena.add(0, 1, now, 40)
    limits = bucket.LimitSet([0])
    arena.define(0, 1, bucket.ROLLING, 1000, PERIOD)
    for later, left in ((0, 141), (1, 72), (19, 72), (20, 21), (58, 21), (59, 10), (60, 0)):
        at = now + later * SUB_WINDOW
        assert arena.used(0, at) == left
        assert arena.places[0].standing(0, at)[1] == left
        assert arena.places[1].reserve(limits, 1001 - left, 0, 0, at) == -1
    handle = arena.places[1].reserve(limits, 1000, 0, 0, now + 60 * SUB_WINDOW)
    assert handle >= 0
    assert_sums_agree(arena, 0)


def test_an_arena_is_emptied_and_marked_as_filled(bucket: ModuleType, arena: Any, tmp_path: Path) -> None:
    arena.define(0, 1, bucket.MONEY, 100, PERIOD)
    arena.define(5, 2, bucket.ROLLING, 100, PERIOD)
    arena.add(0, 50, NOW)
    handle = arena.places[0].reserve(bucket.LimitSet([5]), 1, 0, 0, NOW)
    arena.clear()
    assert (arena.find(1), arena.find(2)) == (-1, 5)
    arena.places[0].settle(handle, 1, 0, 0, NOW)
    arena.clear()
    assert arena.find(2) == -1
    arena.define(0, 1, bucket.MONEY, 100, PERIOD)
    assert arena.used(0, NOW) == 0
    assert not arena.filled
    arena.set_filled()
    assert bucket.Arena.attach(str(tmp_path / "arena")).filled
