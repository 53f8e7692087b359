from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.played_gateway import Played


@pytest.fixture
def played() -> Iterator[Played]:
    gateway = Played()
    yield gateway
    gateway.close()
