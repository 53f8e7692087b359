"""Fallbacks that a request names in its body, seen from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from providers.dialects import load
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.test_health import failing
from tests.live.test_translation import asking, provider
from tests.live.upstreams import Upstream
from tests.live.wire import KEY, ask, request

LIMITED = "sk-limited-6f1d2c3b4a5968778695a4b3"
DIALECTS = ("openai_chat", "anthropic", "gemini")
World = tuple[Gateway, Upstream, Upstream]


@pytest.fixture(scope="module")
def world(start_for_module: Start) -> Iterator[World]:
    """``sick`` fails; a provider of each dialect answers."""
    with Upstream(failing) as sick, Upstream(provider) as well:
        origin = well.url.removesuffix("/v1")
        shared = {"keys": [{"name": "k", "value": "sk-upstream-canary"}], "list_models": False, "vendor": "custom"}
        config = configuration("http://127.0.0.1:1")
        config["providers"] = {
            "sick": {**shared, "dialect": "openai_chat", "base_url": sick.url, "models": ["bare"]},
            "claude": {**shared, "dialect": "anthropic", "base_url": sick.url},
            **{name: {**shared, "dialect": name, "base_url": f"{origin}/{name}"} for name in DIALECTS},
        }
        config["routes"] = {
            "m": {"targets": ["sick/a"]},
            "both": {"targets": ["sick/b", "anthropic/c"], "strategy": "order"},
        }
        config["virtual_keys"].append({"name": "limited", "value": LIMITED, "providers": ["sick", "anthropic"]})
        yield start_for_module(config), sick, well


def asked(gateway: Gateway, fallbacks: Any, key: str = KEY, **members: Any) -> Any:
    body = {"model": "m", "fallbacks": fallbacks, "messages": [{"role": "user", "content": "hi"}], **members}
    return ask(gateway.port, request(key=key, body=json.dumps(body).encode()))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("caller", DIALECTS)
def test_across_dialects(world: World, caller: str, target: str, stream: bool) -> None:
    """The answer of the fallback, in the caller's dialect; neither provider is sent the member."""
    gateway, sick, well = world
    sick.clear()
    well.clear()
    raw = asking(caller, "m", stream=stream)
    head, _, body = raw.partition(b"\r\n\r\n")
    named = json.loads(body)
    expected = dict(named)
    named["fallbacks"] = [f"{target}/x"]
    whole = json.dumps(named).encode()
    head = b"\r\n".join(
        b"content-length: %d" % len(whole) if line.lower().startswith(b"content-length:") else line
        for line in head.split(b"\r\n")
    )
    answer = ask(gateway.port, head + b"\r\n\r\n" + whole)
    assert answer.status == 200, answer.body
    assert answer.header("x-microgate-provider") == target
    assert answer.header("x-microgate-attempts") == "2"
    assert len(sick.requests) == len(well.requests) == 1
    assert not any(b"fallbacks" in received.body for received in sick.requests + well.requests)
    if not stream:
        assert load(caller).decode_answer(json.loads(answer.body)).choices
    if caller == target:
        sent = well.requests[0].json()
        assert [name for name in sent if name in expected] == list(expected)


def test_bytes_stay(world: World) -> None:
    """At whatever place the member stands, and with the model and ``stream_options`` put in beside it."""
    gateway, _, well = world
    members = [b'"z":1.50', b'"model" : "m"', b'"messages":[{"role":"user","content":"h\\u0069"}]', b'"stream":true']
    for at in range(5):
        well.clear()
        body = [*members[:at], b'"fallbacks":["openai_chat/y"]', *members[at:]]
        answer = ask(gateway.port, request(body=b"{" + b", ".join(body) + b"}"))
        assert answer.header("x-microgate-provider") == "openai_chat"
        sent = well.requests[0].body
        left = [*members[:1], b'"model" : "y"', *members[2:]]
        expected = b"{" + (b" " if at == 0 else b"") + b", ".join(left)
        assert sent in (expected + b"}", expected + b',"stream_options":{"include_usage":true}}')


def test_a_route_brings_its_targets(world: World) -> None:
    gateway, sick, well = world
    sick.clear()
    well.clear()
    answer = asked(gateway, ["both", "openai_chat/never", "sick/a"])
    assert answer.header("x-microgate-provider") == "anthropic"
    assert [received.json()["model"] for received in sick.requests] == ["a", "b"]
    assert [received.json()["model"] for received in well.requests] == ["c"]


def test_what_is_refused(world: World) -> None:
    """Before anything is sent, with the name in question."""
    gateway, sick, well = world
    sick.clear()
    well.clear()
    for fallbacks, key, status, said in (
        ("both", KEY, 400, "must be a list"),
        ([7], KEY, 400, "must be a list"),
        (["m"] * 9, KEY, 400, "at most 8"),
        (["anthropic/c", "bath"], KEY, 400, "'bath' in 'fallbacks' is not known here. Did you mean: "),
        (["gemini/x"], LIMITED, 403, "may not use the model 'gemini/x'"),
    ):
        answer = asked(gateway, fallbacks, key)
        assert answer.status == status, answer.body
        error = json.loads(answer.body)["error"]
        assert said in error["message"]
        assert error["param"] == "fallbacks"
    assert not sick.requests
    assert not well.requests
    assert asked(gateway, None).status == asked(gateway, []).status == 503
    assert asked(gateway, ["anthropic/c"], LIMITED).status == 200


def test_refusals_are_in_the_callers_dialect(world: World) -> None:
    gateway, _, _ = world
    body = {"model": "m", "fallbacks": 7, "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    answer = ask(gateway.port, request("POST", "/anthropic/v1/messages", json.dumps(body).encode()))
    assert answer.status == 400
    told = json.loads(answer.body)
    assert told["type"] == "error"
    assert "fallbacks" in told["error"]["message"]
