"""``--demo`` offers a provider of every dialect, which callers of the same dialect reach without translation."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from providers.dialects import base, load
from providers.natives import DEMOS
from providers.neutral import Collector, Losses, Message, Request, Text
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.wire import KEY, ask, request

PATHS = {
    "anthropic": "/anthropic/v1/messages",
    "gemini": "/genai/v1beta/models/{model}:generateContent",
    "bedrock": "/bedrock/model/{model}/converse",
    "cohere": "/cohere/v2/chat",
    "openai_chat": "/v1/chat/completions",
}


@pytest.fixture(scope="module")
def gateway(start_for_module: Start) -> Gateway:
    config = {"virtual_keys": [{"name": "test", "value": KEY}], "server": {"drain_timeout": "3s"}}
    return start_for_module(config, more=["--demo"])


@pytest.mark.parametrize("caller", PATHS)
@pytest.mark.parametrize("provider", ["demo", *DEMOS.values()])
def test_every_caller_reaches_every_demo(gateway: Gateway, caller: str, provider: str) -> None:
    dialect, model = load(caller), f"{provider}/echo"
    for stream in (False, True):
        wanted = Request("test", messages=[Message("user", [Text("hello there")], True)], stream=stream)
        body = dialect.encode_request(wanted, base.Facts(model), Losses())
        path, query = dialect.stream_path(PATHS[caller]) if stream else (PATHS[caller], "")
        path = path.replace("{model}", quote(model, safe="")) + (f"?{query}" if query else "")
        answer = ask(gateway.port, request("POST", path, json.dumps(body).encode()))
        assert answer.status == 200, answer.body
        if stream:
            collector, decoder = Collector(caller), dialect.stream_decoder()
            for event in decoder.feed(answer.body) + decoder.end():
                collector.add(event)
            found = collector.answer
        else:
            found = dialect.decode_answer(json.loads(answer.body))
        (choice,) = found.choices
        assert [part.text for part in choice.parts if isinstance(part, Text)] == ["hello there"]
        assert choice.finish == "stop"


@pytest.mark.parametrize("dialect", [name for name in PATHS if name in DEMOS])
def test_its_own_dialect_passes_as_it_is(gateway: Gateway, dialect: str) -> None:
    wanted = Request("test", messages=[Message("user", [Text("hello there")], True)])
    body = load(dialect).encode_request(wanted, base.Facts("m"), Losses())
    model = f"{DEMOS[dialect]}/error-418"
    if "model" in body:
        body["model"] = model
    path = PATHS[dialect].replace("{model}", quote(model, safe=""))
    answer = ask(gateway.port, request("POST", path, json.dumps(body).encode()))
    assert answer.status == 418
    assert "The server had an error" in load(dialect).decode_fault(418, {}, answer.body).message
