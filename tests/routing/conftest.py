from __future__ import annotations

from types import ModuleType

import pytest

from tests.speedups.twins import twins

AFFINITIES = twins("_affinity")


@pytest.fixture(params=AFFINITIES.values(), ids=AFFINITIES.keys())
def affinity(request: pytest.FixtureRequest) -> ModuleType:
    """``_speedups._affinity``, once compiled and once pure."""
    module: ModuleType = request.param
    return module
