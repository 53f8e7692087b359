"""Marks for the provider's prompt cache, as they arrive at the provider."""

from __future__ import annotations

import json

import orjson
import pytest

from providers.breakpoints import MEMBER
from providers.dialects import load
from providers.neutral import Answer, Choice, Json, Text, Usage
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.upstreams import Received, Step, Upstream, http
from tests.live.wire import KEY, ask, request

LONG = "Terms. " * 400


def provider(received: Received) -> list[Step]:
    dialect = load("anthropic")
    asked = dialect.decode_request(received.json())
    answer = Answer("test", "id-1", "m", 1_700_000_000, [Choice(0, [Text("Yes.")], "stop")], Usage(31, 17))
    return [http(orjson.dumps(dialect.encode_answer(answer, asked)))]


def gateway_of(start: Start, upstream: Upstream) -> Gateway:
    plain: Json = {
        "dialect": "anthropic",
        "vendor": "custom",
        "base_url": upstream.url.removesuffix("/v1"),
        "keys": [{"name": "k", "value": "sk-upstream"}],
    }
    config: Json = {
        "providers": {"plain": plain, "marked": plain | {"cache_breakpoints": "auto"}},
        "virtual_keys": [{"name": "test", "value": KEY}],
        "model_lists": {"refresh": 0},
        "server": {"drain_timeout": "3s"},
    }
    return start(config)


def test_a_translated_request_is_marked_where_the_provider_says_so(start_gateway: Start) -> None:
    with Upstream(provider) as upstream:
        gateway = gateway_of(start_gateway, upstream)
        turns = [("system", LONG), ("user", "1"), ("assistant", "2"), ("user", "3")]
        body: Json = {"messages": [{"role": role, "content": said} for role, said in turns]}
        for name in ("plain", "marked"):
            asked = json.dumps({"model": f"{name}/claude-sonnet-4-5"} | body).encode()
            assert ask(gateway.port, request(body=asked)).status == 200
        plain, marked = (received.json() for received in upstream.requests)
        mark = {"cache_control": {"type": "ephemeral"}}
        assert plain["system"] == LONG
        assert marked["system"] == [{"type": "text", "text": LONG} | mark]
        assert marked["messages"][0]["content"] == [{"type": "text", "text": "1"} | mark]
        assert marked["messages"][1:] == plain["messages"][1:]


@pytest.mark.parametrize("own", [False, True])
def test_between_equal_dialects_one_member_is_added_to_the_bytes(start_gateway: Start, own: bool) -> None:
    with Upstream(provider) as upstream:
        gateway = gateway_of(start_gateway, upstream)
        said = b',"cache_control":{"type":"ephemeral","ttl":"1h"}' if own else b""
        rest = b'" , "max_tokens":9,  "system":"%b","messages":[{"role":"user","content":"Hi"}]%b }' % (
            LONG.encode(),
            said,
        )
        for name in (b"plain", b"marked"):
            raw = request("POST", "/anthropic/v1/messages", b'{"model":"' + name + b"/c" + rest)
            assert ask(gateway.port, raw).status == 200
        plain, marked = (received.body for received in upstream.requests)
        assert plain == b'{"model":"c' + rest
        assert marked == (plain if own else plain[:-1] + b"," + MEMBER + b"}")
