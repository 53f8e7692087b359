"""Cohere's v2 chat: requests, answers, streams and errors."""

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
    Fault,
    Losses,
    Malformed,
    Media,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Unsupported,
    Usage,
)
from tests.providers.dialects.streaming import broken, collect, ends_once, read, write

COHERE, CHAT, ANTHROPIC = load("cohere"), load("openai_chat"), load("anthropic")
THINKS, PLANS = Facts("command-a-reasoning-08-2025", "cohere"), Facts("command-a-03-2025", "cohere")
PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": SCHEMA}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Graz"}'}}
HI = {"role": "user", "content": "Hi"}


def body(*messages: Any, **members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages) or [HI]} | members


PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}}
ROUND: dict[str, dict[str, Any]] = {
    "plain": body(stream=False),
    "contents": body(
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "text", "text": ""}, PICTURE, {"type": "novel"}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}]},
        {"role": "assistant", "content": None}, {"role": "user", "content": ""},
    ),
    "calls": body(
        HI,
        {"role": "assistant", "tool_plan": "I will look.", "tool_calls": [CALL, {"id": "c2", "type": "function",
         "function": {"name": "w"}}], "citations": []},
        {"role": "tool", "tool_call_id": "c1", "content": "12"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "a"},
         {"type": "document", "document": {"id": "1", "data": {"a": 1}}}]},
        {"role": "assistant", "content": [{"type": "text", "text": "x"}], "tool_calls": []},
        tools=[TOOL], tool_choice="REQUIRED", strict_tools=True, stream=True,
    ),
    "all else": body(
        temperature=0.5, p=0.9, k=5, seed=1, frequency_penalty=0.1, presence_penalty=0.2, max_tokens=9,
        stop_sequences=["x"], logprobs=False, thinking={"type": "enabled", "token_budget": 50}, safety_mode="STRICT",
        documents=["a", {"data": {"text": "b"}}], citation_options={"mode": "FAST"}, priority=1, tools=[],
        response_format={"type": "json_object", "json_schema": SCHEMA},
    ),
    "nothing said": body(stop_sequences=[], temperature=None, tools=None, response_format={"type": "text"}),
}  # fmt: skip


@pytest.mark.parametrize("name", ROUND)
def test_a_request_comes_back_as_it_was(name: str) -> None:
    given = copy.deepcopy(ROUND[name])
    request = COHERE.decode_request(given)
    before = copy.deepcopy(request)
    assert COHERE.encode_request(request, Facts("m"), Losses("error")) == ROUND[name]
    assert request == before
    assert given == ROUND[name]


def from_chat(facts: Facts = THINKS, losses: Losses | None = None, **members: Any) -> dict[str, Any]:
    request = CHAT.decode_request({"model": "m", "messages": [HI]} | members)
    return COHERE.encode_request(request, facts, losses or Losses("error"))


def test_a_conversation_from_chat() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    written = from_chat(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What?"}, image]},
            {"role": "assistant", "content": "Well.", "reasoning_content": "Hm.", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "12"},
        ],
        tools=[TOOL], tool_choice={"type": "function", "function": {"name": "weather"}}, stream=True, top_p=0.5,
        top_k=3, stop="x", max_completion_tokens=7, reasoning_effort="low",
    )  # fmt: skip
    assert written == {
        "model": THINKS.model,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What?"}, image]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."},
             {"type": "text", "text": "Well."}], "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "12"},
        ],
        "p": 0.5, "k": 3, "stop_sequences": ["x"], "max_tokens": 7, "stream": True, "tools": [TOOL],
        "tool_choice": "REQUIRED", "thinking": {"type": "enabled", "token_budget": 1024},
    }  # fmt: skip


