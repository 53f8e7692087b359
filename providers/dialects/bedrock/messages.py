"""Messages and system blocks of requests."""

from __future__ import annotations

from typing import Any

from providers.dialects.bedrock.blocks import Writing, encode_blocks, encode_own
from providers.dialects.bedrock.parts import ORIGIN, decode_blocks
from providers.dialects.reading import a_list, an_object, rest
from providers.neutral import Json, Losses, Malformed, Message, Request

_MESSAGE = frozenset(("role", "content"))
_ROLES = frozenset(("user", "assistant", "system"))
_INLINE = "inline"
"""Shape of a system message among the others."""
FILLER = "."
"""What the user says where something has to be said."""


def decode_system(request: Request, value: Any) -> Any:
    """The system prompt, as the first message."""
    parts = decode_blocks(value, "system")
    if not parts:
        return []
    request.messages.insert(0, Message("system", parts))
    return None


def decode_messages(request: Request, value: Any) -> None:
    """Raises Malformed."""
    for at, given in enumerate(a_list(value, "messages")):
        message = an_object(given, f"messages.{at}")
        role = message.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            raise Malformed(f"'messages.{at}.role' is neither 'user' nor 'assistant'.", f"messages.{at}.role")
        request.messages.append(
            Message(
                role,  # type: ignore[arg-type] # it is one of three
                decode_blocks(message.get("content"), f"messages.{at}.content"),
                shape=_INLINE if role == "system" else None,
                extra=rest(message, _MESSAGE),
            )
        )


def encode(request: Request, model: str, losses: Losses) -> tuple[list[Json], list[Json]]:
    """The member ``system`` and the messages."""
    return _own(request) if request.origin == ORIGIN else _others(request, model, losses)


def _own(request: Request) -> tuple[list[Json], list[Json]]:
    system: list[Json] = []
    out: list[Json] = []
    for message in request.messages:
        if message.role in ("system", "developer") and message.shape != _INLINE:
            system += encode_own(message.parts)
            continue
        role = "user" if message.role == "tool" else message.role
        value: Json = {"role": role, "content": encode_own(message.parts)}
        out.append(value | message.extra if message.extra else value)
    return system, out


def _others(request: Request, model: str, losses: Losses) -> tuple[list[Json], list[Json]]:
    """Messages of another dialect: one of each role after the other, the user's first, results of tools before what the
    user says."""
    writing = Writing(request.origin, model, losses)
    system: list[Json] = []
    out: list[Json] = []
    for message in request.messages:
        if message.name and message.role != "tool":
            losses.lose("messages.name")
        beyond: Json = {}
        losses.leave(message.extra, beyond)
        blocks = encode_blocks(message.parts, writing)
        if message.role in ("system", "developer"):
            _system(system, blocks, losses)
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if not blocks:
            continue
        if out and out[-1]["role"] == role:
            out[-1]["content"] += blocks
            out[-1] |= beyond
        else:
            out.append({"role": role, "content": blocks} | beyond)
    for said in out:
        if said["role"] == "user":
            said["content"] = _ordered(said["content"])
    if out and out[0]["role"] == "assistant":
        out.insert(0, {"role": "user", "content": [{"text": FILLER}]})
    elif not out and system:
        # A request of system blocks alone is refused: they are what the user asks.
        return [], [{"role": "user", "content": system}]
    if out and out[-1]["role"] == "assistant":
        _trim(out[-1]["content"])
    return system, out


def _system(system: list[Json], blocks: list[Json], losses: Losses) -> None:
    for block in blocks:
        if "text" in block or ("cachePoint" in block and system):
            system.append(block)
        elif "cachePoint" not in block:
            losses.lose("messages.system")


def _ordered(blocks: list[Json]) -> list[Json]:
    """Results come first, each with its cache point: models refuse text between a call and its result. A document wants
    a text beside it (API reference, ``DocumentBlock``)."""
    results: list[Json] = []
    others: list[Json] = []
    into = others
    documents = texts = False
    for block in blocks:
        if "cachePoint" not in block:
            into = results if "toolResult" in block else others
            documents = documents or "document" in block
            texts = texts or "text" in block
        into.append(block)
    if documents and not texts:
        others.append({"text": FILLER})
    return results + others


def _trim(content: list[Json]) -> None:
    """The beginning of an answer must not end in white space."""
    last = content[-1]
    if "text" in last:
        last["text"] = last["text"].rstrip()


def calls_anything(messages: list[Json]) -> dict[str, None]:
    """Names of the tools that messages on the wire have called; a result without its call counts as ``tool``."""
    names: dict[str, None] = {}
    for message in messages:
        for block in message["content"]:
            if "toolUse" in block:
                names[block["toolUse"]["name"]] = None
            elif "toolResult" in block and not names:
                names["tool"] = None
    return names
