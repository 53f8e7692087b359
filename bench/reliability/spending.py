"""Budgets and limits of a running gateway: how much is let through, what is left reserved, what a caller is told."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from _speedups._bucket import Arena
from bench.reliability.asking import running
from bench.reliability.figures import Outcome, figure
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import (
    CHAT,
    Act,
    Received,
    Script,
    Step,
    Upstream,
    chunk,
    chunked_head,
    delta,
    http,
)
from tests.live.wire import KEY, ask, request, talk

NANO = 10**9
PER_TOKEN = 1_000_000
"""Nano-dollars of a token of output at ``PRICES``."""
PRICES = [{"input": 0, "output": 1000}]
PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"input": "hi"},
    "/v1/completions": {"prompt": "hi"},
    "/anthropic/v1/messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 8},
    "/v1/embeddings": {"input": "hi"},
}
"""Endpoints, each with what its body needs beside the model."""


@contextmanager
def spending(script: Script, *, workers: int = 2, **key: Any) -> Iterator[tuple[Gateway, Upstream]]:
    """A gateway whose one key has these limits and budgets, before an upstream that does what ``script`` says."""
    with Upstream(script) as upstream:
        keys = [{"name": "test", "value": KEY, **key}]
        config = configuration(upstream.url, prices=PRICES, virtual_keys=keys)
        config["timeouts"] = {"first_byte": "1s", "total": "2s"}
        config["retry"] = {"attempts": 2, "backoff_initial": "10ms", "backoff_max": "20ms"}
        with running(config, workers=workers) as gateway:
            yield gateway, upstream


def usage(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gateway.get("/v1/usage", KEY).body)
    return found


def nanodollars(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole) * NANO + int(part.ljust(9, "0"))


def body(path: str, **more: Any) -> bytes:
    members = {"model": "m", **PATHS[path], **more}
    return request(path=path, body=json.dumps(members, separators=(",", ":")).encode())


def answered(completion: int) -> bytes:
    whole = json.loads(CHAT)
    whole["usage"] = {"prompt_tokens": 9, "completion_tokens": completion, "total_tokens": 9 + completion}
    return json.dumps(whole).encode()


@figure("G2", guard="tests/live/test_limits.py")
def overspend(quick: bool) -> Outcome:
    """1,000 calls at once, with max_tokens, on a budget for 100 of them, over two workers."""
    answer = answered(10)

    def late(_: Received) -> list[Step]:
        return [1.0, http(answer)]

    with spending(late, budgets=[{"usd": 1, "per": "day"}]) as (gateway, upstream):

        async def together() -> list[int]:
            calls = (talk(gateway.port, [body("/v1/chat/completions", max_tokens=10)]) for _ in range(1000))
            return [outcome.statuses[0] for outcome in await asyncio.gather(*calls)]

        statuses = asyncio.run(together())
        [budget] = usage(gateway)["budgets"]
        admitted = statuses.count(200)
        values = {
            "calls at once": 1000,
            "admitted": admitted,
            "refused with 402": statuses.count(402),
            "reached the provider": len(upstream.requests),
            "spent of 1.00 USD": budget["spent"],
            "still reserved": budget["reserved"],
        }
        kept = 95 <= admitted <= 100 and nanodollars(budget["spent"]) <= NANO and admitted == len(upstream.requests)
    return Outcome(values, kept and not nanodollars(budget["reserved"]))


def endings() -> dict[str, Any]:
    """Name -> what the provider does, what the caller does (seconds after which it hangs up, or None)."""
    slow = [0.3, http(CHAT)]
    long = [chunked_head(), chunk(delta("a")), 5.0, chunk(delta("b"))]
    first = iter(range(1_000_000))

    def fallback(good: bool) -> Script:
        return lambda _: [http(CHAT)] if good and next(first) % 2 else [http("{}", 503)]

    return {
        "ok": (lambda _: [http(CHAT)], None),
        "4xx": (lambda _: [http('{"error":{"message":"no"}}', 400)], None),
        "5xx": (lambda _: [http("{}", 500)], None),
        "time-out": (lambda _: [5.0, http(CHAT)], None),
        "caller gone before the first byte": (lambda _: slow, 0.1),
        "caller gone in a stream": (lambda _: long, 0.3),
        "connection reset": (lambda _: [Act.RESET], None),
        "stream cut": (lambda _: [chunked_head(), chunk(delta("a")), Act.RESET], None),
        "another attempt, good": (fallback(True), None),
        "another attempt, bad": (fallback(False), None),
    }


@figure("G4", guard="tests/live/test_endings.py")
def leaks(quick: bool) -> Outcome:
    """Each ending at each endpoint, then a worker killed and a drain with requests under way; what is reserved then."""
    rounds = 2 if quick else 20
    left: list[str] = []
    differing = 0
    limits = [
        {"concurrency": 50},
        {"requests": 10**6, "per": "day"},
        {"tokens": 10**9, "per": "1h", "window": "rolling"},
    ]
    for name, (script, gone_s) in endings().items():
        with spending(script, workers=1, limits=limits, budgets=[{"usd": 10**6, "per": "month"}]) as (gateway, _):
            for path in PATHS:
                for _ in range(rounds):
                    raw = body(path, **({"stream": True} if "stream" in name and "embed" not in path else {}))
                    try:
                        ask(gateway.port, raw, timeout=gone_s or 10, whole=False)
                    except (OSError, AssertionError):
                        continue
            time.sleep(0.5)
            shown = usage(gateway)
            left += [f"{name}: {limit['counts']}" for limit in (*shown["limits"], *shown["budgets"]) if held(limit)]
            differing += not consistent(shown)
    values = {"endings": len(endings()), "endpoints": len(PATHS), "requests each": rounds, "left reserved": len(left)}
    return Outcome({**values, "where": ", ".join(left) or "nowhere"}, not left and not differing)


def held(limit: dict[str, Any]) -> bool:
    return bool(float(limit["reserved"]))


def consistent(shown: dict[str, Any]) -> bool:
    """No figure is below nothing."""
    return all(float(limit["spent"]) >= 0 for limit in (*shown["limits"], *shown["budgets"]))


@figure("G5", guard="tests/live/test_endings.py")
def partial_streams(quick: bool) -> Outcome:
    """The caller hangs up behind each token of a stream of 40; the cost against the tokens that were delivered."""
    tokens = range(1, 41, 4 if quick else 1)
    wrong, nothing, worst = 0, 0, 0
    sent: list[int] = []

    def script(received: Received) -> list[Step]:
        many = int(received.json()["messages"][0]["content"])
        sent.append(many)
        return [chunked_head(), *(chunk(delta(f"t{n} ")) for n in range(many)), 3.0, chunk(delta("late"))]

    with spending(script, workers=1, budgets=[{"usd": 1000, "per": "month"}]) as (gateway, _):
        before = 0
        for many in tokens:
            message = [{"role": "user", "content": str(many)}]
            raw = body("/v1/chat/completions", stream=True, max_tokens=100, messages=message)
            try:
                ask(gateway.port, raw, timeout=0.5, whole=False)
            except (OSError, AssertionError):
                time.sleep(0.2)
            [budget] = usage(gateway)["budgets"]
            cost = nanodollars(budget["spent"]) - before
            before += cost
            nothing += cost == 0
            wrong += cost != many * PER_TOKEN
            worst = max(worst, abs(cost - many * PER_TOKEN) // PER_TOKEN)
    values = {"streams": len(tokens), "settled at nothing": nothing, "settled at another cost": wrong}
    return Outcome({**values, "tokens off at most": worst}, not nothing and worst <= 1)


NONSENSE = [-5, 10**300, "12", None, True, [], {}, 1.5, "NaN", -(10**30)]


@figure("G9", guard="tests/live/test_endings.py")
def nonsense(quick: bool) -> Outcome:
    """Usage that cannot be: negative, text, lists, 1e300. What is spent never shrinks, and never jumps to nonsense."""
    chosen: list[Any] = [None]

    def script(_: Received) -> list[Step]:
        whole = json.loads(CHAT)
        whole["usage"] = {"prompt_tokens": chosen[0], "completion_tokens": chosen[0], "total_tokens": chosen[0]}
        return [http(json.dumps(whole))]

    shrunk = failed = 0
    with spending(script, workers=1, budgets=[{"usd": 10**9, "per": "month"}]) as (gateway, _):
        before = 0
        for value in NONSENSE * (1 if quick else 10):
            chosen[0] = value
            failed += ask(gateway.port, body("/v1/chat/completions", max_tokens=10)).status != 200
            [budget] = usage(gateway)["budgets"]
            spent = nanodollars(budget["spent"])
            shrunk += spent < before
            before = spent
    values = {"answers": len(NONSENSE) * (1 if quick else 10), "budgets that grew by it": shrunk, "failed": failed}
    return Outcome(values, not shrunk and not failed)


@figure("G15", guard="tests/live/test_endings.py")
def concurrency(quick: bool) -> Outcome:
    """A limit of 20 requests at a time, under storms of callers who hang up."""
    storms, most, under_way, chance = (3 if quick else 20), 0, 0, random.Random(5)

    def script(_: Received) -> Iterator[Step]:
        nonlocal most, under_way
        under_way += 1
        most = max(most, under_way)
        yield 0.2
        under_way -= 1
        yield http(CHAT)

    with spending(script, limits=[{"concurrency": 20}]) as (gateway, upstream):

        async def storm() -> None:
            async def one() -> None:
                _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                writer.write(body("/v1/chat/completions"))
                await asyncio.sleep(chance.random() * 0.1)
                writer.close()

            await asyncio.gather(*(one() for _ in range(200)))

        for _ in range(storms):
            asyncio.run(storm())
        time.sleep(1)
        [limit] = usage(gateway)["limits"]
        with_room = [ask(gateway.port, body("/v1/chat/completions")).status for _ in range(25)]
        values = {
            "storms of 200 callers": storms,
            "reached the provider": len(upstream.requests),
            "held at the end": limit["reserved"],
            "served behind them, of 25": with_room.count(200),
        }
    return Outcome(values, limit["reserved"] == 0 and with_room.count(200) == 25)


@figure("G16", guard="tests/live/test_limits.py")
def honest(quick: bool) -> Outcome:
    """A refusal's figures, those of /v1/usage and those in the arena itself, at limits and budgets of each kind."""
    kinds: dict[str, dict[str, Any]] = {
        "requests": {"limits": [{"requests": 3, "per": "1h"}]},
        "tokens": {"limits": [{"tokens": 60, "per": "1h", "window": "rolling"}]},
        "budget": {"budgets": [{"usd": "0.03", "per": "month"}]},
        "rolling budget": {"budgets": [{"usd": "0.03", "per": "30d", "window": "rolling"}]},
    }
    differing = []
    for name, key in kinds.items():
        with spending(lambda _: [http(answered(10))], workers=1, **key) as (gateway, _):
            refused = None
            for _ in range(30):
                answer = ask(gateway.port, body("/v1/chat/completions", max_tokens=10))
                if answer.status != 200:
                    refused = json.loads(answer.body)["error"]["limit"]
                    break
            shown = usage(gateway)
            [limit] = shown["limits"] + shown["budgets"]
            arena = Arena.attach(gateway.paths.arena)
            used = next(
                (arena.standing(slot, time.monotonic_ns())[1] for slot in range(arena.capacity) if counts(arena, slot)),
                -1,
            )
            arena.close()
            spent = nanodollars(limit["spent"]) if "budget" in name else limit["spent"]
            same = refused is not None and all(
                refused[field] == limit[field] for field in ("limit", "spent", "reserved")
            )
            if not same or spent != used:
                differing.append(name)
    values = {"kinds": len(kinds), "that differ": ", ".join(differing) or "none"}
    return Outcome(values, not differing)


def counts(arena: Arena, slot: int) -> bool:
    """Whether the slot is a limit (and not a deployment's health)."""
    return arena.about(slot)[0] not in (0, 6)


__all__ = ["concurrency", "honest", "leaks", "nonsense", "overspend", "partial_streams"]
