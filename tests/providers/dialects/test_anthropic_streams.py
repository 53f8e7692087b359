"""Anthropic's streams, to and from chat completions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.neutral import (
    Citation,
    Done,
    Ended,
    Event,
    Fault,
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
from tests.providers.dialects.anthropic_cases import (
    ANTHROPIC,
    BEGIN,
    CHAT,
    CITED,
    STREAM,
    block,
    collect,
    event,
    read,
    write,
)


def test_a_stream_is_read() -> None:
    whole = read(ANTHROPIC, STREAM)
    collected = collect(whole)
    assert collected.done
    answer = collected.answer
    assert (answer.id, answer.model, answer.service_tier) == ("msg_1", "m", "default")
    parts = answer.choices[0].parts
    assert parts == [
        Reasoning("Hm.", "c2ln"),
        Reasoning(redacted="cmVk"),
        Text("Sünny.", [Citation(cited_text="a", extra=CITED)], extra={"citations": []}),
        Opaque("anthropic", {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
                             "input": {"query": "q"}}, "server_tool_use"),
        Opaque("anthropic", {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
               "web_search_tool_result"),
        Opaque("anthropic", {"type": "compaction", "content": "Before."}, "compaction"),
        ToolCall("toolu_1", "f", '{"a":1}'),
        ToolCall("toolu_2", "g"),
    ]  # fmt: skip
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.cached_tokens, answer.usage.output_tokens) == (15, 5, 7)
    for size in (1, 2, 7, 100):
        assert read(ANTHROPIC, STREAM, size) == whole
        assert read(ANTHROPIC, STREAM.replace(b"\n", b"\r\n"), size) == whole


def test_a_stream_is_written_as_it_was_read() -> None:
    events = read(ANTHROPIC, STREAM)
    again = collect(read(ANTHROPIC, write(ANTHROPIC, events)))
    first = collect(events)
    for collected in (first, again):
        collected.answer.choices[0].parts[2].extra = None  # type: ignore[union-attr] # it is the text
    assert again.done
    assert again.answer.choices == first.answer.choices
    assert again.answer.usage == first.answer.usage


def test_every_cut_is_seen() -> None:
    for size in range(0, len(STREAM) - 1, 13):
        events = read(ANTHROPIC, STREAM[:size])
        assert not any(isinstance(one, Done) for one in events)


def test_a_stream_goes_to_chat_completions_and_back() -> None:
    events = read(ANTHROPIC, STREAM)
    chat = collect(read(CHAT, write(CHAT, events, Request("openai_chat", include_usage=True))), "openai_chat")
    parts = chat.answer.choices[0].parts
    assert [part.text for part in parts if isinstance(part, Text | Reasoning)] == ["Hm.", "Sünny."]
    assert [(part.id, part.name, part.arguments) for part in parts if isinstance(part, ToolCall)] == [
        ("toolu_1", "f", '{"a":1}'),
        ("toolu_2", "g", ""),
    ]
    assert chat.answer.choices[0].finish == "tool_calls"
    assert chat.answer.usage is not None
    assert chat.answer.usage.input_tokens == 15


def test_a_stream_of_chat_completions_is_written() -> None:
    def chunk(delta: Any, finish: Any = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({"id": "c", "model": "gpt", "choices": [choice]}).encode() + b"\n\n"

    def call(index: int, **members: Any) -> Any:
        return {"tool_calls": [{"index": index} | members]}

    stream = b"".join(
        (
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": "Sun"}),
            chunk({"content": "ny"}),
            chunk(call(0, id="a", type="function", function={"name": "f", "arguments": ""})),
            chunk(call(0, function={"arguments": '{"x":1}'})),
            chunk({}, "tool_calls"),
            b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}\n\n',
            b"data: [DONE]\n\n",
        )
    )
    tokens = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}
    message = {
        "id": "c", "type": "message", "role": "assistant", "model": "gpt", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": tokens | {"service_tier": None},
    }  # fmt: skip
    expected = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Sun"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ny"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        },
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"x":1}'}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": tokens | {"input_tokens": 9, "output_tokens": 4},
        },
        {"type": "message_stop"},
    ]
    written = [part.split(b"\n", 1) for part in write(ANTHROPIC, read(CHAT, stream)).split(b"\n\n") if part]
    assert [json.loads(data.removeprefix(b"data: ")) for _, data in written] == expected
    assert [name.decode() for name, _ in written] == [f"event: {one['type']}" for one in expected]


def test_interleaved_calls_stay_whole() -> None:
    events: list[Event] = [
        Start("a", "m"),
        PartStart(0, 0, ToolCall("a", "f")),
        PartDelta(0, 0, '{"x"'),
        PartEnd(0, 0),
        PartStart(0, 1, ToolCall("b", "g")),
        PartDelta(0, 0, ":1}"),
        PartDelta(0, 1, "{}"),
        PartEnd(0, 1),
        Ended(0, "tool_calls"),
        Usage(1, 2),
        Done(),
    ]
    parts = collect(read(ANTHROPIC, write(ANTHROPIC, events))).answer.choices[0].parts
    assert parts == [ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}")]


def test_what_says_nothing_begins_no_block() -> None:
    events: list[Event] = [
        Start("a", "m"),
        PartStart(0, 0, Text()),
        PartEnd(0, 0),
        PartStart(0, 1, Reasoning()),
        PartEnd(0, 1),
        PartStart(0, 2, Opaque("gemini", {})),
        PartEnd(0, 2),
        PartStart(0, 3, Refusal()),
        PartDelta(0, 3, "No."),
        PartEnd(0, 3),
        PartStart(1, 0, Text("Another choice.")),
        PartEnd(1, 0),
        Ended(0, "stop"),
        Ended(1, "stop"),
        Done(),
    ]
    answer = collect(read(ANTHROPIC, write(ANTHROPIC, events))).answer
    assert answer.choices[0].parts == [Text("No.")]
    assert answer.choices[0].finish == "refusal"


OVERLOADED = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (BEGIN + OVERLOADED, "overloaded", 529),
        (OVERLOADED.replace(b"overloaded_error", b"rate_limit_error"), "rate_limit", 429),
        (OVERLOADED.replace(b"overloaded_error", b"api_error"), "server", 500),
        (b'data: {"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long"}}\n\n',
         "context_length", 400),
        (b"data: {\n\n", "server", 502),
        (block(0, {"type": "text", "text": ""}), "server", 502),
        (BEGIN + event(type="content_block_delta", index=3, delta={}), "server", 502),
        (BEGIN + event(type="content_block_start", content_block={}), "server", 502),
        (event(type="message_stop"), "server", 502),
    ],
)  # fmt: skip
def test_errors_in_a_stream(data: bytes, kind: str, status: int) -> None:
    events = read(ANTHROPIC, data + event(type="message_stop"))
    fault = events[-1]
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.status) == (kind, status)
    assert not any(isinstance(one, Done) for one in events)
    back = read(ANTHROPIC, write(ANTHROPIC, [fault]))[0]
    assert isinstance(back, Fault)
    assert back.message == fault.message
