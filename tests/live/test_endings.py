"""However a request ends, nothing stays reserved, and what it took is counted once."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from bench.reliability.spending import NONSENSE, PER_TOKEN, body, endings, held, nanodollars, spending, usage
from tests.live.upstreams import CHAT, Received, Step, chunk, chunked_head, delta, http
from tests.live.wire import ask

LIMITS = [{"concurrency": 9}, {"requests": 10**6, "per": "day"}, {"tokens": 10**9, "per": "1h", "window": "rolling"}]
BUDGETS = [{"usd": 10**6, "per": "month"}, {"usd": 10**6, "per": "30d", "window": "rolling"}]


def settled(gateway: Any) -> list[dict[str, Any]]:
    """Limits and budgets once nothing is reserved, or as they are after some seconds."""
    end = time.monotonic() + 10
    while True:
        shown = usage(gateway)
        limits: list[dict[str, Any]] = shown["limits"] + shown["budgets"]
        if not any(map(held, limits)) or time.monotonic() > end:
            return limits
        time.sleep(0.05)


@pytest.mark.parametrize("ending", endings())
def test_nothing_stays_reserved(ending: str) -> None:
    script, gone_s = endings()[ending]
    with spending(script, workers=1, limits=LIMITS, budgets=BUDGETS) as (gateway, _):
        for path in ("/v1/chat/completions", "/anthropic/v1/messages"):
            try:
                ask(gateway.port, body(path, stream="stream" in ending), timeout=gone_s or 10, whole=False)
            except (OSError, AssertionError):
                continue
        assert [limit for limit in settled(gateway) if held(limit)] == []


@pytest.mark.parametrize("many", [1, 7])
def test_a_stream_that_is_left_costs_what_it_brought(many: int) -> None:
    def script(_: Received) -> list[Step]:
        return [chunked_head(), *(chunk(delta(f"t{n} ")) for n in range(many)), 3.0, chunk(delta("late"))]

    with spending(script, workers=1, budgets=BUDGETS) as (gateway, _):
        with pytest.raises((OSError, AssertionError)):
            ask(gateway.port, body("/v1/chat/completions", stream=True, max_tokens=100), timeout=0.5)
        fixed, rolling = settled(gateway)
        assert nanodollars(fixed["spent"]) == many * PER_TOKEN
        assert nanodollars(rolling["spent"]) == pytest.approx(many * PER_TOKEN, abs=2**20)


@pytest.mark.parametrize("value", NONSENSE, ids=str)
def test_usage_that_cannot_be_gives_nothing_back(value: Any) -> None:
    def script(_: Received) -> list[Step]:
        whole = json.loads(CHAT)
        whole["usage"] = {"prompt_tokens": value, "completion_tokens": value, "total_tokens": value}
        return [http(json.dumps(whole))]

    with spending(script, workers=1, budgets=BUDGETS) as (gateway, _):
        assert ask(gateway.port, body("/v1/chat/completions", max_tokens=10)).status == 200
        fixed, rolling = settled(gateway)
        assert not fixed["spent"].startswith("-")
        assert not held(fixed)
        assert not held(rolling)
