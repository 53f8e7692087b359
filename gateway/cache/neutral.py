"""What a request asks, whatever dialect it is asked in: the digest of its neutral form (``cache.cross_dialect``).

Streamed or whole is the same question here: ``gateway.cache.retold`` tells the answer in the form that is wanted.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from hashlib import sha256
from typing import Any

import orjson
from msgspec import Struct

from _speedups._canonical import Canonical
from gateway.cache.asked import RULES, asked, delimited
from gateway.exchange import Exchange
from gateway.translation import NAMES
from providers.dialects import load
from providers.neutral import (
    Json,
    Malformed,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
)
from providers.operations import Operation

SHARED = frozenset((Operation.CHAT, Operation.RESPONSES))
"""Operations that ask the same in several dialects. A text completion does not: it goes on with the text, where a chat
answers it."""

PARTS = (Text, Media, ToolCall, ToolResult, Reasoning, Refusal, Opaque)
UNSAID = frozenset(("origin", "model", "stream", "include_usage", "user", "metadata", "plain", "cache"))
"""Fields that do not take part: who asks, how it was spelled, and what changes price or delay alone."""

TOLD = frozenset(
    (
        *("model", "metadata", "user", "stream", "instructions", "tools", "temperature", "top_p", "top_logprobs"),
        *("max_output_tokens", "parallel_tool_calls", "service_tier", "system"),
    )
)
"""Notes of a request's shape whose contents other fields have."""
TOLD_OF = {"text": ("format",), "reasoning": ("effort", "summary")}
"""Of others, the members."""

NUMBERS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
"""The same number whether it was written with a fraction or without."""

_canonical = Canonical()
_defaults: dict[type[Struct], dict[str, Any]] = {}


def neutral_digest(x: Exchange, leads_to: bytes) -> bytes | None:
    """SHA-256 of what ``x`` asks, ``leads_to`` being what its model name leads to for this caller. None where ``asked``
    says so; what that gives for operations that stand alone."""
    own = asked(x, leads_to)
    if own is None or x.operation not in SHARED:
        return own
    request = request_of(x)
    return None if request is None else digest_of(request, leads_to, RULES[x.dialect, x.operation].drop)


def request_of(x: Exchange) -> Request | None:
    """The neutral form of a request with a JSON body; None for one that its own dialect does not understand."""
    try:
        request = load(NAMES[x.dialect]).decode_request(orjson.loads(x.body), model=x.model, stream=x.stream)
    except (Malformed, orjson.JSONDecodeError):
        return None
    request.stream = x.stream
    return request


def digest_of(request: Request, leads_to: bytes, drop: Container[str] = ()) -> bytes | None:
    """Of ``request``, from whatever dialect. ``drop``: names in ``extra`` that do not matter. None: it is too large, or
    nested too deep, to have a canonical form."""
    try:
        form = _canonical.form(orjson.dumps(told(request, drop)))
    except orjson.JSONEncodeError:
        return None
    return None if form is None else sha256(delimited(leads_to) + form).digest()


def told(request: Request, drop: Container[str] = ()) -> Json:
    """What counts of ``request``, as a JSON value."""
    out = _struct(request, request.origin, drop)
    sampling = out.get("sampling", {})
    for name in NUMBERS:
        if isinstance(sampling.get(name), int):
            sampling[name] = float(sampling[name])
    if "messages" in out:
        out["messages"] = list(_turns(out["messages"]))
    return out


def _struct(value: Struct, origin: str, drop: Container[str] = ()) -> Json:
    """The fields that say something, and of parts their type. What only ``origin`` understands bears its name."""
    out: Json = {}
    for name in value.__struct_fields__:
        found = getattr(value, name)
        if name == "extra":
            if isinstance(found, dict) and (left := {key: found[key] for key in found if key not in drop}):
                out[name] = [origin, left]
        elif name == "shape":
            if notes := _notes(value, found):
                out[name] = [origin, notes]
        elif name not in UNSAID and not _is_default(value, name, found):
            inner = _value(found, origin)
            if inner or not isinstance(found, Struct):
                out[name] = inner
    if isinstance(value, PARTS):
        out["is"] = type(value).__name__
    return out


def _is_default(owner: Struct, name: str, value: Any) -> bool:
    """Type and all: 0 is something that was said where False was not."""
    if isinstance(value, list):
        return not value
    kind = type(owner)
    if kind not in _defaults:
        _defaults[kind] = dict(zip(reversed(kind.__struct_fields__), reversed(kind.__struct_defaults__), strict=False))
    default = _defaults[kind].get(name)
    return type(value) is type(default) and bool(value == default)


def _value(value: Any, origin: str) -> Any:
    if isinstance(value, Struct):
        return _struct(value, origin)
    if isinstance(value, list) and value and isinstance(value[0], Struct):
        return [_struct(item, origin) for item in value]
    return value


def _notes(owner: Struct, shape: Any) -> Any:
    """What of a dialect's note of how something was spelled may be more than that; empty when nothing is."""
    if isinstance(owner, Media) and isinstance(shape, dict):
        return shape
    if not isinstance(owner, Request) or not isinstance(shape, dict):
        return _telling(shape)
    notes: Json = {}
    for name, note in shape.items():
        if name in TOLD_OF and isinstance(note, dict):
            left: Any = {key: one for key, one in note.items() if key not in TOLD_OF[name]}
        else:
            left = None if name in TOLD else _telling(note)
        if left:
            notes[name] = left
    return notes


def _telling(note: Any) -> Any:
    """Objects and numbers in ``note``: words say which of several spellings it was."""
    if isinstance(note, dict):
        return {name: one for name, one in note.items() if _tells(one)}
    if isinstance(note, list | tuple):
        return [one for one in note if _tells(one)]
    return [note] if _tells(note) else None


def _tells(note: Any) -> bool:
    if isinstance(note, list | tuple):
        return any(isinstance(one, dict) and one for one in note)
    return (isinstance(note, dict) and note != {}) or (isinstance(note, int | float) and not isinstance(note, bool))


def _turns(messages: Iterable[Json]) -> Iterator[Json]:
    """Results of tools one by one, as some dialects have them, each with the number of its call in place of the id:
    dialects make ids in their own ways, and some have none."""
    numbers: dict[str, int] = {}
    names: list[str] = []
    for message in messages:
        left: list[Json] = []
        for part in message.get("parts", ()):
            if part["is"] == "ToolCall":
                numbers[part.pop("id", "")] = part["number"] = len(names)
                names.append(part.get("name", ""))
                part["arguments"] = _arguments(part)
            elif part["is"] == "ToolResult":
                call, name = part.pop("call_id", ""), part.pop("name", "")
                number = numbers.get(call, -1) if call else names.index(name) if name in names else -1
                part["number"] = number if number >= 0 else [call, name]
                if left:
                    yield {**message, "parts": left}
                    left = []
                yield {"result": part}
                continue
            left.append(part)
        rest = {name: said for name, said in message.items() if name not in ("role", "parts")}
        if left or rest or not message.get("parts"):
            yield {**message, "parts": left}


def _arguments(part: Json) -> Any:
    """As a value where they are JSON: dialects write it anew."""
    given = part.get("arguments", "")
    try:
        return given if part.get("custom") else [orjson.loads(given)]
    except orjson.JSONDecodeError:
        return given
