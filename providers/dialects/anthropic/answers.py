"""Whole answers: the message object."""

from __future__ import annotations

from typing import Any

from providers.dialects.anthropic.parts import ORIGIN, arguments_of, decode_part, encode_citation
from providers.dialects.reading import a_list, an_object, mapping, rest, text, whole
from providers.neutral import Answer, Choice, Finish, Json, Media, Opaque, Reasoning, Refusal, Text, ToolCall, Usage

FINISH: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
}
_OUT: dict[str, str] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
}
_ANSWER = frozenset(("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"))


def finish_of(word: Any) -> Finish:
    return FINISH.get(word, "other") if isinstance(word, str) and word else ""


def finish_out(finish: str) -> str:
    return _OUT.get(finish, "end_turn")


def decode(body: Json) -> Answer:
    """Raises Malformed."""
    reason = body.get("stop_reason")
    choice = Choice(0, finish=finish_of(reason) or "stop", raw_finish=text(reason))
    choice.stop_sequence = text(body.get("stop_sequence"))
    for part in a_list(body.get("content"), "content"):
        choice.parts.append(decode_part(an_object(part, "content"), "content"))
    answer = Answer(ORIGIN, text(body.get("id")), text(body.get("model")), choices=[choice])
    usage = body.get("usage")
    if isinstance(usage, dict):
        answer.usage = decode_usage(usage)
        answer.service_tier = text(usage.get("service_tier"))
    answer.extra = rest(body, _ANSWER)
    return answer


def decode_usage(value: Json, before: Usage | None = None) -> Usage:
    """``usage`` of a message; in a stream, of its end, on top of what its start said. On the wire ``input_tokens`` are
    those that no cache had to do with."""
    read = value.get("cache_read_input_tokens")
    written = value.get("cache_creation_input_tokens")
    fresh = value.get("input_tokens")
    usage = Usage()
    usage.cached_tokens = whole(read) if read is not None or before is None else before.cached_tokens
    usage.cache_write_tokens = whole(written) if written is not None or before is None else before.cache_write_tokens
    if fresh is not None or before is None:
        plain = whole(fresh)
    else:
        plain = before.input_tokens - before.cached_tokens - before.cache_write_tokens
    usage.input_tokens = plain + usage.cached_tokens + usage.cache_write_tokens
    usage.output_tokens = whole(value.get("output_tokens"))
    details = mapping(value.get("output_tokens_details"))
    usage.reasoning_tokens = whole(details.get("thinking_tokens")) or whole(details.get("reasoning_tokens"))
    return usage


def encode_usage(usage: Usage | None) -> Json:
    """``usage`` as the SDKs want it, zero where nothing is known."""
    usage = usage or Usage()
    return {
        "input_tokens": max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "output_tokens": usage.output_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
    }


def encode(answer: Answer) -> Json:
    """The first choice: there is no place for others."""
    choice = answer.choices[0] if answer.choices else Choice()
    content = [block for at, part in enumerate(choice.parts) if (block := block_of(part, at)) is not None]
    finish = choice.finish
    if finish in ("stop", "other") and any(isinstance(part, ToolCall) for part in choice.parts):
        finish = "tool_calls"
    return {
        "id": answer.id or "msg_0",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": finish_out(finish),
        "stop_sequence": choice.stop_sequence or None,
        "usage": encode_usage(answer.usage),
    }


def block_of(part: Any, place: int) -> Json | None:
    """A block of an answer; None for what the dialect cannot say."""
    if isinstance(part, Text):
        citations = [encode_citation(citation) for citation in part.citations] or None
        return {"type": "text", "text": part.text, "citations": citations} if part.text or citations else None
    if isinstance(part, ToolCall):
        identity = part.id or f"toolu_{place}"
        return {"type": "tool_use", "id": identity, "name": part.name, "input": arguments_of(part)}
    if isinstance(part, Reasoning):
        if part.redacted and not part.text:
            return {"type": "redacted_thinking", "data": part.redacted}
        return {"type": "thinking", "thinking": part.text, "signature": part.signature}
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text, "citations": None} if part.text else None
    if isinstance(part, Media) and part.transcript:
        return {"type": "text", "text": part.transcript, "citations": None}
    if isinstance(part, Opaque) and part.dialect == ORIGIN:
        return mapping(part.value)
    return None
