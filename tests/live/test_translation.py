"""Callers of every dialect against providers of every dialect, through a real gateway."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from gateway.translation import events_of
from providers.dialects import DIALECTS, base, load
from providers.eventstream import EventStreamReader
from providers.natives import NATIVES
from providers.neutral import (
    Answer,
    Choice,
    Collector,
    Fault,
    Json,
    Losses,
    Message,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    Usage,
)
from providers.vendors import PATHS
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.trail import trail_of
from tests.live.upstreams import Received, Step, Upstream, chunk, chunked_head, http
from tests.live.wire import KEY, ask, request

NAMES = sorted(DIALECTS)
CALL = ToolCall("call_weather_1", "get_weather", '{"city":"Mérida"}')
SAID = "Let me see: 25 °C"
USAGE = Usage(31, 17, cached_tokens=8)
CALLER_PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "openai_completions": "/v1/completions",
    "anthropic": "/anthropic/v1/messages",
    "gemini": "/genai/v1beta/models/{model}:generateContent",
    "bedrock": "/bedrock/model/{model}/converse",
    "cohere": "/cohere/v2/chat",
}
CALLERS = [name for name in NAMES if name in CALLER_PATHS]
TEXT_ONLY = {"openai_completions"}
"""They know no tools."""


def answer_of(dialect: str) -> Answer:
    text_only = dialect in TEXT_ONLY
    parts = [Text(SAID)] if text_only else [Text(SAID), CALL]
    choice = Choice(0, list(parts), "stop" if text_only else "tool_calls")
    return Answer("test", "id-1", "the-model", 1_700_000_000, [choice], USAGE)


def provider(received: Received) -> list[Step]:
    """A provider whose dialect stands first in its path; the model says what it does."""
    name = received.target.split("/")[1]
    dialect = load(name)
    body = received.json()
    model = body.get("model", received.target)
    streams = body.get("stream") is True or "stream" in received.target.rpartition("/")[2].lower()
    asked = dialect.decode_request(body, model=model, stream=streams)
    fault = Fault("rate_limit", "Slow down a little.", 429, retry_after_s=7)
    if "limited" in model:
        error = dialect.encode_fault(fault)
        fields = [f"{key}: {value}" for key, value in error.headers]
        return [http(error.body, error.status, fields=fields)]
    if "garbled" in model:
        return [http('{"nothing": "of interest"}')]
    if not streams:
        return [http(orjson.dumps(dialect.encode_answer(answer_of(name), asked)))]
    encoder = dialect.stream_encoder(asked)
    pieces = [encoder.encode(event) for event in events_of(answer_of(name))]
    head = chunked_head(dialect.stream_type)
    if "cut" in model:
        return [head, *map(chunk, filter(None, pieces[:3])), chunk(b"")]
    data = b"".join(pieces)
    middle = len(data) // 2
    return [head, chunk(data[:middle]), 0.01, chunk(data[middle:]), chunk(b"")]


@pytest.fixture(scope="module")
def world(start_for_module: Start) -> Iterator[Gateway]:
    with Upstream(provider) as upstream:
        origin = upstream.url.removesuffix("/v1")
        providers = {
            name.replace("_", "-"): {
                "dialect": name,
                "vendor": "custom",
                "base_url": f"{origin}/{name}",
                "keys": [{"name": "k", "value": "sk-upstream-canary"}],
                "list_models": False,
                "stream_usage": "ask",
                # One that follows OpenAI is taken to offer all of its ways of asking, unless it says so.
                **({"operations": ["chat"]} if name == "openai_chat" else {}),
            }
            for name in NAMES
        }
        config: Json = {
            "providers": providers,
            "virtual_keys": [{"name": "test", "value": KEY}],
            "model_lists": {"refresh": 0},
            "server": {"drain_timeout": "3s"},
        }
        yield start_for_module(config)


def asking(caller: str, model: str, *, stream: bool) -> bytes:
    """A request in the caller's dialect."""
    wanted = Request(
        "test",
        messages=[Message("system", [Text("Be brief.")], True), Message("user", [Text("Weather in Mérida?")], True)],
        max_tokens=500,
        stream=stream,
    )
    if caller not in TEXT_ONLY:
        wanted.tools = [
            Tool("get_weather", "Looks it up.", {"type": "object", "properties": {"city": {"type": "string"}}})
        ]
        wanted.tool_choice = ToolChoice("auto")
    dialect = load(caller)
    body = dialect.encode_request(wanted, base.Facts(model), Losses())
    if caller in ("openai_chat", "openai_completions") and stream:
        body["stream_options"] = {"include_usage": True}
    path = CALLER_PATHS[caller]
    if stream:
        path, query = dialect.stream_path(path)
        path += f"?{query}" if query else ""
    return request("POST", path.replace("{model}", quote(model, safe="")), json.dumps(body).encode())


