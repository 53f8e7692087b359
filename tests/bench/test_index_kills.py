"""The vector index beside a writer and readers that are killed: a short run of what bench/index/kills.py does for ten
minutes, and that its checks notice what they are there for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.index import kills
from tests.speedups.twins import twins


@pytest.mark.parametrize("kind", ["float32", "int8"])
@pytest.mark.skipif("c" not in twins("_hnsw"), reason="nothing is compiled: the pure twin is killed in its own test")
def test_nothing_wrong_is_read(tmp_path: Path, kind: str) -> None:
    figures = kills.run(kills.Plan(seconds=1.0, readers=2, dim=32, ids=2000, kind=kind), tmp_path)
    assert kills.faults(figures) == 0
    assert figures["recall"] >= figures["recall_fresh"] - 0.05
    assert min(figures["lookups"], figures["changes"], figures["writer_kills"] + figures["reader_kills"]) > 0


def test_what_is_wrong_is_seen(tmp_path: Path) -> None:
    world = kills.World(kills.Plan(seconds=0, readers=1, dim=32, ids=2000), tmp_path)
    key, other = 4 << 16 | 1, 8 << 16 | 1
    query = world.vector(key)
    assert world.scope(key) == world.scope(other) == kills.LARGE
    assert world.stored_cosine(key, query) == pytest.approx(1, abs=1e-5)
    torn = np.concatenate([query[:16], world.vector(other)[16:]])
    assert abs(float(torn @ query) - 1) > 100 * kills.OFF
    writer = world.open_writer()
    writer.put(kills.LARGE, key, query.tobytes())
    world.journal[4, kills.LIVE] = 1
    kills.check_opened(world, writer)
    assert kills.unfound(world, writer) == (0, 0)
    world.journal[8, kills.LIVE] = 1
    assert kills.unfound(world, writer) == (0, 1)
    with pytest.raises(AssertionError, match="1 vectors, 2 in the journal"):
        kills.check_opened(world, writer)
    writer.close()
