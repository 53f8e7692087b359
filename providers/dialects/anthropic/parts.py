"""Content blocks of messages, in requests and answers: reading them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson

from providers.dialects.reading import a_text, an_object, text
from providers.neutral import (
    CacheMark,
    Citation,
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

ORIGIN = "anthropic"

_TEXT = frozenset(("type", "text"))
_SOURCED = frozenset(("type", "source"))
_TITLED = frozenset(("type", "source", "title"))
_CALL = frozenset(("type", "id", "name", "input"))
_RESULT = frozenset(("type", "tool_use_id", "content", "is_error"))
_THINKING = frozenset(("type", "thinking", "signature"))
_REDACTED = frozenset(("type", "data"))


def dump(value: Any) -> str:
    """Arguments as JSON text. Raises Malformed where they nest too deep."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # numbers of more than 64 bits, or deeper than orjson writes
        try:
            return json.dumps(value)
        except RecursionError:
            raise Malformed("The input of a tool call nests too deep.", "input") from None


def mark_of(value: Any) -> CacheMark | None:
    """``cache_control``."""
    return CacheMark(text(value.get("ttl"))) if isinstance(value, dict) and value.get("type") == "ephemeral" else None


def mark_out(cache: CacheMark) -> Json:
    return {"type": "ephemeral", "ttl": cache.ttl} if cache.ttl else {"type": "ephemeral"}


def beyond(block: Json, known: frozenset[str]) -> tuple[CacheMark | None, Json | None]:
    """The cache mark of a block or tool, and its members that are not ``known``."""
    if block.keys() <= known:
        return None, None
    extra = {name: value for name, value in block.items() if name not in known}
    mark = mark_of(extra.get("cache_control"))
    if mark is not None and mark_out(mark) == extra["cache_control"]:
        del extra["cache_control"]
    return mark, extra or None


def decode_content(content: Any, place: str, within: bool = False) -> list[Part]:
    """A text or a list of blocks; ``within`` the result of a tool, which holds no calls and results. Raises
    Malformed."""
    if isinstance(content, str):
        return [Text(content)] if content else []
    if not isinstance(content, list):
        raise Malformed(f"'{place}' is neither a text nor a list.", place)
    return [decode_block(block, place, at, within) for at, block in enumerate(content)]


def decode_block(block: Any, place: str, at: int, within: bool = False) -> Part:
    """Raises Malformed."""
    if not isinstance(block, dict):
        raise Malformed(f"'{place}.{at}' is no object.", f"{place}.{at}")
    kind = block.get("type")
    if kind == "text":  # most are
        if block.keys() == _TEXT and isinstance(block["text"], str):
            return Text(block["text"])
        return _text(block, f"{place}.{at}")
    if not isinstance(kind, str):
        raise Malformed(f"'{place}.{at}.type' is no text.", f"{place}.{at}.type")
    take = _BLOCKS.get(kind) if not within or kind in _WITHIN else None
    return Opaque(ORIGIN, block, kind) if take is None else take(block, f"{place}.{at}")


def _text(block: Json, place: str) -> Part:
    cache, extra = beyond(block, _TEXT)
    part = Text(a_text(block.get("text"), f"{place}.text"), cache=cache, extra=extra)
    given = extra.get("citations") if extra else None
    if extra and isinstance(given, list) and given and all(isinstance(one, dict) for one in given):
        del extra["citations"]
        part.citations = [decode_citation(one) for one in given]
        part.extra = extra or None
    return part


def decode_citation(value: Json) -> Citation:
    """Its places are those in the document, not in the text, so they stay in ``extra``."""
    title = text(value.get("title")) or text(value.get("document_title"))
    source = text(value.get("file_id")) or text(value.get("source"))
    return Citation(text(value.get("url")), title, text(value.get("cited_text")), source=source, extra=value)


