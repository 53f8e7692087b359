"""Several processes at one limit: exactly the limit is admitted, never more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from _speedups import _layout
from tests.speedups.children import start, wait

S = 10**9
WORKERS = 3


class Crowd:
    def __init__(self, module: ModuleType, path: Path) -> None:
        self.module = module
        self.arena = module.Arena.create(str(path / "arena"), workers=WORKERS, capacity=64, reservations=64)
        self.path = path

    def run(self, work: Callable[[Any, Any, int], int]) -> list[int]:
        """``work(module, worker, index)`` in as many processes as there are places; what each returns."""

        def child(index: int) -> None:
            arena = self.module.Arena.attach(str(self.path / "arena"))
            worker = arena.worker(index)
            while not (self.path / "go").exists():
                time.sleep(0)
            (self.path / f"result-{index}").write_text(str(work(self.module, worker, index)))
            worker.close()

        pids = [start(lambda index=index: child(index)) for index in range(WORKERS)]
        while any(self.arena.status(index)[1] != pid for index, pid in enumerate(pids)):
            time.sleep(0)
        (self.path / "go").touch()
        codes = [wait(pid) for pid in pids]
        assert codes == [0] * WORKERS
        return [int((self.path / f"result-{index}").read_text()) for index in range(WORKERS)]


@pytest.fixture
def crowd(bucket: ModuleType, tmp_path: Path) -> Iterator[Crowd]:
    made = Crowd(bucket, tmp_path)
    yield made
    made.arena.close()


@pytest.mark.parametrize("kind", ["WINDOW", "ROLLING", "MONEY", "GCRA"])
def test_exactly_the_limit_is_admitted(crowd: Crowd, kind: str) -> None:
    """Time stands still; each process asks until the limit has been full for a while."""
    limit, now = 2500, 10**15
    crowd.arena.define(0, 1, getattr(crowd.module, kind), limit, 0 if kind == "MONEY" else 1000 * S)

    def hammer(module: Any, worker: Any, index: int) -> int:
        limits, admitted, refused = module.LimitSet([0]), 0, 0
        while refused < 2000:
            handle = worker.reserve(limits, 1, 0, 1, now)
            if handle >= 0:
                admitted += 1
                worker.settle(handle, 1, 0, 1, now)
            else:
                refused += 1
        return admitted

    results = crowd.run(hammer)
    assert sum(results) == limit
    assert crowd.arena.used(0, now) == limit


def test_a_gauge_is_never_exceeded_and_never_sticks(crowd: Crowd) -> None:
    """Each process holds as many as it can get; a second, wider gauge shows how many were held at once."""
    now = 1
    crowd.arena.define(0, 1, crowd.module.GAUGE, 5, 0)
    crowd.arena.define(1, 2, crowd.module.GAUGE, 1000, 0)

    def hammer(module: Any, worker: Any, index: int) -> int:
        limits, held, most = module.LimitSet([1, 0]), [], 0
        for turn in range(4000):
            handle = worker.reserve(limits, 1, 0, 0, now)
            if handle >= 0:
                held.append(handle)
            most = max(most, len(held))
            if held and turn % 3:
                worker.settle(held.pop(), turn % 2, 0, 0, now)
        for handle in held:
            worker.settle(handle, 1, 0, 0, now)
        return most

    assert max(crowd.run(hammer)) <= 5
    assert crowd.arena.used(0, now) == crowd.arena.used(1, now) == crowd.arena.pending() == 0


def hammer_for(duration_ns: int) -> Callable[[Any, Any, int], int]:
    """Reserve and settle in real time; returns how many were admitted."""

    def hammer(module: Any, worker: Any, index: int) -> int:
        limits, admitted, end = module.LimitSet([0]), 0, time.monotonic_ns() + duration_ns
        while (now := time.monotonic_ns()) < end:
            handle = worker.reserve(limits, 1, 0, 0, now)
            if handle >= 0:
                admitted += 1
                worker.settle(handle, 1, 0, 0, now)
        return admitted

    return hammer


def test_every_window_admits_its_limit_once(crowd: Crowd) -> None:
    """Demand far above the limit while periods pass: no period admits more, however many clocks are a little late."""
    limit, period = 40, 10_000_000
    crowd.arena.define(0, 1, crowd.module.WINDOW, limit, period)
    begin = time.monotonic_ns() // period
    total = sum(crowd.run(hammer_for(20 * period)))
    end = time.monotonic_ns() // period
    assert limit <= total <= (end - begin + 1) * limit


def test_a_rolling_limit_over_processes_and_real_time(crowd: Crowd) -> None:
    """No 60 sub-windows in a row hold more than the limit; each reservation names the one that it was counted in."""
    limit, period = 40, 20_000_000
    crowd.arena.define(0, 1, crowd.module.ROLLING, limit, period)

    def hammer(module: Any, worker: Any, index: int) -> int:
        arena, admitted = module.Arena.attach(crowd.arena.path), list[int]()
        limits, body = module.LimitSet([0]), arena.geometry.bodies(index) + _layout.R_ENTRIES
        end = time.monotonic_ns() + 12 * period
        while (now := time.monotonic_ns()) < end:
            handle = worker.reserve(limits, 1, 0, 0, now)
            if handle >= 0:
                named = arena.q[body + (handle & 0xFFFFFF) * _layout.BODY_WORDS]
                admitted.append(named >> 38 & _layout.ROLL_NUMBER_MASK)
                worker.settle(handle, 1, 0, 0, now)
        (crowd.path / f"admitted-{index}").write_text(" ".join(map(str, admitted)))
        return len(admitted)

    assert sum(crowd.run(hammer)) > limit
    counts = Counter(
        int(number) for index in range(WORKERS) for number in (crowd.path / f"admitted-{index}").read_text().split()
    )
    for first in counts:
        assert sum(counts[first + later] for later in range(_layout.SUB_WINDOWS)) <= limit


def test_gcra_over_processes_and_real_time(crowd: Crowd) -> None:
    """E8: admitted <= rate x time + burst."""
    crowd.arena.define(0, 1, crowd.module.GCRA, 2000, S, burst=20)
    begin = time.monotonic_ns()
    total = sum(crowd.run(hammer_for(S // 5)))
    assert 20 <= total <= 20 + 2000 * (time.monotonic_ns() - begin) // S


def test_all_or_none_under_contention(crowd: Crowd) -> None:
    """A set refused by its last limit leaves nothing behind in the others, whoever races."""
    now = 1
    crowd.arena.define(0, 1, crowd.module.MONEY, 1 << 60, 0)
    crowd.arena.define(1, 2, crowd.module.GAUGE, 1, 0)

    def hammer(module: Any, worker: Any, index: int) -> int:
        limits, spent = module.LimitSet([0, 1]), 0
        for turn in range(5000):
            handle = worker.reserve(limits, 1, 0, 7, now)
            if handle >= 0:
                spent += turn % 7
                worker.settle(handle, 1, 0, turn % 7, now)
        return spent

    assert crowd.arena.used(0, now) == 0
    assert sum(crowd.run(hammer)) == crowd.arena.used(0, now) > 0
    assert crowd.arena.used(1, now) == 0
