"""Levels, limits and budgets from the caller's side: what is refused, what is told, what is left afterwards."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import CHAT, Received, Step, Until, Upstream, chunk, chunked_head, http, stream_events
from tests.live.wire import Answer, AnswerReader, ask, request, talk
from tests.waiting import PATIENCE_S, wait_for

RED, BLUE, LONE = "sk-red-0123456789012345678", "sk-blue-012345678901234567", "sk-lone-012345678901234567"
DEAR = [{"input": 0, "output": 1000}]
"""A tenth of a cent for a token of output."""


def keys(**more: dict[str, Any]) -> list[dict[str, Any]]:
    values = {"red": RED, "blue": BLUE, "lone": LONE}
    return [{"name": name, "value": values[name], **own} for name, own in more.items()]


def post(gateway: Gateway, key: str, path: str = "/v1/chat/completions", **body: Any) -> Answer:
    whole = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}
    raw = request(path=path, body=json.dumps(whole).encode(), key=key)
    return ask(gateway.port, raw)


def usage(gateway: Gateway, key: str) -> dict[str, Any]:
    answer = gateway.get("/v1/usage", key)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_keys_of_a_team_share_its_limits_and_its_customers(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(
        configuration(
            upstream.url,
            customers={"acme": {"limits": [{"requests": 5, "per": "1h"}]}},
            teams={"team": {"customer": "acme", "limits": [{"requests": 3, "per": "1h"}]}},
            virtual_keys=keys(red={"team": "team"}, blue={"team": "team"}, lone={"customer": "acme"}),
        )
    )
    assert [post(gateway, key).status for key in (RED, BLUE, RED, BLUE, LONE, LONE, LONE)] == [
        200, 200, 200, 429, 200, 200, 429,
    ]  # fmt: skip
    refused = json.loads(post(gateway, RED).body)["error"]
    assert refused["code"] == "rate_limited"
    assert refused["message"].startswith("The limit of 3 requests per 1h of the team 'team' is used up: 3 spent,")
    assert {name: refused["limit"][name] for name in ("level", "name", "limit", "spent", "reserved")} == {
        "level": "team", "name": "team", "limit": 3, "spent": 3, "reserved": 0,
    }  # fmt: skip
    assert json.loads(post(gateway, LONE).body)["error"]["limit"]["name"] == "acme"
    shown = usage(gateway, BLUE)
    assert (shown["team"], shown["customer"]) == ("team", "acme")
    assert [(limit["level"], limit["spent"]) for limit in shown["limits"]] == [("team", 3), ("customer", 5)]
    assert len(upstream.requests) == 5


def test_the_log_names_team_and_customer(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(
        configuration(
            upstream.url,
            customers={"acme": {}},
            teams={"team": {"customer": "acme"}},
            virtual_keys=keys(red={"team": "team"}),
        )
    )
    post(gateway, RED)
    gateway.wait_for_control()
    token = (gateway.data_dir / "admin.token").read_text().strip()

    def entries_now() -> list[dict[str, Any]]:
        answer = gateway.get("/api/logs", token)
        return json.loads(answer.body)["entries"] if answer.status == 200 else []

    entries = wait_for(entries_now, "the record")
    assert (entries[0]["team"], entries[0]["customer"]) == ("team", "acme")


def test_each_kind_of_token_has_its_limit(upstream: Upstream, start_gateway: Start) -> None:
    limits = [{unit: 10_000, "per": "1h"} for unit in ("tokens", "input_tokens", "output_tokens")]
    gateway = start_gateway(configuration(upstream.url, virtual_keys=keys(lone={"limits": limits})))
    assert post(gateway, LONE).status == 200
    # As the upstream says: 9 and 4.
    assert [limit["spent"] for limit in usage(gateway, LONE)["limits"]] == [13, 9, 4]
    refused = post(gateway, LONE, max_tokens=10_000)
    assert refused.status == 429
    assert json.loads(refused.body)["error"]["limit"]["counts"] == "tokens"
    assert refused.header("x-ratelimit-limit-tokens") == "10000"
    assert refused.header("x-ratelimit-remaining-tokens") == str(10_000 - 13)


def test_a_budget_is_not_overspent_by_many_at_once(start_gateway: Start) -> None:
    """G2: 1,000 calls at once on a budget for 100, each of which takes what its max_tokens allow."""
    answer = json.loads(CHAT)
    answer["usage"] = {"prompt_tokens": 9, "completion_tokens": 10, "total_tokens": 19}

    def late(_: Received) -> list[Step]:
        return [0.3, http(json.dumps(answer))]

    body = b'{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}'
    with Upstream(late) as upstream:
        gateway = start_gateway(
            configuration(upstream.url, prices=DEAR, virtual_keys=keys(lone={"budgets": [{"usd": 1, "per": "day"}]})),
            workers=2,
        )

        async def all_at_once() -> list[int]:
            sent = (talk(gateway.port, [request(body=body, key=LONE)], total=60) for _ in range(1000))
            return [outcome.statuses[0] for outcome in await asyncio.gather(*sent)]

        statuses = asyncio.run(all_at_once())
        assert set(statuses) == {200, 402}
        assert 95 <= statuses.count(200) <= 100
        assert len(upstream.requests) == statuses.count(200)
        [budget] = usage(gateway, LONE)["budgets"]
        assert budget["reserved"] == "0.00"
        assert float(budget["spent"]) == pytest.approx(statuses.count(200) * 0.01)


def test_a_refusal_says_what_usage_says(upstream: Upstream, start_gateway: Start) -> None:
    budget = {"usd": "0.005", "per": "month"}
    gateway = start_gateway(
        configuration(
            upstream.url, prices=DEAR, teams={"t": {"budgets": [budget]}}, virtual_keys=keys(red={"team": "t"})
        )
    )
    assert post(gateway, RED, max_tokens=5).status == 200
    refused = post(gateway, RED, max_tokens=2)
    assert refused.status == 402
    assert int(refused.header("retry-after") or 0) > 0
    error = json.loads(refused.body)["error"]
    assert (error["code"], error["type"]) == ("budget_exceeded", "insufficient_quota")
    assert "The budget of $0.005 per month of the team 't' is used up: $0.004 spent, $0.00 res" in error["message"]
    [shown] = usage(gateway, RED)["budgets"]
    for limit in (shown, error["limit"]):
        limit.pop("reset_seconds")
    assert shown == error["limit"]
    assert shown["spent"] == "0.004"


@pytest.mark.parametrize(
    ("path", "where"),
    [("/anthropic/v1/messages", ("error", "type")), ("/genai/v1beta/models/m:generateContent", ("error", "status"))],
)
def test_refusals_in_other_dialects(
    upstream: Upstream, start_gateway: Start, path: str, where: tuple[str, str]
) -> None:
    gateway = start_gateway(
        configuration(upstream.url, prices=DEAR, virtual_keys=keys(lone={"budgets": [{"usd": "0.000000001"}]}))
    )
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]} if "genai" in path else {}
    answer = post(gateway, LONE, path, max_tokens=9, **body)
    assert answer.status == 402
    error = json.loads(answer.body)
    assert isinstance(error[where[0]][where[1]], str)
    assert "budget of $0.000000001 of this key is used up" in answer.body.decode()
    assert "it does not reset" in answer.body.decode()


def test_a_price_that_nobody_knows_is_refused_to_a_budget(upstream: Upstream, start_gateway: Start) -> None:
    base = {"virtual_keys": keys(lone={"budgets": [{"usd": 100}]}, red={})}
    gateway = start_gateway(configuration(upstream.url, **base))
    refused = post(gateway, LONE)
    assert refused.status == 402
    assert json.loads(refused.body)["error"]["code"] == "price_unknown"
    assert post(gateway, RED).status == 200
    estimating = start_gateway(configuration(upstream.url, unknown_price="estimate", **base))
    assert post(estimating, LONE).status == 200
    assert float(usage(estimating, LONE)["budgets"][0]["spent"]) > 0


def test_a_provider_whose_limit_is_used_up_is_passed_over(start_gateway: Start) -> None:
    with Upstream() as first, Upstream() as second:
        config = configuration(first.url)
        config["providers"]["other"] = {**config["providers"]["mock"], "base_url": second.url}
        config["routes"]["m"] = {"targets": ["mock/m"], "fallbacks": ["other/m"]}
        there = {"provider": "mock", "limits": [{"requests": 2, "per": "1h"}]}
        config["virtual_keys"] = keys(lone={"providers": [there, "other"]}, red={"providers": [there]}, blue={})
        gateway = start_gateway(config)
        assert [post(gateway, LONE).status for _ in range(5)] == [200] * 5
        assert (len(first.requests), len(second.requests)) == (2, 3)
        [limit] = usage(gateway, LONE)["limits"]
        assert (limit["level"], limit["name"], limit["spent"]) == ("provider", "mock", 2)
        assert post(gateway, BLUE).status == 200
        assert len(first.requests) == 3, "others are not kept from it"
        assert [post(gateway, RED).status for _ in range(3)] == [200, 200, 429]
        refused = json.loads(post(gateway, RED).body)["error"]
        assert refused["message"].startswith("The limit of 2 requests per 1h of this key at the provider 'mock'")


def test_keys_and_weights_of_a_provider_for_one_virtual_key(start_gateway: Start) -> None:
    with Upstream() as upstream:
        config = configuration(upstream.url)
        mock = config["providers"]["mock"]
        mock["keys"] = [{"name": "a", "value": "sk-a"}, {"name": "b", "value": "sk-b"}]
        config["providers"]["other"] = {**mock, "keys": [{"name": "c", "value": "sk-c"}]}
        config["routes"]["m"] = {"targets": ["mock/m", "other/m"]}
        config["virtual_keys"] = keys(
            lone={"providers": [{"provider": "mock", "keys": ["b"]}, {"provider": "other", "weight": 0}]},
            red={"providers": [{"provider": "mock", "weight": 0}, "other"]},
        )
        gateway = start_gateway(config)
        for key, credential in ((LONE, "Bearer sk-b"), (RED, "Bearer sk-c")):
            upstream.clear()
            assert {post(gateway, key).status for _ in range(8)} == {200}
            assert {each.header("authorization") for each in upstream.requests} == {credential}


def test_another_figure_keeps_what_was_spent(upstream: Upstream, start_gateway: Start) -> None:
    """E7: a changed limit is in force within a second, and goes on from what was counted."""
    config = configuration(upstream.url, prices=DEAR)
    config["virtual_keys"] = keys(
        lone={"limits": [{"requests": 2, "per": "day"}], "budgets": [{"usd": 1, "per": "1h"}]}
    )
    gateway = start_gateway(config)
    assert [post(gateway, LONE, max_tokens=4).status for _ in range(3)] == [200, 200, 429]
    config["virtual_keys"] = keys(
        lone={"limits": [{"requests": 3, "per": "day"}], "budgets": [{"usd": "0.013", "per": "1h"}]}
    )
    gateway.configure(config)
    wait_for(lambda: usage(gateway, LONE)["limits"][0]["limit"] == 3, "the new limit")
    shown = usage(gateway, LONE)
    assert shown["limits"][0]["spent"] == 2
    assert shown["budgets"][0]["spent"] == "0.008"
    assert [post(gateway, LONE, max_tokens=4).status for _ in range(2)] == [200, 429]
    assert post(gateway, LONE, max_tokens=5).status == 429


PART = 20
"""Tokens that come at once."""


class Stepwise:
    """A stream of 3,000 tokens, of which each part is sent once its caller has the one before it: what a gateway reads
    at once is a part, however long it was kept from reading."""

    def __init__(self) -> None:
        self.read = b""
        """What the caller has last read."""

    def __call__(self, received: Received) -> list[Step]:
        events = stream_events(tokens=3000)
        steps: list[Step] = [chunked_head(), chunk(b"".join(events[:PART]))]
        for at in range(PART, len(events), PART):
            steps.append(Until(lambda last=b'"t%d "' % (at - 1): last in self.read))  # type: ignore[misc]
            steps.append(chunk(b"".join(events[at : at + PART])))
        return [*steps, chunk(b"")]

    def asked(self, gateway: Gateway, path: str, model: str = "m", **body: Any) -> Answer:
        """Ask with the key ``LONE``."""
        asked = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": True, **body})
        answers = AnswerReader()
        with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S) as sock:
            sock.sendall(request(path=path, body=asked.encode(), key=LONE))
            while not (answers.final and answers.final[0].complete):
                data = sock.recv(65536)
                assert data, answers.answers
                answers.feed(data)
                self.read = answers.final[0].body[-10_000:]
        return answers.final[0]


@pytest.mark.parametrize("model", ["m", "claude"])
def test_a_stream_ends_with_its_budget(start_gateway: Start, model: str) -> None:
    """Nothing bounds the answer of 3,000 tokens; the budget is for 1,500, which is more than is reserved at first."""
    stepwise = Stepwise()
    with Upstream(stepwise) as upstream:
        gateway = start_gateway(
            configuration(upstream.url, prices=DEAR, virtual_keys=keys(lone={"budgets": [{"usd": "1.5"}]}))
        )
        if model == "m":
            answer = stepwise.asked(gateway, "/v1/chat/completions")
            events = [line[6:] for line in answer.body.decode().splitlines() if line.startswith("data: ")]
            assert events[-1] == "[DONE]"
            chunks = [json.loads(event) for event in events[:-1]]
            assert {each["id"] for each in chunks} == {"c"}
            finishes = [each["choices"][0]["finish_reason"] for each in chunks if each["choices"]]
            assert finishes[-1] == "length"
            assert set(finishes[:-1]) == {None}
            texts = sum(bool(each["choices"] and each["choices"][0]["delta"].get("content")) for each in chunks)
        else:
            answer = stepwise.asked(gateway, "/anthropic/v1/messages")
            events = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ")]
            assert [event["type"] for event in events[-3:]] == ["content_block_stop", "message_delta", "message_stop"]
            assert events[-2]["delta"]["stop_reason"] == "max_tokens"
            texts = sum(event["type"] == "content_block_delta" for event in events)
        assert 1400 <= texts <= 1520
        [budget] = usage(gateway, LONE)["budgets"]
        assert budget["reserved"] == "0.00"
        assert float(budget["spent"]) == pytest.approx(texts / 1000)


def test_a_stream_that_its_request_bounds_is_not_cut(start_gateway: Start) -> None:
    stepwise = Stepwise()
    with Upstream(stepwise) as upstream:
        gateway = start_gateway(
            configuration(upstream.url, prices=DEAR, virtual_keys=keys(lone={"budgets": [{"usd": "4"}]}))
        )
        answer = stepwise.asked(gateway, "/v1/chat/completions", max_tokens=3500)
        assert answer.body.count(b"data: ") == 3003
        assert b'"finish_reason":"stop"' in answer.body.replace(b" ", b"")
