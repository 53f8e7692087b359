"""What the cost of an answer takes to compute: once a request, with and without tiers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.speedups.twins import twins

COSTS = twins("_cost")
LOOPS = 2000


@pytest.mark.parametrize("tiers", [0, 2])
@pytest.mark.parametrize("caller", ["python", "c"])
@pytest.mark.parametrize("twin", COSTS)
def test_cost(benchmark: Any, twin: str, caller: str, tiers: int) -> None:
    """From C the figure is for LOOPS costs (P10)."""
    if caller == "c" and twin == "py":
        pytest.skip("the pure twin has no C caller")
    module = COSTS[twin]
    rates = module.Rates([1_250_000_000] * len(module.KINDS))
    for above in (200, 100)[:tiers]:
        rates = module.Rates(rates.prices, above, rates)
    if caller == "c":
        benchmark.extra_info["operations"] = LOOPS
        assert benchmark(module._bench_cost, rates, LOOPS) > 0
    else:
        assert benchmark(rates.cost, 1000, 200, 500) > 0
