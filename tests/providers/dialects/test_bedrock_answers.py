"""Answers, streams and errors of Bedrock's Converse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.dialects import load
from providers.eventstream import EventStreamReader, frame, header_bytes
from providers.neutral import (
    Answer,
    Choice,
    Done,
    Event,
    Fault,
    Malformed,
    Media,
    Opaque,
    PartDelta,
    PartEnd,
    PartStart,
    Reasoning,
    Refusal,
    Request,
    Start,
    Text,
    ToolCall,
    Usage,
)
from tests.providers.dialects.streaming import broken, collect, ends_once, read, streamed, write

BEDROCK, CHAT, ANTHROPIC = load("bedrock"), load("openai_chat"), load("anthropic")
PNG = "iVBORw0KGgo="
CITED = {
    "title": "facts",
    "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 7}},
    "sourceContent": [{"text": "By Matz"}],
}
ANSWER: dict[str, Any] = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": "RXVRQg=="}},
                {"toolUse": {"toolUseId": "s", "name": "search", "input": {}, "type": "server_tool_use"}},
                {"citationsContent": {"content": [{"text": "Matz"}], "citations": [CITED]}},
                {"text": " made it."},
                {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Graz"}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": {
        "inputTokens": 10, "outputTokens": 4, "totalTokens": 121, "cacheReadInputTokens": 100,
        "cacheWriteInputTokens": 7,
    },
    "metrics": {"latencyMs": 5},
    "serviceTier": {"type": "flex"},
    "additionalModelResponseFields": {"stop_sequence": "x"},
    "trace": {"guardrail": {}},
}  # fmt: skip


def event(kind: str, value: Any) -> bytes:
    return frame(header_bytes({":event-type": kind, ":message-type": "event"}), json.dumps(value).encode())


def block(index: int, *deltas: Any, start: Any = None) -> bytes:
    out = event("contentBlockStart", {"contentBlockIndex": index, "start": start}) if start else b""
    out += b"".join(event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas)
    return out + event("contentBlockStop", {"contentBlockIndex": index})


BEGIN = event("messageStart", {"role": "assistant", "p": "abc"})
STOP = event("messageStop", {"stopReason": "tool_use"})
META = event("metadata", {"usage": ANSWER["usage"], "metrics": {"latencyMs": 1}})
STREAM = b"".join(
    (
        BEGIN,
        block(0, {"reasoningContent": {"text": "H"}}, {"reasoningContent": {"text": "m."}},
              {"reasoningContent": {"signature": "c2ln"}}),
        block(1, {"reasoningContent": {"redactedContent": "RXVRQg=="}}),
        block(2, {"toolUse": {"input": '{"q"'}}, {"toolUse": {"input": ":1}"}},
              start={"toolUse": {"toolUseId": "s", "name": "search", "type": "server_tool_use"}}),
        block(3, {"toolResult": [{"text": "found"}]}, start={"toolResult": {"toolUseId": "s", "type": "search_r"}}),
        block(4, {"citation": CITED}, {"text": "Mätz"}, {"text": "."}),
        block(5, {"toolUse": {"input": '{"city":'}}, {"toolUse": {"input": '"Graz"}'}},
              start={"toolUse": {"toolUseId": "t1", "name": "weather"}}),
        block(6, start={"toolUse": {"toolUseId": "t2", "name": "dice"}}),
        block(7, {"image": {"source": {"bytes": PNG}}}, start={"image": {"format": "png"}}),
        STOP,
        META,
    )
)  # fmt: skip


def test_an_answer_in_the_form() -> None:
    answer = BEDROCK.decode_answer(ANSWER)
    (choice,) = answer.choices
    thought, hidden, search, cited, text, call = choice.parts
    assert thought == Reasoning("Hm.", "c2ln")
    assert hidden == Reasoning(redacted="EuQB")
    assert isinstance(search, Opaque)
    assert isinstance(cited, Text)
    assert (cited.text, cited.citations[0].title, cited.citations[0].cited_text) == ("Matz", "facts", "By Matz")
    assert text == Text(" made it.")
    assert call == ToolCall("t1", "weather", '{"city":"Graz"}')
    assert (choice.finish, choice.raw_finish, choice.stop_sequence) == ("tool_calls", "tool_use", "x")
    assert answer.usage == Usage(117, 4, 100, 7, total=121)
    assert answer.service_tier == "flex"
    assert BEDROCK.encode_answer(answer, Request("bedrock")) == ANSWER


def test_an_answer_for_callers_of_chat() -> None:
    message = CHAT.encode_answer(BEDROCK.decode_answer(ANSWER), Request("openai_chat"))["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Matz made it.", "Hm.")
    assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Graz"}'}


def test_an_answer_of_chat_for_callers_of_bedrock() -> None:
    answer = CHAT.decode_answer(
        {
            "id": "x", "model": "m", "created": 1,
            "choices": [{"index": 0, "finish_reason": "stop", "message": {
                "content": "See this.", "reasoning_content": "Hm.",
                "annotations": [{"type": "url_citation", "url_citation": {"url": "https://a.example/b", "title": "T",
                                 "start_index": 0, "end_index": 3}}],
                "images": [{"image_url": {"url": f"data:image/png;base64,{PNG}"}}],
                "tool_calls": [{"id": "c" * 70, "type": "function", "function": {"name": "f", "arguments": "no JSON"}}],
            }}],
            "usage": {"prompt_tokens": 50, "completion_tokens": 3, "total_tokens": 53,
                      "prompt_tokens_details": {"cached_tokens": 20}},
        }
    )  # fmt: skip
    written = BEDROCK.encode_answer(answer, Request("bedrock"))
    web = {"title": "T", "location": {"web": {"url": "https://a.example/b", "domain": "a.example"}}}
    assert written["output"]["message"]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm."}}},
        {"citationsContent": {"content": [{"text": "See this."}], "citations": [web]}},
        {"image": {"format": "png", "source": {"bytes": PNG}}},
        {"toolUse": {"toolUseId": "c" * 64, "name": "f", "input": {"input": "no JSON"}}},
    ]
    assert written["stopReason"] == "tool_use"
    assert written["usage"] == {
        "inputTokens": 30, "outputTokens": 3, "totalTokens": 53, "cacheReadInputTokens": 20, "cacheWriteInputTokens": 0,
    }  # fmt: skip
    assert written["metrics"] == {"latencyMs": 0}


def test_anthropics_citations_find_their_place() -> None:
    cited = {
        "type": "page_location", "cited_text": "a", "document_index": 1, "document_title": "T",
        "start_page_number": 2, "end_page_number": 3,
    }  # fmt: skip
    answer = ANTHROPIC.decode_answer(
        {"type": "message", "content": [{"type": "text", "text": "x", "citations": [cited]}], "stop_reason": "end_turn"}
    )
    (block,) = BEDROCK.encode_answer(answer, Request("bedrock"))["output"]["message"]["content"]
    (citation,) = block["citationsContent"]["citations"]
    assert citation == {
        "title": "T", "sourceContent": [{"text": "a"}],
        "location": {"documentPage": {"documentIndex": 1, "start": 2, "end": 3}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "finish"),
    [("end_turn", "stop"), ("max_tokens", "length"), ("model_context_window_exceeded", "length"),
     ("stop_sequence", "stop_sequence"), ("guardrail_intervened", "content_filter"),
     ("content_filtered", "content_filter"), ("malformed_tool_use", "error"), ("novel", "other")],
)  # fmt: skip
def test_reasons(word: str, finish: str) -> None:
    answer = BEDROCK.decode_answer(ANSWER | {"stopReason": word})
    assert answer.choices[0].finish == finish
    if finish != "other":
        assert BEDROCK.encode_answer(answer, Request("bedrock"))["stopReason"] == word


def test_a_refusal_is_a_filtered_answer() -> None:
    answer = Answer("test", choices=[Choice(0, [Refusal("No.")], "stop")])
    written = BEDROCK.encode_answer(answer, Request("bedrock"))
    assert written["stopReason"] == "content_filtered"
    assert written["output"]["message"]["content"] == [{"text": "No."}]


@pytest.mark.parametrize(
    ("members", "place"),
    [({"output": None}, "output"), ({"output": {"message": 1}}, "output.message"),
     ({"output": {"message": {"content": [3]}}}, "output.message.content.0")],
)  # fmt: skip
def test_answers_that_are_none(members: Any, place: str) -> None:
    with pytest.raises(Malformed) as raised:
        BEDROCK.decode_answer(ANSWER | members)
    assert raised.value.member == place


def test_a_stream_in_the_form() -> None:
    events = read(BEDROCK, STREAM)
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], Done)
    collected = collect(events, "bedrock")
    (choice,) = collected.answer.choices
    thought, hidden, search, found, text, weather, dice, image = choice.parts
    assert thought == Reasoning("Hm.", "c2ln")
    assert hidden == Reasoning(redacted="EuQB")
    assert isinstance(search, Opaque)
    assert search.value["toolUse"]["input"] == {"q": 1}
    assert isinstance(found, Opaque)
    assert found.value["toolResult"]["content"] == [{"text": "found"}]
    assert isinstance(text, Text)
    assert (text.text, text.citations[0].extra) == ("Mätz.", CITED)
    assert weather == ToolCall("t1", "weather", '{"city":"Graz"}')
    assert dice == ToolCall("t2", "dice")
    assert isinstance(image, Media)
    assert (image.media_type, image.data) == ("image/png", PNG)
    assert choice.finish == "tool_calls"
    assert collected.answer.usage == Usage(117, 4, 100, 7, total=121)
    for size in (1, 7, 100):
        assert read(BEDROCK, STREAM, size) == events


def test_a_stream_written_again_says_the_same() -> None:
    collected = collect(read(BEDROCK, write(BEDROCK, read(BEDROCK, STREAM))), "bedrock")
    before = collect(read(BEDROCK, STREAM), "bedrock")
    assert collected.done
    for one, other in zip(collected.answer.choices[0].parts, before.answer.choices[0].parts, strict=True):
        if isinstance(one, ToolCall) and one.name == "dice":
            assert one.arguments == "{}"
        else:
            assert one == other
    assert collected.answer.usage == before.answer.usage


def test_calls_that_interleave_are_told_apart() -> None:
    events: list[Event] = [
        Start(), PartStart(0, 0, ToolCall("a", "f")), PartDelta(0, 0, '{"x"'), PartEnd(0, 0),
        PartStart(0, 1, ToolCall("b", "g")), PartDelta(0, 1, "{}"), PartEnd(0, 1), PartDelta(0, 0, ":1}"), Done(),
    ]  # fmt: skip
    seen = collect(read(BEDROCK, write(BEDROCK, events)), "bedrock")
    assert [(part.id, part.arguments) for part in seen.answer.choices[0].parts if isinstance(part, ToolCall)] == [
        ("a", '{"x":1}'), ("b", "{}"),
    ]  # fmt: skip
    assert seen.answer.choices[0].finish == "tool_calls"


def test_where_streams_end() -> None:
    text = BEGIN + block(0, {"text": "Hi"})
    assert isinstance(read(BEDROCK, text + STOP + META)[-1], Done)
    assert isinstance(read(BEDROCK, text + STOP)[-1], Done)
    assert isinstance(read(BEDROCK, text + META + STOP)[-1], Done)
    for cut in (text, text + STOP + META[:-1], text + STOP[:-3]):
        assert not any(isinstance(one, Done | Fault) for one in read(BEDROCK, cut))


@pytest.mark.parametrize(
    ("kind", "neutral", "status"),
    [("throttlingException", "rate_limit", 429), ("serviceUnavailableException", "overloaded", 503),
     ("internalServerException", "server", 500), ("validationException", "bad_request", 400)],
)  # fmt: skip
def test_exceptions_in_a_stream(kind: str, neutral: str, status: int) -> None:
    headers = header_bytes({":exception-type": kind, ":message-type": "exception"})
    events = read(BEDROCK, BEGIN + frame(headers, b'{"message":"Too many tokens"}' if status == 429 else b"{}") + META)
    fault = events[-1]
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.status, fault.code) == (neutral, status, kind)
    assert fault.message
    seen = read(BEDROCK, write(BEDROCK, [fault]))
    assert isinstance(seen[-1], Fault)
    assert seen[-1].kind == neutral


def test_a_timeout_in_a_stream_keeps_its_status() -> None:
    (seen,) = read(BEDROCK, write(BEDROCK, [Fault("timeout", "Too slow.", 504)]))
    assert isinstance(seen, Fault)
    assert (seen.kind, seen.status, seen.message) == ("timeout", 504, "Too slow.")


def test_an_error_frame() -> None:
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "Oh."}
    (fault,) = read(BEDROCK, frame(header_bytes(headers), b""))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.message) == ("server", "Oh.")


@pytest.mark.parametrize(
    "bad",
    [b"data: {}\n\n" * 3, STREAM[:60] + b"\0" + STREAM[61:], event("contentBlockDelta", []),
     event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "x"}}}),
     frame(header_bytes({":event-type": "messageStart"}), b"{")],
)  # fmt: skip
def test_what_is_no_stream_is_a_fault(bad: bytes) -> None:
    fault = read(BEDROCK, bad + STREAM)[-1]
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.status) == ("server", 502)


def test_empty_parts_are_not_written() -> None:
    answer = Answer("test", choices=[Choice(0, [Text(""), Reasoning(""), Text("a")], "stop")])
    data = write(BEDROCK, [Start(), PartStart(0, 0, Text()), PartEnd(0, 0), Done()])
    kinds = [found.headers[":event-type"] for found in EventStreamReader().feed(data)]
    assert kinds == ["messageStart", "messageStop", "metadata"]
    assert streamed(BEDROCK, answer).answer.choices[0].parts == [Text("a")]


@pytest.mark.parametrize(
    ("status", "header", "body", "kind", "code"),
    [
        (429, "ThrottlingException:http://x/", '{"message":"Too many tokens, please wait."}', "rate_limit",
         "ThrottlingException"),
        (403, "UnrecognizedClientException", '{"message":"No."}', "auth", "UnrecognizedClientException"),
        (403, "", '{"__type":"com.amazon#AccessDeniedException","message":"No."}', "permission",
         "AccessDeniedException"),
        (400, "ValidationException", '{"message":"Input is too long for requested model."}', "context_length",
         "ValidationException"),
        (408, "ModelTimeoutException", '{"Message":"Slow."}', "timeout", "ModelTimeoutException"),
        (424, "ModelErrorException", '{"message":"Oh."}', "server", "ModelErrorException"),
        (503, "", "<html>", "overloaded", ""),
    ],
)  # fmt: skip
def test_errors(status: int, header: str, body: str, kind: str, code: str) -> None:
    headers = {"x-amzn-errortype": header, "x-amzn-requestid": "r"} if header else {}
    fault = BEDROCK.decode_fault(status, headers, body.encode())
    assert (fault.kind, fault.status, fault.code) == (kind, status, code)
    assert fault.request_id == headers.get("x-amzn-requestid", "")
    error = BEDROCK.encode_fault(fault)
    assert json.loads(error.body) == {"message": fault.message}
    assert dict(error.headers)["x-amzn-errortype"] == (code or "ServiceUnavailableException")


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(broken([ANSWER]))
def test_a_broken_answer_is_malformed_or_taken(given: Any) -> None:
    try:
        answer = BEDROCK.decode_answer(given)
    except Malformed:
        return
    for target in (BEDROCK, CHAT, ANTHROPIC, load("cohere"), load("ollama")):
        target.encode_answer(answer, Request("test"))


_EVENTS = [(found.headers[":event-type"], json.loads(found.payload)) for found in EventStreamReader().feed(STREAM)]


@FUZZ
@given(st.lists(broken([list(one) for one in _EVENTS]) | st.sampled_from(_EVENTS), max_size=12))
def test_a_broken_stream_is_a_fault_or_taken(given: list[Any]) -> None:
    data = b"".join(event(str(kind), value) for kind, value in (one for one in given if len(one) == 2))
    events = read(BEDROCK, data)
    assert ends_once(events)
    collect(events, "bedrock")
    for target in (BEDROCK, CHAT, ANTHROPIC, load("cohere"), load("ollama")):
        write(target, events)
