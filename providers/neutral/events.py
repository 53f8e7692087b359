"""Events of a stream, a fault among them: it is also how an error is said as an answer."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from providers.neutral.answers import Finish, Usage
from providers.neutral.messages import Citation, Part


class Start(Struct):
    """The first event of every stream."""

    id: str = ""
    model: str = ""
    created: int = 0
    service_tier: str = ""


class PartStart(Struct):
    """Part number ``part`` (0, 1, ... within its choice) begins. ``content`` is what is known of it: mostly an empty
    text, a tool call without arguments; a part that comes whole (``Media``, ``Opaque``) is complete here."""

    choice: int
    part: int
    content: Part


class PartDelta(Struct):
    """More of a part: ``text`` of Text, Reasoning, Refusal; ``arguments`` of ToolCall; ``transcript`` of sound."""

    choice: int
    part: int
    text: str = ""
    signature: str = ""
    citation: Citation | None = None
    data: str = ""
    """Sound, base64: pieces that are decoded one by one."""
    logprobs: Any = None
    """Of this delta, in OpenAI's form."""


class PartEnd(Struct):
    """A part is complete. Decoders end every part they have begun, before ``Ended``. At most one part of a choice is
    open at a time; the arguments of a call that comes interleaved with another's follow as deltas of an ended part."""

    choice: int
    part: int


class Ended(Struct):
    """A choice is complete."""

    choice: int
    finish: Finish
    raw_finish: str = ""
    stop_sequence: str = ""


class Ping(Struct):
    """Sign of life."""


class Done(Struct):
    """The true end of a stream, after everything else. A stream without it was cut."""


FaultKind: TypeAlias = Literal["bad_request", "context_length", "content_filter", "auth", "permission", "not_found",
                               "too_large", "rate_limit", "quota", "overloaded", "server", "timeout"]  # fmt: skip


class Fault(Struct):
    """An error, as an answer or inside a stream."""

    kind: FaultKind
    message: str
    status: int = 0
    """HTTP status that it came with, or that its kind means (``STATUS``)."""
    code: str = ""
    """The provider's own word."""
    param: str = ""
    retry_after_s: float = 0.0
    request_id: str = ""


STATUS: dict[str, int] = {
    "bad_request": 400, "context_length": 400, "content_filter": 400, "auth": 401, "permission": 403, "not_found": 404,
    "too_large": 413, "rate_limit": 429, "quota": 429, "overloaded": 503, "server": 500, "timeout": 504,
}  # fmt: skip

Event: TypeAlias = Start | PartStart | PartDelta | PartEnd | Ended | Usage | Fault | Ping | Done
