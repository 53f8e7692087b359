"""Reserve and settle: a C caller's price (``_bench_reserve``) and a Python caller's, for each kind of limit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.speedups.twins import twins

S = 10**9
MODULES = twins("_bucket")
LOOPS = 2000
KINDS = {
    "gcra": ("GCRA", 10**9, S, 0),
    "gcra-tokens": ("GCRA", 1 << 50, S, 1),
    "window": ("WINDOW", 1 << 50, 60 * S, 0),
    "window-tokens": ("WINDOW", 1 << 50, 60 * S, 1),
    "rolling": ("ROLLING", 1 << 50, 60 * S, 0),
    "gauge": ("GAUGE", 1000, 0, 0),
    "money": ("MONEY", 1 << 60, 0, 0),
}
LEVELS = [("window", "rolling", "gcra", "window-tokens", "money")] * 3
# "levels": those of bench/levels.yaml, five on each of three levels. "p1": the five limits of bench/p1.yaml.
SETS = {
    "empty": [],
    **{name: [slot] for slot, name in enumerate(KINDS)},
    "p1": [2, 4, 0, 3, 5],
    "levels": list(range(8, 23)),
}


def define(bucket: ModuleType, arena: Any) -> None:
    """Each kind in a slot of its own, then those of the levels from slot 8 on."""
    rows = dict(enumerate(KINDS.values()))
    rows |= {8 + n: KINDS[kind] for n, kind in enumerate(kind for level in LEVELS for kind in level)}
    for slot, (kind, limit, period, unit) in rows.items():
        arena.define(slot, slot + 1, getattr(bucket, kind), limit, period, unit=unit)


@pytest.fixture(params=MODULES.values(), ids=MODULES.keys())
def bucket(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


@pytest.fixture
def worker(bucket: ModuleType, tmp_path: Path) -> Iterator[Any]:
    arena = bucket.Arena.create(str(tmp_path / "arena"), workers=2, capacity=64, reservations=64)
    define(bucket, arena)
    made = arena.worker(0)
    yield made
    made.close()
    arena.close()


@pytest.mark.parametrize("name", SETS)
def test_reserve_and_settle(benchmark: Any, bucket: ModuleType, worker: Any, name: str) -> None:
    """One call from Python each."""
    limits, now = bucket.LimitSet(SETS[name]), time.monotonic_ns()

    def once() -> None:
        worker.settle(worker.reserve(limits, 1, 10, 10, now), 1, 7, 7, now)

    benchmark(once)


@pytest.mark.parametrize("workers", [1, 8], ids=lambda workers: f"{workers}-workers")
@pytest.mark.parametrize("name", SETS)
@pytest.mark.skipif("c" not in MODULES, reason="nothing is compiled: there is no C caller")
def test_reserve_and_settle_from_c(benchmark: Any, tmp_path: Path, name: str, workers: int) -> None:
    """P10: the figure is for LOOPS operations. Every worker has requests in every sub-window of the rolling limit."""
    bucket = MODULES["c"]
    arena = bucket.Arena.create(str(tmp_path / "arena"), workers=workers, capacity=64, reservations=64)
    define(bucket, arena)
    places, limits = [arena.worker(index) for index in range(workers)], bucket.LimitSet(SETS[name])
    now = time.monotonic_ns()
    for ago in range(59, -1, -1):
        for place in places:
            bucket._bench_reserve(place, bucket.LimitSet([4]), 1, now - ago * S, 0)
    benchmark.extra_info["operations"] = LOOPS
    admitted = benchmark(bucket._bench_reserve, places[0], limits, LOOPS, now, 1000)
    assert admitted == LOOPS
    for place in places:
        place.close()
    arena.close()