def test_a_conversation_to_chat() -> None:
    losses = Losses()
    request = COHERE.decode_request(ROUND["calls"] | {"safety_mode": "OFF", "k": 5, "thinking": {"type": "disabled"}})
    written = CHAT.encode_request(request, Facts("m", "openai"), losses)
    assert written["messages"][1]["tool_calls"][0] == CALL
    assert written["messages"][2] == {"role": "tool", "tool_call_id": "c1", "content": "12"}
    assert written["messages"][3]["content"] == 'a\n{"a":1}'
    assert written["tool_choice"] == "required"
    assert written["tools"][0]["function"] == TOOL["function"] | {"strict": True}
    assert sorted(losses.names) == ["messages.reasoning", "safety_mode", "top_k"]


def test_thoughts_before_calls_are_a_plan_for_models_that_do_not_think() -> None:
    said = {"role": "assistant", "reasoning_content": "I will look.", "tool_calls": [CALL]}
    written = from_chat(PLANS, messages=[HI, said])["messages"][1]
    assert written == {"role": "assistant", "tool_calls": [CALL], "tool_plan": "I will look."}
    losses = Losses()
    from_chat(PLANS, losses, messages=[HI, {"role": "assistant", "reasoning_content": "Hm.", "content": "x"}],
              reasoning_effort="low")  # fmt: skip
    assert losses.names == ["messages.reasoning", "thinking"]


def test_pictures_in_results_are_said_by_the_user() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    request = ANTHROPIC.decode_request(
        {"max_tokens": 5, "messages": [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}},
                                              {"type": "tool_use", "id": "b", "name": "f", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image", "source": source}]},
                {"type": "tool_result", "tool_use_id": "b", "content": "two"}]}]}
    )  # fmt: skip
    messages = COHERE.encode_request(request, THINKS, Losses("error"))["messages"]
    assert [one["role"] for one in messages] == ["assistant", "tool", "tool", "user"]
    assert messages[3]["content"][0]["image_url"]["url"] == f"data:image/png;base64,{PNG}"


def test_structured_output_and_what_excludes_it() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    assert from_chat(response_format=form)["response_format"] == {"type": "json_object", "json_schema": SCHEMA}
    assert from_chat(response_format={"type": "json_object"})["response_format"] == {"type": "json_object"}
    with pytest.raises(Unsupported, match="response_format"):
        from_chat(response_format=form, tools=[TOOL])


def test_what_cannot_be_said_is_named() -> None:
    losses = Losses()
    from_chat(
        losses=losses, n=2, logit_bias={"1": 1}, user="u", metadata={"a": "b"}, top_logprobs=2, verbosity="low",
        messages=[{"role": "user", "content": [
            {"type": "file", "file": {"file_id": "f"}}, {"type": "input_audio", "input_audio": {"data": "A",
             "format": "wav"}}, {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}],
    )  # fmt: skip
    assert sorted(losses.names) == [
        "cache_control", "logit_bias", "messages.audio", "messages.file", "metadata", "n", "top_logprobs", "user",
        "verbosity",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "member"),
    [
        (body({"role": "robot", "content": ""}), "messages.0.role"),
        (body({"role": "tool", "content": ""}), "messages.0.tool_call_id"),
        (body({"role": "user", "content": [{"type": "text"}]}), "messages.0.content.0.text"),
        (body(tool_choice="auto"), "tool_choice"),
        (body(thinking={}), "thinking.type"),
        (body(response_format={"type": "xml"}), "response_format.type"),
        (body(k="x"), "k"),
        (body(max_tokens=1.5), "max_tokens"),
    ],
)
def test_what_is_wrong_is_named(given: Any, member: str) -> None:
    with pytest.raises(Malformed) as raised:
        COHERE.decode_request(given)
    assert raised.value.member == member


CITED = {
    "start": 0, "end": 4, "text": "Matz", "type": "TEXT_CONTENT",
    "sources": [{"type": "document", "id": "d1", "document": {"id": "d1", "title": "T", "text": "By Matz"}}],
}  # fmt: skip
ANSWER: dict[str, Any] = {
    "id": "a1",
    "message": {
        "role": "assistant", "tool_plan": "I will look.",
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Matz did."}],
        "tool_calls": [CALL], "citations": [CITED],
    },
    "finish_reason": "TOOL_CALL",
    "usage": {
        "billed_units": {"input_tokens": 2, "output_tokens": 3},
        "tokens": {"input_tokens": 20, "output_tokens": 5, "reasoning_tokens": 1}, "cached_tokens": 8,
    },
    "novel": 1,
}  # fmt: skip


def test_an_answer_in_the_form() -> None:
    answer = COHERE.decode_answer(ANSWER)
    (choice,) = answer.choices
    plan, thought, text, call = choice.parts
    assert isinstance(plan, Reasoning)
    assert plan.text == "I will look."
    assert thought == Reasoning("Hm.")
    assert isinstance(text, Text)
    (citation,) = text.citations
    assert (citation.start, citation.end, citation.title, citation.cited_text) == (0, 4, "T", "By Matz")
    assert call == ToolCall("c1", "weather", '{"city":"Graz"}')
    assert choice.finish == "tool_calls"
    usage = answer.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens) == (20, 5, 8, 1)
    assert COHERE.encode_answer(answer, Request("cohere")) == ANSWER


