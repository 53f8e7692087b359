"""Images, sound, films and documents as Bedrock names their formats.

Source: the service model of ``bedrock-runtime`` in botocore 1.44 (``ImageFormat`` ... ``DocumentBlock``); what a
document's name may hold: API reference, ``DocumentBlock``.
"""

from __future__ import annotations

from base64 import b64encode

from providers.dialects.reading import a_text, an_object, items, mapping, rest, standard, text
from providers.neutral import Json, Losses, Media

IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_VIDEOS = {
    "video/mp4": "mp4", "video/x-matroska": "mkv", "video/quicktime": "mov", "video/webm": "webm",
    "video/x-flv": "flv", "video/mpeg": "mpeg", "video/mpg": "mpg", "video/x-ms-wmv": "wmv", "video/wmv": "wmv",
    "video/3gpp": "three_gp",
}  # fmt: skip
_SOUNDS = {
    "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/opus": "opus", "audio/wav": "wav", "audio/x-wav": "wav",
    "audio/wave": "wav", "audio/aac": "aac", "audio/flac": "flac", "audio/mp4": "mp4", "audio/ogg": "ogg",
    "audio/x-matroska": "mka", "audio/x-m4a": "m4a", "audio/m4a": "m4a", "audio/pcm": "pcm", "audio/webm": "webm",
}  # fmt: skip
_DOCUMENTS = {
    "application/pdf": "pdf", "text/csv": "csv", "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html", "text/plain": "txt", "text/markdown": "md",
}  # fmt: skip
_FORMATS = {"image": IMAGES, "video": _VIDEOS, "audio": _SOUNDS, "file": _DOCUMENTS}


def _turned(formats: dict[str, str]) -> dict[str, str]:
    types: dict[str, str] = {}
    for media_type, form in formats.items():
        types.setdefault(form, media_type)
    return types


_TYPES = {kind: _turned(formats) for kind, formats in _FORMATS.items()}
_EXTENSIONS = {form: form for form in _DOCUMENTS.values()} | {"htm": "html", "markdown": "md", "text": "txt"}
_MAGIC = {"iVBO": "png", "/9j/": "jpeg", "R0lG": "gif", "UklG": "webp"}
"""How the base64 of an image begins that says no type."""
_NAME_LENGTH = 200
_DOCUMENT = frozenset(("citations", "context"))
_IN_NAMES = frozenset("-()[]")
KINDS = {"image": "image", "video": "video", "audio": "audio", "file": "document"}
"""Kind of ``Media`` -> member of a content block."""


def decode(kind: str, block: Json, place: str) -> Media:
    """The block of an image, a document ... Raises Malformed."""
    inner = an_object(block[kind], f"{place}.{kind}")
    source = an_object(inner.get("source"), f"{place}.{kind}.source")
    neutral = "file" if kind == "document" else kind
    form = text(inner.get("format"))
    media = Media(neutral, _TYPES[neutral].get(form, ""))  # type: ignore[arg-type] # it is one of four
    if not media.media_type and form:
        media.media_type = form if "/" in form else f"{neutral if neutral != 'file' else 'application'}/{form}"
    if kind == "document":
        media.name = text(inner.get("name"))
        media.extra = {name: inner[name] for name in ("citations", "context") if name in inner} or None
    if "bytes" in source:
        media.data = a_text(source["bytes"], f"{place}.{kind}.source.bytes")
    elif "s3Location" in source:
        uri = mapping(source["s3Location"]).get("uri")
        media.url = a_text(uri, f"{place}.{kind}.source.s3Location.uri")
    elif isinstance(source.get("text"), str):
        media.text = source["text"]
    elif "content" in source:
        media.text = "\n\n".join(text(mapping(one).get("text")) for one in items(source["content"]))
    media.shape = block
    return media


class Names:
    """Names of documents as Bedrock takes them, each but once: letters, digits, single spaces, ``-()[]``."""

    __slots__ = ("_used",)

    def __init__(self) -> None:
        self._used: set[str] = set()

    def clean(self, name: str, form: str) -> str:
        stem, dot, ending = name.rpartition(".")
        if dot and stem and _EXTENSIONS.get(ending.lower()) == form:
            name = stem
        kept = "".join(
            one if one.isascii() and (one.isalnum() or one in _IN_NAMES) else " " if one.isspace() else "-"
            for one in name[:_NAME_LENGTH]
        )
        only = " ".join(kept.split()) or "document"
        found, count = only, 1
        while found in self._used:
            count += 1
            found = f"{only[: _NAME_LENGTH - 8]} ({count})"
        self._used.add(found)
        return found


def encode(media: Media, names: Names, losses: Losses) -> Json | None:
    """A block for Bedrock from another dialect's caller; None when the dialect has no way to say it."""
    if media.detail and media.detail != "auto":
        losses.lose("messages.detail")
    given = media.media_type.partition(";")[0].strip().lower()
    kind = "image" if media.kind == "file" and given in IMAGES else media.kind
    form = _FORMATS[kind].get(given, "")
    source = _source(media)
    if not form and kind == "image" and media.data:
        form = _MAGIC.get(media.data[:4], "")
    if not form and kind == "file":
        form = _document_format(media, given)
    if not form and media.url:
        form = _ending(media.url, kind)
    if source is None or not form:
        losses.lose(f"messages.{media.kind}")
        return None
    value: Json = {"format": form, "source": source}
    extra = media.extra
    if kind == "file":
        value["name"] = names.clean(media.name, form)
        if extra:  # Anthropic's documents have two members that these have as well
            value |= {name: extra[name] for name in _DOCUMENT if extra.get(name)}
            extra = rest(extra, _DOCUMENT)
    losses.leave(extra, value)
    return {KINDS[kind]: value}


def _source(media: Media) -> Json | None:
    if media.data:
        return {"bytes": standard(media.data)}
    if media.text:
        # Not all models take a document's ``text``.
        return {"bytes": b64encode(media.text.encode("utf-8", "replace")).decode()}
    return {"s3Location": {"uri": media.url}} if media.url.startswith("s3://") else None


def _ending(name: str, kind: str) -> str:
    ending = name.rpartition(".")[2].lower()
    if kind == "file":
        return _EXTENSIONS.get(ending, "")
    ending = "jpeg" if ending == "jpg" and kind == "image" else ending
    return ending if ending in _TYPES[kind] else ""


def _document_format(media: Media, given: str) -> str:
    if media.name and (form := _ending(media.name, "file")):
        return form
    if media.data.startswith("JVBE"):
        return "pdf"
    return "txt" if media.text or given.startswith("text/") or given == "application/json" else ""


def encode_own(media: Media) -> Json | None:
    """A picture in an answer for a caller."""
    form = IMAGES.get(media.media_type) or _MAGIC.get(media.data[:4], "png")
    source = _source(media)
    return None if source is None or media.kind != "image" else {"image": {"format": form, "source": source}}
