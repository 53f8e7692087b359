"""Messages and the parts that messages and answers are made of."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from providers.neutral.losses import Json


class CacheMark(Struct):
    """The prompt up to here is worth caching (Anthropic ``cache_control``, Bedrock ``cachePoint``)."""

    ttl: str = ""
    """``5m`` or ``1h``; empty: the provider's default."""


class Citation(Struct):
    """Where a stretch of text comes from."""

    url: str = ""
    title: str = ""
    cited_text: str = ""
    start: int = -1
    """Place of the stretch in the text, characters; -1: not said."""
    end: int = -1
    source: str = ""
    """Id or name of the document, where it is none of the web."""
    extra: Json | None = None
    """The citation as its dialect (``origin`` of the message's owner) wrote it."""


class Text(Struct):
    text: str = ""
    citations: list[Citation] = field(default_factory=list)
    cache: CacheMark | None = None
    signature: str = ""
    """Gemini signs texts as well (``thoughtSignature``)."""
    shape: Any = None
    extra: Json | None = None


class Media(Struct):
    """An image, sound, film or document: exactly one of ``data`` (base64), ``url``, ``file_id`` and ``text`` is set."""

    kind: Literal["image", "audio", "video", "file"]
    media_type: str = ""
    """As ``image/png``; empty: not said."""
    data: str = ""
    url: str = ""
    """Never fetched by the gateway."""
    file_id: str = ""
    """Belongs to one provider account."""
    text: str = ""
    """A document that is plain text."""
    name: str = ""
    detail: str = ""
    """Of images, OpenAI's word: ``low``, ``high``, ``auto``."""
    transcript: str = ""
    """Of sound in answers."""
    shape: Any = None
    cache: CacheMark | None = None
    extra: Json | None = None


class ToolCall(Struct):
    id: str = ""
    """Empty where the dialect has none (Gemini, Ollama); encoders of dialects that want one make it from its place."""
    name: str = ""
    arguments: str = ""
    """JSON text of an object; of a ``custom`` tool free text."""
    custom: bool = False
    signature: str = ""
    """Gemini's ``thoughtSignature``, which it wants back."""
    shape: Any = None
    cache: CacheMark | None = None
    extra: Json | None = None


class ToolResult(Struct):
    call_id: str = ""
    name: str = ""
    """Of the tool, where it is said (Gemini wants it; ``Request.tool_names`` finds it by the call)."""
    parts: list[Part] = field(default_factory=list)
    """``Text`` and ``Media``."""
    is_error: bool = False
    plain: bool = False
    """The content was one bare string."""
    custom: bool = False
    shape: Any = None
    value: Any = None
    """The result where it is a JSON value and no text (Gemini ``response``, Bedrock ``json``); ``parts`` then hold its
    JSON text."""
    cache: CacheMark | None = None
    extra: Json | None = None


class Reasoning(Struct):
    text: str = ""
    """Thoughts, or a summary of them."""
    signature: str = ""
    """Proof of the provider that they are its own, wanted back unchanged."""
    redacted: str = ""
    """Thoughts in a form that only the provider reads (Anthropic ``redacted_thinking``, OpenAI
    ``encrypted_content``)."""
    id: str = ""
    summaries: list[str] = field(default_factory=list)
    """Where the thoughts are told as several summaries (Responses); ``text`` then is all of them, with blank lines."""
    shape: Any = None
    extra: Json | None = None


class Refusal(Struct):
    text: str = ""


class Opaque(Struct):
    """A part that one dialect alone knows (a provider's own tools and their results)."""

    dialect: str
    value: Any
    kind: str = ""


Part: TypeAlias = Text | Media | ToolCall | ToolResult | Reasoning | Refusal | Opaque

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]


class Message(Struct):
    role: Role
    parts: list[Part] = field(default_factory=list)
    plain: bool = False
    """The content was one bare string, which some old providers insist on."""
    name: str = ""
    shape: Any = None
    extra: Json | None = None


def merged(messages: list[Message]) -> list[Message]:
    """Turns of the assistant that follow each other put together, as dialects with one message a turn want them; others
    as they are."""
    out: list[Message] = []
    for message in messages:
        if out and message.role == "assistant" == out[-1].role:
            out[-1] = Message("assistant", out[-1].parts + message.parts, out[-1].plain and message.plain)
        else:
            out.append(message)
    return out
