"""A record through the ring: push in the worker, read in control."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gateway.stores.protocols import LogRow
from tests.speedups.twins import twins

KIND = LogRow._fields.index("kind")

MODULES = twins("_ring")
LOOPS = 2000


@pytest.fixture(params=MODULES.values(), ids=MODULES.keys())
def ring(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


def filled(ring: ModuleType) -> Any:
    record = ring.Record()
    record.kind, record.status, record.request_id = 2, 200, b"0123456789abcdef"
    record.model, record.target_model = b"mock/gpt-4o-mini", b"gpt-4o-mini"
    record.prompt_tokens, record.completion_tokens = 1200, 340
    return record


def test_push_and_read(benchmark: Any, ring: ModuleType, tmp_path: Path) -> None:
    """One record: push, read, commit."""
    names = str(tmp_path / "ring"), str(tmp_path / "spill")
    writer, record = ring.RingWriter(names[0], 0, 1, names[1]), filled(ring)
    reader = ring.RingReader(*names)

    def once() -> int:
        writer.push(record)
        values = reader.read(10)
        reader.commit()
        kind: int = values[KIND]
        return kind

    assert benchmark(once) == 2
    writer.close()
    reader.close()


@pytest.mark.skipif("c" not in MODULES, reason="nothing is compiled: there is no C caller")
def test_push_from_c(benchmark: Any, tmp_path: Path) -> None:
    """The figure is for LOOPS records."""
    ring = MODULES["c"]
    writer = ring.RingWriter(str(tmp_path / "ring"), 0, 1, str(tmp_path / "spill"))
    benchmark.extra_info["operations"] = LOOPS
    benchmark(ring._bench_push, writer, filled(ring), LOOPS)
    assert writer.dropped == writer.spilled == 0
    writer.close()
