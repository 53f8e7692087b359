"""What every dialect keeps of a conversation, and what none of them does with nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from gateway.translation import events_of
from providers.dialects import DIALECTS, base, load
from providers.neutral import (
    Answer,
    Choice,
    Collector,
    Fault,
    Format,
    Losses,
    Malformed,
    Media,
    Message,
    Reasoning,
    Request,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Unsupported,
    Usage,
    budget_of,
    effort_of,
)

NAMES = sorted(DIALECTS)
TALKING = [name for name in NAMES if name != "openai_completions"]
"""Those that know tools and turns."""
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PICTURE = "iVBORw0KGgo="


def through(name: str, request: Request, policy: Any = "drop") -> tuple[Request, Losses]:
    """``request`` as a provider of dialect ``name`` would read it."""
    dialect, losses = load(name), Losses(policy)
    body = dialect.encode_request(request, base.Facts("some-model", "custom"), losses)
    again = json.loads(json.dumps(body))
    return dialect.decode_request(again, model="some-model", stream=request.stream), losses


def conversation() -> Request:
    return Request(
        "test",
        messages=[
            Message("system", [Text("Be brief.")], True),
            Message(
                "user", [Text("What is this, and what is the weather there?"), Media("image", "image/png", PICTURE)]
            ),
            Message(
                "assistant",
                [
                    Text("Let me look."),
                    ToolCall("call_1", "weather", '{"city":"Graz"}'),
                    ToolCall("call_2", "weather", '{"city":"Linz"}'),
                ],
            ),
            Message("tool", [ToolResult("call_1", "weather", [Text("12 degrees")], plain=True)]),
            Message("tool", [ToolResult("call_2", "weather", [Text("no such city")], plain=True, is_error=True)]),
            Message("user", [Text("Thanks.")], True),
        ],
        tools=[Tool("weather", "Looks up the weather.", SCHEMA)],
        tool_choice=ToolChoice("required"),
        format=Format("json_schema", SCHEMA, "place"),
        sampling=Sampling(temperature=0.5, top_p=0.9),
        max_tokens=3000,
    )


@pytest.mark.parametrize("name", TALKING)
def test_a_conversation_with_tools_survives(name: str) -> None:
    seen, _ = through(name, conversation())
    parts = [part for message in seen.messages for part in message.parts]
    assert [part.text for part in parts if isinstance(part, Text)] == [
        "Be brief.", "What is this, and what is the weather there?", "Let me look.", "Thanks.",
    ]  # fmt: skip
    assert [(part.media_type, part.data) for part in parts if isinstance(part, Media)] == [("image/png", PICTURE)]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        ("weather", {"city": "Graz"}), ("weather", {"city": "Linz"}),
    ]  # fmt: skip
    results = [part for part in parts if isinstance(part, ToolResult)]
    assert [result.call_id for result in results] == [call.id for call in calls]
    assert [inner.text for result in results for inner in result.parts if isinstance(inner, Text)] == [
        "12 degrees", "no such city",
    ]  # fmt: skip
    (tool,) = seen.tools
    assert (tool.name, tool.description, tool.parameters) == ("weather", "Looks up the weather.", SCHEMA)
    if name != "ollama":  # it knows no choice
        assert seen.tool_choice is not None
        assert seen.tool_choice.mode == "required"
    assert (seen.sampling.temperature, seen.sampling.top_p, seen.max_tokens) == (0.5, 0.9, 3000)


@pytest.mark.parametrize("name", [name for name in TALKING if name not in ("gemini", "cohere")])
def test_structured_output_survives(name: str) -> None:
    seen, _ = through(name, conversation())
    assert seen.format is not None
    assert seen.format.kind == "json_schema"
    # Anthropic wants schemas closed.
    assert (seen.format.schema or {}).items() >= SCHEMA.items()


@pytest.mark.parametrize("name", [name for name in TALKING if name != "ollama"])
def test_one_tool_can_be_chosen(name: str) -> None:
    request = conversation()
    request.tool_choice = ToolChoice("tool", ["weather"])
    seen, _ = through(name, request)
    assert seen.tool_choice is not None
    if name == "cohere":  # a call of the only tool it is told of
        assert seen.tool_choice.mode == "required"
        assert [tool.name for tool in seen.tools] == ["weather"]
        return
    assert (seen.tool_choice.mode, seen.tool_choice.names) == ("tool", ["weather"])


@pytest.mark.parametrize("name", TALKING)
@pytest.mark.parametrize(
    "thinking", [Thinking(effort="low"), Thinking(effort="high"), Thinking(True, budget=2_000), Thinking(False)]
)
def test_how_much_to_think_survives(name: str, thinking: Thinking) -> None:
    request = Request("test", messages=[Message("user", [Text("hi")], True)], thinking=thinking)
    seen, _ = through(name, request)
    if thinking.enabled is False:
        assert seen.thinking is None or effort_of(seen.thinking) == "none"
        return
    assert seen.thinking is not None
    if name == "ollama":  # yes or no is all that most of its models take
        assert seen.thinking.enabled
    elif thinking.budget > 0 and seen.thinking.budget > 0:
        assert seen.thinking.budget == thinking.budget
    else:
        assert effort_of(seen.thinking) == effort_of(thinking) or budget_of(seen.thinking) == budget_of(thinking)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_lost_is_named_or_refused(name: str) -> None:
    request = Request(
        "test",
        messages=[Message("user", [Text("hi")], True)],
        sampling=Sampling(seed=7, logit_bias={"50256": -100}),
        extra={"house_rules": ["none"], "store": True},
    )
    _, losses = through(name, request)
    assert "house_rules" in losses.names
    assert "store" not in losses.names
    with pytest.raises(Unsupported):
        through(name, request, "error")
    dialect = load(name)
    body = dialect.encode_request(request, base.Facts("m"), Losses("pass"))
    assert body["house_rules"] == ["none"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "openai_responses"])
def test_a_conversation_kept_by_the_provider_is_never_left_out(name: str) -> None:
    body = {"model": "m", "input": "and then?", "previous_response_id": "resp_1"}
    request = load("openai_responses").decode_request(body)
    with pytest.raises(Unsupported, match="previous_response_id"):
        through(name, request)


def answer() -> Answer:
    parts = [Reasoning("Hm.", "c2lnbmVk"), Text("It is 12 °C."), ToolCall("call_9", "weather", '{"city":"Graz"}')]
    usage = Usage(100, 40, cached_tokens=60, reasoning_tokens=10)
    return Answer("test", "abc", "some-model", 1_700_000_000, [Choice(0, list(parts), "tool_calls")], usage)


@pytest.mark.parametrize("name", TALKING)
def test_answers_and_streams_say_the_same(name: str) -> None:
    dialect = load(name)
    request = conversation()
    request.include_usage = True
    whole = dialect.decode_answer(json.loads(json.dumps(dialect.encode_answer(answer(), request))))
    encoder, decoder = dialect.stream_encoder(request), dialect.stream_decoder()
    collected = Collector(name)
    for event in events_of(answer()):
        for seen in decoder.feed(encoder.encode(event)):
            collected.add(seen)
    for seen in decoder.end():
        collected.add(seen)
    assert collected.done
    for found in (whole, collected.answer):
        (choice,) = found.choices
        assert choice.finish == "tool_calls"
        assert [part.text for part in choice.parts if isinstance(part, Text)] == ["It is 12 °C."]
        assert [part.text for part in choice.parts if isinstance(part, Reasoning)] == ["Hm."]
        (call,) = [part for part in choice.parts if isinstance(part, ToolCall)]
        assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Graz"})
        assert found.usage is not None
        assert (found.usage.input_tokens, found.usage.output_tokens) == (100, 40)
        assert found.usage.cached_tokens == (0 if name == "ollama" else 60)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("finish", "words"), [("stop", "done"), ("length", "cut sh"), ("content_filter", "no"), ("stop_sequence", "a")]
)
def test_reasons_survive(name: str, finish: Any, words: str) -> None:
    dialect = load(name)
    value = Answer("test", "i", "m", 1, [Choice(0, [Text(words)], finish)], Usage(1, 1))
    (choice,) = dialect.decode_answer(json.loads(json.dumps(dialect.encode_answer(value, Request("test"))))).choices
    same = {finish, "stop"} if finish == "stop_sequence" else {finish, "refusal"} if "filter" in finish else {finish}
    assert choice.finish in same


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("kind", "status"),
    [("auth", 401), ("permission", 403), ("not_found", 404), ("rate_limit", 429), ("server", 500), ("overloaded", 503)],
)
def test_kinds_of_errors_survive(name: str, kind: Any, status: int) -> None:
    dialect = load(name)
    error = dialect.encode_fault(Fault(kind, "It went wrong.", status, retry_after_s=3.0 if status == 429 else 0))
    assert error.status == (529 if (name, kind) == ("anthropic", "overloaded") else status)
    seen = dialect.decode_fault(error.status, dict(error.headers), error.body)
    assert (seen.kind, seen.message) == (kind, "It went wrong.")
    assert bool(seen.retry_after_s) == (status == 429)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**12) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WORDS = [
    "model", "messages", "role", "user", "assistant", "tool", "content", "text", "type", "parts", "contents", "system",
    "tools", "tool_calls", "function", "name", "arguments", "input", "output", "choices", "message", "delta", "index",
    "finish_reason", "usage", "id", "image_url", "url", "source", "data", "tool_use", "tool_result", "thinking",
    "stop_reason", "candidates", "functionCall", "functionResponse", "prompt", "item", "response", "status", "error",
    "tool_choice", "reasoning", "stream", "temperature", "top_p", "top_k", "max_tokens", "n", "stop", "seed",
    "logprobs", "response_format", "output_config", "format", "generationConfig", "effort", "budget_tokens",
]  # fmt: skip
SHAPES = st.recursive(
    VALUES | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=14,
)
BODIES = st.dictionaries(st.sampled_from(WORDS), SHAPES, max_size=8)


@settings(max_examples=200, deadline=None)
@given(body=BODIES)
def test_nonsense_is_malformed_and_nothing_else(body: dict[str, Any]) -> None:
    """To every dialect: what makes examples takes longer than what reads them."""
    for name in NAMES:
        note(name)
        nonsense(name, body)


def nonsense(name: str, body: dict[str, Any]) -> None:
    dialect = load(name)
    for decode in (dialect.decode_request, dialect.decode_answer):
        try:
            value = decode(json.loads(json.dumps(body)))
        except (Malformed, Unsupported):
            continue
        try:
            if isinstance(value, Request):
                for target in NAMES:
                    load(target).encode_request(value, base.Facts("m"), Losses())
            elif isinstance(value, Answer):
                for target in NAMES:
                    load(target).encode_answer(value, Request("test"))
        except (Malformed, Unsupported):
            pass


@settings(max_examples=150, deadline=None)
@given(bodies=st.lists(BODIES, max_size=4), tail=st.binary(max_size=30), size=st.integers(1, 40))
def test_no_stream_raises(bodies: list[dict[str, Any]], tail: bytes, size: int) -> None:
    data = b"".join(b"event: x\ndata: %b\n\n" % json.dumps(body).encode() for body in bodies) + tail
    for name in NAMES:
        note(name)
        streamed(name, data, size)


def streamed(name: str, data: bytes, size: int) -> None:
    dialect = load(name)
    decoder = dialect.stream_decoder()
    encoders = [load(target).stream_encoder(Request("test")) for target in NAMES]
    events = [event for at in range(0, len(data), size) for event in decoder.feed(data[at : at + size])]
    for event in events + decoder.end():
        for encoder in encoders:
            encoder.encode(event)
    fault = dialect.decode_fault(502, {}, data)
    assert fault.message


def test_geminis_signatures_come_back_through_chat_callers() -> None:
    chat, gemini = load("openai_chat"), load("gemini")
    call = {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2lnbmVk"}
    answer = {"candidates": [{"content": {"role": "model", "parts": [call]}, "finishReason": "STOP"}]}
    asked = chat.decode_request({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    message = chat.encode_answer(gemini.decode_answer(answer), asked)["choices"][0]["message"]
    (told,) = message["tool_calls"]
    assert told["extra_content"] == {"google": {"thought_signature": "c2lnbmVk"}}
    result = {"role": "tool", "tool_call_id": told["id"], "content": "done"}
    again = {"model": "m", "messages": [{"role": "user", "content": "hi"}, message, result]}
    body = gemini.encode_request(chat.decode_request(again), base.Facts("gemini-3-pro"), Losses())
    assert body["contents"][1]["parts"][0]["thoughtSignature"] == "c2lnbmVk"
    encoder = chat.stream_encoder(asked)
    stream = b"".join(map(encoder.encode, events_of(gemini.decode_answer(answer))))
    assert b'"thought_signature":"c2lnbmVk"' in stream
