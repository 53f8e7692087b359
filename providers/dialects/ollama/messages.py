"""Messages, of requests and answers.

Calls had no ids for long, and results only the name of their tool: ids are made from the calls' places then, and found
again by the results' names and order.
"""

from __future__ import annotations

from typing import Any

from providers.dialects.anthropic.blocks import arguments_of
from providers.dialects.anthropic.parts import dump
from providers.dialects.ids import CallIds
from providers.dialects.reading import a_list, a_text, an_object, rest, standard, text
from providers.neutral import (
    Json,
    Losses,
    Malformed,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Role,
    Text,
    ToolCall,
    ToolResult,
    merged,
)

ORIGIN = "ollama"
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_MESSAGE = frozenset(
    ("role", "content", "thinking", "images", "tool_calls", "tool_name", "name", "tool_call_id")
)  # fmt: skip
_MAGIC = {"iVBO": "image/png", "/9j/": "image/jpeg", "R0lG": "image/gif", "UklG": "image/webp"}
"""How the base64 of an image begins: its type is not said."""


def decode_messages(request: Request, value: Any) -> None:
    """Raises Malformed."""
    ids = CallIds()
    for at, given in enumerate(a_list(value, "messages")):
        place = f"messages.{at}"
        message = an_object(given, place)
        role = _ROLES.get(text(message.get("role")))
        if role is None:
            raise Malformed(f"'{place}.role' is {message.get('role')!r}.", f"{place}.role")
        if role == "tool":
            request.messages.append(_result(message, place, ids))
        else:
            request.messages.append(_message(role, message, place, ids))


def _result(value: Json, place: str, ids: CallIds) -> Message:
    name = text(value.get("tool_name")) or text(value.get("name"))
    identity = text(value.get("tool_call_id"))
    result = ToolResult(identity or ids.found(name), name, plain=True)
    content = value.get("content", "")
    result.parts.append(Text("" if content is None else a_text(content, f"{place}.content")))
    result.parts += decode_images(value.get("images"), f"{place}.images")
    result.shape = {key: value[key] for key in ("tool_name", "name", "tool_call_id") if key in value}
    shape = {"content": None} if content is None else None if "content" in value else "absent"
    return Message("tool", [result], extra=rest(value, _MESSAGE), shape=shape)


def _message(role: Role, value: Json, place: str, ids: CallIds) -> Message:
    message = Message(role, decode_parts(value, place, ids), True, text(value.get("name")), extra=rest(value, _MESSAGE))
    shape: Json = {}
    for key in ("content", "thinking", "images", "tool_calls", "name"):
        if key in value and not value[key]:
            shape[key] = value[key]
    message.shape = shape or None
    return message


def decode_parts(value: Json, place: str, ids: CallIds) -> list[Part]:
    """Thoughts, text, pictures, calls. Raises Malformed."""
    parts: list[Part] = []
    if value.get("thinking"):
        parts.append(Reasoning(a_text(value["thinking"], f"{place}.thinking")))
    if value.get("content"):
        parts.append(Text(a_text(value["content"], f"{place}.content")))
    parts += decode_images(value.get("images"), f"{place}.images")
    if value.get("tool_calls"):
        for at, call in enumerate(a_list(value["tool_calls"], f"{place}.tool_calls")):
            parts.append(decode_call(call, f"{place}.tool_calls.{at}", ids))
    return parts


def decode_images(value: Any, place: str) -> list[Part]:
    if not value:
        return []
    found: list[Part] = []
    for at, given in enumerate(a_list(value, place)):
        data = a_text(given, f"{place}.{at}")
        found.append(Media("image", _MAGIC.get(data[:4], ""), data))
    return found


