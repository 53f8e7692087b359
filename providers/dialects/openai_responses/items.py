"""Input and output items, and the parts within them."""

from __future__ import annotations

from typing import Any

from providers.dialects.reading import a_text, data_url, items, mapping, rest, standard, text
from providers.neutral import (
    Citation,
    Json,
    Losses,
    Malformed,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)

ORIGIN = "openai_responses"
_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "developer"}
_TEXTS = frozenset(("input_text", "output_text", "text"))


def decode_item(item: Json, place: str) -> Message:
    """An input item as a message of its own. Raises Malformed."""
    kind = item.get("type", "message")
    if kind == "message" and "role" in item:
        role = _ROLES.get(text(item["role"]))
        if role is None:
            raise Malformed(f"'{place}.role' is {item['role']!r}.", f"{place}.role")
        content = item.get("content")
        message = Message(role, decode_content(content, f"{place}.content"), isinstance(content, str))
        message.shape = {name: value for name, value in item.items() if name != "content"}
        return message
    if kind in ("function_call", "custom_tool_call"):
        return Message("assistant", [decode_call(item)], shape=kind)
    if kind in ("function_call_output", "custom_tool_call_output"):
        return Message("tool", [_decode_output(item, place)], shape=kind)
    if kind == "reasoning":
        return Message("assistant", [decode_reasoning(item)], shape=kind)
    return Message("assistant", [Opaque(ORIGIN, item, text(kind))], shape="opaque")


def decode_call(item: Json) -> ToolCall:
    """A call, in requests and answers."""
    custom = item.get("type") == "custom_tool_call"
    known = frozenset(("type", "call_id", "name", "input" if custom else "arguments"))
    arguments = text(item.get("input" if custom else "arguments"))
    return ToolCall(text(item.get("call_id")), text(item.get("name")), arguments, custom, extra=rest(item, known))


def _decode_output(item: Json, place: str) -> ToolResult:
    output = item.get("output")
    result = ToolResult(a_text(item.get("call_id"), f"{place}.call_id"), plain=isinstance(output, str))
    result.parts = decode_content(output, f"{place}.output")
    result.custom = item.get("type") == "custom_tool_call_output"
    result.extra = rest(item, frozenset(("type", "call_id", "output")))
    return result


def decode_reasoning(item: Json) -> Reasoning:
    """Thoughts, of which there is a summary, a text, or only what the provider itself can read."""
    summaries = [text(mapping(part).get("text")) for part in items(item.get("summary"))]
    said = [text(mapping(part).get("text")) for part in items(item.get("content"))]
    joined = "\n\n".join(summaries or said)
    return Reasoning(
        joined, redacted=text(item.get("encrypted_content")), id=text(item.get("id")), summaries=summaries, extra=item
    )


def decode_content(content: Any, place: str) -> list[Part]:
    """A text or a list of parts. Raises Malformed."""
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise Malformed(f"'{place}' is neither a text nor a list.", place)
    return [_decode_part(part, place) for part in content]


def _decode_part(part: Any, place: str) -> Part:
    if not isinstance(part, dict):
        raise Malformed(f"'{place}' holds what is no object.", place)
    kind = part.get("type")
    if kind in _TEXTS and isinstance(part.get("text"), str):
        return Text(
            part["text"], decode_annotations(part.get("annotations")), shape=kind,
            extra=rest(part, frozenset(("type", "text"))),
        )  # fmt: skip
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return Refusal(part["refusal"])
    if kind in ("input_image", "input_file", "input_audio"):
        media = _decode_media(part, kind)
        media.shape = part
        return media
    return Opaque(ORIGIN, part, text(kind))


def _decode_media(part: Json, kind: str) -> Media:
    if kind == "input_audio":
        audio = mapping(part.get("input_audio"))
        return Media("audio", f"audio/{text(audio.get('format'))}", text(audio.get("data")))
    image = kind == "input_image"
    media = Media("image" if image else "file", file_id=text(part.get("file_id")), detail=text(part.get("detail")))
    media.name = text(part.get("filename"))
    url = part.get("image_url") if image else part.get("file_url") or part.get("file_data")
    if isinstance(url, dict):
        url = url.get("url")
    if (found := data_url(text(url))) is not None:
        media.media_type, media.data = found
    elif text(url).startswith(("http://", "https://")):
        media.url = text(url)
    elif url and not image:
        media.data = text(url)
        media.media_type = "application/pdf"
    return media


def decode_annotations(annotations: Any) -> list[Citation]:
    found = []
    for value in items(annotations):
        one = mapping(value)
        start, end = one.get("start_index"), one.get("end_index")
        found.append(
            Citation(
                text(one.get("url")), text(one.get("title")) or text(one.get("filename")), "",
                start if isinstance(start, int) else -1, end if isinstance(end, int) else -1, text(one.get("file_id")),
            )
        )  # fmt: skip
    return found


