"""Streams of streamGenerateContent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.dialects.gemini.partial import steps
from providers.neutral import (
    Citation,
    Collector,
    Done,
    Ended,
    Event,
    Fault,
    Malformed,
    PartDelta,
    PartEnd,
    PartStart,
    Reasoning,
    Request,
    Start,
    Text,
    ToolCall,
    Usage,
)
from tests.providers.dialects.gemini_cases import GEMINI, array, read, response, sse

STREAM = [
    response({"text": "Hm", "thought": True}),
    response({"text": "m", "thought": True}),
    response({"text": "Zür"}),
    response({"text": "ich", "thoughtSignature": "c2ln"}),
    response({"text": " next"}),
    response({"functionCall": {"name": "f", "args": {"a": '}]\\"['}}}, {"functionCall": {"id": "x", "name": "g"}}),
    response({"text": ""}, finishReason="STOP") | {"usageMetadata": {"promptTokenCount": 2, "totalTokenCount": 3}},
]


def collect(events: list[Event]) -> Collector:
    collected = Collector("gemini")
    for event in events:
        collected.add(event)
    return collected


def test_a_stream_in_both_forms_at_every_split() -> None:
    whole = read(sse(STREAM))
    for data in (sse(STREAM), array(STREAM)):
        for size in (1, 2, 3, 7, 50, 10_000):
            assert read(data, size) == whole
    collected = collect(whole)
    assert collected.done
    parts = collected.answer.choices[0].parts
    assert [(type(part).__name__, getattr(part, "text", "") or getattr(part, "arguments", "")) for part in parts] == [
        ("Reasoning", "Hmm"), ("Text", "Zürich"), ("Text", " next"),
        ("ToolCall", '{"a":"}]\\\\\\"["}'), ("ToolCall", "{}"),
    ]  # fmt: skip
    assert collected.answer.choices[0].finish == "tool_calls"
    assert isinstance(parts[1], Text)
    assert parts[1].signature == "c2ln"


@pytest.mark.parametrize("form", [sse, array])
def test_a_cut_stream_is_never_done(form: Any) -> None:
    data = form(STREAM)
    end = len(data.rstrip(b"\r\n]"))
    for at in range(end):
        assert not any(isinstance(event, Done) for event in read(data[:at]))


def test_early_models_gave_a_reason_each_time() -> None:
    events = read(
        sse([response({"text": "a"}, finishReason="STOP"), response({"text": "b"}, finishReason="MAX_TOKENS")])
    )
    assert [event for event in events if isinstance(event, Ended)] == [Ended(0, "length", "MAX_TOKENS")]


def test_two_candidates() -> None:
    both = {
        "candidates": [
            {"content": {"parts": [{"text": "a"}]}, "index": 0, "finishReason": "STOP"},
            {"content": {"parts": [{"text": "b"}]}, "index": 1},
        ]
    }
    assert not collect(read(sse([both]))).done
    rest = {"candidates": [{"index": 1, "finishReason": "SAFETY"}]}
    assert [choice.finish for choice in collect(read(sse([both, rest]))).answer.choices] == ["stop", "content_filter"]


def test_a_refused_prompt_in_a_stream() -> None:
    collected = collect(read(sse([{"promptFeedback": {"blockReason": "OTHER"}}])))
    assert collected.done
    assert collected.answer.choices[0].finish == "content_filter"


@pytest.mark.parametrize(
    "data",
    [
        sse([response({"text": "a"}), {"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}]),
        array([{"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}]),
        json.dumps({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}).encode(),
        json.dumps([{"error": {"message": "m", "status": "UNAVAILABLE"}}]).encode(),
    ],
)
def test_an_error_in_a_stream(data: bytes) -> None:
    last = read(data)[-1]
    assert isinstance(last, Fault)
    assert (last.kind, last.status, last.message, last.code) == ("overloaded", 503, "m", "UNAVAILABLE")


@pytest.mark.parametrize(
    "data", [b"data: {]\r\n\r\n", sse([response({"text": 1})]), sse([response({"functionCall": 1})])]
)
def test_what_is_no_stream_is_a_fault(data: bytes) -> None:
    assert [event.kind for event in read(data) if isinstance(event, Fault)] == ["server"]


def test_arguments_in_pieces() -> None:
    pieces = [
        {"functionCall": {"name": "f", "willContinue": True}, "thoughtSignature": "c2ln"},
        {"functionCall": {"partialArgs": [{"jsonPath": "$.a.b[0]", "stringValue": "x"}], "willContinue": True}},
        {"functionCall": {"partialArgs": [{"jsonPath": "$.a.b[0]", "stringValue": "y"}], "willContinue": True}},
        {"functionCall": {"partialArgs": [{"jsonPath": "$['c d']", "numberValue": 3.0}], "willContinue": True}},
        {"functionCall": {"partialArgs": [{"jsonPath": "$.n", "nullValue": "NULL_VALUE"}], "willContinue": True}},
        {"functionCall": {}},
    ]  # fmt: skip
    values = [*(response(piece) for piece in pieces), response({"text": "z"}, finishReason="STOP")]
    collected = collect(read(sse(values)))
    call, text = collected.answer.choices[0].parts
    assert isinstance(call, ToolCall)
    assert (call.name, call.signature, json.loads(call.arguments)) == (
        "f", "c2ln", {"a": {"b": ["xy"]}, "c d": 3, "n": None},
    )  # fmt: skip
    assert isinstance(text, Text)


@pytest.mark.parametrize("path", ["$..a", "$[x]", "$[", "$['a", "$.a[99999999]"])
def test_paths_that_lead_nowhere(path: str) -> None:
    with pytest.raises(Malformed):
        steps(path)


def test_citations_in_a_stream() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"retrievedContext": {"title": "B"}}],
        "groundingSupports": [
            {"segment": {"endIndex": 12, "startIndex": 8, "text": "lies"}, "groundingChunkIndices": [0, 7]}
        ],
    }
    values = [
        response({"text": "Zürich "}),
        response({"text": "lies there."}, finishReason="STOP", groundingMetadata=grounding),
    ]
    collected = collect(read(sse(values)))
    said = collected.answer.choices[0].parts[0]
    assert isinstance(said, Text)
    assert said.citations == [Citation("https://a.example", "A", "lies", 7, 11), Citation("", "B")]


def written(events: list[Event]) -> list[Any]:
    encoder = GEMINI.stream_encoder(Request("gemini"))
    data = b"".join(encoder.encode(event) for event in events)
    assert data.endswith(b"\r\n\r\n")
    return [json.loads(one.removeprefix(b"data: ")) for one in data.split(b"\r\n\r\n")[:-1]]


def test_a_stream_is_written() -> None:
    events: list[Event] = [
        Start("id", "gpt"),
        PartStart(0, 0, Reasoning()), PartDelta(0, 0, "Hm"), PartDelta(0, 0, signature="c2ln"), PartEnd(0, 0),
        PartStart(0, 1, Text()), PartDelta(0, 1, "A"),
        PartDelta(0, 1, citation=Citation("https://a.example", start=0, end=1)),
        PartEnd(0, 1),
        PartStart(0, 2, ToolCall("c1", "f")), PartEnd(0, 2),
        PartStart(0, 3, ToolCall("c2", "g")), PartDelta(0, 3, '{"b":'), PartDelta(0, 2, '{"a":'), PartDelta(0, 3, "2}"),
        PartDelta(0, 2, "1}"), PartEnd(0, 3),
        Ended(0, "tool_calls", "tool_calls"), Usage(5, 4, reasoning_tokens=1), Done(),
    ]  # fmt: skip
    chunks = written(events)
    parts = [chunk["candidates"][0]["content"]["parts"][0] for chunk in chunks]
    assert parts == [
        {"text": "Hm", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "A"},
        {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}},
        {"functionCall": {"id": "c2", "name": "g", "args": {"b": 2}}},
        {"text": ""},
    ]
    assert all((chunk["responseId"], chunk["modelVersion"]) == ("id", "gpt") for chunk in chunks)
    assert [chunk["candidates"][0].get("finishReason") for chunk in chunks] == [None] * 5 + ["STOP"]
    assert chunks[-1]["usageMetadata"] == {
        "promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 9, "thoughtsTokenCount": 1,
    }  # fmt: skip
    assert chunks[-1]["candidates"][0]["groundingMetadata"]["groundingChunks"][0]["web"]["uri"] == "https://a.example"


def test_a_fault_is_written_as_google_genai_looks_for_it() -> None:
    encoder = GEMINI.stream_encoder(Request("gemini"))
    data = encoder.encode(Fault("overloaded", "m"))
    assert data.startswith(b'data: {"error":{"code":503,')
    last = read(data)[-1]
    assert isinstance(last, Fault)
    assert (last.kind, last.message) == ("overloaded", "m")
