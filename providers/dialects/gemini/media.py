"""Pictures, sound, films and documents: ``inlineData`` and ``fileData``."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from providers.dialects.gemini.spelling import respell
from providers.dialects.reading import a_text, rest, text
from providers.neutral import Json, Media

Kind: TypeAlias = Literal["image", "audio", "video", "file"]

_FILES = "https://generativelanguage.googleapis.com/"
"""What the Files API gave belongs to the account of one key."""
_FILMS = ("https://www.youtube.com/", "https://m.youtube.com/", "https://youtube.com/", "https://youtu.be/")
_BLOB = frozenset(("mimeType", "data", "displayName"))
_FILE = frozenset(("mimeType", "fileUri", "displayName"))
_TYPES = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "heic": "image/heic", "heif": "image/heif", "mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg",
    "flac": "audio/flac", "aac": "audio/aac", "m4a": "audio/mp4", "mp4": "video/mp4", "webm": "video/webm",
    "mov": "video/quicktime", "mpeg": "video/mpeg", "pdf": "application/pdf", "txt": "text/plain", "html": "text/html",
    "csv": "text/csv", "md": "text/markdown", "json": "application/json",
}  # fmt: skip
_DEFAULTS = {"image": "image/jpeg", "audio": "audio/mpeg", "video": "video/mp4", "file": "application/pdf"}
"""Vertex takes no file without a type; of an address that does not tell, the commonest."""
_BEGINNINGS = {
    "iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp",
    "JVBERi0": "application/pdf",
}  # fmt: skip
"""First letters of base64 -> type, for data that came without one."""


def kind_of(media_type: str) -> Kind:
    """By the type's first half."""
    half = media_type.partition("/")[0]
    return "image" if half == "image" else "audio" if half == "audio" else "video" if half == "video" else "file"


def _type_of(address: str) -> str:
    path = address.partition("?")[0].partition("#")[0]
    return _TYPES.get(path.rpartition("/")[2].rpartition(".")[2].lower(), "")


def decode_blob(value: Json, place: str) -> Media:
    """``inlineData``, its names in camel case. Raises Malformed."""
    media_type = text(value.get("mimeType"))
    media = Media(kind_of(media_type), media_type, a_text(value.get("data"), f"{place}.data"))
    media.name = text(value.get("displayName"))
    if more := rest(value, _BLOB):
        media.extra = {"inlineData": more}
    return media


def decode_file(value: Json, place: str) -> Media:
    """``fileData``, its names in camel case. Raises Malformed."""
    uri = a_text(value.get("fileUri"), f"{place}.fileUri")
    media_type = text(value.get("mimeType"))
    media = Media("video" if uri.startswith(_FILMS) else kind_of(media_type or _type_of(uri)), media_type)
    if uri.startswith(_FILES):
        media.file_id = uri
    else:
        media.url = uri
    media.name = text(value.get("displayName"))
    if more := rest(value, _FILE):
        media.extra = {"fileData": more}
    return media


def takes(uri: str, kind: str, fetches: bool) -> bool:
    """Whether Google takes ``uri``: what it holds itself, films of YouTube, and where it ``fetches`` (on Vertex and,
    from Gemini 2.5 on, in AI Studio: ai.google.dev, "File input methods") other addresses."""
    if uri.startswith(("gs://", _FILES)):
        return True
    if kind == "video" and uri.startswith(_FILMS):
        return True
    return fetches and uri.startswith("https://")


def encode_media(media: Media, own: bool, named: bool = False) -> Json:
    """A part with ``inlineData`` or ``fileData``."""
    inner: Json = {}
    uri = media.url or media.file_id
    media_type = media.media_type
    if not media_type and not own:
        media_type = (_type_of(uri) or _DEFAULTS[media.kind]) if uri else _seen(media)
    if media_type:
        inner["mimeType"] = media_type
    name = "fileData" if uri else "inlineData"
    inner["fileUri" if uri else "data"] = uri or media.data
    if media.name and (own or named):
        inner["displayName"] = media.name
    if not own:
        return {name: inner}
    extra: Json = media.extra or {}
    if isinstance(more := extra.get(name), dict):
        inner |= more
    notes: Any = media.shape
    value: Json = {name: respell(inner, notes)}
    if extra:
        value |= {key: member for key, member in extra.items() if key != name}
    return respell(value, notes)


def _seen(media: Media) -> str:
    for beginning, media_type in _BEGINNINGS.items():
        if media.data.startswith(beginning):
            return media_type
    return "image/png" if media.kind == "image" else _DEFAULTS[media.kind]