def read(caller: str, body: bytes) -> Collector:
    collected = Collector(caller)
    decoder = load(caller).stream_decoder()
    for event in decoder.feed(body) + decoder.end():
        collected.add(event)
    return collected


def check(answer: Answer, caller: str, target: str) -> None:
    (choice,) = answer.choices
    texts = "".join(part.text for part in choice.parts if isinstance(part, Text))
    assert texts == SAID
    calls = [part for part in choice.parts if isinstance(part, ToolCall)]
    if not TEXT_ONLY & {caller, target}:
        (call,) = calls
        assert (call.name, json.loads(call.arguments)) == (CALL.name, json.loads(CALL.arguments))
        assert choice.finish == "tool_calls"
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (31, 17)


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("caller", CALLERS)
def test_every_caller_understands_every_provider(world: Gateway, caller: str, target: str) -> None:
    model = f"{target.replace('_', '-')}/the-model"
    whole = ask(world.port, asking(caller, model, stream=False))
    assert whole.status == 200, whole.body
    check(load(caller).decode_answer(json.loads(whole.body)), caller, target)
    streamed = ask(world.port, asking(caller, model, stream=True))
    assert streamed.status == 200, streamed.body
    assert (streamed.header("content-type") or "").partition(";")[0] == load(caller).stream_type.partition(";")[0]
    collected = read(caller, streamed.body)
    assert collected.done
    assert collected.fault is None
    check(collected.answer, caller, target)


@pytest.mark.parametrize("target", NAMES)
def test_googles_streams_are_arrays_unless_events_are_asked_for(world: Gateway, target: str) -> None:
    def ask_without(model: str) -> Any:
        raw = asking("gemini", f"{target.replace('_', '-')}/{model}", stream=True)
        return ask(world.port, raw.replace(b"?alt=sse", b"", 1))

    answer = ask_without("the-model")
    assert (answer.status, answer.header("content-type")) == (200, "application/json; charset=UTF-8")
    events = b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in json.loads(answer.body))
    check(read("gemini", events).answer, "gemini", target)
    with pytest.raises((AssertionError, ConnectionError)) as broken:
        ask_without("cut")
    assert "200" in str(broken.value)


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_arrive_in_the_callers_dialect(world: Gateway, caller: str, target: str, stream: bool) -> None:
    model = f"{target.replace('_', '-')}/limited"
    answer = ask(world.port, asking(caller, model, stream=stream))
    assert answer.status == 429
    fields = {name.lower(): value for name, value in answer.fields}
    fault = load(caller).decode_fault(answer.status, fields, answer.body)
    assert (fault.kind, fault.message) == ("rate_limit", "Slow down a little.")
    garbled = ask(world.port, asking(caller, f"{target.replace('_', '-')}/garbled", stream=False))
    assert garbled.status in ((200,) if caller == target and caller.startswith("openai") else (502,)), garbled.body


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("caller", CALLERS)
def test_a_cut_stream_is_told(world: Gateway, caller: str, target: str) -> None:
    with pytest.raises((AssertionError, ConnectionError)) as broken:
        ask(world.port, asking(caller, f"{target.replace('_', '-')}/cut", stream=True))
    assert "200" in str(broken.value)


def test_wrong_requests_and_keys_are_refused_in_the_callers_dialect(world: Gateway) -> None:
    for caller in CALLERS:
        raw = asking(caller, "nobody/knows", stream=False)
        if caller not in NATIVES:  # a bare name under their prefixes is their own provider's
            answer = ask(world.port, raw)
            assert answer.status == 404, caller
            assert load(caller).decode_fault(404, {}, answer.body).kind == "not_found"
        stranger = ask(world.port, raw.replace(KEY.encode(), b"sk-stranger"))
        assert stranger.status == 401, caller
        assert load(caller).decode_fault(401, {}, stranger.body).kind == "auth"


