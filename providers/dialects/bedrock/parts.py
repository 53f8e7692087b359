"""Content blocks of messages, in requests and answers: reading them."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from providers.dialects.anthropic.parts import dump
from providers.dialects.bedrock import citations, media
from providers.dialects.reading import a_list, a_text, an_object, items, mapping, rest, text
from providers.neutral import (
    CacheMark,
    Json,
    Malformed,
    Media,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)

ORIGIN = "bedrock"
_CALL = frozenset(("toolUseId", "name", "input"))
_RESULT = frozenset(("toolUseId", "content", "status"))
_THOUGHT = frozenset(("text", "signature"))


def mark_of(value: Any) -> CacheMark | None:
    """``cachePoint``; None where it is more than the form can say."""
    if not isinstance(value, dict) or value.get("type") != "default":
        return None
    mark = CacheMark(text(value.get("ttl")))
    return mark if mark_out(mark)["cachePoint"] == value else None


def mark_out(cache: CacheMark) -> Json:
    """A cache mark is a block of its own, behind the one that it marks."""
    return {"cachePoint": {"type": "default", "ttl": cache.ttl} if cache.ttl else {"type": "default"}}


def decode_blocks(value: Any, place: str) -> list[Part]:
    """Raises Malformed."""
    parts: list[Part] = []
    for at, block in enumerate(a_list(value, place)):
        if not isinstance(block, dict):
            raise Malformed(f"'{place}.{at}' is no object.", f"{place}.{at}")
        if "cachePoint" in block and len(block) == 1:
            _mark(parts, block)
        else:
            parts.append(decode_block(block, f"{place}.{at}"))
    return parts


def _mark(parts: list[Part], block: Json) -> None:
    before = parts[-1] if parts else None
    mark = mark_of(block["cachePoint"])
    if mark is not None and isinstance(before, Text | Media | ToolCall | ToolResult) and before.cache is None:
        before.cache = mark
    else:
        parts.append(Opaque(ORIGIN, block, "cachePoint"))


def decode_block(block: Json, place: str) -> Part:
    """A block that is no cache point. Raises Malformed."""
    if len(block) != 1:
        return Opaque(ORIGIN, block, next(iter(block), ""))
    kind = next(iter(block))
    if kind == "text":  # most are
        return Text(a_text(block["text"], f"{place}.text"))
    take = _BLOCKS.get(kind)
    return Opaque(ORIGIN, block, kind) if take is None else take(block, place)


def _media(kind: str) -> Callable[[Json, str], Part]:
    def take(block: Json, place: str) -> Part:
        return media.decode(kind, block, place)

    return take


def _call(block: Json, place: str) -> Part:
    value = an_object(block["toolUse"], f"{place}.toolUse")
    if value.get("type") == "server_tool_use":
        return Opaque(ORIGIN, block, "toolUse")
    arguments = value.get("input", {})
    return ToolCall(
        a_text(value.get("toolUseId"), f"{place}.toolUse.toolUseId"),
        a_text(value.get("name"), f"{place}.toolUse.name"),
        # Some models write a text where an object should be.
        arguments if isinstance(arguments, str) else dump(arguments),
        shape=arguments if isinstance(arguments, str) else None,
        extra=rest(value, _CALL),
    )


def _result(block: Json, place: str) -> Part:
    value = an_object(block["toolResult"], f"{place}.toolResult")
    if "type" in value:  # of a tool that Bedrock ran itself
        return Opaque(ORIGIN, block, "toolResult")
    result = ToolResult(a_text(value.get("toolUseId"), f"{place}.toolResult.toolUseId"))
    content = a_list(value.get("content"), f"{place}.toolResult.content")
    for at, inner in enumerate(content):
        inside = f"{place}.toolResult.content.{at}"
        given = an_object(inner, inside)
        if "json" in given and len(given) == 1:
            result.parts.append(Text(dump(given["json"]), shape=given))
            if len(content) == 1:
                result.value = given["json"]
        elif given.keys() & _WITHIN:
            result.parts.append(decode_block(given, inside))
        else:
            result.parts.append(Opaque(ORIGIN, given, next(iter(given), "")))
    result.is_error = value.get("status") == "error"
    if "status" in value and not result.is_error:
        result.shape = value["status"]
    result.extra = rest(value, _RESULT)
    return result


_WITHIN = frozenset(("text", "image", "document", "video"))


def _reasoning(block: Json, place: str) -> Part:
    value = an_object(block["reasoningContent"], f"{place}.reasoningContent")
    if "redactedContent" in value:
        data = a_text(value["redactedContent"], f"{place}.reasoningContent.redactedContent")
        return redacted(data)
    thought = an_object(value.get("reasoningText"), f"{place}.reasoningContent.reasoningText")
    said = a_text(thought.get("text"), f"{place}.reasoningContent.reasoningText.text")
    part = Reasoning(said, text(thought.get("signature")))
    if len(value) > 1 or not thought.keys() <= _THOUGHT or ("signature" in thought and not part.signature):
        part.shape = block
    return part


def redacted(data: str) -> Reasoning:
    """Thoughts that only the model reads. On the wire the bytes are in base64; those of Anthropic's models are the
    text that its own dialect writes, and stand in the form as this text."""
    try:
        inner = b64decode(data, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        inner = ""
    if inner and redacted_out(inner) == data:
        return Reasoning(redacted=inner)
    return Reasoning(redacted=data, shape="bytes")


def redacted_out(inner: str) -> str:
    return b64encode(inner.encode("utf-8", "replace")).decode()


def _cited(block: Json, place: str) -> Part:
    value = an_object(block["citationsContent"], f"{place}.citationsContent")
    said = "".join(text(mapping(one).get("text")) for one in items(value.get("content")))
    part = Text(said, [citations.decode(one) for one in items(value.get("citations")) if isinstance(one, dict)])
    part.shape = block
    return part


_BLOCKS: dict[str, Callable[[Json, str], Part]] = {
    "image": _media("image"),
    "document": _media("document"),
    "video": _media("video"),
    "audio": _media("audio"),
    "toolUse": _call,
    "toolResult": _result,
    "reasoningContent": _reasoning,
    "citationsContent": _cited,
}
"""Member of a block -> what reads it; all others are Bedrock's own (guardContent, searchResult, toolAddition ...)."""
