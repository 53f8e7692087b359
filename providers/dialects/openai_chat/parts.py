"""Content parts of chat messages, in requests and answers."""

from __future__ import annotations

from typing import Any

from providers.dialects.reading import data_url, items, mapping, rest, standard, text
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
)

ORIGIN = "openai_chat"
_TEXT = frozenset(("type", "text", "cache_control"))
_IMAGE = frozenset(("type", "image_url", "cache_control"))
_AUDIO_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}
AUDIO_FORMATS = {
    "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav",
    "audio/flac": "flac", "audio/ogg": "ogg", "audio/aac": "aac", "audio/mp4": "m4a", "audio/webm": "webm",
}  # fmt: skip


def cache_of(value: Any) -> CacheMark | None:
    """``cache_control`` as OpenRouter and LiteLLM take it from Anthropic."""
    return CacheMark(text(value.get("ttl"))) if isinstance(value, dict) and value.get("type") == "ephemeral" else None


def decode_content(content: Any, place: str) -> list[Part]:
    """A text or a list of parts. Raises Malformed."""
    if isinstance(content, str):
        return [Text(content)]
    if content is None:
        return []
    if not isinstance(content, list):
        raise Malformed(f"'{place}' is neither a text nor a list.", place)
    return [_decode(part, f"{place}.{at}") for at, part in enumerate(content)]


def _decode(part: Any, place: str) -> Part:
    if isinstance(part, str):
        return Text(part, shape="bare")
    if not isinstance(part, dict):
        raise Malformed(f"'{place}' is no object.", place)
    kind = part.get("type")
    if kind == "text" and isinstance(part.get("text"), str):
        return Text(part["text"], cache=cache_of(part.get("cache_control")), extra=rest(part, _TEXT))
    if kind == "image_url" and isinstance(part.get("image_url"), dict):
        image = part["image_url"]
        url = text(image.get("url"))
        media = Media("image", detail=text(image.get("detail")), cache=cache_of(part.get("cache_control")))
        if (found := data_url(url)) is not None:
            media.media_type, media.data = found
        else:
            media.url = url
        media.extra = rest(part, _IMAGE)
        return media if _encode_media(media) == part else Opaque(ORIGIN, part, "image_url")
    if kind == "input_audio" and isinstance(part.get("input_audio"), dict):
        audio = part["input_audio"]
        form = text(audio.get("format"))
        media = Media("audio", _AUDIO_TYPES.get(form, f"audio/{form}"), text(audio.get("data")))
        return media if _encode_media(media) == part else Opaque(ORIGIN, part, "input_audio")
    if kind == "video_url" and isinstance(part.get("video_url"), dict):
        media = Media("video", url=text(part["video_url"].get("url")))
        if (found := data_url(media.url)) is not None:
            media.url, (media.media_type, media.data) = "", found
        return media if _encode_media(media) == part else Opaque(ORIGIN, part, "video_url")
    if kind == "file" and isinstance(part.get("file"), dict):
        return _file(part)
    if kind == "refusal" and isinstance(part.get("refusal"), str) and len(part) == 2:
        return Refusal(part["refusal"])
    if kind == "thinking":  # Mistral
        thoughts = part.get("thinking")
        said = "".join(text(mapping(item).get("text")) for item in items(thoughts)) or text(thoughts)
        return Reasoning(said, shape="part", extra=part)
    return Opaque(ORIGIN, part, text(kind))


def _file(part: Json) -> Part:
    given = part["file"]
    media = Media("file", name=text(given.get("filename")), file_id=text(given.get("file_id")))
    data = text(given.get("file_data"))
    if (found := data_url(data)) is not None:
        media.media_type, media.data = found
    elif data.startswith(("http://", "https://")):
        media.url = data
    elif data:
        media.data, media.shape = data, "bare"
    return media if _encode_media(media) == part else Opaque(ORIGIN, part, "file")


