"""Ollama's own chat: requests, answers, streams and errors."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.dialects import load
from providers.dialects.base import Facts
from providers.neutral import (
    Done,
    Event,
    Fault,
    Losses,
    Malformed,
    Media,
    PartDelta,
    PartEnd,
    PartStart,
    Reasoning,
    Request,
    Start,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from tests.providers.dialects.streaming import broken, collect, ends_once, read, write

OLLAMA, CHAT, ANTHROPIC = load("ollama"), load("openai_chat"), load("anthropic")
QWEN, GPT = Facts("qwen3:8b", "ollama"), Facts("gpt-oss:20b", "ollama")
PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": SCHEMA}}
CALL = {"function": {"name": "weather", "arguments": {"city": "Graz"}}}
HI = {"role": "user", "content": "Hi"}


def body(*messages: Any, **members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages) or [HI]} | members


TALK = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What?", "images": [PNG, "/9j/"]},
    {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [CALL, {"function": {"name": "dice",
     "index": 1, "arguments": {}}}]},
    {"role": "tool", "tool_name": "dice", "content": "6"},
    {"role": "tool", "content": "12"},
)  # fmt: skip
ROUND: dict[str, dict[str, Any]] = {
    "plain": body(),
    "not streamed": body(stream=False, format="", options={}, tools=[], keep_alive=None),
    "talk": body(*TALK, tools=[TOOL], stream=True),
    "ids": body(
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c9"} | CALL], "images": [], "name": ""},
        {"role": "tool", "content": None, "tool_call_id": "c9", "name": "weather"}, {"role": "tool"},
        {"role": "assistant", "novel": 1},
    ),
    "all else": body(
        format=SCHEMA, think="high", keep_alive="5m", logprobs=True, top_logprobs=3, truncate=False,
        options={"temperature": 0.5, "top_p": 1, "top_k": 5, "seed": 1, "num_predict": 9, "stop": ["x"],
                 "frequency_penalty": 0.1, "presence_penalty": 0.2, "num_ctx": 4096},
    ),
    "without end": body(options={"num_predict": -1, "stop": "x"}, think=False, format="json"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROUND)
def test_a_request_comes_back_as_it_was(name: str) -> None:
    given = copy.deepcopy(ROUND[name])
    request = OLLAMA.decode_request(given)
    before = copy.deepcopy(request)
    assert OLLAMA.encode_request(request, Facts("m"), Losses("error")) == ROUND[name]
    assert request == before
    assert given == ROUND[name]


@pytest.mark.parametrize(("members", "stream"), [({}, True), ({"stream": True}, True), ({"stream": False}, False),
                                                  ({"stream": None}, True)])  # fmt: skip
def test_an_answer_is_streamed_unless_the_body_says_no(members: Any, stream: bool) -> None:
    assert OLLAMA.decode_request(body(**members)).stream is stream


def from_chat(facts: Facts = QWEN, losses: Losses | None = None, **members: Any) -> dict[str, Any]:
    request = CHAT.decode_request({"model": "m", "messages": [HI]} | members)
    return OLLAMA.encode_request(request, facts, losses or Losses("error"))


def test_results_find_their_calls() -> None:
    request = OLLAMA.decode_request(ROUND["talk"])
    parts = [part for message in request.messages for part in message.parts]
    assert [part.id for part in parts if isinstance(part, ToolCall)] == ["call_0", "call_1"]
    assert [part.call_id for part in parts if isinstance(part, ToolResult)] == ["call_1", "call_0"]
    assert [(part.media_type, part.data) for part in parts if isinstance(part, Media)] == [
        ("image/png", PNG), ("image/jpeg", "/9j/"),
    ]  # fmt: skip
    assert [part.text for part in parts if isinstance(part, Reasoning)] == ["Hm."]
    losses = Losses()
    written = CHAT.encode_request(request, Facts("m", "openai"), losses)
    assert [one["id"] for one in written["messages"][2]["tool_calls"]] == ["call_0", "call_1"]
    assert written["messages"][3] == {"role": "tool", "tool_call_id": "call_1", "content": "6"}
    assert losses.names == ["messages.reasoning"]


def test_a_conversation_from_chat() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Graz"}'}}
    written = from_chat(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "text", "text": "Where?"},
             {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]},
            {"role": "assistant", "content": "Well.", "reasoning_content": "Hm.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "12"},
        ],
        tools=[TOOL], stream=True, max_tokens=9, stop="x", temperature=0.5, seed=3, reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    )  # fmt: skip
    assert written == {
        "model": "qwen3:8b",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What?\nWhere?", "images": [PNG]},
            {"role": "assistant", "content": "Well.", "thinking": "Hm.", "tool_calls": [
                {"id": "c1", "function": {"index": 0, "name": "weather", "arguments": {"city": "Graz"}}}]},
            {"role": "tool", "content": "12", "tool_name": "weather", "tool_call_id": "c1"},
        ],
        "stream": True, "tools": [TOOL], "format": SCHEMA, "think": True,
        "options": {"temperature": 0.5, "seed": 3, "num_predict": 9, "stop": ["x"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "effort", "think"), [(QWEN, "none", False), (QWEN, "high", True), (GPT, "minimal", "low"),
                                   (GPT, "high", "high")],
)  # fmt: skip
def test_thinking(facts: Facts, effort: str, think: Any) -> None:
    assert from_chat(facts, reasoning_effort=effort)["think"] == think


def test_what_cannot_be_said_is_named() -> None:
    losses = Losses()
    written = from_chat(
        GPT, losses, tools=[TOOL], tool_choice="required", parallel_tool_calls=False, n=2, logit_bias={"1": 1},
        user="u", metadata={"a": "b"}, reasoning_effort="none", verbosity="low",
        messages=[{"role": "user", "name": "Ann", "content": [
            {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}],
    )  # fmt: skip
    assert written["tools"] == [TOOL]
    assert sorted(losses.names) == [
        "cache_control", "logit_bias", "messages.image", "messages.name", "metadata", "n", "parallel_tool_calls",
        "thinking", "tool_choice", "user", "verbosity",
    ]  # fmt: skip
    assert "tools" not in from_chat(tools=[TOOL], tool_choice="none")


def test_options_that_nobody_else_knows_are_named() -> None:
    losses = Losses()
    written = CHAT.encode_request(OLLAMA.decode_request(ROUND["all else"]), Facts("m", "custom"), losses)
    assert (written["temperature"], written["top_k"], written["max_tokens"], written["stop"]) == (0.5, 5, 9, ["x"])
    assert written["response_format"]["json_schema"]["schema"] == SCHEMA
    assert written["reasoning_effort"] == "high"
    assert sorted(losses.names) == ["keep_alive", "options"]


@pytest.mark.parametrize(
    ("given", "member"),
    [
        (body({"role": "robot"}), "messages.0.role"),
        (body({"role": "user", "content": [1]}), "messages.0.content"),
        (body({"role": "user", "content": "", "images": [1]}), "messages.0.images.0"),
        (body({"role": "assistant", "tool_calls": [{}]}), "messages.0.tool_calls.0.function"),
        (body(format="xml"), "format"),
        (body(options={"top_k": "x"}), "options.top_k"),
        (body(think=3), "think"),
    ],
)
def test_what_is_wrong_is_named(given: Any, member: str) -> None:
    with pytest.raises(Malformed) as raised:
        OLLAMA.decode_request(given)
    assert raised.value.member == member


ANSWER: dict[str, Any] = {
    "model": "m",
    "created_at": "2026-01-02T03:04:05Z",
    "message": {"role": "assistant", "content": "Well.", "thinking": "Hm.", "tool_calls": [CALL]},
    "done": True,
    "done_reason": "stop",
    "total_duration": 9, "load_duration": 1, "prompt_eval_count": 20, "prompt_eval_duration": 3, "eval_count": 5,
    "eval_duration": 4,
}  # fmt: skip


def test_an_answer() -> None:
    answer = OLLAMA.decode_answer(ANSWER)
    (choice,) = answer.choices
    thought, text, call = choice.parts
    assert (thought, text) == (Reasoning("Hm."), Text("Well."))
    assert isinstance(call, ToolCall)
    assert (call.id, call.name, call.arguments) == ("call_0", "weather", '{"city":"Graz"}')
    assert (choice.finish, answer.usage, answer.created) == ("tool_calls", Usage(20, 5), 1_767_323_045)
    written = OLLAMA.encode_answer(answer, Request("ollama"))
    call_out = {"id": "call_0", "function": {"index": 0} | CALL["function"]}
    assert written == ANSWER | {"message": ANSWER["message"] | {"tool_calls": [call_out]}}
    with pytest.raises(Malformed):
        OLLAMA.decode_answer({"error": "no"})


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def chunk(**message: Any) -> dict[str, Any]:
    return {"model": "m", "created_at": "2026-01-02T03:04:05.123Z", "message": {"role": "assistant", "content": ""}
            | message, "done": False}  # fmt: skip


LAST = {"model": "m", "done": True, "done_reason": "stop", "prompt_eval_count": 20, "eval_count": 5,
        "message": {"role": "assistant", "content": ""}}  # fmt: skip
CHUNKS = [
    chunk(thinking="H"), chunk(thinking="m."), chunk(content="Wéll"), chunk(content="."),
    chunk(tool_calls=[CALL]), chunk(tool_calls=[{"id": "x", "function": {"name": "dice", "arguments": {}}}]), LAST,
]  # fmt: skip
STREAM = lines(*CHUNKS)


def test_a_stream() -> None:
    events = read(OLLAMA, STREAM)
    collected = collect(events, "ollama")
    assert collected.done
    thought, text, call, dice = collected.answer.choices[0].parts
    assert (thought, text) == (Reasoning("Hm."), Text("Wéll."))
    assert isinstance(call, ToolCall)
    assert isinstance(dice, ToolCall)
    assert (call.arguments, dice.id) == ('{"city":"Graz"}', "x")
    assert collected.answer.choices[0].finish == "tool_calls"
    assert (collected.answer.usage, collected.answer.model) == (Usage(20, 5), "m")
    for size in (1, 17):
        assert read(OLLAMA, STREAM, size) == events
    again = collect(read(OLLAMA, write(OLLAMA, events)), "ollama")
    assert again.done
    assert [type(part) for part in again.answer.choices[0].parts] == [Reasoning, Text, ToolCall, ToolCall]
    assert again.answer.usage == collected.answer.usage
    assert isinstance(read(OLLAMA, STREAM[:-1])[-1], Done)
    assert not any(isinstance(one, Done) for one in read(OLLAMA, lines(*CHUNKS[:-1])))


def test_calls_are_written_whole() -> None:
    events: list[Event] = [
        Start("", "m"), PartStart(0, 0, ToolCall("a", "f")), PartDelta(0, 0, '{"x"'), PartEnd(0, 0),
        PartStart(0, 1, ToolCall("b", "g")), PartEnd(0, 1), PartDelta(0, 0, ":1}"), Done(),
    ]  # fmt: skip
    written = [json.loads(line) for line in write(OLLAMA, events).splitlines()]
    calls = [call for one in written for call in one["message"].get("tool_calls", [])]
    assert [(one["id"], one["function"]["arguments"]) for one in calls] == [("b", {}), ("a", {"x": 1})]
    assert [one["done"] for one in written] == [False, False, True]


def test_errors() -> None:
    fault = read(OLLAMA, lines(chunk(content="x"), {"error": "It broke."}))[-1]
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.message) == ("server", "It broke.")
    assert isinstance(read(OLLAMA, b"<html>\n")[-1], Fault)
    assert write(OLLAMA, [fault]) == b'{"error":"It broke."}\n'
    found = OLLAMA.decode_fault(404, {}, b'{"error":"model \'x\' not found"}')
    assert (found.kind, found.message) == ("not_found", "model 'x' not found")
    assert json.loads(OLLAMA.encode_fault(found).body) == {"error": "model 'x' not found"}


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
OTHERS = [OLLAMA, CHAT, ANTHROPIC, load("bedrock"), load("cohere"), load("gemini")]


@FUZZ
@given(broken(list(ROUND.values())))
def test_a_broken_request_is_malformed_or_taken(given: Any) -> None:
    try:
        request = OLLAMA.decode_request(given)
    except Malformed:
        return
    for target in OTHERS:
        target.encode_request(request, QWEN, Losses())
    request.origin = "test"
    OLLAMA.encode_request(request, GPT, Losses())


@FUZZ
@given(broken([ANSWER]))
def test_a_broken_answer_is_malformed_or_taken(given: Any) -> None:
    try:
        answer = OLLAMA.decode_answer(given)
    except Malformed:
        return
    for target in OTHERS:
        target.encode_answer(answer, Request("test"))


@FUZZ
@given(st.lists(broken(CHUNKS) | st.sampled_from(CHUNKS), max_size=12))
def test_a_broken_stream_is_a_fault_or_taken(given: list[Any]) -> None:
    events = read(OLLAMA, lines(*given))
    assert ends_once(events)
    collect(events, "ollama")
    for target in OTHERS:
        write(target, events)