def test_the_record_names_what_was_dropped(start_gateway: Start) -> None:
    with Upstream(provider) as upstream:
        origin = upstream.url.removesuffix("/v1")
        plain: Json = {"dialect": "anthropic", "vendor": "custom", "base_url": f"{origin}/anthropic"}
        config: Json = {
            "providers": {
                "a": plain,
                "strict": plain | {"unsupported": "error"},
            },
            "virtual_keys": [{"name": "test", "value": KEY}],
            "model_lists": {"refresh": 0},
            "server": {"drain_timeout": "3s"},
        }  # fmt: skip
        gateway = start_gateway(config)
        body = {"model": "a/m", "messages": [{"role": "user", "content": "hi"}], "seed": 7, "logprobs": True}
        dropped = ask(gateway.port, request(body=json.dumps(body).encode()))
        assert dropped.status == 200
        refused = ask(gateway.port, request(body=json.dumps(body | {"model": "strict/m"}).encode()))
        assert refused.status == 400
        assert json.loads(refused.body)["error"]["param"] == "seed"
        told = upstream.requests[-1]
        assert told.header("x-api-key") is None
        assert told.header("anthropic-version") == "2023-06-01"
        rows = trail_of(gateway)
        row = rows[dropped.header("x-microgate-request-id") or ""]
        assert row.dropped == "seed,logprobs"
        assert (row.prompt_tokens, row.completion_tokens, row.cached_tokens) == (31, 17, 8)


def test_native_defaults_are_known() -> None:
    assert set(NATIVES) | {"openai_chat", "openai_responses", "openai_completions"} >= set(DIALECTS)
    assert all(operation in {*PATHS, "invoke"} for native in NATIVES.values() for operation in native.paths)


@pytest.mark.parametrize("target", [name for name in NAMES if name != "bedrock"])
def test_invoke_reaches_every_provider(world: Gateway, target: str) -> None:
    model = quote(f"{target.replace('_', '-')}/the-model", safe="")
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 99, "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Weather in Mérida?"}]}
    ]}).encode()  # fmt: skip
    whole = ask(world.port, request("POST", f"/bedrock/model/{model}/invoke", body))
    assert whole.status == 200, whole.body
    check(load("anthropic").decode_answer(json.loads(whole.body)), "anthropic", target)
    streamed = ask(world.port, request("POST", f"/bedrock/model/{model}/invoke-with-response-stream", body))
    assert streamed.status == 200, streamed.body
    assert streamed.header("content-type") == "application/vnd.amazon.eventstream"
    pieces = [json.loads(frame.payload)["bytes"] for frame in EventStreamReader().feed(streamed.body)]
    events = [base64.b64decode(piece) for piece in pieces]
    collected = read("anthropic", b"".join(b"event: x\ndata: %b\n\n" % event for event in events))
    check(collected.answer, "anthropic", target)
    assert collected.done
    refused = ask(world.port, request("POST", f"/bedrock/model/{model}/invoke", b'{"what": "is this"}'))
    assert (refused.status, refused.header("x-amzn-errortype")) == (400, "ValidationException")


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("caller", ["openai_chat", "openai_completions", "anthropic", "cohere"])
def test_nothing_passes_behind_the_last_event(start_gateway: Start, caller: str, split: bool) -> None:
    """C12, where bytes pass. The other dialects have no event that does nothing but end a stream."""

    def chatty(received: Received) -> list[Step]:
        head, *pieces, end = provider(received)
        stream = b"".join(piece for piece in pieces if isinstance(piece, bytes))
        more = chunk(b'data: {"type": "more"}\n\ndata: {"type": "and more"}\n\n')
        return [head, stream + more, end] if not split else [head, stream, 0.05, more, end]

    with Upstream(chatty) as upstream:
        config = configuration(upstream.url)
        config["providers"]["mock"] |= {"dialect": caller, "vendor": "custom"}
        config["providers"]["mock"]["base_url"] = upstream.url.removesuffix("v1") + caller
        gateway = start_gateway(config)
        answer = ask(gateway.port, asking(caller, "mock/the-model", stream=True))
        assert (answer.complete, b"more" in answer.body) == (True, False)
        assert read(caller, answer.body).done
