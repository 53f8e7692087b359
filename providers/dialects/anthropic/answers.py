"""Whole messages, as answers."""

from __future__ import annotations

from typing import Any

from providers.dialects.anthropic.blocks import arguments_of, encode_citation
from providers.dialects.anthropic.parts import ORIGIN, decode_block
from providers.dialects.reading import a_list, mapping, rest, text, whole
from providers.neutral import (
    Answer,
    Choice,
    Finish,
    Json,
    Malformed,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)

FINISH: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "compaction": "pause",
    "refusal": "refusal",
}
_FINISH_OUT: dict[str, str] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
}
_TIERS_IN = {"standard": "default"}
_TIERS_OUT = {"default": "standard", "standard": "standard", "priority": "priority", "batch": "batch"}
_ANSWER = frozenset(("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"))
_USAGE = frozenset(
    ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "service_tier")
)
_OWN_USAGE = ("cache_creation", "server_tool_use", "inference_geo", "speed", "iterations")
"""Members of ``usage`` beyond the form's, which nobody else has under these names."""


def finish_of(word: Any) -> Finish:
    """The neutral word for ``stop_reason``."""
    return FINISH.get(word, "other") if isinstance(word, str) and word else ""


def finish_out(finish: str, raw: str, calls: bool, refused: bool) -> str:
    """``stop_reason``: the provider's own word where it is one of Anthropic's for the same."""
    if FINISH.get(raw) == finish:
        return raw
    if refused:
        return "refusal"
    if calls and finish in ("", "stop", "other"):
        return "tool_use"
    return _FINISH_OUT.get(finish, "end_turn")


def tier_of(usage: Json) -> str:
    """The service tier stands among the tokens."""
    tier = text(usage.get("service_tier"))
    return _TIERS_IN.get(tier, tier)


def tier_out(tier: str) -> str | None:
    """None for those that Anthropic has no word for."""
    return _TIERS_OUT.get(tier)


def decode(body: Json) -> Answer:
    """Raises Malformed."""
    if body.get("type", "message") != "message":
        raise Malformed("The answer is no message.", "type")
    answer = Answer(ORIGIN, text(body.get("id")), text(body.get("model")))
    reason = body.get("stop_reason")
    choice = Choice(0, [], finish_of(reason), text(reason), text(body.get("stop_sequence")))
    for at, block in enumerate(a_list(body.get("content"), "content")):
        choice.parts.append(decode_block(block, "content", at))
    answer.choices.append(choice)
    usage = body.get("usage")
    if isinstance(usage, dict):
        answer.usage = decode_usage(usage)
        answer.service_tier = tier_of(usage)
    answer.extra = rest(body, _ANSWER)
    return answer


def decode_usage(value: Json) -> Usage:
    """Tokens; on the wire those of the cache are not among ``input_tokens``."""
    cached, written = whole(value.get("cache_read_input_tokens")), whole(value.get("cache_creation_input_tokens"))
    details = mapping(value.get("output_tokens_details"))
    return Usage(
        whole(value.get("input_tokens")) + cached + written,
        whole(value.get("output_tokens")),
        cached,
        written,
        whole(details.get("thinking_tokens")),
        extra=rest(value, _USAGE),
        cache_write_1h_tokens=whole(mapping(value.get("cache_creation")).get("ephemeral_1h_input_tokens")),
        searches=whole(mapping(value.get("server_tool_use")).get("web_search_requests")),
    )


def encode_usage(usage: Usage) -> Json:
    """The tokens as Anthropic counts them. Some providers say more cached tokens than tokens; the sum stays."""
    cached = min(usage.cached_tokens, usage.input_tokens)
    written = min(usage.cache_write_tokens, usage.input_tokens - cached)
    out: Json = {
        "input_tokens": usage.input_tokens - cached - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        out["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.extra:
        for name in _OWN_USAGE:
            if usage.extra.get(name) is not None:
                out[name] = usage.extra[name]
    return out


def encode(answer: Answer, request: Request) -> Json:
    """The answer for a caller; of several choices the first."""
    choice = answer.choices[0] if answer.choices else Choice()
    content: list[Json] = []
    calls = refused = False
    for part in choice.parts:
        block = block_out(part, len(content))
        if block is not None:
            content.append(block)
            calls = calls or isinstance(part, ToolCall)
            refused = refused or isinstance(part, Refusal)
    reason = finish_out(choice.finish, choice.raw_finish, calls, refused)
    usage = encode_usage(answer.usage or Usage())
    usage["service_tier"] = tier_out(answer.service_tier)
    body: Json = {
        "id": answer.id or "msg_0",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": stop_of(reason, choice.stop_sequence, request),
        "usage": usage,
    }
    return body | answer.extra if answer.origin == ORIGIN and answer.extra else body


def stop_of(reason: str, sequence: str, request: Request) -> str | None:
    """``stop_sequence``: where the provider did not say which, the only one that was asked for."""
    if reason != "stop_sequence":
        return None
    return sequence or (request.sampling.stop[0] if len(request.sampling.stop) == 1 else None)


def block_out(part: Part, place: int) -> Json | None:
    """A block of an answer; None for what says nothing or belongs to another dialect. Unlike in requests, thoughts
    without a signature are shown."""
    if isinstance(part, Text):
        return text_out(part) if part.text or part.citations else None
    if isinstance(part, ToolCall):
        block: Json = {"type": "tool_use", "id": part.id or f"toolu_{place}", "name": part.name}
        block["input"] = arguments_of(part)
        caller = part.extra.get("caller") if part.extra else None
        if caller is not None:
            block["caller"] = caller
        return block
    if isinstance(part, Reasoning):
        if part.text or part.signature:
            return {"type": "thinking", "thinking": part.text, "signature": part.signature}
        # Another provider's unreadable thoughts have an id, and would be taken for Anthropic's when they come back.
        return {"type": "redacted_thinking", "data": part.redacted} if part.redacted and not part.id else None
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text} if part.text else None
    if isinstance(part, Opaque):
        return part.value if part.dialect == ORIGIN else None
    return None if isinstance(part, ToolResult) else media_block(part)


def text_out(part: Text) -> Json:
    block: Json = {"type": "text", "text": part.text}
    if cited := [found for one in part.citations if (found := encode_citation(one)) is not None]:
        # Left out where there are none, as Anthropic does: Vercel's SDK refuses null.
        block["citations"] = cited
    return block


def media_block(media: Media) -> Json | None:
    """Sound is said by its transcript. A picture is written as requests have it: answers of Anthropic hold none, but
    its SDKs pass on blocks that they do not know."""
    if media.kind == "audio":
        return {"type": "text", "text": media.transcript} if media.transcript else None
    if media.kind != "image":
        return None
    if media.data:
        source = {"type": "base64", "media_type": media.media_type or "image/png", "data": media.data}
        return {"type": "image", "source": source}
    return {"type": "image", "source": {"type": "url", "url": media.url}} if media.url else None
