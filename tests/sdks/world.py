"""A provider of every dialect for the SDKs to talk to: it says hello, calls tools, and fails when it is told to."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.translation import events_of
from providers.dialects import load
from providers.neutral import Answer, Choice, Fault, Request, Text, ToolCall, ToolResult, Usage
from tests.live.upstreams import Received, Step, chunk, chunked_head, http

SAID = "Hello there: 25 °C"
CITY = "Mérida"
TARGETS = {"chat": "openai_chat", "claude": "anthropic", "google": "gemini", "aws": "bedrock", "co": "cohere"}
"""Provider -> the dialect that it speaks."""
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def answer_to(asked: Request) -> Answer:
    """Tools that are offered are called once, and their result is said back."""
    results = [part for message in asked.messages for part in message.parts if isinstance(part, ToolResult)]
    usage = Usage(31, 17, cached_tokens=8)
    if asked.tools and not results:
        name = asked.tools[0].name
        call = ToolCall("call_weather_1", name, orjson.dumps({"city": CITY}).decode())
        return Answer("test", "id-1", "the-model", 1_700_000_000, [Choice(0, [call], "tool_calls")], usage)
    said = SAID
    if results:
        said += " " + "".join(part.text for part in results[-1].parts if isinstance(part, Text))
    if asked.format is not None and asked.format.kind == "json_schema":
        said = orjson.dumps({"city": CITY}).decode()
    return Answer("test", "id-1", "the-model", 1_700_000_000, [Choice(0, [Text(said)], "stop")], usage)


def provider(received: Received) -> list[Step]:
    """The dialect stands first in the path; the model says what goes wrong."""
    name = received.target.split("/")[1]
    dialect = load(name)
    body = received.json()
    model = body.get("model", received.target)
    streams = body.get("stream") is True or "stream" in received.target.rpartition("/")[2].lower()
    asked = dialect.decode_request(body, model=model, stream=streams)
    if "limited" in model or "overloaded" in model or "wrong" in model:
        fault = Fault("rate_limit", "Slow down a little.", 429, retry_after_s=7)
        if "overloaded" in model:
            fault = Fault("overloaded", "Too many of you.", 503)
        if "wrong" in model:
            fault = Fault("bad_request", "That is not how it is asked.", 400)
        error = dialect.encode_fault(fault)
        return [http(error.body, error.status, fields=[f"{key}: {value}" for key, value in error.headers])]
    answer = answer_to(asked)
    if not streams:
        return [http(orjson.dumps(dialect.encode_answer(answer, asked)))]
    asked.include_usage = True
    encoder = dialect.stream_encoder(asked)
    pieces = [encoder.encode(event) for event in events_of(answer)]
    if "breaks" in model:
        pieces = [*pieces[:2], encoder.encode(Fault("overloaded", "Too many of you.", 503))]
    return [chunked_head(dialect.stream_type), *map(chunk, filter(None, pieces)), chunk(b"")]
