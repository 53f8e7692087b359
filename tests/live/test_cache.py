"""Exact answers: told again to those who may have them, and to nobody else."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.records import CacheVerdict, Outcome, UsageSource
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.trail import trail_of
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, chunk, chunked_head, delta, event, http, ordinary
from tests.live.wire import KEY, Answer, ask, request
from tests.waiting import wait_for

OTHER = "sk-test-other-0123456789abcdef0123"
THIRD = "sk-test-third-0123456789abcdef0123"


def cached(upstream: Upstream, **cache: Any) -> dict[str, Any]:
    """A cache, and three virtual keys: two of one team."""
    keys = [
        {"name": "test", "value": KEY, "team": "red"},
        {"name": "other", "value": OTHER, "team": "red"},
        {"name": "third", "value": THIRD},
    ]
    return configuration(upstream.url, cache={"enabled": True, **cache}, virtual_keys=keys, teams={"red": {}})


def chat(text: str = "What is a gateway?", **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def send(
    gateway: Gateway, body: dict[str, Any] | bytes, key: str = KEY, *, whole: bool = True, **fields: str
) -> Answer:
    named = {f"x-microgate-cache{name}": value for name, value in fields.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    raw = request("POST", "/v1/chat/completions", data, key, fields=list(named.items()))
    return ask(gateway.port, raw, whole=whole)


def verdict(answer: Answer) -> str | None:
    return answer.header("x-microgate-cache")


def until_hit(gateway: Gateway, body: dict[str, Any], key: str = KEY) -> Answer:
    """Ask until the answer is known: keeping it takes a moment. What is asked meanwhile goes to the provider."""
    last: list[Answer] = []

    def hit() -> bool:
        last[:] = [send(gateway, body, key)]
        return verdict(last[0]) == "hit-exact"

    wait_for(hit, "a hit")
    return last[0]


@pytest.fixture(scope="module")
def gateway(upstream_for_module: Upstream, start_for_module: Start) -> Gateway:
    return start_for_module(cached(upstream_for_module))


def test_an_answer_is_told_again(gateway: Gateway, upstream_for_module: Upstream) -> None:
    first = send(gateway, chat("first"))
    assert (first.status, verdict(first)) == (200, "miss")
    again = until_hit(gateway, chat("first"))
    asked = len(upstream_for_module.requests)
    again = send(gateway, chat("first"))
    assert again.body == first.body == CHAT
    assert again.header("content-type") == first.header("content-type")
    assert again.header("x-microgate-provider") == "mock"
    assert again.header("x-microgate-cost") == "0"
    assert again.header("x-microgate-attempts") == "0"
    assert int(again.header("age") or -1) >= 0
    assert again.header("x-microgate-request-id") != first.header("x-microgate-request-id")
    assert len(upstream_for_module.requests) == asked


def test_a_stream_is_told_again_event_by_event(gateway: Gateway) -> None:
    body = chat("streamed", stream=True)
    first = send(gateway, body)
    assert verdict(first) == "miss"
    again = until_hit(gateway, body)
    assert again.body == first.body
    assert again.body.endswith(b"data: [DONE]\n\n")
    assert (again.header("content-type") or "").startswith("text/event-stream")
    # A whole answer is another one.
    assert verdict(send(gateway, chat("streamed"))) == "miss"


def test_what_changes_nothing_changes_nothing(gateway: Gateway) -> None:
    send(gateway, chat("the same", temperature=0))
    until_hit(gateway, chat("the same", temperature=0))
    spelled = b'{ "temperature":0, "messages":[{"content":"the s\\u0061me","role":"user"}], "user":"u7", "model":"m" }'
    assert verdict(send(gateway, spelled)) == "hit-exact"
    assert verdict(send(gateway, chat("the same", temperature=1))) == "miss"
    assert verdict(send(gateway, chat("the  same", temperature=0))) == "miss"


def test_keys_share_nothing_unless_told_to(gateway: Gateway) -> None:
    send(gateway, chat("mine"))
    until_hit(gateway, chat("mine"))
    for key in (OTHER, THIRD):
        assert verdict(send(gateway, chat("mine"), key)) == "miss"


@pytest.mark.parametrize(("scope", "shared"), [("team", [True, False]), ("all", [True, True])])
def test_a_scope_is_shared_by_those_in_it(
    upstream: Upstream, start_gateway: Start, scope: str, shared: list[bool]
) -> None:
    gateway = start_gateway(cached(upstream, scope=scope))
    send(gateway, chat("ours"))
    until_hit(gateway, chat("ours"))
    # A narrower scope, and a part of it that the caller names, are others.
    assert verdict(send(gateway, chat("ours"), KEY, **{"-scope": "key"})) == "miss"
    assert verdict(send(gateway, chat("ours"), KEY, **{"-scope": "end user 7"})) == "miss"
    assert [verdict(send(gateway, chat("ours"), key)) == "hit-exact" for key in (OTHER, THIRD)] == shared


def test_callers_say_what_they_want(gateway: Gateway, upstream_for_module: Upstream) -> None:
    assert verdict(send(gateway, chat("wanted"), KEY, **{"": "off"})) == "bypass"
    assert verdict(send(gateway, chat("wanted"), KEY, **{"": "read"})) == "miss"
    send(gateway, chat("wanted"))
    until_hit(gateway, chat("wanted"))
    assert verdict(send(gateway, chat("wanted"), KEY, **{"": "refresh"})) == "miss"
    assert verdict(send(gateway, chat("wanted"), KEY, **{"": "READ"})) == "hit-exact"
    wait_for(lambda: verdict(send(gateway, chat("wanted"), KEY, **{"": "read", "-ttl": "1ms"})) == "miss", "its age")
    for fields in ({"": "maybe"}, {"-ttl": "soon"}, {"-ttl": "0"}, {"-scope": "team"}, {"-scope": "x" * 200}):
        refused = send(gateway, chat("wanted"), KEY, **fields)
        assert refused.status == 400, fields
        assert json.loads(refused.body)["error"]["param"].startswith("x-microgate-cache")


def failing(received: Received) -> list[Step]:
    return [http(b'{"error":{"message":"no"}}', 400)]


def torn(received: Received) -> list[Step]:
    return [chunked_head(), chunk(delta("half")), Act.CLOSE]


def refused(received: Received) -> list[Step]:
    return [chunked_head(), chunk(delta("half")), chunk(event(error={"message": "no"})), chunk(b"")]


@pytest.mark.parametrize(("script", "stream"), [(failing, False), (torn, True), (refused, True)])
def test_what_did_not_end_well_is_not_kept(
    upstream: Upstream, start_gateway: Start, script: Callable[[Received], list[Step]], stream: bool
) -> None:
    gateway = start_gateway(cached(upstream))
    upstream.script = script
    body = chat("bad", stream=stream)
    send(gateway, body, whole=False)
    upstream.script = ordinary
    # What comes behind it is kept, and it is not: answers are kept in order.
    send(gateway, chat("good"))
    until_hit(gateway, chat("good"))
    answer = send(gateway, body)
    assert (answer.status, verdict(answer)) == (200, "miss")


def test_hits_cost_nothing_and_are_recorded_once(upstream: Upstream, start_gateway: Start) -> None:
    config = cached(upstream)
    config["prices"] = [{"model": "*", "input": 1, "output": 2}]
    for key in config["virtual_keys"]:
        key["budgets"] = [{"usd": 1}]
    gateway = start_gateway(config)
    first = send(gateway, chat("dear"))
    assert float(first.header("x-microgate-cost") or 0) > 0
    hit = until_hit(gateway, chat("dear"))
    asked = len(upstream.requests)
    hits = [hit, *(send(gateway, chat("dear")) for _ in range(5))]
    usage = json.loads(gateway.get("/v1/usage", KEY).body)
    rows = trail_of(gateway)
    for answer in hits:
        row = rows[answer.header("x-microgate-request-id") or ""]
        assert (row.cost_nanodollars, row.cache_verdict) == (0, CacheVerdict.HIT)
        assert (row.outcome, row.usage_source) == (Outcome.CACHED, UsageSource.CACHE)
        assert (row.prompt_tokens, row.completion_tokens) == (9, 4)
    assert len(upstream.requests) == asked
    spent = sum(row.cost_nanodollars for row in rows.values())
    assert spent == asked * (9 * 1000 + 4 * 2000)
    (budget,) = usage["budgets"]
    assert round(float(budget["spent"]) * 1e9) == spent
    assert float(budget["reserved"]) == 0


def test_a_virtual_key_can_be_kept_from_it(upstream: Upstream, start_gateway: Start) -> None:
    config = cached(upstream, scope="all")
    policies = {"test": "write", "other": "read", "third": "off"}
    for key in config["virtual_keys"]:
        key["cache"] = policies[key["name"]]
    gateway = start_gateway(config)
    assert verdict(send(gateway, chat("p"), OTHER)) == "miss"

    def found() -> bool:
        # It may not be there yet to take what is kept.
        send(gateway, chat("p"))
        return verdict(send(gateway, chat("p"), OTHER)) == "hit-exact"

    wait_for(found, "what the first key has written")
    assert verdict(send(gateway, chat("p"), KEY)) == "miss"
    assert verdict(send(gateway, chat("p"), THIRD, **{"": "on"})) == "bypass"


def test_an_answer_of_another_provider_is_not_told(upstream: Upstream, start_gateway: Start) -> None:
    config = cached(upstream)
    gateway = start_gateway(config)
    send(gateway, chat("whose"))
    until_hit(gateway, chat("whose"))
    config["routes"]["m"]["targets"] = ["mock/another"]
    gateway.configure(config)
    wait_for(lambda: verdict(send(gateway, chat("whose"), KEY, **{"": "read"})) == "miss", "the new version")


def cache_pid(gateway: Gateway) -> int:
    return gateway.process("mg-cache")


def test_requests_do_not_depend_on_the_cache_process(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(cached(upstream))
    send(gateway, chat("kept"))
    until_hit(gateway, chat("kept"))
    first = gateway.send("mg-cache", signal.SIGSTOP)
    assert verdict(send(gateway, chat("kept"))) == "hit-exact"
    assert send(gateway, chat("unkept")).status == 200
    os.kill(first, signal.SIGKILL)
    assert verdict(send(gateway, chat("kept"))) == "hit-exact"
    wait_for(lambda: cache_pid(gateway) not in (0, first), "another cache process")
    until_hit(gateway, chat("unkept"))
    assert verdict(send(gateway, chat("kept"))) == "hit-exact"


def test_it_can_be_switched_on_and_off(upstream: Upstream, start_gateway: Start) -> None:
    config = cached(upstream)
    off = {**config, "cache": {"enabled": False}}
    gateway = start_gateway(off)
    assert verdict(send(gateway, chat("x"))) is None
    assert not cache_pid(gateway)
    gateway.configure(config)
    wait_for(lambda: verdict(send(gateway, chat("x"))) == "hit-exact", "the cache")
    gateway.configure(off)
    wait_for(lambda: verdict(send(gateway, chat("x"))) is None, "its end")
    wait_for(lambda: not cache_pid(gateway), "the end of its process")


def test_a_damaged_file_is_begun_anew(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(cached(upstream))
    send(gateway, chat("kept"))
    until_hit(gateway, chat("kept"))
    gateway.stop()
    for path in Path(gateway.paths.answers_dir).rglob("*"):
        if path.is_file() and path.stat().st_size > 4096:
            with path.open("r+b") as file:
                file.write(b"\xa5" * 16384)
    gateway.start()
    assert send(gateway, chat("kept")).status == 200
    until_hit(gateway, chat("kept"))
    assert "thrown away and begun anew" in gateway.stderr()


def test_one_answer_in_every_dialect_and_form(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(cached(upstream, cross_dialect=True))
    body = chat("in any form")
    first = send(gateway, body)
    assert verdict(first) == "miss"
    until_hit(gateway, body)
    streamed = send(gateway, chat("in any form", stream=True))
    assert verdict(streamed) == "hit-exact"
    pieces = [json.loads(line[6:]) for line in streamed.body.decode().splitlines() if line.startswith("data: {")]
    assert "".join(c["delta"].get("content") or "" for piece in pieces for c in piece["choices"]) == "hello"
    assert streamed.body.endswith(b"data: [DONE]\n\n")
    messages = {"model": "m", "max_tokens": 9, "messages": chat("in any form")["messages"]}
    raw = request("POST", "/anthropic/v1/messages", json.dumps(messages).encode())
    other = ask(gateway.port, raw)
    assert verdict(other) == "miss"  # it bounds its answer, which the first did not
    wait_for(lambda: verdict(send(gateway, {**body, "max_tokens": 9})) == "hit-exact", "the bounded answer")
    asked = len(upstream.requests)
    other = ask(gateway.port, raw)
    assert verdict(other) == "hit-exact"
    told = json.loads(other.body)
    assert (told["type"], told["content"][0]["text"]) == ("message", "hello")
    assert len(upstream.requests) == asked
