"""Content blocks, in requests and answers."""

from __future__ import annotations

from typing import Any

import orjson

from providers.dialects.reading import a_list, an_object, mapping, rest, text
from providers.neutral import (
    CacheMark,
    Citation,
    Json,
    Losses,
    Malformed,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

ORIGIN = "anthropic"
_TEXT = frozenset(("type", "text", "cache_control", "citations"))
_MEDIA = frozenset(("type", "source", "cache_control", "title"))
_CALL = frozenset(("type", "id", "name", "input", "cache_control"))
_RESULT = frozenset(("type", "tool_use_id", "content", "is_error", "cache_control"))


def cache_of(value: Any) -> CacheMark | None:
    return CacheMark(text(value.get("ttl"))) if isinstance(value, dict) and value.get("type") == "ephemeral" else None


def mark(cache: CacheMark) -> Json:
    return {"type": "ephemeral", "ttl": cache.ttl} if cache.ttl else {"type": "ephemeral"}


def decode_parts(content: Any, place: str) -> list[Part]:
    """A text or a list of blocks. Raises Malformed."""
    if isinstance(content, str):
        return [Text(content)]
    return [decode_part(an_object(part, place), place) for part in a_list(content, place)]


def decode_part(part: Json, place: str) -> Part:
    """One block. Raises Malformed."""
    kind = part.get("type")
    cache = cache_of(part.get("cache_control"))
    if kind == "text" and isinstance(part.get("text"), str):
        said = Text(part["text"], cache=cache, extra=rest(part, _TEXT))
        if "citations" in part:
            said.shape = part["citations"]
            said.citations = [decode_citation(one) for one in part["citations"] or () if isinstance(one, dict)]
        return said
    if kind == "thinking":
        return Reasoning(text(part.get("thinking")), text(part.get("signature")))
    if kind == "redacted_thinking":
        return Reasoning(redacted=text(part.get("data")))
    if kind == "tool_use":
        arguments = part.get("input")
        written = orjson.dumps(arguments).decode() if arguments is not None else ""
        return ToolCall(text(part.get("id")), text(part.get("name")), written, cache=cache, extra=rest(part, _CALL))
    if kind == "tool_result":
        return _result(part, cache, place)
    if kind in ("image", "document") and isinstance(part.get("source"), dict):
        media = _media(part, cache)
        if media is not None and encode_media(media) == part:
            return media
    if not isinstance(kind, str):
        raise Malformed(f"'{place}' holds a block without a type.", place)
    return Opaque(ORIGIN, part, kind)


def _result(part: Json, cache: CacheMark | None, place: str) -> ToolResult:
    result = ToolResult(text(part.get("tool_use_id")), cache=cache, is_error=part.get("is_error") is True)
    content = part.get("content")
    result.plain = isinstance(content, str)
    if content is not None:
        result.parts = decode_parts(content, f"{place}.content")
    result.extra = rest(part, _RESULT)
    result.shape = [name for name in ("is_error", "content") if name in part and not part[name]] or None
    return result


def _media(part: Json, cache: CacheMark | None) -> Media | None:
    source = part["source"]
    media = Media("image" if part["type"] == "image" else "file", text(source.get("media_type")), cache=cache)
    media.name = text(part.get("title"))
    kind = source.get("type")
    if kind == "base64":
        media.data = text(source.get("data"))
    elif kind == "url":
        media.url = text(source.get("url"))
    elif kind == "file":
        media.file_id = text(source.get("file_id"))
    elif kind == "text":
        media.text = text(source.get("data"))
    else:
        return None
    media.extra = rest(part, _MEDIA)
    return media


def encode_media(media: Media) -> Json | None:
    """None when the dialect has no way to say it."""
    if media.kind not in ("image", "file"):
        return None
    source: Json
    if media.data:
        kind = media.media_type or ("image/png" if media.kind == "image" else "application/pdf")
        source = {"type": "base64", "media_type": kind, "data": media.data}
    elif media.url:
        source = {"type": "url", "url": media.url}
    elif media.file_id:
        source = {"type": "file", "file_id": media.file_id}
    elif media.text and media.kind == "file":
        source = {"type": "text", "media_type": media.media_type or "text/plain", "data": media.text}
    else:
        return None
    value: Json = {"type": "image" if media.kind == "image" else "document", "source": source}
    if media.name and media.kind == "file":
        value["title"] = media.name
    if media.cache is not None:
        value["cache_control"] = mark(media.cache)
    return value | media.extra if media.extra else value


def encode_parts(parts: list[Part], own: bool, losses: Losses) -> list[Json]:
    """Blocks on the wire; ``own``: the parts came from this dialect."""
    out: list[Json] = []
    for part in parts:
        value = _encode(part, own, losses)
        if value is not None:
            out.append(value)
    return out


def _encode(part: Part, own: bool, losses: Losses) -> Json | None:
    value: Json | None
    if isinstance(part, Text):
        if not part.text and not own:
            return None  # an empty block is refused
        value = {"type": "text", "text": part.text}
        if own:
            if part.shape is not None or part.citations:
                value["citations"] = part.shape
            if part.extra:
                value |= part.extra
    elif isinstance(part, ToolCall):
        value = {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments_of(part)}
        if own and part.extra:
            value |= part.extra
    elif isinstance(part, ToolResult):
        value = _encode_result(part, own, losses)
    elif isinstance(part, Media):
        value = encode_media(part if own else _without_extra(part))
        if value is None:
            losses.lose(f"messages.{part.kind}")
        return value
    elif isinstance(part, Reasoning):
        return _encode_reasoning(part, own, losses)
    elif isinstance(part, Refusal):
        return {"type": "text", "text": part.text} if part.text else None
    else:
        if part.dialect != ORIGIN:
            losses.lose(f"messages.{part.kind or part.dialect}")
            return None
        return mapping(part.value)
    if part.cache is not None:
        value["cache_control"] = mark(part.cache)
    return value


def _without_extra(media: Media) -> Media:
    if media.extra is None:
        return media
    return Media(
        media.kind, media.media_type, media.data, media.url, media.file_id, media.text, media.name, cache=media.cache
    )


def _encode_reasoning(part: Reasoning, own: bool, losses: Losses) -> Json | None:
    if part.redacted and not part.text:
        if own:
            return {"type": "redacted_thinking", "data": part.redacted}
        losses.lose("messages.reasoning")
        return None
    if own or part.signature:
        return {"type": "thinking", "thinking": part.text, "signature": part.signature}
    # Thoughts without a signature of Anthropic's are refused.
    losses.lose("messages.reasoning")
    return None


def _encode_result(part: ToolResult, own: bool, losses: Losses) -> Json:
    value: Json = {"type": "tool_result", "tool_use_id": part.call_id}
    noted = part.shape if own and part.shape else ()
    if part.plain and len(part.parts) == 1 and isinstance(part.parts[0], Text):
        value["content"] = part.parts[0].text
    elif part.parts:
        value["content"] = encode_parts(part.parts, own, losses)
    elif "content" in noted:
        value["content"] = "" if part.plain else []
    if part.is_error or "is_error" in noted:
        value["is_error"] = part.is_error
    return value | part.extra if own and part.extra else value


def arguments_of(call: ToolCall) -> Any:
    """``input`` is an object here; what a model wrote wrong is handed on as text under one name."""
    if call.custom:
        return {"input": call.arguments}
    if not call.arguments:
        return {}
    try:
        value = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        return {"arguments": call.arguments}
    return value if isinstance(value, dict) else {"arguments": value}


def decode_citation(value: Json) -> Citation:
    """Of an answer's text, or one that a caller sends back."""
    start, end = value.get("start_char_index"), value.get("end_char_index")
    return Citation(
        text(value.get("url")),
        text(value.get("title")) or text(value.get("document_title")),
        text(value.get("cited_text")),
        source=text(value.get("document_title")) or text(value.get("source")),
        extra={"start_char_index": start, "end_char_index": end} | value,
    )


def encode_citation(citation: Citation) -> Json:
    """As a citation of a web page, or of a document by its title."""
    if citation.url:
        return {
            "type": "web_search_result_location",
            "url": citation.url,
            "title": citation.title or None,
            "encrypted_index": "",
            "cited_text": citation.cited_text,
        }
    return {
        "type": "char_location",
        "cited_text": citation.cited_text,
        "document_index": 0,
        "document_title": citation.title or citation.source or None,
        "start_char_index": max(0, citation.start),
        "end_char_index": max(0, citation.end),
        "file_id": None,
    }
