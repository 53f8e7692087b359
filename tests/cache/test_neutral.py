"""The same question in several dialects has one digest, another question never."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.cache.asked import asked
from gateway.cache.neutral import digest_of, neutral_digest, request_of, told
from providers.dialects import load
from tests.cache.test_asked import CHAT, CONVERSE, GENERATE, MESSAGES, RESPONSES, exchange

COHERE = "/cohere/v2/chat"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "a": {"type": "integer"}}, "required": ["city"]}
CALL = {"id": "c1", "type": "function", "function": {"name": "w", "arguments": '{"city": "Bonn"}'}}
TOOL = {"type": "function", "function": {"name": "w", "description": "d", "parameters": SCHEMA}}

PLAIN: dict[str, dict[str, Any]] = {
    CHAT: {
        "model": "a",
        "temperature": 0,
        "max_tokens": 50,
        "messages": [{"role": "system", "content": "brief"}, {"role": "user", "content": "hi"}],
    },
    RESPONSES: {
        "model": "b",
        "temperature": 0.0,
        "max_output_tokens": 50,
        "instructions": "brief",
        "input": "hi",
        "store": False,
        "metadata": {"a": "b"},
    },
    MESSAGES: {
        "model": "c",
        "temperature": 0,
        "max_tokens": 50,
        "system": "brief",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}
        ],
        "metadata": {"user_id": "u"},
    },
    GENERATE: {
        "generationConfig": {"temperature": 0, "maxOutputTokens": 50},
        "systemInstruction": {"parts": [{"text": "brief"}]},
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
    },
    CONVERSE: {
        "inferenceConfig": {"temperature": 0, "maxTokens": 50},
        "system": [{"text": "brief"}],
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
        "requestMetadata": {"a": "b"},
    },
    COHERE: {
        "model": "d",
        "temperature": 0.0,
        "max_tokens": 50,
        "messages": [{"role": "system", "content": "brief"}, {"role": "user", "content": "hi"}],
    },
}
WITH_TOOLS: dict[str, dict[str, Any]] = {
    CHAT: {
        "model": "m",
        "messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        ],
        "tools": [TOOL],
    },
    RESPONSES: {
        "model": "m",
        "store": False,
        "input": [
            {"role": "user", "content": "weather?"},
            {"type": "function_call", "call_id": "z", "name": "w", "arguments": '{"city":"Bonn"}'},
            {"type": "function_call_output", "call_id": "z", "output": "rain"},
        ],
        "tools": [{"type": "function", "name": "w", "description": "d", "parameters": SCHEMA}],
    },
    MESSAGES: {
        "model": "m",
        "messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "w", "input": {"city": "Bonn"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "rain"}]},
        ],
        "tools": [{"name": "w", "description": "d", "input_schema": SCHEMA}],
        "max_tokens": 50,
    },
    CONVERSE: {
        "messages": [
            {"role": "user", "content": [{"text": "weather?"}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "q", "name": "w", "input": {"city": "Bonn"}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "q", "content": [{"text": "rain"}]}}]},
        ],
        "toolConfig": {"tools": [{"toolSpec": {"name": "w", "description": "d", "inputSchema": {"json": SCHEMA}}}]},
    },
    COHERE: {
        "model": "m",
        "messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        ],
        "tools": [TOOL],
    },
}
# Only Anthropic wants a limit.
for path, member in ((CHAT, "max_tokens"), (RESPONSES, "max_output_tokens"), (COHERE, "max_tokens")):
    WITH_TOOLS[path][member] = 50
WITH_TOOLS[CONVERSE]["inferenceConfig"] = {"maxTokens": 50}

STREAMED = {GENERATE: GENERATE.replace(":generate", ":streamGenerate"), CONVERSE: CONVERSE + "-stream"}


def digest(path: str, body: dict[str, Any], to: bytes = b"m", **more: Any) -> bytes | None:
    return neutral_digest(exchange(path, body, model="m", **more), to)


@pytest.mark.parametrize("bodies", [PLAIN, WITH_TOOLS], ids=["plain", "tools"])
def test_one_digest_in_all_dialects(bodies: dict[str, dict[str, Any]]) -> None:
    found = {path: digest(path, body) for path, body in bodies.items()}
    assert None not in found.values()
    assert len(set(found.values())) == 1, [json.dumps(told(request(path, bodies[path]))) for path in bodies]
    assert len({digest(path, body, b"n") for path, body in bodies.items()} | set(found.values())) == 2


def request(path: str, body: dict[str, Any]) -> Any:
    return request_of(exchange(path, body, model="m"))


@pytest.mark.parametrize("path", PLAIN)
def test_streamed_or_whole(path: str) -> None:
    whole = digest(path, PLAIN[path])
    if path in STREAMED:
        assert digest(STREAMED[path], PLAIN[path], stream=True) == whole
    else:
        assert digest(path, {**PLAIN[path], "stream": True}, stream=True) == whole
    if path == CHAT:
        usage = {"include_usage": True}
        assert digest(path, {**PLAIN[path], "stream": True, "stream_options": usage}, stream=True) == whole


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """Of everything inside that is no object or list."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, dict | list):
            for place in places(inner):
                yield (key, *place)
        else:
            yield (key,)


# Ids of calls are numbers here, and these are never told.
SPELLING = {"id", "call_id", "tool_call_id", "tool_use_id", "toolUseId", "model", "metadata", "requestMetadata"}
SPELLING |= {"cache_control", "store"}


