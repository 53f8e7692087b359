"""The fixture that most tests of what runs on a loop start from."""

from __future__ import annotations

import pytest

from tests.cache.loops import LOOPS, Run, runner_on


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    return runner_on(request.param)
