from __future__ import annotations

from types import ModuleType

import pytest

from tests.speedups.twins import twins

SCANS = twins("_scan")


@pytest.fixture(params=SCANS.values(), ids=SCANS.keys())
def scan(request: pytest.FixtureRequest) -> ModuleType:
    """``_speedups._scan``, once compiled and once pure."""
    module: ModuleType = request.param
    return module


BUCKETS, RINGS, KEYS, HEALTHS = twins("_bucket"), twins("_ring"), twins("_keys"), twins("_health")
INDEXES = twins("_hnsw")


@pytest.fixture(params=BUCKETS.values(), ids=BUCKETS.keys())
def bucket(request: pytest.FixtureRequest) -> ModuleType:
    """``_speedups._bucket``, once compiled and once pure."""
    module: ModuleType = request.param
    return module


@pytest.fixture(params=RINGS.values(), ids=RINGS.keys())
def ring(request: pytest.FixtureRequest) -> ModuleType:
    """``_speedups._ring``, once compiled and once pure."""
    module: ModuleType = request.param
    return module


@pytest.fixture(params=KEYS.values(), ids=KEYS.keys())
def keys(request: pytest.FixtureRequest) -> ModuleType:
    """``_speedups._keys``, once compiled and once pure."""
    module: ModuleType = request.param
    return module


@pytest.fixture(params=HEALTHS.values(), ids=HEALTHS.keys())
def health(request: pytest.FixtureRequest) -> ModuleType:
    """``_speedups._health``, once compiled and once pure."""
    module: ModuleType = request.param
    return module


@pytest.fixture(params=INDEXES.values(), ids=INDEXES.keys())
def hnsw(request: pytest.FixtureRequest) -> ModuleType:
    """``_speedups._hnsw``, once compiled and once pure."""
    module: ModuleType = request.param
    return module