@pytest.mark.parametrize("bodies", [PLAIN, WITH_TOOLS], ids=["plain", "tools"])
def test_every_value_counts(bodies: dict[str, dict[str, Any]]) -> None:
    checked = 0
    for path, body in bodies.items():
        before = digest(path, body)
        for place in places(body):
            if SPELLING & set(place) or (path == COHERE and place[-2:] == (0, "type") and "tool_calls" in place):
                continue  # Cohere's calls are of functions, whatever their type
            other = copy.deepcopy(body)
            inner = other
            for key in place[:-1]:
                inner = inner[key]
            value = inner[place[-1]]
            inner[place[-1]] = value + 1 if isinstance(value, int | float) else "x" if value is None else f"{value}x"
            assert digest(path, other) != before, (path, place)
            checked += 1
    assert checked > 20


@pytest.mark.parametrize(
    ("path", "members"),
    [
        (CHAT, {"temperature": None}),
        (CHAT, {"temperature": 1}),
        (CHAT, {"seed": 0}),
        (CHAT, {"seed": -1}),
        (CHAT, {"n": 2}),
        (CHAT, {"top_p": 0}),
        (CHAT, {"stop": "x"}),
        (CHAT, {"logprobs": True}),
        (CHAT, {"something_new": 0}),
        (CHAT, {"response_format": {"type": "json_object"}}),
        (CHAT, {"reasoning_effort": "low"}),
        (CHAT, {"parallel_tool_calls": False}),
        (CHAT, {"service_tier": "flex"}),
        (CHAT, {"tools": [TOOL]}),
        (CHAT, {"tools": [{**TOOL, "defer": {"a": 1}}]}),
        (RESPONSES, {"text": {"verbosity": "low"}}),
        (RESPONSES, {"reasoning": {"effort": "low"}}),
        (RESPONSES, {"reasoning": {"effort": "low", "mode": "x"}}),
        (RESPONSES, {"include": ["reasoning.encrypted_content"]}),
        (RESPONSES, {"truncation": "auto"}),
        (MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (MESSAGES, {"top_k": 3}),
        (MESSAGES, {"something_new": False}),
        (GENERATE, {"safetySettings": [{"category": "x", "threshold": "y"}]}),
        (GENERATE, {"generationConfig": {"temperature": 0, "maxOutputTokens": 50, "somethingNew": {}}}),
        (CONVERSE, {"guardrailConfig": {"guardrailIdentifier": "g"}}),
        (CONVERSE, {"additionalModelRequestFields": {"top_k": 3}}),
        (COHERE, {"documents": ["d"]}),
        (COHERE, {"safety_mode": "STRICT"}),
    ],
)
def test_what_differs_in_a_member(path: str, members: dict[str, Any]) -> None:
    other = digest(path, {**PLAIN[path], **members})
    assert other is not None
    assert other != digest(path, PLAIN[path])


def test_what_only_one_dialect_knows_is_not_taken_for_anothers() -> None:
    chat, messages = ({**PLAIN[path], "something_new": 1} for path in (CHAT, MESSAGES))
    assert digest(CHAT, chat) != digest(MESSAGES, messages)


def test_order_of_turns_and_of_parts() -> None:
    def with_parts(*parts: dict[str, Any]) -> bytes | None:
        body = copy.deepcopy(WITH_TOOLS[MESSAGES])
        body["messages"][2]["content"] = list(parts)
        return digest(MESSAGES, body)

    result = {"type": "tool_result", "tool_use_id": "t", "content": "rain"}
    said = {"type": "text", "text": "so"}
    assert len({with_parts(result), with_parts(result, said), with_parts(said, result), with_parts(said)}) == 4


def test_results_belong_to_their_calls() -> None:
    def two(first: str, second: str) -> bytes | None:
        body = copy.deepcopy(WITH_TOOLS[CHAT])
        body["messages"][1]["tool_calls"] = [CALL, {**CALL, "id": "c2"}]
        body["messages"][2:] = [{"role": "tool", "tool_call_id": c, "content": c} for c in ("c1", "c2")]
        for message, call in zip(body["messages"][2:], (first, second), strict=True):
            message["tool_call_id"] = call
        return digest(CHAT, body)

    assert len({two("c1", "c2"), two("c2", "c1"), two("c1", "c1"), two("c1", "other")}) == 4


def test_schemas_keep_the_order_of_properties() -> None:
    def ordered(*names: str) -> bytes | None:
        schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        return digest(CHAT, {**PLAIN[CHAT], "response_format": form})

    assert ordered("a", "b") != ordered("b", "a")


def test_what_asked_refuses() -> None:
    for path, members in ((CHAT, {"store": True}), (RESPONSES, {"store": True}), (MESSAGES, {"mcp_servers": [{}]})):
        assert digest(path, {**PLAIN[path], **members}) is None


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/completions"])
def test_operations_that_stand_alone_are_asked_in_their_dialect(path: str) -> None:
    x = exchange(path, {"model": "m", "input": "hi", "prompt": "hi"}, model="m")
    assert neutral_digest(x, b"m") == asked(x, b"m") is not None


def test_what_its_own_dialect_does_not_understand() -> None:
    assert digest(CHAT, {"messages": [{"role": "nobody", "content": "x"}]}) is None
    assert digest(CHAT, {"messages": "x"}) is None
    deep = json.loads('{"x":' + "[" * 400 + "]" * 400 + "}")
    assert digest(CHAT, {**PLAIN[CHAT], **deep}) is None
    half = b'{"messages":[{"role":"user","content":"\\ud800"}]}'
    assert neutral_digest(exchange(CHAT, half, model="m"), b"m") is None


def test_the_model_leads_elsewhere() -> None:
    one = load("openai_chat").decode_request(PLAIN[CHAT], model="m")
    assert digest_of(one, b"a") not in (None, digest_of(one, b"b"))
    one.model = "other"
    assert digest_of(one, b"a") == digest_of(load("openai_chat").decode_request(PLAIN[CHAT]), b"a")