def encode_annotation(citation: Citation, length: int) -> Json | None:
    """None where there is no address."""
    if not citation.url:
        return None
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title or citation.url,
        "start_index": max(0, citation.start),
        "end_index": citation.end if citation.end >= 0 else length,
    }


# --- writing


def encode_own(message: Message) -> Json:
    """An item as it came."""
    part = message.parts[0] if message.parts else None
    shape = message.shape
    if isinstance(part, Opaque) and shape == "opaque":
        return mapping(part.value)
    if isinstance(part, ToolCall):
        value: Json = {"type": shape, "call_id": part.id, "name": part.name}
        value["input" if part.custom else "arguments"] = part.arguments
        return value | (part.extra or {})
    if isinstance(part, ToolResult):
        output: Any = _own_content(part.parts, part.plain)
        return {"type": shape, "call_id": part.call_id, "output": output} | (part.extra or {})
    if isinstance(part, Reasoning) and shape == "reasoning":
        return mapping(part.extra)
    return mapping(shape) | {"content": _own_content(message.parts, message.plain)}


def _own_content(parts: list[Part], plain: bool) -> Any:
    if plain and len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    out = []
    for part in parts:
        if isinstance(part, Text):
            out.append({"type": part.shape, "text": part.text} | (part.extra or {}))
        elif isinstance(part, Refusal):
            out.append({"type": "refusal", "refusal": part.text})
        elif isinstance(part, Media):
            out.append(part.shape)
        elif isinstance(part, Opaque):
            out.append(part.value)
    return out


def encode_items(message: Message, losses: Losses) -> list[Json]:
    """A message of another dialect as items."""
    out: list[Json] = []
    content: list[Json] = []
    role = "user" if message.role == "tool" else message.role

    def flush() -> None:
        if content and role == "assistant":
            # As words: items with parts have to carry the ids that OpenAI gave them.
            said = "".join(part["text"] for part in content)
            out.append({"type": "message", "role": role, "content": said})
        elif content:
            out.append({"type": "message", "role": role, "content": list(content)})
        content.clear()

    for part in message.parts:
        if isinstance(part, Text):
            if part.text:
                content.append({"type": "input_text", "text": part.text})
        elif isinstance(part, Refusal):
            content.append({"type": "input_text", "text": part.text})
        elif isinstance(part, Media):
            if (value := encode_media(part)) is not None and role != "assistant":
                content.append(value)
            else:
                losses.lose(f"messages.{part.kind}")
        elif isinstance(part, ToolCall):
            flush()
            kind, member = ("custom_tool_call", "input") if part.custom else ("function_call", "arguments")
            arguments = part.arguments or ("" if part.custom else "{}")
            out.append({"type": kind, "call_id": part.id or f"call_{part.name}", "name": part.name, member: arguments})
        elif isinstance(part, ToolResult):
            flush()
            out.append(_encode_output(part, losses))
        elif isinstance(part, Reasoning):
            losses.lose("messages.reasoning")
        else:
            losses.lose(f"messages.{part.kind or part.dialect}")
    flush()
    return out


def _encode_output(part: ToolResult, losses: Losses) -> Json:
    kind = "custom_tool_call_output" if part.custom else "function_call_output"
    output: Any
    if all(isinstance(inner, Text) for inner in part.parts):
        output = "\n".join(inner.text for inner in part.parts if isinstance(inner, Text))
    else:
        output = []
        for inner in part.parts:
            if isinstance(inner, Text):
                output.append({"type": "input_text", "text": inner.text})
            elif isinstance(inner, Media) and (value := encode_media(inner)) is not None:
                output.append(value)
            else:
                losses.lose("messages.tool_result")
    return {"type": kind, "call_id": part.call_id or f"call_{part.name}", "output": output}


def encode_media(media: Media) -> Json | None:
    """None when the dialect has no way to say it."""
    if media.kind == "image":
        value: Json = {"type": "input_image", "detail": media.detail or "auto"}
        if media.file_id:
            value["file_id"] = media.file_id
        elif media.url or media.data:
            value["image_url"] = media.url or f"data:{media.media_type or 'image/png'};base64,{standard(media.data)}"
        else:
            return None
        return value
    if media.kind != "file":  # sound has no place among the input items (openai-python 3, ``ResponseInputItemParam``)
        return None
    if media.text:
        return {"type": "input_text", "text": media.text}
    value = {"type": "input_file"}
    if media.file_id:
        value["file_id"] = media.file_id
    elif media.url:
        value["file_url"] = media.url
    elif media.data:
        value["file_data"] = f"data:{media.media_type or 'application/pdf'};base64,{standard(media.data)}"
        value["filename"] = media.name or "document.pdf"
    else:
        return None
    return value
