"""Requests that wait for longer than anybody wants their answers, and providers that cannot take what they are sent."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Any

from bench.reliability.counting import Bucket, Counting
from bench.reliability.figures import Outcome, figure
from bench.reliability.limited import Limited, limited
from bench.reliability.streaming import all_of, read, run

PATIENCE_S = 1.0
ON_THE_WAY_S = 0.05
"""For a request on its way through two sockets: the gateway counts from when it has all of it."""
SLOTS = 25
HIGH_ONLY = 5
"""Of these slots."""
HOLDS_S = 0.1
BACKLOG_S = 5.0


def _asked(gateway: Limited, model: str, fields: str = "") -> bytes:
    """A chat request that says when it was sent."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "user": f"{time.monotonic():.6f}"}
    data = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{gateway.port}\r\n{fields}"
        f"authorization: Bearer {gateway.gateway.key}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def _at(gateway: Limited, rate: float, seconds: float, fields: str = "") -> Counter[int]:
    """Ask evenly, each on a connection of its own; how many answers had which status."""

    async def one(number: int) -> int:
        await asyncio.sleep(number / rate)
        return (await read(gateway.port, _asked(gateway, "counted", fields))).status

    count = int(rate * seconds)
    return Counter(run(all_of(count, count, one)))


def counted(provider: Counting, overload: dict[str, Any]) -> Any:
    """Changes the configuration: a model ``counted`` of this provider."""

    def change(config: dict[str, Any]) -> None:
        key = {"name": "only", "value": "sk-upstream-4"}
        url = f"http://127.0.0.1:{provider.port}/v1"
        config["providers"]["counting"] = {"dialect": "openai_chat", "base_url": url, "keys": [key]}
        config["routes"]["counted"] = {"targets": ["counting/gpt-4o-mini"]}
        config["server"] = {"overload": overload}

    return change


@figure("D2", guard="tests/overload/test_admission.py")
def expired_requests(quick: bool) -> Outcome:
    """A queue with room for five seconds of work, whose callers say that they wait for one second."""
    seconds = 6.0 if quick else 60.0
    capacity = (SLOTS - HIGH_ONLY) / HOLDS_S
    queue = int(BACKLOG_S * capacity)
    patient = {"under_way": SLOTS, "queue": queue, "queue_wait": "60s", "queue_target": "60s"}
    with Counting(HOLDS_S) as provider, limited(change=counted(provider, patient)) as gateway:
        seen = _at(gateway, 3 * capacity, seconds, f"x-microgate-timeout: {PATIENCE_S:g}\r\n")
        expired = gateway_count(gateway, "expired")
        ages = [arrival.at - arrival.sent for arrival in provider.arrivals]
    late = sum(age > PATIENCE_S + ON_THE_WAY_S for age in ages)
    values = {
        "served a second": round(capacity),
        "asked a second": round(3 * capacity),
        "requests": sum(seen.values()),
        "answered in time": seen[200],
        "reached the provider": len(ages),
        "of these after their callers' second": late,
        "oldest, s": round(max(ages), 3),
        "given up there when the second was over (504)": seen[504],
        "refused": seen[503],
        "of these because their time was over": expired,
    }
    others = set(seen) - {200, 503, 504}
    return Outcome(values, not late and not others and seen[200] > 0 and seen[503] > 0)


def gateway_count(gateway: Limited, reason: str) -> int:
    """Refusals for this reason, once the worker has reported (every five seconds)."""
    time.sleep(6)
    return round(gateway.metric("microgate_overload_refusals_total", f'reason="{reason}"'))


@figure("D9", guard="tests/live/test_health.py")
def half_of_it(quick: bool) -> Outcome:
    """A provider that accepts a hundred requests a second and refuses the rest with 503, offered four times as many."""
    warm, seconds = (20.0, 8.0) if quick else (60.0, 60.0)
    rate = 100.0
    with Counting(accepts=Bucket(rate)) as provider:

        def change(config: dict[str, Any]) -> None:
            counted(provider, {})(config)
            config["retry"] = {"attempts": 1}

        with limited(share=None, change=change) as gateway:
            began = time.monotonic()
            seen = _at(gateway, 4 * rate, warm + seconds)
        seen_there = [arrival for arrival in provider.arrivals if began + warm <= arrival.at <= began + warm + seconds]
    accepted = sum(arrival.accepted for arrival in seen_there)
    values = {
        "offered a second": round(4 * rate),
        "sent to it a second": round(len(seen_there) / seconds, 1),
        "accepted a second": round(accepted / seconds, 1),
        "sent / accepted": round(len(seen_there) / max(1, accepted), 2),
        "answered 200": seen[200],
        "answered 503": seen[503],
    }
    note = f"Counted after {warm:g} s. The lot decides, so 2.05 is taken for 2."
    return Outcome(values, accepted > 0 and len(seen_there) <= 2.05 * accepted, note)
