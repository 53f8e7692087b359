"""A fault proxy in a thread that plays a provider, without faults at the beginning of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.faults.embedded import Faults, InThread
from gateway.faults.schema import Prices, Setup, UpstreamEntry

PRICES = Prices(prompt_nanodollars=150, completion_nanodollars=600)


@pytest.fixture(scope="module")
def _proxy() -> Iterator[Faults]:
    with InThread(Setup(upstreams={"provider": UpstreamEntry(prices=PRICES)}, seed=4)) as faults:
        yield faults


@pytest.fixture
def faults(_proxy: Faults) -> Faults:
    _proxy.clear()
    return _proxy
