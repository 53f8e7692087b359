"""Requests, an answer and a stream in Anthropic's words, and how the tests read and write them."""

from __future__ import annotations

import copy
import json
from typing import Any

from providers.dialects import load
from providers.dialects.base import Facts
from providers.neutral import (
    Collector,
    Event,
    Losses,
    Request,
)

ANTHROPIC, CHAT = load("anthropic"), load("openai_chat")
OLD, NEW = Facts("claude-sonnet-4-5", "anthropic"), Facts("claude-opus-4-8", "anthropic")
MARK = {"type": "ephemeral"}
PNG, PDF = "iVBORw0KGgo=", "JVBERi0xLjQ="
ASK = {"role": "user", "content": "Hello"}
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
WEATHER_CHAT = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": WEATHER["input_schema"],
    },
}


def body(**members: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": [ASK]} | members


def says(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return body(messages=[{"role": role, "content": list(blocks)}])


def from_chat(facts: Facts = OLD, losses: Losses | None = None, **members: Any) -> dict[str, Any]:
    request = CHAT.decode_request({"model": "m", "messages": [ASK]} | members)
    before = copy.deepcopy(request)
    out = ANTHROPIC.encode_request(request, facts, losses or Losses("error"))
    assert request == before
    return out


def to_chat(given: dict[str, Any], losses: Losses | None = None) -> dict[str, Any]:
    return CHAT.encode_request(ANTHROPIC.decode_request(given), Facts("m", "openai"), losses or Losses("error"))


ROUND = {
    "plain": body(),
    "system text": body(system="Be brief."),
    "system blocks": body(system=[{"type": "text", "text": "Be", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]),
    "system, empty": body(system=""),
    "system, empty list": body(system=[]),
    "nothing said": body(system=None, tools=None, thinking=None, metadata=None, stop_sequences=None, top_k=None),
    "a system message among the others": body(messages=[ASK, {"role": "system", "content": "Now in French."}]),
    "two of one role": body(messages=[ASK, ASK]),
    "cached, with a scope": says({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "scope": "x"}}),
    "cached, null": says({"type": "text", "text": "a", "cache_control": None}),
    "citations": says(
        {
            "type": "text",
            "text": "a",
            "citations": [
                {"type": "char_location", "cited_text": "a", "document_index": 0, "document_title": None,
                 "start_char_index": 0, "end_char_index": 1},
                {"type": "of_tomorrow", "cited_text": "b"},
            ],
        },
        {"type": "text", "text": "b", "citations": None},
        {"type": "text", "text": "c", "citations": []},
        role="assistant",
    ),
    "images": says(
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}, "cache_control": MARK},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "image", "source": {"type": "of_tomorrow"}},
    ),
    "documents": says(
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}, "title": "a"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}, "title": None},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}, "context": "c"},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "citations": {"enabled": True}},
        {"type": "document", "source": {"type": "content", "content": "words"}, "title": ""},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "words"}]}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "image", "source": {}}]}},
    ),
    "calls": says(
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "thinking", "thinking": "Unsigned."},
        {"type": "redacted_thinking", "data": "cmVk"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, 2.5, None, {"b": "ü"}]}},
        {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}, "caller": {"type": "direct"}},
        role="assistant",
    ),
    "results": says(
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "20 degrees", "is_error": False},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "a"}], "is_error": True},
        {"type": "tool_result", "tool_use_id": "toolu_3"},
        {"type": "tool_result", "tool_use_id": "toolu_4", "content": None},
        {"type": "tool_result", "tool_use_id": "toolu_5", "content": []},
        {"type": "tool_result", "tool_use_id": "toolu_6", "content": "", "cache_control": {"type": "ephemeral"}},
        {"type": "tool_result", "tool_use_id": "toolu_7", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {"type": "tool_reference", "tool_name": "f"},
            {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]},
        ]},
        {"type": "text", "text": "Go on."},
    ),
    "server tools": says(
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "compaction", "content": "Before."},
        role="assistant",
    ),
    "tools": body(
        tools=[
            WEATHER,
            WEATHER | {"type": "custom", "strict": True, "cache_control": {"type": "ephemeral"}},
            WEATHER | {"type": None, "description": "", "strict": False, "defer_loading": True},
            {"name": "bare", "input_schema": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        ]
    ),
    "no tools": body(tools=[], stop_sequences=[], metadata={}),
    "choice auto": body(tools=[WEATHER], tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
    "choice any": body(tools=[WEATHER], tool_choice={"type": "any", "disable_parallel_tool_use": False}),
    "choice tool": body(tools=[WEATHER], tool_choice={"type": "tool", "name": "get_weather"}),
    "choice none": body(tools=[WEATHER], tool_choice={"type": "none", "disable_parallel_tool_use": True}),
    "thinking": body(max_tokens=5000, thinking={"type": "enabled", "budget_tokens": 2000, "display": "omitted"}),
    "adaptive": body(thinking={"type": "adaptive"}, output_config={"effort": "max", "task_budget": {"total": 1}}),
    "disabled": body(thinking={"type": "disabled"}),
    "between tools": body(thinking={"type": "between_tools"}),
    "format": body(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}, "effort": None}),
    "format in beta": body(output_format={"type": "json_schema", "schema": {"type": "object"}}),
    "sampling": body(temperature=0.5, top_p=0.9, top_k=5, stop_sequences=["\n", "END"], stream=True),
    "not streamed": body(stream=False),
    "caller": body(metadata={"user_id": "u", "more": 1}, service_tier="standard_only"),
    "caller, plainly": body(metadata={"user_id": "u"}, service_tier="auto"),
    "what nobody else knows": body(container="c", context_management={"edits": []}, mcp_servers=[], service_tier="x"),
}  # fmt: skip


ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "cmVk"},
        {"type": "text", "text": "Sunny.", "citations": [
            {"type": "web_search_result_location", "url": "https://example.com", "title": "T", "cited_text": "sun",
             "encrypted_index": "x"}]},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 2}, "service_tier": "standard",
        "server_tool_use": {"web_search_requests": 1},
    },
    "container": {"id": "c"},
}  # fmt: skip


