"""Budgets and limits of a running gateway: how much is let through, what is left reserved, what a caller is told."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from _speedups._bucket import Arena
from bench.reliability.asking import routed, running
from bench.reliability.books import NANO, nanodollars, usage
from bench.reliability.figures import Outcome, figure
from bench.reliability.provider import Manner, Providers
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import (
    CHAT,
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
from tests.waiting import wait_for

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


@figure("G5", guard="tests/live/test_endings.py")
def partial_streams(quick: bool) -> Outcome:
    """The caller hangs up behind each token of a stream of 40; the cost against the tokens that were delivered."""
    tokens = range(1, 41, 4 if quick else 1)
    wrong, nothing, worst = 0, 0, 0

    def script(received: Received) -> list[Step]:
        many = int(received.json()["messages"][0]["content"])
        return [chunked_head(), *(chunk(delta(f"t{n} ")) for n in range(many)), 3.0, chunk(delta("late"))]

    with spending(script, workers=1, budgets=[{"usd": 1000, "per": "month"}]) as (gateway, _):
        before = 0
        for many in tokens:
            message = [{"role": "user", "content": str(many)}]
            raw = body("/v1/chat/completions", stream=True, max_tokens=100, messages=message)
            _hang_up_behind(gateway.port, raw, f"t{many - 1} ".encode())
            [budget] = wait_for(
                lambda: [found for found in usage(gateway)["budgets"] if not nanodollars(found["reserved"])],
                "the settlement",
            )
            cost = nanodollars(budget["spent"]) - before
            before += cost
            nothing += cost == 0
            wrong += cost != many * PER_TOKEN
            worst = max(worst, abs(cost - many * PER_TOKEN) // PER_TOKEN)
    values = {"streams": len(tokens), "settled at nothing": nothing, "settled at another cost": wrong}
    return Outcome({**values, "tokens off at most": worst}, not nothing and worst <= 1)


def _hang_up_behind(port: int, raw: bytes, last: bytes) -> None:
    """Ask, and close the connection once ``last`` has arrived."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
        caller.sendall(raw)
        seen = b""
        while last not in seen:
            some = caller.recv(65536)
            assert some, f"{last!r} never came: {seen[-200:]!r}"
            seen += some


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
    """A limit of 20 requests at a time over two workers: under callers who wait, where the provider counts what it has
    at once, then under storms of callers who hang up."""
    storms, limit, chance = (3 if quick else 20), 20, random.Random(5)
    with Providers(a=Manner(delay_s=0.2)) as providers:
        keys = [{"name": "test", "value": KEY, "limits": [{"concurrency": limit}]}]
        config = routed(providers, {"targets": ["a/m"]}, virtual_keys=keys)
        with running(config, workers=2) as gateway:
            raw = body("/v1/chat/completions")

            async def patient() -> list[int]:
                asked = (talk(gateway.port, [raw]) for _ in range(200))
                return [outcome.statuses[0] for outcome in await asyncio.gather(*asked)]

            waited = [status for _ in range(storms) for status in asyncio.run(patient())]
            most = providers.most("a")

            async def storm() -> None:
                async def one() -> None:
                    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                    writer.write(raw)
                    await asyncio.sleep(chance.random() * 0.1)
                    writer.close()

                await asyncio.gather(*(one() for _ in range(200)))

            for _ in range(storms):
                asyncio.run(storm())
            time.sleep(1)
            [shown] = usage(gateway)["limits"]
            providers.clear()
            again = asyncio.run(patient()).count(200)
    values = {
        "rounds of 200 callers, and storms": storms,
        "served of those who waited": waited.count(200),
        "at the provider at once, at most": most,
        "left by callers in storms, held at the end": shown["reserved"],
        "served behind them": again,
    }
    kept = set(waited) <= {200, 429} and 0 < most <= limit and shown["reserved"] == 0
    return Outcome(values, kept and again >= 0.9 * limit)


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


__all__ = ["concurrency", "honest", "nonsense", "overspend", "partial_streams"]
