"""Contents of messages, in requests and answers.

``tool_plan``, the reflection that some models write before they call tools, is ``Reasoning``, as thoughts among the
contents are; its ``shape`` tells which of the two it was.
"""

from __future__ import annotations

from typing import Any

import orjson

from providers.dialects.anthropic.parts import dump
from providers.dialects.reading import a_text, an_object, data_url, items, mapping, rest, text
from providers.neutral import Citation, Json, Malformed, Media, Opaque, Part, Reasoning, Text, ToolCall

ORIGIN = "cohere"
PLAN = "tool_plan"
"""Shape of ``Reasoning`` that stood in ``tool_plan``."""
_TEXT = frozenset(("type", "text"))
_CALL = frozenset(("id", "type", "function"))
_FUNCTION = frozenset(("name", "arguments"))


def decode_content(content: Any, place: str) -> list[Part]:
    """A text or a list of parts. Raises Malformed."""
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise Malformed(f"'{place}' is neither a text nor a list.", place)
    return [_decode(an_object(part, f"{place}.{at}"), f"{place}.{at}") for at, part in enumerate(content)]


def _decode(part: Json, place: str) -> Part:
    kind = part.get("type")
    if kind == "text":
        return Text(a_text(part.get("text"), f"{place}.text"), extra=rest(part, _TEXT))
    if kind == "thinking":
        return Reasoning(a_text(part.get("thinking"), f"{place}.thinking"))
    if kind == "image_url":
        image = an_object(part.get("image_url"), f"{place}.image_url")
        url = a_text(image.get("url"), f"{place}.image_url.url")
        media = Media("image", detail=text(image.get("detail")))
        if (found := data_url(url)) is not None:
            media.media_type, media.data = found
        else:
            media.url = url
        return media if encode_image(media) == part else Opaque(ORIGIN, part, "image_url")
    if kind == "document":
        document = mapping(part.get("document"))
        return Text(dump(document.get("data")), shape=part)
    return Opaque(ORIGIN, part, text(kind))


def encode_image(media: Media) -> Json | None:
    """None where there is nothing to show."""
    if not media.data and not media.url:
        return None
    image: Json = {"url": media.url or f"data:{media.media_type or 'image/png'};base64,{media.data}"}
    if media.detail:
        image["detail"] = media.detail
    return {"type": "image_url", "image_url": image}


def decode_call(value: Any, place: str) -> ToolCall:
    """Raises Malformed."""
    call = an_object(value, place)
    function = an_object(call.get("function"), f"{place}.function")
    arguments = function.get("arguments")
    part = ToolCall(
        text(call.get("id")),
        a_text(function.get("name"), f"{place}.function.name"),
        arguments if isinstance(arguments, str) else dump(arguments) if isinstance(arguments, dict) else "",
    )
    if call.keys() != _CALL or function.keys() != _FUNCTION or not isinstance(arguments, str):
        part.shape = call
    return part


def encode_call(call: ToolCall, place: int, own: bool) -> Json:
    if own and isinstance(call.shape, dict):
        return call.shape
    arguments = call.arguments
    if call.custom:
        arguments = orjson.dumps({"input": arguments}).decode()
    function = {"name": call.name, "arguments": arguments or ("" if own else "{}")}
    return {"id": call.id or f"call_{place}", "type": "function", "function": function}


def decode_citation(value: Json) -> Citation:
    """A citation of an answer, by its first source."""
    source = mapping(next(iter(items(value.get("sources"))), None))
    document = mapping(source.get("document")) or mapping(source.get("tool_output"))
    start, end = value.get("start"), value.get("end")
    return Citation(
        text(document.get("url")),
        text(document.get("title")),
        text(document.get("text")) or text(document.get("snippet")) or text(document.get("content")),
        start if isinstance(start, int) else -1,
        end if isinstance(end, int) else -1,
        text(source.get("id")),
        value,
    )


def encode_citation(citation: Citation, said: str, place: int) -> Json:
    """A citation for a caller: of the stretch of ``said`` that it names, or of all, in content number ``place``."""
    if citation.extra is not None and "sources" in citation.extra:
        return citation.extra
    start = citation.start if citation.start >= 0 else 0
    end = citation.end if citation.end >= 0 else len(said)
    identity = citation.source or citation.url or citation.title or "doc:0"
    document: Json = {"id": identity}
    for name, value in (("title", citation.title), ("url", citation.url), ("text", citation.cited_text)):
        if value:
            document[name] = value
    return {
        "start": start,
        "end": end,
        "text": said[start:end],
        "sources": [{"type": "document", "id": identity, "document": document}],
        "content_index": place,
        "type": "TEXT_CONTENT",
    }