def decode_call(value: Any, place: str, ids: CallIds) -> ToolCall:
    """Raises Malformed."""
    call = an_object(value, place)
    function = an_object(call.get("function"), f"{place}.function")
    name = a_text(function.get("name"), f"{place}.function.name")
    arguments = function.get("arguments")
    said = arguments if isinstance(arguments, str) else dump(arguments if arguments is not None else {})
    return ToolCall(text(call.get("id")) or ids.made(name), name, said, shape=call)


def call_out(call: ToolCall, place: int) -> Json:
    """A call for a provider or a caller; arguments are an object."""
    function: Json = {"index": place, "name": call.name, "arguments": arguments_of(call)}
    return {"id": call.id, "function": function} if call.id else {"function": function}


def encode_own(messages: list[Message]) -> list[Json]:
    """Messages as they came."""
    out: list[Json] = []
    for message in messages:
        parts = message.parts
        value: Json = {"role": message.role}
        if parts and isinstance(parts[0], ToolResult):
            value |= parts[0].shape or {}
            parts = parts[0].parts
            if message.shape == "absent":
                parts = parts[1:]
        elif message.name:
            value["name"] = message.name
        _own_parts(value, parts)
        if isinstance(message.shape, dict):
            value |= message.shape
        out.append(value | message.extra if message.extra else value)
    return out


def _own_parts(value: Json, parts: list[Part]) -> None:
    for part in parts:
        if isinstance(part, Text):
            value["content"] = part.text
        elif isinstance(part, Reasoning):
            value["thinking"] = part.text
        elif isinstance(part, Media):
            value.setdefault("images", []).append(part.data)
        elif isinstance(part, ToolCall):
            value.setdefault("tool_calls", []).append(part.shape)


def encode_others(request: Request, losses: Losses) -> list[Json]:
    """Messages of another dialect."""
    out: list[Json] = []
    names = request.tool_names()
    for message in merged(request.messages):
        if message.name and message.role != "tool":
            losses.lose("messages.name")
        others: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                out.append(_result_out(part, names, losses))
            else:
                others.append(part)
        if others or message.role != "tool":
            role = {"tool": "user", "developer": "system"}.get(message.role, message.role)
            value = _parts_out(role, others, losses)
            losses.leave(message.extra, value)
            if len(value) > 2 or value["content"] or not message.parts:
                out.append(value)
    return out


def _result_out(result: ToolResult, names: dict[str, str], losses: Losses) -> Json:
    value = _parts_out("tool", result.parts, losses)
    if name := result.name or names.get(result.call_id, ""):
        value["tool_name"] = name
    if result.call_id:
        value["tool_call_id"] = result.call_id
    if result.is_error:
        losses.lose("messages.is_error")
    losses.leave(result.extra, value)
    return value


def _parts_out(role: str, parts: list[Part], losses: Losses) -> Json:
    texts: list[str] = []
    thoughts: list[str] = []
    images: list[str] = []
    calls: list[Json] = []
    beyond: Json = {}
    for part in parts:
        if isinstance(part, Text):
            texts.append(part.text)
            losses.leave(part.extra, beyond)
            if part.cache is not None:
                losses.lose("cache_control")
        elif isinstance(part, Refusal):
            texts.append(part.text)
        elif isinstance(part, ToolCall):
            calls.append(call_out(part, len(calls)))
        elif isinstance(part, Reasoning):
            if part.text:
                thoughts.append(part.text)
            else:
                losses.lose("messages.reasoning")
        elif isinstance(part, Media):
            if part.text:
                texts.append(part.text)
            elif part.data and (part.kind == "image" or part.media_type.startswith("image/")):
                images.append(standard(part.data))
            else:
                losses.lose(f"messages.{part.kind}")
            losses.leave(part.extra, beyond)
        elif isinstance(part, Opaque):
            losses.lose(f"messages.{part.kind or part.dialect}")
    value: Json = {"role": role, "content": "\n".join(said for said in texts if said)}
    if thoughts:
        value["thinking"] = "".join(thoughts)
    if images:
        value["images"] = images
    if calls:
        value["tool_calls"] = calls
    return beyond | value