def test_an_answer_of_chat_for_callers_of_cohere() -> None:
    annotation = {"url": "https://a.example", "title": "T", "start_index": 0, "end_index": 3}
    answer = CHAT.decode_answer(
        {"choices": [{"finish_reason": "length", "message": {
            "content": "See this.", "annotations": [{"type": "url_citation", "url_citation": annotation}],
            "reasoning": "Hm."}, "logprobs": {"content": [{"token": "See", "logprob": -0.5}]}}],
         "usage": {"prompt_tokens": 5, "completion_tokens": 3}}
    )  # fmt: skip
    written = COHERE.encode_answer(answer, Request("cohere"))
    assert written["id"]
    assert written["message"]["content"] == [
        {"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "See this."},
    ]  # fmt: skip
    document = {"id": "https://a.example", "title": "T", "url": "https://a.example"}
    assert written["message"]["citations"] == [
        {"start": 0, "end": 3, "text": "See", "content_index": 1, "type": "TEXT_CONTENT",
         "sources": [{"type": "document", "id": "https://a.example", "document": document}]},
    ]  # fmt: skip
    assert written["logprobs"] == [{"text": "See", "token_ids": [], "logprobs": [-0.5]}]
    assert written["finish_reason"] == "MAX_TOKENS"


def event(kind: str, head: Any = None, message: Any = None, **delta: Any) -> bytes:
    value: dict[str, Any] = {"type": kind} | (head or {})
    if message is not None or delta:
        value["delta"] = ({"message": message} if message is not None else {}) | delta
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n".encode()


END = event("message-end", finish_reason="TOOL_CALL", usage=ANSWER["usage"])
STREAM = b"".join(
    (
        event("message-start", {"id": "a1"}, {"role": "assistant"}),
        event("tool-plan-delta", None, {"tool_plan": "I will "}),
        event("tool-plan-delta", None, {"tool_plan": "look."}),
        event("content-start", {"index": 0}, {"content": {"type": "thinking", "thinking": ""}}),
        event("content-delta", {"index": 0}, {"content": {"thinking": "Hm."}}),
        event("content-end", {"index": 0}),
        event("content-start", {"index": 1}, {"content": {"type": "text", "text": "Mätz"}}),
        event("content-delta", {"index": 1}, {"content": {"text": " did."}}),
        event("citation-start", {"index": 0}, {"citations": CITED}), event("citation-end", {"index": 0}),
        event("content-end", {"index": 1}),
        event("tool-call-start", {"index": 0}, {"tool_calls": {"id": "c1", "function": {"name": "weather",
              "arguments": ""}}}),
        event("tool-call-delta", {"index": 0}, {"tool_calls": {"function": {"arguments": '{"city":"Graz"}'}}}),
        event("tool-call-end", {"index": 0}),
        event("debug", {"prompt": "p"}),
        END, b"data: [DONE]\n\n",
    )
)  # fmt: skip


def test_a_stream_in_the_form() -> None:
    events = read(COHERE, STREAM)
    collected = collect(events, "cohere")
    assert collected.done
    plan, thought, text, call = collected.answer.choices[0].parts
    assert plan == Reasoning("I will look.", shape="tool_plan")
    assert thought == Reasoning("Hm.")
    assert isinstance(text, Text)
    assert (text.text, text.citations[0].extra) == ("Mätz did.", CITED)
    assert call == ToolCall("c1", "weather", '{"city":"Graz"}')
    assert collected.answer.id == "a1"
    assert collected.answer.usage == COHERE.decode_answer(ANSWER).usage
    for size in (1, 13):
        assert read(COHERE, STREAM, size) == events
    again = collect(read(COHERE, write(COHERE, events)), "cohere")
    assert again.answer == collected.answer


def test_where_streams_end() -> None:
    assert isinstance(read(COHERE, STREAM.removesuffix(b"data: [DONE]\n\n"))[-1], Done)
    for cut in (STREAM[: STREAM.index(END)], STREAM[: STREAM.index(END)] + b"data: [DONE]\n\n"):
        assert not any(isinstance(one, Done) for one in read(COHERE, cut))


def test_an_error_in_a_stream() -> None:
    events = read(COHERE, write(COHERE, [*read(COHERE, STREAM)[:6], Fault("server", "It broke.", 500)]))
    fault = events[-1]
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.message) == ("server", "It broke.")
    assert isinstance(read(COHERE, event("content-delta", {"index": 0}, {"content": {"text": "x"}}))[-1], Fault)
    assert isinstance(read(COHERE, b"data: {\n\n")[-1], Fault)


