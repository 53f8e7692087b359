"""GET /api/usage."""

from __future__ import annotations

from typing import Any

import pytest

from _speedups._bucket import RingWriter
from gateway.stores.usage_report import DIMENSIONS
from tests.control.process import Control
from tests.control.trail_records import exchange
from tests.waiting import wait_for


@pytest.fixture
def used(running: Control) -> Control:
    """Three requests of alice's to mock, which cost 1, 2 and 3 dollars, are in the ledger."""
    writer = RingWriter(running.paths.ring(3), 3, 1, running.paths.spill(3), 64 << 10)
    for number in range(1, 4):
        writer.push(exchange(9000 + number, cost_nanodollars=number * 1_000_000_000))
    writer.close()
    wait_for(lambda: told(running)[0]["cost_nanodollars"] == 6_000_000_000, "the ledger's rows")
    return running


def told(control: Control, query: str = "") -> list[dict[str, Any]]:
    answer = control.get(f"/api/usage?{query}")
    assert answer.status == 200, answer
    entries: list[dict[str, Any]] = answer.json["entries"]
    return entries


def test_sums_have_names_and_filters(used: Control) -> None:
    [entry] = told(used, "by=key,provider,day")
    assert entry["by"] == {"key": "alice", "provider": "mock", "day": "2027-01-15"}
    assert (entry["requests"], entry["prompt_tokens"], entry["cost_usd"]) == (3, 30, "6.00")
    assert told(used, "key=bob")[0]["requests"] == 0
    assert told(used, "key=alice&model=m")[0]["requests"] == 3
    assert told(used, "since=1800000001")[0]["requests"] == 0
    assert told(used, "until=1800000001")[0]["requests"] == 3
    for dimension in DIMENSIONS:
        assert sum(each["cost_nanodollars"] for each in told(used, f"by={dimension}")) == 6_000_000_000


def test_what_is_wrong_is_refused(used: Control) -> None:
    for query in ("by=colour", "by=key,key", "by=key,team,model,day,hour", "since=1e300", "since=x"):
        assert used.get(f"/api/usage?{query}").status == 400
