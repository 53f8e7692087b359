"""Choice of a weighted key among several, all usable or every other one resting, health in the arena."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.speedups.twins import twins

KEYS, BUCKETS = twins("_keys"), twins("_bucket")
LOOPS = 2000


@pytest.mark.parametrize("count", [1, 3, 20])
@pytest.mark.parametrize("health", ["all-up", "some-resting"])
@pytest.mark.parametrize("caller", ["python", "c"])
@pytest.mark.parametrize("twin", KEYS)
def test_choose(benchmark: Any, tmp_path: Path, twin: str, caller: str, health: str, count: int) -> None:
    """From C the figure is for LOOPS choices (P10)."""
    if caller == "c" and twin == "py":
        pytest.skip("the pure twin has no C caller")
    # The pure choice asks whichever arena is in force.
    bucket = BUCKETS.get("c", BUCKETS["py"])
    arena = bucket.Arena.create(str(tmp_path / "arena"), workers=1, capacity=64, reservations=16)
    for slot in range(count):
        arena.define(slot, slot + 1, bucket.HEALTH, 0, 0)
    worker, now = arena.worker(0), time.monotonic_ns()
    keys = KEYS[twin].KeySet(worker, [(1000 * (slot + 1), slot, 0) for slot in range(count)])
    if health == "some-resting":
        for index in range(1, count, 2):
            keys.cool(index, 2 * now)
    if caller == "c":
        benchmark.extra_info["operations"] = LOOPS
        benchmark(KEYS[twin]._bench_choose, keys, (1 << count) - 1, now, LOOPS)
    else:
        assert 0 <= benchmark(keys.choose, (1 << count) - 1, now) < count
    worker.close()
    arena.close()
