"""Whole answers."""

from __future__ import annotations

from typing import Any

from providers.dialects.bedrock import media
from providers.dialects.bedrock.blocks import call_out, clip, reasoning_out, text_out
from providers.dialects.bedrock.parts import ORIGIN, decode_blocks
from providers.dialects.reading import an_object, items, mapping, rest, text, whole
from providers.neutral import (
    Answer,
    Choice,
    Finish,
    Json,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    Usage,
)

FINISH: dict[str, Finish] = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
_FINISH_OUT: dict[str, str] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "refusal": "content_filtered",
    "error": "malformed_model_output",
}
_ANSWER = frozenset(("output", "stopReason", "usage", "serviceTier"))
_USAGE = frozenset(
    (
        "inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens",
        "cacheReadInputTokenCount", "cacheWriteInputTokenCount",
    )
)  # fmt: skip


def finish_of(word: Any) -> Finish:
    """The neutral word for ``stopReason``."""
    return FINISH.get(word, "other") if isinstance(word, str) and word else ""


def finish_out(finish: str, raw: str, calls: bool, refused: bool) -> str:
    """``stopReason``: the provider's own word where it is one of Bedrock's for the same."""
    if FINISH.get(raw) == finish:
        return raw
    if refused:
        return "content_filtered"
    if calls and finish in ("", "stop", "other"):
        return "tool_use"
    return _FINISH_OUT.get(finish, "end_turn")


def stop_of(fields: Any) -> str:
    """The sequence that ended the answer, where the caller had asked the model for it."""
    return text(mapping(fields).get("stop_sequence"))


def tier_of(value: Any) -> str:
    return text(mapping(value).get("type"))


def decode(body: Json) -> Answer:
    """Raises Malformed."""
    message = an_object(an_object(body.get("output"), "output").get("message"), "output.message")
    reason = body.get("stopReason")
    choice = Choice(0, decode_blocks(message.get("content"), "output.message.content"))
    choice.finish, choice.raw_finish = finish_of(reason) or "stop", text(reason)
    choice.stop_sequence = stop_of(body.get("additionalModelResponseFields"))
    answer = Answer(ORIGIN, choices=[choice])
    if isinstance(body.get("usage"), dict):
        answer.usage = decode_usage(body["usage"])
    answer.service_tier = tier_of(body.get("serviceTier"))
    answer.extra = rest(body, _ANSWER)
    return answer


def decode_usage(value: Json) -> Usage:
    """Tokens; on the wire those of the cache are not among ``inputTokens``, but are among ``totalTokens``."""
    cached, written = whole(value.get("cacheReadInputTokens")), whole(value.get("cacheWriteInputTokens"))
    usage = Usage(
        whole(value.get("inputTokens")) + cached + written, whole(value.get("outputTokens")), cached, written,
        extra=rest(value, _USAGE), cache_write_1h_tokens=_for_an_hour(value),
    )  # fmt: skip
    if isinstance(value.get("totalTokens"), int):
        usage.total = value["totalTokens"]
    return usage


def _for_an_hour(value: Json) -> int:
    details = map(mapping, items(value.get("cacheDetails")))
    return sum(whole(detail.get("inputTokens")) for detail in details if detail.get("ttl") == "1h")


def encode_usage(usage: Usage) -> Json:
    """Some providers say more cached tokens than tokens; the sum stays."""
    cached = min(usage.cached_tokens, usage.input_tokens)
    written = min(usage.cache_write_tokens, usage.input_tokens - cached)
    return {
        "inputTokens": usage.input_tokens - cached - written,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "cacheReadInputTokens": cached,
        "cacheWriteInputTokens": written,
    }


def encode(answer: Answer, request: Request) -> Json:
    """The answer for a caller; of several choices the first."""
    choice = answer.choices[0] if answer.choices else Choice()
    own = answer.origin == ORIGIN
    content: list[Json] = []
    calls = refused = False
    for part in choice.parts:
        block = block_out(part, len(content), own)
        if block is not None:
            content.append(block)
            calls = calls or isinstance(part, ToolCall)
            refused = refused or isinstance(part, Refusal)
    body: Json = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": finish_out(choice.finish, choice.raw_finish, calls, refused),
        "usage": encode_usage(answer.usage or Usage()),
        "metrics": {"latencyMs": 0},
    }
    if answer.service_tier:
        body["serviceTier"] = {"type": answer.service_tier}
    if choice.stop_sequence:
        body["additionalModelResponseFields"] = {"stop_sequence": choice.stop_sequence}
    return body | answer.extra if own and answer.extra else body


def block_out(part: Part, place: int, own: bool) -> Json | None:
    """A block of an answer; None for what says nothing or belongs to another dialect."""
    if isinstance(part, Text):
        return text_out(part, own) if part.text or part.citations else None
    if isinstance(part, ToolCall):
        return call_out(part, clip(part.id) or f"tooluse_{place}", own)
    if isinstance(part, Reasoning):
        if part.text or part.signature:
            return reasoning_out(part)
        # Another provider's unreadable thoughts have an id, and would be taken for the model's when they come back.
        return reasoning_out(part) if part.redacted and not part.id else None
    if isinstance(part, Refusal):
        return {"text": part.text} if part.text else None
    if isinstance(part, Opaque):
        return part.value if part.dialect == ORIGIN else None
    if isinstance(part, Media):
        if part.kind == "audio":
            return {"text": part.transcript} if part.transcript else None
        return part.shape if own and isinstance(part.shape, dict) else media.encode_own(part)
    return None