def encode_parts(parts: list[Part], origin: str, losses: Losses) -> list[Json]:
    """Parts on the wire; ``origin`` is this dialect's name when they came from it."""
    own = origin == ORIGIN
    out: list[Json] = []
    for part in parts:
        if isinstance(part, Text):
            if part.shape == "bare" and own:
                out.append(part.text)  # type: ignore[arg-type] # some followers mix texts among the parts
                continue
            value: Json = {"type": "text", "text": part.text}
            if part.cache is not None and own:
                value["cache_control"] = _mark(part.cache)
            if own and part.extra:
                value |= part.extra
            out.append(value)
        elif isinstance(part, Media):
            if (written := _encode_media(part, own)) is not None:
                out.append(written)
            else:
                losses.lose(f"messages.{part.kind}")
        elif isinstance(part, Refusal):
            out.append({"type": "refusal", "refusal": part.text})
        elif isinstance(part, Opaque):
            if own and part.dialect == ORIGIN:
                out.append(part.value)
            else:
                losses.lose(f"messages.{part.kind or part.dialect}")
        elif isinstance(part, Reasoning) and own and part.shape == "part" and part.extra is not None:
            out.append(part.extra)
    return out


def _mark(cache: CacheMark) -> Json:
    return {"type": "ephemeral"} | ({"ttl": cache.ttl} if cache.ttl else {})


def _encode_media(media: Media, own: bool = True) -> Json | None:
    """None when the dialect has no way to say it."""
    data = media.data if own else standard(media.data)
    if media.kind == "image" and (media.url or data):
        url = media.url or f"data:{media.media_type or 'image/png'};base64,{data}"
        image = {"url": url, "detail": media.detail} if media.detail else {"url": url}
        value: Json = {"type": "image_url", "image_url": image}
        if media.cache is not None:
            value["cache_control"] = _mark(media.cache)
        return value | media.extra if own and media.extra else value
    if media.kind == "audio" and data:
        form = AUDIO_FORMATS.get(media.media_type, media.media_type.removeprefix("audio/"))
        return {"type": "input_audio", "input_audio": {"data": data, "format": form}}
    if media.kind == "video" and (media.url or data):
        url = media.url or f"data:{media.media_type};base64,{data}"
        return {"type": "video_url", "video_url": {"url": url}}
    if media.kind == "file":
        if media.text:
            return {"type": "text", "text": media.text}
        inner: Json = {}
        if media.file_id:
            inner["file_id"] = media.file_id
        elif data:
            bare = media.shape == "bare"
            inner["file_data"] = data if bare else f"data:{media.media_type};base64,{data}"
        elif media.url:
            inner["file_data"] = media.url
        if media.name:
            inner["filename"] = media.name
        return {"type": "file", "file": inner} if inner else None
    return None


def decode_citations(annotations: Any) -> list[Citation]:
    """``annotations`` of an answer's message."""
    found = []
    for value in items(annotations):
        inner = mapping(mapping(value).get("url_citation")) or mapping(mapping(value).get("file_citation"))
        start, end = inner.get("start_index"), inner.get("end_index")
        found.append(
            Citation(
                text(inner.get("url")),
                text(inner.get("title")) or text(inner.get("filename")),
                text(inner.get("content")),
                start if isinstance(start, int) else -1,
                end if isinstance(end, int) else -1,
                text(inner.get("file_id")),
            )
        )
    return found


def encode_citation(citation: Citation, length: int) -> Json | None:
    """An annotation; None where there is no address, which is all that the dialect can say. ``length`` is that of the
    text, for citations that say no place."""
    if not citation.url:
        return None
    start = citation.start if citation.start >= 0 else 0
    end = citation.end if citation.end >= 0 else length
    inner = {"url": citation.url, "title": citation.title or citation.url, "start_index": start, "end_index": end}
    return {"type": "url_citation", "url_citation": inner}
