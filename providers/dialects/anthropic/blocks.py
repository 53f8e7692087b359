"""Content blocks of requests: writing them, for Anthropic's own callers and for others."""

from __future__ import annotations

import binascii
from base64 import b64decode

import orjson

from providers.dialects.anthropic.parts import ORIGIN, mark_out, source_out
from providers.dialects.ids import CallIds
from providers.dialects.reading import standard, text
from providers.neutral import (
    Citation,
    Json,
    Losses,
    Media,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

_CITATIONS = frozenset(
    (
        "char_location",
        "page_location",
        "content_block_location",
        "search_result_location",
        "web_search_result_location",
    )
)
_IMAGES = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))
_MAGIC = {
    "/9j/": "image/jpeg",
    "iVBO": "image/png",
    "R0lG": "image/gif",
    "UklG": "image/webp",
    "JVBE": "application/pdf",
}
"""How the base64 of a file begins that says no type."""
_PORTABLE = frozenset((ORIGIN, "bedrock", "vertex"))
"""Origins whose thoughts bear Anthropic's signatures, which count on all its platforms."""


def arguments_of(call: ToolCall) -> Json:
    """``input``, which has to be an object: what a model wrote otherwise and free text stand in a member ``input``."""
    if not call.arguments:
        return {}
    if call.custom:
        return {"input": call.arguments}
    try:
        value = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        return {"input": call.arguments}
    return value if isinstance(value, dict) else {"input": value}


def encode_citation(citation: Citation) -> Json | None:
    """None where there is no address, which is all that can be said of another provider's documents."""
    if citation.extra is not None and text(citation.extra.get("type")) in _CITATIONS:
        return citation.extra
    if not citation.url:
        return None
    return {
        "type": "web_search_result_location",
        "cited_text": citation.cited_text,
        "encrypted_index": "",
        "title": citation.title or None,
        "url": citation.url,
    }


def id_of_call(ids: CallIds, call: ToolCall) -> str:
    return _clean(call.id) if call.id else ids.made(call.name)


def id_of_result(ids: CallIds, result: ToolResult) -> str:
    return _clean(result.call_id) if result.call_id else ids.found(result.name)


def new_ids() -> CallIds:
    return CallIds("toolu_", "toolu_0")


def _clean(call_id: str) -> str:
    """As Anthropic takes it: letters, digits, ``_`` and ``-``."""
    if call_id.isascii() and call_id.replace("_", "").replace("-", "").isalnum():
        return call_id
    return "".join(one if one.isascii() and (one.isalnum() or one in "_-") else "_" for one in call_id)


def encode_blocks(parts: list[Part], origin: str, losses: Losses, ids: CallIds | None = None) -> list[Json]:
    """Blocks of a request; ``ids`` where they come from another dialect."""
    own = origin == ORIGIN
    out: list[Json] = []
    for part in parts:
        if isinstance(part, Text):
            # An empty text is refused, and of others' making one that is blank as well.
            if part.text and (own or not part.text.isspace()):
                out.append(_finish(_text_out(part, own, losses), part, own, losses))
            continue
        block: Json | None
        if isinstance(part, ToolCall):
            given = part.id if ids is None else id_of_call(ids, part)
            block = {"type": "tool_use", "id": given, "name": part.name, "input": arguments_of(part)}
            if part.signature:
                losses.lose("messages.signature")
        elif isinstance(part, ToolResult):
            block = _result_out(part, origin, losses, ids)
        elif isinstance(part, Media):
            block = media_out(part, own, losses)
        elif isinstance(part, Reasoning):
            block = _reasoning_out(part, origin)
            if block is None:
                losses.lose("messages.reasoning")
            elif own and part.extra:
                block |= part.extra
            if block is not None:
                out.append(block)
            continue
        elif isinstance(part, Refusal):
            block = {"type": "text", "text": part.text} if part.text and not part.text.isspace() else None
            if block is not None:
                out.append(block)
            continue
        elif part.dialect == ORIGIN:
            out.append(part.value)
            continue
        else:
            losses.lose(f"messages.{part.kind or part.dialect}")
            continue
        if block is not None:
            out.append(_finish(block, part, own, losses))
    return out


