"""What requests cost: told to callers of plain answers, written down for all, and never silently nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.records import Flags, Kind, Outcome, UsageSource
from gateway.stores.protocols import LogRow
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.test_continuing import BODY, FIRST, SECOND, beginning, ending, pair
from tests.live.trail import trail_of
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, chunk, chunked_head, delta, event, http
from tests.live.upstreams import ordinary as ordinarily
from tests.live.wire import KEY, Answer, ask, request
from tests.waiting import wait_for

ID = "x-microgate-request-id"
COST = "x-microgate-cost"
OTHER_KEY = KEY + "-other"
PRICES: list[dict[str, Any]] = [
    {"model": "m", "input": 1.5, "output": 6, "cache_read": "0.15", "cache_write": 2, "output_reasoning": 7},
    {"model": "long", "input": 1, "output": 1, "above": [{"tokens": 8, "input": 2}]},
    {"model": "fixed", "input": 0, "output": 0, "request": "0.25"},
    {"model": "m", "virtual_keys": ["other"], "input": 3, "output": 12},
    {"model": "tiered", "input": 2, "output": 8, "tiers": {"flex": {"input": 1, "output": 4}}},
    {"model": "claude", "input": 1, "output": 5},
    {"provider": "talks", "input": 1, "output": 1},
]
ASKED = {"stream_usage": "ask"}
ORDINARY = 9 * 1_500 + 4 * 6_000
"""Nano-dollars of nine tokens of input and four of output."""

USAGES: dict[str, tuple[dict[str, Any], int]] = {
    "cached": ({"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 8}},
               1 * 1_500 + 8 * 150 + 4 * 6_000),
    "reasoning": ({"prompt_tokens": 9, "completion_tokens": 4, "completion_tokens_details": {"reasoning_tokens": 3}},
                  9 * 1_500 + 1 * 6_000 + 3 * 7_000),
    "total": ({"total_tokens": 9}, 9 * 1_500),
}  # fmt: skip
IMPOSSIBLE: dict[str, tuple[dict[str, Any], int]] = {
    "more cached than all": ({"prompt_tokens": 9, "completion_tokens": 4, "cached_tokens": 900}, 9 * 150 + 4 * 6_000),
    "negative": ({"prompt_tokens": -9, "completion_tokens": 4}, 4 * 6_000),
    "text": ({"prompt_tokens": "9", "completion_tokens": 4}, 4 * 6_000),
    "huge": ({"prompt_tokens": 1e300, "completion_tokens": 4}, 4 * 6_000),
}  # fmt: skip


def answering(received: Received) -> list[Step]:
    asked = received.json()
    said = asked.get("metadata", {}).get("usage")
    if said is not None:
        return [http(json.dumps({**json.loads(CHAT), "usage": said}))]
    how = asked.get("metadata", {}).get("how")
    if how == "cut":
        return [chunked_head(), *(chunk(delta(f"t{i} ")) for i in range(5)), 0.05, Act.RESET]
    if how == "silent about usage":
        return [http(json.dumps({name: part for name, part in json.loads(CHAT).items() if name != "usage"}))]
    if how == "tier":
        tier = {"service_tier": asked["service_tier"]}
        usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
        if asked.get("stream"):
            told = [
                event(choices=[{"index": 0, "delta": {"content": "x"}}], **tier),
                event(choices=[], usage=usage, **tier),
            ]
            return [chunked_head(), *map(chunk, (*told, b"data: [DONE]\n\n", b""))]
        return [http(json.dumps({**json.loads(CHAT), **tier, "usage": usage}))]
    if how == "late":
        return [Act.HOLD]
    if how == "page":
        return [http(b"<html>busy</html>", content_type="text/html")]
    if how == "reset":
        return [Act.RESET]
    if how == "error":
        return [http(b'{"error":{"message":"no"}}', 400)]
    return ordinarily(received)


def claude(received: Received) -> list[Step]:
    """The first event tells the tokens of the prompt, and the stream breaks off before its end tells the rest."""
    usage = {"input_tokens": 20, "output_tokens": 1}
    started = event(type="message_start", message={"id": "x", "type": "message", "role": "assistant", "model": "claude",
                                                   "content": [], "usage": usage})  # fmt: skip
    block = event(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
    told = [event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": f"{i} "}) for i in range(7)]
    return [chunked_head(), *map(chunk, (started, block, *told)), 0.05, Act.RESET]


def body(model: str = "m", **members: Any) -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], **members}).encode()


@dataclass
class Asked:
    gateway: Gateway
    answers: dict[str, Answer]
    rows: dict[str, LogRow]

    def row(self, name: str) -> LogRow:
        return self.rows[self.answers[name].header(ID) or ""]


@pytest.fixture(scope="module")
def asked(start_for_module: Start) -> Asked:
    """Everything is asked once, then the books are read."""
    with Upstream(answering) as upstream, Upstream(claude) as other:
        config = configuration(upstream.url, provider=ASKED, prices=PRICES, retry={"attempts": 1})
        config["virtual_keys"].append({"name": "other", "value": OTHER_KEY})
        config["providers"]["talks"] = {**config["providers"]["mock"], "operations": ["speech", "embeddings"]}
        config["providers"]["claude"] = {
            "dialect": "anthropic",
            "base_url": other.url.removesuffix("/v1"),
            "keys": [{"name": "k", "value": "sk-upstream-canary"}],
        }
        config["providers"]["gone"] = {**config["providers"]["mock"], "base_url": "http://127.0.0.1:1/v1"}
        config["routes"]["c"] = {"targets": ["claude/claude"]}
        gateway = start_for_module(config)

        def one(sent: bytes, key: str = KEY, whole: bool = True, fields: Sequence[tuple[str, str]] = ()) -> Answer:
            return ask(gateway.port, request(body=sent, key=key, fields=fields), whole=whole)

        answers = {
            "whole": one(body()),
            "whole of another key": one(body(), OTHER_KEY),
            "stream": one(body(stream=True)),
            "long": one(body("mock/long")),
            "fixed": one(body("mock/fixed")),
            "unknown": one(body("mock/nobody-knows")),
            "cut": one(body(stream=True, metadata={"how": "cut"}), whole=False),
            "cut after a promise": one(body("c", stream=True, max_tokens=50), whole=False),
            "silent about usage": one(body(metadata={"how": "silent about usage"})),
            "error": one(body(metadata={"how": "error"})),
            "own": one(body("nowhere/m")),
            "page": one(body(metadata={"how": "page"})),
            "reset": one(body(metadata={"how": "reset"})),
            "unreachable": one(body("gone/m")),
            "late": one(body(metadata={"how": "late"}), fields=[("x-microgate-timeout", "1")]),
        }
        for tier in ("default", "flex"):
            sent = {"service_tier": tier, "metadata": {"how": "tier"}}
            answers[tier] = one(body("mock/tiered", **sent))
            answers[f"{tier}, streamed"] = one(body("mock/tiered", stream=True, **sent))
        for name, (usage, _) in {**USAGES, **IMPOSSIBLE}.items():
            answers[name] = one(body(metadata={"usage": usage}))
        return Asked(gateway, answers, trail_of(gateway))


def test_a_plain_answer_tells_its_cost(asked: Asked) -> None:
    assert asked.answers["whole"].header(COST) == "0.000037500"
    row = asked.row("whole")
    assert (row.cost_nanodollars, row.usage_source) == (ORDINARY, UsageSource.PROVIDER)
    assert not row.flags & Flags.UNPRICED


def test_a_virtual_key_may_have_prices_of_its_own(asked: Asked) -> None:
    assert asked.answers["whole of another key"].header(COST) == "0.000075000"
    assert asked.row("whole of another key").cost_nanodollars == 2 * ORDINARY


def test_the_cost_of_a_stream_is_in_its_record(asked: Asked) -> None:
    assert asked.answers["stream"].header(COST) is None
    assert asked.row("stream").cost_nanodollars == ORDINARY


def test_prices_of_long_requests_and_of_requests(asked: Asked) -> None:
    assert asked.row("long").cost_nanodollars == 9 * 2_000 + 4 * 1_000
    assert asked.answers["fixed"].header(COST) == "0.250000000"


@pytest.mark.parametrize("name", USAGES)
def test_kinds_of_tokens_that_the_provider_tells_apart(asked: Asked, name: str) -> None:
    row = asked.row(name)
    assert row.cost_nanodollars == USAGES[name][1]
    assert not row.flags & Flags.SUSPICIOUS_USAGE
    assert row.prompt_tokens == 9


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_usage_is_cut_to_what_can_be_and_flagged(asked: Asked, name: str) -> None:
    row = asked.row(name)
    assert row.cost_nanodollars == IMPOSSIBLE[name][1]
    assert row.flags & Flags.SUSPICIOUS_USAGE


def test_an_unknown_price_is_said_to_be_unknown(asked: Asked) -> None:
    assert asked.answers["unknown"].header(COST) is None
    row = asked.row("unknown")
    assert (row.cost_nanodollars, row.prompt_tokens) == (0, 9)
    assert row.flags & Flags.UNPRICED


def test_a_stream_that_was_cut_costs_what_was_delivered(asked: Asked) -> None:
    row = asked.row("cut")
    sent = len(body(stream=True, metadata={"how": "cut"}))
    assert (row.outcome, row.usage_source, row.completion_tokens) == (Outcome.TRUNCATED, UsageSource.ESTIMATE, 5)
    assert 0 < row.prompt_tokens <= sent // 4 + 20, "as those of the requests before it"
    assert row.cost_nanodollars == row.prompt_tokens * 1_500 + 5 * 6_000


def test_what_a_stream_said_of_its_beginning_is_not_all_that_it_cost(asked: Asked) -> None:
    row = asked.row("cut after a promise")
    assert (row.usage_source, row.prompt_tokens) == (UsageSource.ESTIMATE, 20)
    assert row.completion_tokens >= 7
    assert row.cost_nanodollars == 20 * 1_000 + row.completion_tokens * 5_000


def test_estimated_usage_is_priced_and_no_caller_is_told_so(asked: Asked) -> None:
    row = asked.row("silent about usage")
    assert row.usage_source == UsageSource.ESTIMATE
    assert row.cost_nanodollars == row.prompt_tokens * 1_500 + row.completion_tokens * 6_000 > 0
    assert asked.answers["silent about usage"].header(COST) is None


@pytest.mark.parametrize("name", ["error", "own", "page", "reset", "unreachable"])
def test_what_was_refused_costs_nothing(asked: Asked, name: str) -> None:
    assert asked.answers[name].header(COST) is None
    row = asked.row(name)
    assert (row.cost_nanodollars, row.flags & Flags.UNPRICED) == (0, 0)
    assert row.prompt_tokens == row.completion_tokens == 0


def test_what_was_left_before_it_was_answered_costs_its_input(asked: Asked) -> None:
    row = asked.row("late")
    assert (row.usage_source, row.completion_tokens) == (UsageSource.ESTIMATE, 0)
    assert row.cost_nanodollars == row.prompt_tokens * 1_500 > 0


@pytest.mark.parametrize("tier", ["default", "flex"])
def test_the_service_tier_that_the_answer_names_sets_the_price(asked: Asked, tier: str) -> None:
    cost = 9 * 1_000 + 4 * 4_000 if tier == "flex" else 9 * 2_000 + 4 * 8_000
    assert asked.answers[tier].header(COST) == f"0.{cost:09}"
    for name in (tier, f"{tier}, streamed"):
        row = asked.row(name)
        assert (row.cost_nanodollars, row.usage_source) == (cost, UsageSource.PROVIDER)
        assert bool(row.flags & Flags.SERVICE_TIER) == (tier == "flex")


def test_an_attempt_that_another_one_followed_costs_what_its_provider_said(start_gateway: Start) -> None:
    """An answer that is no answer, with its usage: the provider charges for it, and so the books have it."""
    usage = {"prompt_tokens": 100, "completion_tokens": 1}
    failing = [event(choices=[], usage=usage), event(error={"message": "overloaded", "type": "server_error"})]
    # In one piece: once the first event has been let through, nothing is asked again.
    script: list[Step] = [chunked_head() + chunk(b"".join(failing)) + chunk(b"")]
    with Upstream(lambda received: script) as first, Upstream() as second:
        prices = [{"provider": "mock", "input": 1, "output": 1}, {"provider": "other", "input": 2, "output": 2}]
        config = configuration(first.url, provider=ASKED, prices=prices)
        config["providers"]["other"] = {**config["providers"]["mock"], "base_url": second.url}
        config["routes"]["m"] = {"targets": ["mock/m"], "fallbacks": ["other/m"]}
        gateway = start_gateway(config)
        answer = ask(gateway.port, request(body=body(stream=True)))
        assert answer.status == 200
        (row,) = trail_of(gateway).values()
        (attempt,) = trail_of(gateway, Kind.ATTEMPT).values()
        assert (row.attempts, row.cost_nanodollars) == (2, 13 * 2_000)
        assert (attempt.prompt_tokens, attempt.cost_nanodollars) == (100, 101 * 1_000)
        assert attempt.usage_source == UsageSource.PROVIDER


def test_a_stream_that_goes_on_elsewhere_costs_each_part_at_its_own_price(start_gateway: Start) -> None:
    with (
        Upstream(lambda received: beginning(0.02, Act.RESET)) as first,
        Upstream(lambda received: ending(SECOND)) as second,
    ):
        prices = [{"provider": "mock", "input": 0, "output": 1}, {"provider": "other", "input": 0, "output": 1000}]
        gateway = start_gateway(pair(first.url, second.url, prices=prices))
        ask(gateway.port, request(body=json.dumps(BODY).encode()))
        (row,) = trail_of(gateway).values()
        (attempt,) = trail_of(gateway, Kind.ATTEMPT).values()
        assert row.flags & Flags.CONTINUED
        rest = row.completion_tokens - len(FIRST)
        assert rest > 0
        assert row.cost_nanodollars == len(FIRST) * 1_000 + rest * 1_000_000
        assert attempt.cost_nanodollars == attempt.prompt_tokens == 0, "the exchange's record has all of it"


def test_an_unknown_price_can_be_estimated(start_gateway: Start, upstream: Upstream) -> None:
    upstream.script = lambda received: ordinarily(received) if received.body else [http(b'{"voices":["a","b"]}')]
    gateway = start_gateway(configuration(upstream.url, unknown_price="estimate"))
    answer = ask(gateway.port)
    assert answer.header(COST) is None
    fetched = ask(gateway.port, request("GET", "/passthrough/mock/voices", body=None))
    rows = trail_of(gateway)
    row = rows[answer.header(ID) or ""]
    assert row.cost_nanodollars == 9 * 150_000 + 4 * 600_000
    assert row.flags & Flags.UNPRICED
    row = rows[fetched.header(ID) or ""]
    assert (row.attempts, row.prompt_tokens, row.completion_tokens, row.cost_nanodollars) == (1, 0, 0, 0)


def test_a_changed_price_counts_for_the_next_requests(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(configuration(upstream.url, prices=[{"input": 1, "output": 1}]))
    assert ask(gateway.port).header(COST) == "0.000013000"
    gateway.wait_for_control()
    gateway.configure(configuration(upstream.url, prices=[{"input": 2, "output": 2}]))
    wait_for(lambda: ask(gateway.port).header(COST) == "0.000026000", "the new price")