def event(**members: Any) -> bytes:
    return f"event: {members['type']}\ndata: {json.dumps(members)}\n\n".encode()


def block(index: int, start: Any, *deltas: Any) -> bytes:
    out = event(type="content_block_start", index=index, content_block=start)
    out += b"".join(event(type="content_block_delta", index=index, delta=delta) for delta in deltas)
    return out + event(type="content_block_stop", index=index)


CITED = {"type": "char_location", "cited_text": "a", "document_index": 0, "start_char_index": 0, "end_char_index": 1}
BEGIN = event(
    type="message_start",
    message={"id": "msg_1", "model": "m", "content": [], "usage": {
        "input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1, "service_tier": "standard"}},
)  # fmt: skip
STREAM = b"".join(
    (
        BEGIN,
        event(type="ping"),
        block(0, {"type": "thinking", "thinking": "", "signature": ""},
              {"type": "thinking_delta", "thinking": "Hm."}, {"type": "signature_delta", "signature": "c2ln"}),
        block(1, {"type": "redacted_thinking", "data": "cmVk"}),
        block(2, {"type": "text", "text": "", "citations": []}, {"type": "citations_delta", "citation": CITED},
              {"type": "text_delta", "text": "Sünny"}, {"type": "text_delta", "text": "."}),
        block(3, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
              {"type": "input_json_delta", "partial_json": '{"query"'},
              {"type": "input_json_delta", "partial_json": ':"q"}'}),
        block(4, {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}),
        block(5, {"type": "compaction", "content": None}, {"type": "compaction_delta", "content": "Before."}),
        block(6, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
              {"type": "input_json_delta", "partial_json": ""}, {"type": "input_json_delta", "partial_json": '{"a":'},
              {"type": "input_json_delta", "partial_json": "1}"}),
        block(7, {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}}),
        event(type="message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 7}),
        event(type="message_stop"),
    )
)  # fmt: skip


def read(dialect: Any, data: bytes, size: int = 0) -> list[Event]:
    decoder = dialect.stream_decoder()
    out: list[Event] = []
    for at in range(0, len(data), size or len(data) or 1):
        out += decoder.feed(data[at : at + (size or len(data))])
    return out + decoder.end()


def collect(events: list[Event], origin: str = "anthropic") -> Collector:
    collector = Collector(origin)
    for one in events:
        collector.add(one)
    return collector


def write(dialect: Any, events: list[Event], request: Request | None = None) -> bytes:
    encoder = dialect.stream_encoder(request or Request("anthropic", include_usage=True))
    return b"".join(encoder.encode(one) for one in events)
