"""Reservations over several limits, handles, slots and the arena's own life."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.speedups.children import start, wait

S = 10**9
NOW = 10**15


@pytest.fixture
def arena(bucket: ModuleType, tmp_path: Path) -> Iterator[Any]:
    made = bucket.Arena.create(str(tmp_path / "arena"), workers=2, capacity=64, reservations=16)
    yield made
    made.close()


@pytest.fixture
def worker(arena: Any) -> Iterator[Any]:
    made = arena.worker(0)
    yield made
    made.close()


def define_all(bucket: ModuleType, arena: Any) -> list[int]:
    """One roomy limit of every kind that counts, in slots 0 to 6."""
    rows = [
        (bucket.GCRA, S, bucket.REQUESTS), (bucket.WINDOW, S, bucket.TOKENS), (bucket.ROLLING, S, bucket.TOKENS),
        (bucket.GAUGE, 0, 0), (bucket.MONEY, 0, 0), (bucket.GCRA, S, bucket.TOKENS),
        (bucket.WINDOW, S, bucket.REQUESTS),
    ]  # fmt: skip
    for slot, (kind, period, unit) in enumerate(rows):
        arena.define(slot, slot + 1, kind, 100, period, unit=unit)
    return list(range(len(rows)))


def amounts(arena: Any, slots: list[int], now: int = NOW) -> list[int]:
    return [arena.used(slot, now) for slot in slots]


def test_every_limit_or_none(bucket: ModuleType, arena: Any, worker: Any) -> None:
    """The one that refuses is named, wherever it stands, and nothing is taken from the others."""
    slots = define_all(bucket, arena)
    tight = {bucket.GCRA: S, bucket.WINDOW: S, bucket.ROLLING: S, bucket.GAUGE: 0, bucket.MONEY: 0}
    for kind, period in tight.items():
        arena.define(20, 1000 + kind, kind, 0, period)
        for place in range(len(slots) + 1):
            limits = bucket.LimitSet([*slots[:place], 20, *slots[place:]])
            assert worker.reserve(limits, 1, 2, 3, NOW) == -1 - place
            assert amounts(arena, slots) == [0] * len(slots)
            assert arena.pending() == 0


def test_settle_posts_to_every_limit(bucket: ModuleType, arena: Any, worker: Any) -> None:
    slots = define_all(bucket, arena)
    handle = worker.reserve(bucket.LimitSet(slots), 1, 50, 60, NOW)
    assert amounts(arena, slots) == [1, 50, 50, 1, 60, 50, 1]
    worker.settle(handle, 1, 20, 30, NOW)
    assert amounts(arena, slots) == [1, 20, 20, 0, 30, 20, 1]
    handle = worker.reserve(bucket.LimitSet(slots), 1, 50, 60, NOW)
    worker.settle(handle, 0, 0, 0, NOW)
    assert amounts(arena, slots) == [1, 20, 20, 0, 30, 20, 1]


def test_the_largest_set(bucket: ModuleType, arena: Any, worker: Any) -> None:
    """32 token limits by GCRA take two journal entries each: the most that a journal must hold."""
    for slot in range(bucket.MAX_LIMITS):
        arena.define(slot, slot + 1, bucket.GCRA, 100, S, unit=bucket.TOKENS)
    limits = bucket.LimitSet(range(bucket.MAX_LIMITS))
    assert len(limits) == 32
    handle = worker.reserve(limits, 1, 90, 0, NOW)
    worker.settle(handle, 1, 60, 0, NOW)
    assert amounts(arena, list(range(32))) == [60] * 32
    assert worker.epoch == 1, "the journal did not run into a neighbour"
    assert arena.status(1)[0] == 0
    with pytest.raises(ValueError, match="32"):
        bucket.LimitSet(range(33))


def test_a_limit_named_twice_is_an_error(bucket: ModuleType) -> None:
    with pytest.raises(ValueError, match="twice"):
        bucket.LimitSet([1, 2, 1])


@pytest.mark.parametrize("slots", [[-1], [1 << 24]])
def test_a_slot_out_of_range_is_an_error(bucket: ModuleType, slots: list[int]) -> None:
    with pytest.raises(ValueError, match="range"):
        bucket.LimitSet(slots)


def test_a_slot_that_was_never_made(bucket: ModuleType, arena: Any, worker: Any) -> None:
    with pytest.raises(IndexError):
        worker.reserve(bucket.LimitSet([64]), 1, 0, 0, NOW)
    with pytest.raises(IndexError):
        arena.define(64, 1, bucket.GAUGE, 1, 0)


def test_undefined_and_health_slots_refuse(bucket: ModuleType, arena: Any, worker: Any) -> None:
    arena.define(1, 1, bucket.HEALTH, 0, 0)
    assert worker.reserve(bucket.LimitSet([0]), 1, 0, 0, NOW) == -1
    assert worker.reserve(bucket.LimitSet([1]), 1, 0, 0, NOW) == -1


def test_empty_set_has_a_handle(bucket: ModuleType, arena: Any, worker: Any) -> None:
    handle = worker.reserve(bucket.LimitSet([]), 1, 1, 1, NOW)
    assert handle >= 0
    assert arena.pending() == 1
    worker.settle(handle, 1, 1, 1, NOW)
    assert arena.pending(0) == arena.pending(1) == 0


def test_no_free_reservation(bucket: ModuleType, arena: Any, worker: Any) -> None:
    arena.define(0, 1, bucket.GAUGE, 100, 0)
    limits = bucket.LimitSet([0])
    handles = [worker.reserve(limits, 1, 0, 0, NOW) for _ in range(16)]
    assert len(set(handles)) == 16
    assert worker.reserve(limits, 1, 0, 0, NOW) == -1000
    assert arena.used(0, NOW) == 16
    worker.settle(handles[7], 1, 0, 0, NOW)
    assert worker.reserve(limits, 1, 0, 0, NOW) >= 0


def test_a_handle_settles_once(bucket: ModuleType, arena: Any, worker: Any) -> None:
    arena.define(0, 1, bucket.GAUGE, 100, 0)
    limits = bucket.LimitSet([0])
    handle = worker.reserve(limits, 1, 0, 0, NOW)
    worker.settle(handle, 1, 0, 0, NOW)
    again = worker.reserve(limits, 1, 0, 0, NOW)
    for bad in (handle, handle ^ 1, -1, 1 << 60, again + 1):
        with pytest.raises(ValueError, match="not pending"):
            worker.settle(bad, 1, 0, 0, NOW)
        with pytest.raises(ValueError, match="not pending"):
            worker.deliver(bad, 1, 1)
    assert arena.used(0, NOW) == 1
    worker.settle(again, 1, 0, 0, NOW)


def test_redefinition_keeps_what_was_spent(bucket: ModuleType, arena: Any, worker: Any) -> None:
    now = time.monotonic_ns()
    slots = define_all(bucket, arena)
    # Long periods: the test must not run over the end of one.
    for slot in (1, 2, 6):
        arena.define(slot, 50 + slot, bucket.ROLLING if slot == 2 else bucket.WINDOW, 100, 10**6 * S, unit=slot < 6)
    handle = worker.reserve(bucket.LimitSet(slots), 1, 50, 60, now)
    worker.settle(handle, 1, 20, 30, now)
    held = worker.reserve(bucket.LimitSet([3]), 1, 0, 0, now)
    for slot in slots:
        kind = [bucket.GCRA, bucket.WINDOW, bucket.ROLLING, bucket.GAUGE, bucket.MONEY, bucket.GCRA, bucket.WINDOW][
            slot
        ]
        named = 50 + slot if slot in (1, 2, 6) else slot + 1
        generations = {
            arena.define(slot, named, kind, limit, period, unit=int(slot in (1, 2, 5)))
            for limit, period in (
                (7, 10**6 * S if kind in (bucket.WINDOW, bucket.ROLLING) else S * (kind == bucket.GCRA)),
            )
        }
        assert len(generations) == 1
    assert [arena.used(slot, now) for slot in (1, 2, 3, 4, 6)] == [20, 20, 1, 30, 1]
    arena.define(1, 51, bucket.WINDOW, 100, 2 * 10**6 * S, unit=1)
    arena.define(2, 52, bucket.ROLLING, 100, 2 * 10**6 * S, unit=1)
    assert [arena.used(slot, time.monotonic_ns()) for slot in (1, 2)] == [20, 20], "another period begins with it"
    worker.settle(held, 1, 0, 0, now)
    assert arena.used(3, now) == 0


def test_another_id_begins_with_nothing(bucket: ModuleType, arena: Any, worker: Any) -> None:
    slots = define_all(bucket, arena)
    handle = worker.reserve(bucket.LimitSet(slots), 1, 50, 60, NOW)
    for slot in slots:
        kind, unit = (bucket.ROLLING, 1) if slot == 2 else (bucket.GAUGE, 0) if slot == 3 else (bucket.WINDOW, 1)
        assert arena.define(slot, 100 + slot, kind, 100, S, unit=unit) == 2
    assert amounts(arena, slots) == [0] * 7
    worker.settle(handle, 1, 90, 90, NOW)
    assert amounts(arena, slots) == [0] * 7, "a reservation of the slot's former limit changes nothing"


def test_find_free_and_allocate(bucket: ModuleType, arena: Any, worker: Any) -> None:
    assert [arena.allocate() for _ in range(3)] == [0, 1, 2]
    for slot in range(3):
        arena.define(slot, 100 + slot, bucket.GAUGE, 5, 0)
    assert [arena.find(id_hash) for id_hash in (100, 101, 102, 103)] == [0, 1, 2, -1]
    handle = worker.reserve(bucket.LimitSet([0, 1]), 1, 0, 0, NOW)
    assert not arena.free(1), "a reservation names it"
    worker.settle(handle, 1, 0, 0, NOW)
    assert arena.free(1)
    assert arena.find(101) == -1
    assert worker.reserve(bucket.LimitSet([1]), 1, 0, 0, NOW) == -1
    assert arena.allocate() == 1


def test_another_builder_sees_definitions(bucket: ModuleType, arena: Any) -> None:
    other = bucket.Arena.attach(arena.path)
    arena.define(arena.allocate(), (1 << 64) - 1, bucket.GAUGE, 5, 0)
    assert other.find((1 << 64) - 1) == 0
    assert other.allocate() == 1
    assert other.free(0)
    assert arena.find((1 << 64) - 1) == -1
    other.close()


def test_growth_is_seen_by_workers_already_running(bucket: ModuleType, arena: Any, worker: Any) -> None:
    for number in range(200):
        arena.define(arena.allocate(), 1 + number, bucket.WINDOW, 3, S)
    assert arena.capacity == 256
    limits = bucket.LimitSet([5, 100, 199])
    assert worker.reserve(limits, 2, 0, 0, NOW) >= 0
    assert worker.reserve(limits, 2, 0, 0, NOW) == -1
    other = bucket.Arena.attach(arena.path)
    assert [other.used(slot, NOW) for slot in (5, 100, 199)] == [2, 2, 2]
    other.close()


def test_rolling_limits_grow_as_well(bucket: ModuleType, arena: Any, worker: Any) -> None:
    """A segment has room for the sub-windows of few limits only."""
    for number in range(20):
        arena.define(number, 1 + number, bucket.ROLLING, 3, S)
        assert worker.reserve(bucket.LimitSet([number]), 2, 0, 0, NOW) >= 0 or number >= 16
    assert [arena.used(number, NOW) for number in range(16)] == [2] * 16
    assert arena.capacity > 64
    arena.define(0, 500, bucket.ROLLING, 3, S)
    assert arena.used(0, NOW) == 0


def test_corrections_of_control(bucket: ModuleType, arena: Any, worker: Any) -> None:
    slots = define_all(bucket, arena)
    worker.settle(worker.reserve(bucket.LimitSet(slots), 1, 50, 60, NOW), 1, 50, 60, NOW)
    for slot in slots:
        arena.add(slot, 30, NOW)
    assert amounts(arena, slots) == [31, 80, 80, 30, 90, 80, 31]
    assert worker.reserve(bucket.LimitSet([1]), 1, 21, 0, NOW) == -1
    for slot in (1, 3, 4, 6):
        arena.add(slot, -25, NOW)
    assert [arena.used(slot, NOW) for slot in (1, 3, 4, 6)] == [55, 5, 65, 6]
    arena.define(10, 99, bucket.HEALTH, 0, 0)
    with pytest.raises(ValueError, match="counts nothing"):
        arena.add(10, 1, NOW)


def test_health_words_are_shared(bucket: ModuleType, arena: Any, worker: Any) -> None:
    arena.define(0, 1, bucket.HEALTH, 0, 0)
    other = arena.worker(1)
    worker.set_cooldown(0, 500)
    assert other.cooldown_ns(0) == 500
    assert [arena.used(0, now) for now in (400, 500, 600)] == [100, 0, 0]
    other.extend_cooldown(0, 400)
    assert worker.cooldown_ns(0) == 500
    other.extend_cooldown(0, 2**63 - 1)
    assert worker.cooldown_ns(0) == 2**63 - 1
    other.close()


def test_attaching_again_keeps_everything(bucket: ModuleType, arena: Any, worker: Any) -> None:
    """A supervisor that restarts finds the arena as it was."""
    slots = define_all(bucket, arena)
    worker.reserve(bucket.LimitSet(slots), 1, 50, 60, NOW)
    again = bucket.Arena.create(arena.path, workers=2, capacity=64, reservations=16)
    assert not again.fresh
    assert amounts(again, slots) == amounts(arena, slots)
    assert again.find(5) == 4
    again.close()


@pytest.mark.parametrize(
    "change", [{"workers": 3}, {"capacity": 128}, {"reservations": 17}, {"boot_id": b"another boot of this machine"}]
)
def test_other_sizes_or_another_boot_begin_anew(bucket: ModuleType, arena: Any, change: dict[str, Any]) -> None:
    while arena.capacity < 200:
        arena.define(arena.allocate(), arena.capacity + arena._lowest, bucket.GAUGE, 5, 0)
    sizes = {"workers": 2, "capacity": 64, "reservations": 16, **change}
    again = bucket.Arena.create(arena.path, **sizes)
    assert again.fresh
    assert again.capacity == sizes["capacity"]
    assert not Path(f"{arena.path}.1").exists(), "growth segments of the old arena went with it"
    again.close()
    once_more = bucket.Arena.create(arena.path, **sizes)
    assert not once_more.fresh
    once_more.close()


def test_a_file_that_is_no_arena(bucket: ModuleType, tmp_path: Path) -> None:
    for content in (b"", b"x", b"x" * 10_000):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(ValueError, match=r"arena|empty"):
            bucket.Arena.attach(str(tmp_path / "other"))
    made = bucket.Arena.create(str(tmp_path / "other"), workers=1, capacity=64, reservations=16)
    assert made.fresh
    made.close()
    with (tmp_path / "other").open("r+b") as file:
        file.truncate(20_000)
    with pytest.raises(ValueError, match="size"):
        bucket.Arena.attach(str(tmp_path / "other"))


def test_the_file_is_private(arena: Any) -> None:
    assert os.stat(arena.path).st_mode & 0o777 == 0o600


def test_no_room_is_an_error_not_a_signal(bucket: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "arena"

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        with pytest.raises(OSError, match="File too large"):
            bucket.Arena.create(str(path), workers=1)
        small = bucket.Arena.create(str(path), workers=1, capacity=16, reservations=4)
        for number in range(16):
            small.define(small.allocate(), number + 1, bucket.GAUGE, 1, 0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 100_000))
        with pytest.raises(OSError, match="File too large"):
            small.allocate()
        assert small.capacity == 16

    assert wait(start(work)) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["arena"]


def test_sizes_that_cannot_be(bucket: ModuleType, tmp_path: Path) -> None:
    for sizes in ({"workers": 0}, {"workers": 1, "reservations": 1 << 24}, {"workers": 1, "capacity": 0}):
        with pytest.raises(ValueError, match="must be"):
            bucket.Arena.create(str(tmp_path / "arena"), **sizes)


def test_figures_that_cannot_be(bucket: ModuleType, arena: Any) -> None:
    for kind, limit, period, more in (
        (9, 1, S, {}), (bucket.WINDOW, -1, S, {}), (bucket.WINDOW, 1, 10, {}), (bucket.GCRA, 1, 0, {}),
        (bucket.ROLLING, 1, 0, {}), (bucket.GCRA, 1, S, {"burst": -1}), (bucket.GCRA, 1, S, {"unit": 7}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"unknown|negative|period"):
            arena.define(0, 1, kind, limit, period, **more)
    with pytest.raises(ValueError, match="id hash"):
        arena.define(0, 0, bucket.GAUGE, 1, 0)
