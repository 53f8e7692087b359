"""Anthropic's messages, by the types of its Python SDK."""

from __future__ import annotations

import json
from typing import Any

from anthropic._models import construct_type
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from tests.corpus.readout import Reader, Said, counted, events, settled

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "filter",
    "pause_turn": "other",
}
_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def whole(data: bytes, strict: bool) -> Said:
    value = json.loads(data)
    return _said(Message.model_validate(value) if strict else construct_type(value=value, type_=Message))


def _said(message: Any) -> Said:
    said = Said(finish=FINISH.get(message.stop_reason or "", "other") if message.stop_reason else "")
    for block in message.content:
        if block.type == "text":
            said.text += block.text
        elif block.type == "thinking":
            said.reasoning += block.thinking
        elif block.type == "tool_use":
            said.calls.append((block.id, block.name, block.input))
    usage = message.usage
    read, made = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    details = getattr(usage, "output_tokens_details", None)
    thinking = getattr(details, "thinking_tokens", None) if details is not None else None
    said.usage = counted((usage.input_tokens or 0) + read + made, usage.output_tokens, read, thinking)
    return settled(said)


def stream(data: bytes, strict: bool) -> Said:
    snapshot: Any = None
    bufs: dict[int, bytes] = {}
    for name, value in events(data):
        if value.get("type") in ("ping", "error"):
            continue
        assert not strict or name == value["type"]
        event = _EVENT.validate_python(value) if strict else construct_type(value=value, type_=RawMessageStreamEvent)
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=bufs)
    return _said(snapshot)


READER = Reader(whole, stream)