def _sourced(kind: str, known: frozenset[str]) -> Callable[[Json, str], Part]:
    def take(block: Json, place: str) -> Part:
        source = an_object(block.get("source"), f"{place}.source")
        cache, extra = beyond(block, known)
        media = Media("image" if kind == "image" else "file", cache=cache, extra=extra)
        form = source.get("type")
        if form == "base64":
            media.media_type = a_text(source.get("media_type"), f"{place}.source.media_type")
            media.data = a_text(source.get("data"), f"{place}.source.data")
        elif form == "url":
            media.url = a_text(source.get("url"), f"{place}.source.url")
        elif form == "file":
            media.file_id = a_text(source.get("file_id"), f"{place}.source.file_id")
        elif form == "text" and kind == "document":
            media.media_type = text(source.get("media_type"))
            media.text = a_text(source.get("data"), f"{place}.source.data")
        elif form == "content" and (said := _texts(source.get("content"))) is not None:
            media.media_type, media.text = "text/plain", said
        else:
            return Opaque(ORIGIN, block, kind)
        if "title" in known and "title" in block:
            if isinstance(block["title"], str) and block["title"]:
                media.name = block["title"]
            else:
                media.extra = (extra or {}) | {"title": block["title"]}
        if source_out(media) != source:
            media.shape = source
        return media

    return take


def _texts(content: Any) -> str | None:
    """The words of a document that is made of blocks; None where there is more than words."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    said = [block.get("text") for block in content if isinstance(block, dict) and block.get("type") == "text"]
    if len(said) != len(content) or not said:
        return None
    return "\n\n".join(one for one in said if isinstance(one, str))


def _tool_use(block: Json, place: str) -> Part:
    cache, extra = beyond(block, _CALL)
    return ToolCall(
        a_text(block.get("id"), f"{place}.id"),
        a_text(block.get("name"), f"{place}.name"),
        dump(an_object(block.get("input"), f"{place}.input")),
        cache=cache,
        extra=extra,
    )


def _tool_result(block: Json, place: str) -> Part:
    cache, extra = beyond(block, _RESULT)
    result = ToolResult(a_text(block.get("tool_use_id"), f"{place}.tool_use_id"), cache=cache, extra=extra)
    content = block.get("content")
    shape: Json = {}
    if content is None:
        if "content" in block:
            shape["content"] = None
    elif isinstance(content, str):
        result.plain = True
        if content:
            result.parts.append(Text(content))
    else:
        result.parts = decode_content(content, f"{place}.content", True)
        if not content:
            shape["content"] = []
    result.is_error = block.get("is_error") is True
    if not result.is_error and "is_error" in block:
        shape["is_error"] = block["is_error"]
    result.shape = shape or None
    return result


def _thinking(block: Json, place: str) -> Part:
    extra = beyond(block, _THINKING)[1]
    part = Reasoning(a_text(block.get("thinking"), f"{place}.thinking"), extra=extra)
    if isinstance(block.get("signature"), str):
        part.signature = block["signature"]
    else:
        part.shape = {"signature": block["signature"]} if "signature" in block else {}
    return part


def _redacted(block: Json, place: str) -> Part:
    data = a_text(block.get("data"), f"{place}.data")
    return Reasoning(redacted=data, extra=beyond(block, _REDACTED)[1]) if data else Opaque(ORIGIN, block, "thinking")


_BLOCKS: dict[str, Callable[[Json, str], Part]] = {
    "image": _sourced("image", _SOURCED),
    "document": _sourced("document", _TITLED),
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
}
"""Type -> what reads it; all others are Anthropic's own (server tools and their results, search results ...)."""


_WITHIN = frozenset(("image", "document"))


def source_out(media: Media) -> Json:
    if media.data:
        return {"type": "base64", "media_type": media.media_type, "data": media.data}
    if media.url:
        return {"type": "url", "url": media.url}
    if media.file_id:
        return {"type": "file", "file_id": media.file_id}
    return {"type": "text", "media_type": media.media_type or "text/plain", "data": media.text}
