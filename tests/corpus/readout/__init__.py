"""What an answer says, read by the official SDKs' own types and by nothing of ours: the judge of translations.

Each module reads one family of dialects: ``whole`` answers and ``stream``s. ``strict``: the SDK's types must take every
member, as they have to of what the gateway writes; what providers really sent is read as SDKs read it, without.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openai._streaming import SSEDecoder


@dataclass
class Said:
    """The first choice of an answer."""

    text: str = ""
    """Words for the user, refusals and transcripts included."""
    reasoning: str = ""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    """(id, name, arguments as JSON value) of the caller's tools."""
    finish: str = ""
    """``stop``, ``length``, ``tool_calls``, ``filter``, ``error`` or ``other``."""
    refused: bool = False
    """Words of a refusal are among the text."""
    usage: dict[str, int] = field(default_factory=dict)
    """``input`` (cached ones included), ``output`` (reasoning included), ``cached``, ``reasoning``."""


@dataclass(frozen=True)
class Reader:
    whole: Callable[[bytes, bool], Said]
    stream: Callable[[bytes, bool], Said]


def events(data: bytes) -> list[tuple[str, Any]]:
    """(name, JSON) of server-sent events, ``[DONE]`` left out."""
    decoded = SSEDecoder().iter_bytes(iter([data]))
    return [(one.event or "", json.loads(one.data)) for one in decoded if one.data and one.data.strip() != "[DONE]"]


def arguments(text: str) -> Any:
    """Arguments as a value; what is not JSON stays a text."""
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError:
        return text


def counted(
    given: int | None, produced: int | None, cached: int | None = None, reasoning: int | None = None
) -> dict[str, int]:
    found = {"input": given, "output": produced, "cached": cached, "reasoning": reasoning}
    return {name: int(value) for name, value in found.items() if value is not None}


def settled(said: Said) -> Said:
    """Providers differ on whether calling a tool is an end like any other."""
    # Snowflake puts an empty entry where there is no call.
    said.calls = [call for call in said.calls if call[1]]
    if said.finish == "tool_calls" and not said.calls:
        said.finish = "stop"
    if said.calls and said.finish in ("stop", "tool_calls", ""):
        said.finish = "tool_calls"
    return said
