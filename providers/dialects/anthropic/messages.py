"""Messages and the system prompt of requests."""

from __future__ import annotations

from typing import Any

from providers.dialects.anthropic.blocks import encode_blocks, new_ids
from providers.dialects.anthropic.parts import ORIGIN, decode_content
from providers.dialects.reading import a_list, an_object, rest
from providers.neutral import Json, Losses, Malformed, Message, Part, Reasoning, Refusal, Request, Text, ToolCall

_MESSAGE = frozenset(("role", "content"))
_ROLES = frozenset(("user", "assistant", "system"))
_TOP = "system"
"""Shape of the message that stood in the member ``system``."""
_INLINE = "inline"
"""Shape of a system message among the others, which Claude knows since 4.8."""


def decode_system(request: Request, value: Any) -> list[Any] | None:
    """The system prompt, as the first message."""
    parts = decode_content(value, "system")
    if not parts and value != "":
        return []
    request.messages.insert(0, Message("system", parts, isinstance(value, str), shape=_TOP))
    return None


def decode_messages(request: Request, value: Any) -> None:
    """Raises Malformed."""
    for at, given in enumerate(a_list(value, "messages")):
        message = an_object(given, f"messages.{at}")
        role = message.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            raise Malformed(f"'messages.{at}.role' is neither 'user' nor 'assistant'.", f"messages.{at}.role")
        if "content" not in message:
            raise Malformed(f"'messages.{at}.content' is missing.", f"messages.{at}.content")
        content = message["content"]
        request.messages.append(
            Message(
                role,  # type: ignore[arg-type] # it is one of three
                decode_content(content, f"messages.{at}.content"),
                isinstance(content, str),
                shape=_INLINE if role == "system" else None,
                extra=rest(message, _MESSAGE),
            )
        )


def encode(request: Request, losses: Losses) -> tuple[str | list[Json] | None, list[Json]]:
    """The member ``system`` (None: leave it out) and the messages."""
    return _own(request, losses) if request.origin == ORIGIN else _others(request, losses)


def _own(request: Request, losses: Losses) -> tuple[str | list[Json] | None, list[Json]]:
    """As they came; system messages that the gateway put in are part of the system prompt."""
    tops: list[Message] = []
    out: list[Json] = []
    for message in request.messages:
        if message.role in ("system", "developer") and message.shape != _INLINE:
            tops.append(message)
            continue
        role = "user" if message.role == "tool" else message.role
        value: Json = {"role": role, "content": _content(message, losses)}
        out.append(value | message.extra if message.extra else value)
    if not tops:
        return None, out
    if len(tops) == 1:
        return _content(tops[0], losses), out
    return [block for top in tops for block in encode_blocks(top.parts, ORIGIN, losses)], out


def _content(message: Message, losses: Losses) -> str | list[Json]:
    if message.plain and len(message.parts) <= 1:
        only = message.parts[0] if message.parts else None
        if only is None:
            return ""
        if type(only) is Text and only.cache is None:
            return only.text
    return encode_blocks(message.parts, ORIGIN, losses)


def _others(request: Request, losses: Losses) -> tuple[str | list[Json] | None, list[Json]]:
    """Messages of another dialect: one of each role after the other, results of tools first in what the user says."""
    system: list[Json] = []
    plain_system = True
    out: list[Json] = []
    ids = new_ids()
    for message in request.messages:
        if message.name:
            losses.lose("messages.name")
        beyond: Json = {}
        losses.leave(message.extra, beyond)
        blocks = encode_blocks(message.parts, request.origin, losses, ids)
        if message.role in ("system", "developer"):
            plain_system = plain_system and message.plain
            for block in blocks:
                if block.get("type") == "text":
                    system.append(block)
                else:
                    losses.lose("messages.system")
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if not blocks:
            continue
        last = out[-1] if out else None
        if last is not None and last["role"] == role:
            last["content"] = _joined(last["content"], blocks)
            last |= beyond
            continue
        plain = message.plain and len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
        out.append({"role": role, "content": blocks[0]["text"] if plain else _joined([], blocks)} | beyond)
    if out and out[-1]["role"] == "assistant":
        _trim(out)
    if not out and system:
        # A request of system messages alone is refused: they are what the user asks.
        return None, [{"role": "user", "content": system}]
    if len(system) == 1 and plain_system and len(system[0]) == 2:
        return system[0]["text"], out
    return system or None, out


def _joined(before: str | list[Json], blocks: list[Json]) -> list[Json]:
    """Results come first in a message: Anthropic refuses any text between a call and its result."""
    blocks = [{"type": "text", "text": before}, *blocks] if isinstance(before, str) else before + blocks
    results = [block for block in blocks if block["type"] == "tool_result"]
    if not results or len(results) == len(blocks):
        return blocks
    return results + [block for block in blocks if block["type"] != "tool_result"]


def _trim(out: list[Json]) -> None:
    """The beginning of an answer must not end in white space."""
    content = out[-1]["content"]
    if isinstance(content, str):
        out[-1]["content"] = content.rstrip()
    elif content[-1]["type"] == "text":
        content[-1]["text"] = content[-1]["text"].rstrip()


def thinks_before_last_call(messages: list[Message]) -> bool:
    """Whether thinking may be asked for by budget: the turn of a model that called tools has to begin with signed
    thoughts then."""
    for message in reversed(messages):
        if message.role == "assistant":
            parts: list[Part] = message.parts
            if not any(isinstance(part, ToolCall) for part in parts):
                return True
            first = next((part for part in parts if not isinstance(part, Refusal)), None)
            return isinstance(first, Reasoning) and bool(first.signature or first.redacted)
    return True