def test_errors() -> None:
    given = b'{"error_type":"TOO_MANY_TOKENS","id":"i","message":"too many tokens: size limit exceeded"}'
    fault = COHERE.decode_fault(400, {}, given)
    assert (fault.kind, fault.code, fault.request_id) == ("context_length", "TOO_MANY_TOKENS", "i")
    assert json.loads(COHERE.encode_fault(fault).body) == {"id": "i", "message": fault.message}


def test_parts_of_the_form() -> None:
    request = COHERE.decode_request(ROUND["contents"])
    image = request.messages[1].parts[1]
    assert isinstance(image, Media)
    assert (image.media_type, image.data, image.detail) == ("image/png", PNG, "low")
    result = COHERE.decode_request(ROUND["calls"]).messages[2].parts[0]
    assert isinstance(result, ToolResult)
    assert (result.call_id, result.plain) == ("c1", True)
    assert COHERE.decode_answer(ANSWER | {"usage": {"billed_units": {"input_tokens": 4}}}).usage == Usage(
        4, extra={"billed_units": {"input_tokens": 4}}
    )


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
OTHERS = [COHERE, CHAT, ANTHROPIC, load("bedrock"), load("ollama"), load("gemini")]


@FUZZ
@given(broken(list(ROUND.values())))
def test_a_broken_request_is_malformed_or_taken(given: Any) -> None:
    try:
        request = COHERE.decode_request(given)
    except Malformed:
        return
    for target in OTHERS:
        target.encode_request(request, THINKS, Losses())
    request.origin = "test"
    COHERE.encode_request(request, PLANS, Losses())


@FUZZ
@given(broken([ANSWER]))
def test_a_broken_answer_is_malformed_or_taken(given: Any) -> None:
    try:
        answer = COHERE.decode_answer(given)
    except Malformed:
        return
    for target in OTHERS:
        target.encode_answer(answer, Request("test"))


_EVENTS = [json.loads(part.partition(b"data: ")[2]) for part in STREAM.split(b"\n\n") if part and b"[DONE]" not in part]


@FUZZ
@given(st.lists(broken(_EVENTS) | st.sampled_from(_EVENTS), max_size=12))
def test_a_broken_stream_is_a_fault_or_taken(given: list[Any]) -> None:
    events = read(COHERE, b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in given))
    assert ends_once(events)
    collect(events, "cohere")
    for target in OTHERS:
        write(target, events)