def _finish(block: Json, part: Text | Media | ToolCall | ToolResult, own: bool, losses: Losses) -> Json:
    """``block`` with its cache mark and what else it held."""
    if part.cache is not None:
        block["cache_control"] = mark_out(part.cache)
    if part.extra:
        if own:
            block |= part.extra
        else:
            losses.leave(part.extra, block)
    return block


def _text_out(part: Text, own: bool, losses: Losses) -> Json:
    block: Json = {"type": "text", "text": part.text}
    if part.citations:
        if own:
            block["citations"] = [found for one in part.citations if (found := one.extra or encode_citation(one))]
        else:
            losses.lose("messages.citations")
    if part.signature:
        losses.lose("messages.signature")
    return block


def _result_out(part: ToolResult, origin: str, losses: Losses, ids: CallIds | None) -> Json:
    given = part.call_id if ids is None else id_of_result(ids, part)
    block: Json = {"type": "tool_result", "tool_use_id": given}
    own = origin == ORIGIN
    simple = part.plain and len(part.parts) <= 1 and all(type(one) is Text for one in part.parts)
    if simple and (own or part.parts):
        block["content"] = part.parts[0].text if part.parts else ""  # type: ignore[union-attr] # all are texts
    elif part.parts:
        block["content"] = encode_blocks(part.parts, origin, losses, ids)
    if part.is_error:
        block["is_error"] = True
    if own and part.shape:
        block = part.shape | block
    return block


def _reasoning_out(part: Reasoning, origin: str) -> Json | None:
    """None for thoughts without a signature that Anthropic knows: it refuses them."""
    if part.redacted and not part.text:
        return {"type": "redacted_thinking", "data": part.redacted} if origin in _PORTABLE else None
    if origin == ORIGIN and isinstance(part.shape, dict):
        return {"type": "thinking", "thinking": part.text} | part.shape
    if origin == ORIGIN or (part.signature and origin in _PORTABLE):
        return {"type": "thinking", "thinking": part.text, "signature": part.signature}
    return None


def media_out(media: Media, own: bool, losses: Losses) -> Json | None:
    """An image or a document; None when the dialect has no way to say it."""
    if own:
        kind = "image" if media.kind == "image" else "document"
        block = {"type": kind, "source": media.shape or source_out(media)}
        if media.name:
            block["title"] = media.name
        return block
    if media.detail and media.detail != "auto":
        losses.lose("messages.detail")
    kind = media.media_type.partition(";")[0].strip().lower() or (_MAGIC.get(media.data[:4], "") if media.data else "")
    kind = "image/jpeg" if kind == "image/jpg" else kind
    if media.kind == "image" or (media.kind == "file" and kind in _IMAGES):
        if media.data and kind in _IMAGES:
            return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": standard(media.data)}}
        if media.url.startswith(("http://", "https://")):
            return {"type": "image", "source": {"type": "url", "url": media.url}}
    elif media.kind == "file" and (source := _document(media, kind)) is not None:
        block = {"type": "document", "source": source}
        if media.name:
            block["title"] = media.name
        return block
    losses.lose(f"messages.{media.kind}")
    return None


def _document(media: Media, kind: str) -> Json | None:
    if media.text:
        return {"type": "text", "media_type": "text/plain", "data": media.text}
    if media.url.startswith(("http://", "https://")):
        return {"type": "url", "url": media.url}
    if media.data and kind == "application/pdf":
        return {"type": "base64", "media_type": kind, "data": standard(media.data)}
    if media.data and (kind.startswith("text/") or kind == "application/json"):
        try:
            return {"type": "text", "media_type": "text/plain", "data": b64decode(standard(media.data)).decode()}
        except (binascii.Error, ValueError):
            return None
    return None
