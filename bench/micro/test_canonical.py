"""What the exact cache costs a request that misses: its canonical digest. ``pytest bench/micro/test_canonical.py``."""

from __future__ import annotations

from types import ModuleType

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.test_scan import BODIES
from tests.speedups.twins import twins

CANONICALS = twins("_canonical")
PREFIX = bytes(40)
"""About as long as a dialect, an operation and what a model name leads to."""


@pytest.fixture(params=CANONICALS.values(), ids=CANONICALS.keys())
def canonical(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


@pytest.mark.parametrize("name", BODIES)
def test_digest(benchmark: BenchmarkFixture, canonical: ModuleType, name: str) -> None:
    body = BODIES[name]
    scratch = canonical.Canonical((b"model", b"user", b"metadata"), (b"background",))
    assert len(benchmark(scratch.digest, PREFIX, body)) == 32
    if benchmark.stats:
        benchmark.extra_info["gigabytes_per_second"] = len(body) / benchmark.stats["median"] / 1e9


@pytest.mark.parametrize("name", ["chat-850B", "tool-schemas"])
def test_form(benchmark: BenchmarkFixture, canonical: ModuleType, name: str) -> None:
    assert benchmark(canonical.Canonical((b"model",)).form, BODIES[name])
