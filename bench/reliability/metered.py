"""No way in is free: what is refused to a key whose budget is used up, route by route of the table of routes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from bench.reliability.asking import running
from bench.reliability.endpoints import MODEL, Endpoint, endpoints
from bench.reliability.figures import Outcome, figure
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import CHAT, Received, Step, Upstream, http
from tests.live.wire import ask, request

RICH, RICH_THERE = "sk-rich-0123456789012345678", "sk-richer-01234567890123456"
POOR, POOR_THERE = "sk-poor-0123456789012345678", "sk-poorer-01234567890123456"
"""The second of each has its objects at a provider of Anthropic's dialect."""
BUDGET = [{"usd": "0.002", "per": "month"}]
PRICES = [{"input": 0, "output": 1000}]
LEVELS = ("virtual_key", "team", "customer", "provider")
ANSWERED_WITHIN_S = 20.0
PLENTY = [{"usd": 10**6, "per": "month"}]
MESSAGE = json.dumps(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 4},
    }
)
EXHAUSTING = json.dumps({"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}).encode()
"""The answer is longer than it says, so that more is spent than there was."""


def configured(url: str, level: str) -> dict[str, Any]:
    """Keys with plenty, and keys that are poor at this level."""
    keys: list[dict[str, Any]] = []
    for name, value, account in (("rich", RICH, "mock"), ("richer", RICH_THERE, "claude")):
        keys.append({"name": name, "value": value, "stateful": f"{account}/rich", "budgets": PLENTY})
    for name, value, account in (("poor", POOR, "mock"), ("poorer", POOR_THERE, "claude")):
        own: dict[str, Any] = {"name": name, "value": value, "stateful": f"{account}/poor"}
        if level == "virtual_key":
            own["budgets"] = BUDGET
        elif level == "provider":
            own["providers"] = [{"provider": one, "budgets": BUDGET} for one in ("mock", "claude")]
        else:
            own["team"] = "poor"
        keys.append(own)
    config = configuration(
        url,
        prices=PRICES,
        # Of passed-through paths nobody knows the model.
        unknown_price="estimate",
        virtual_keys=keys,
        teams={"poor": {"customer": "poor", **({"budgets": BUDGET} if level == "team" else {})}},
        customers={"poor": {"budgets": BUDGET} if level == "customer" else {}},
    )
    accounts = [{"name": name, "value": f"sk-upstream-canary-{name}"} for name in ("rich", "poor", "all")]
    config["providers"]["mock"]["keys"] = accounts
    config["providers"]["claude"] = {"dialect": "anthropic", "base_url": url.removesuffix("/v1"), "keys": accounts}
    config["routes"]["claude"] = {"targets": ["claude/m"]}
    return config


def answers(received: Received) -> list[Step]:
    """An answer in the dialect that is spoken there, of four tokens."""
    return [http(MESSAGE if received.target.endswith("/messages") else CHAT)]


def exhaust(gateway: Gateway) -> None:
    """Spend the poor keys' budgets, at both providers. Raises AssertionError where that cannot be."""
    for key, model in ((POOR, MODEL), (POOR_THERE, MODEL), (POOR_THERE, "claude"), (POOR, "claude")):
        raw = request(body=EXHAUSTING.replace(b'"m"', json.dumps(model).encode()), key=key)
        assert ask(gateway.port, raw).status in (200, 402)
        assert ask(gateway.port, raw).status == 402, "more is spent than there was"


def answer(gateway: Gateway, endpoint: Endpoint) -> int:
    """Status of what is said to a caller there; 0: nothing within the time."""
    try:
        return ask(gateway.port, endpoint.raw, timeout=ANSWERED_WITHIN_S, methods=[endpoint.method], whole=False).status
    except (OSError, AssertionError, ValueError):
        return 0


class Survey(NamedTuple):
    asked: int
    reached: int
    """Endpoints at which a rich key's request reached the provider: the others are not offered by the two there are."""
    free: list[str]
    """Those at which a poor key is not refused with 402, or its request reaches the provider; and those at which a rich
    key is, so that the refusal says nothing."""


def survey(gateway: Gateway, upstream: Upstream, rich: Sequence[Endpoint], poor: Sequence[Endpoint]) -> Survey:
    """Ask at these endpoints with a rich key, at those with a poor one."""
    found: list[str] = []
    reached = 0
    for endpoint in rich:
        before = len(upstream.requests)
        if answer(gateway, endpoint) == 402:
            found.append(f"{endpoint.name}: 402 to the rich")
        reached += len(upstream.requests) > before
    for endpoint in poor:
        before = len(upstream.requests)
        if (status := answer(gateway, endpoint)) != 402 or len(upstream.requests) != before:
            found.append(f"{endpoint.name}: {status}")
    return Survey(len(poor), reached, found)


def both(level: str, *, unions: bool) -> tuple[list[Endpoint], list[Endpoint]]:
    """What the rich and the poor ask. Google's sessions are left out where the provider's own budget is used up: they
    are accepted before their first message says which provider that is (tests/live/test_realtime.py has them)."""
    rich, poor = endpoints(RICH, RICH_THERE, unions=unions), endpoints(POOR, POOR_THERE, unions=unions)
    pairs = [
        (one, other)
        for one, other in zip(rich, poor, strict=True)
        if level != "provider" or "BidiGenerateContent" not in one.name
    ]
    return [one for one, _ in pairs], [other for _, other in pairs]


@figure("G13", guard="tests/live/test_metered.py")
def everywhere(quick: bool) -> Outcome:
    """Each metered route with each of its methods, asked by a key with plenty and by one whose budget is used up at its
    own level, its team's, its customer's, or at every provider."""
    unrefused: list[str] = []
    asked = reached = 0
    with Upstream(answers) as upstream:
        for level in LEVELS:
            with running(configured(upstream.url, level)) as gateway:
                exhaust(gateway)
                found = survey(gateway, upstream, *both(level, unions=not quick))
                asked, reached = asked + found.asked, reached + found.reached
                unrefused += [f"{level}: {one}" for one in found.free]
    values = {
        "levels": len(LEVELS),
        "requests to a route by a method, over all levels": asked,
        "of these to a provider, where there is money": reached,
        "refused where there is none": asked - len(unrefused),
        "not refused": ", ".join(unrefused) or "none",
    }
    return Outcome(values, not unrefused)
