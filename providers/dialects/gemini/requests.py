"""Requests of generateContent.

System messages stand in ``systemInstruction`` wherever they stood among the others: a content has no such role. Calls
that came without an id are given one for targets that want it (``call_0``, ... in their order), and so are the results
that answer them.
"""

from __future__ import annotations

import itertools
from typing import Any

from providers.dialects.base import Facts
from providers.dialects.gemini import generation, thinking
from providers.dialects.gemini.parts import ORIGIN, Writer, decode_part
from providers.dialects.gemini.spelling import camel, respell
from providers.dialects.gemini.tools import decode_config, decode_tools, encode_config, encode_tools
from providers.dialects.reading import a_list, a_text, an_object, rest, text
from providers.neutral import Json, Losses, Malformed, Message, Part, Request, ToolCall, ToolResult

_MESSAGE = frozenset(("role", "parts"))
_TIERS = {"default": "standard", "standard": "standard", "flex": "flex", "priority": "priority"}
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


def decode(body: Json, model: str, stream: bool) -> Request:
    """Raises Malformed."""
    names: Json = {}
    given = camel(body, names)
    shape: Json = {"names": names} if names else {}
    extra: Json = {}
    request = Request(ORIGIN, model or text(given.get("model")), stream=stream, include_usage=stream)
    if given.get("contents") is None:
        raise Malformed("'contents' is missing.", "contents")
    if given.get("systemInstruction") is not None:
        request.messages.append(_system(given["systemInstruction"]))
    for name, value in given.items():
        if value is None:
            extra[name] = None
        elif (take := _TAKE.get(name)) is not None:
            take(request, value, shape, extra)
        elif name != "systemInstruction":
            extra[name] = value
    if any(isinstance(part, ToolCall | ToolResult) for message in request.messages for part in message.parts):
        _give_ids(request)
    request.shape = shape or None
    request.extra = extra or None
    return request


def _contents(request: Request, value: Any, shape: Json, extra: Json) -> None:
    if isinstance(value, dict):  # protobuf's reader takes one for a list of one
        shape["contents"] = "single"
        value = [value]
    for at, content in enumerate(a_list(value, "contents")):
        request.messages.append(_message(an_object(content, f"contents.{at}"), f"contents.{at}"))


def _message(content: Json, place: str) -> Message:
    role = content.get("role", "user")
    shape: Json = {} if "role" in content else {"role": None}
    parts = _parts(content, place, shape)
    if role == "model":
        message = Message("assistant", parts)
    elif role == "user" or role in ("function", "tool"):
        results = bool(parts) and all(isinstance(part, ToolResult) for part in parts)
        message = Message("tool" if results else "user", parts)
        if role != "user":
            shape["role"] = role
    else:
        raise Malformed(f"'{place}.role' is neither user nor model.", f"{place}.role")
    message.extra = rest(content, _MESSAGE)
    message.shape = shape or None
    return message


def _parts(content: Json, place: str, shape: Json) -> list[Part]:
    parts = content.get("parts")
    if parts is None:
        shape["parts"] = "null" if "parts" in content else "absent"
        return []
    if isinstance(parts, dict):
        shape["parts"] = "single"
        parts = [parts]
    return [decode_part(part, f"{place}.parts.{at}") for at, part in enumerate(a_list(parts, f"{place}.parts"))]


def _system(value: Any) -> Message:
    content = an_object(value, "systemInstruction")
    shape: Json = {"role": content["role"]} if "role" in content else {}
    message = Message("system", _parts(content, "systemInstruction", shape), extra=rest(content, _MESSAGE))
    message.shape = shape or None
    return message


def _give_ids(request: Request) -> None:
    """Ids for calls without, and the same for the results that answer them: by name, in their order."""
    waiting: list[ToolCall] = []
    said = request.tool_names()
    made = (name for number in itertools.count() if (name := f"call_{number}") not in said)
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolCall) and not part.id:
                part.id = next(made)
                part.shape = (part.shape or {}) | {"made": True}
                waiting.append(part)
            elif isinstance(part, ToolResult) and not part.call_id:
                call = next((one for one in waiting if one.name == part.name), None)
                if call is None:
                    part.call_id = next(made)
                else:
                    part.call_id = call.id
                    waiting.remove(call)
                part.shape = (part.shape or {}) | {"made": True}


def _tools(request: Request, value: Any, shape: Json, extra: Json) -> None:
    decode_tools(request, value, shape)


def _tool_config(request: Request, value: Any, shape: Json, extra: Json) -> None:
    decode_config(request, value, extra, shape)


def _generation(request: Request, value: Any, shape: Json, extra: Json) -> None:
    generation.decode(request, value, shape, extra)


def _safety(request: Request, value: Any, shape: Json, extra: Json) -> None:
    request.safety = value


def _labels(request: Request, value: Any, shape: Json, extra: Json) -> None:
    request.metadata = an_object(value, "labels")


def _tier(request: Request, value: Any, shape: Json, extra: Json) -> None:
    request.service_tier = a_text(value, "serviceTier")


def _model(request: Request, value: Any, shape: Json, extra: Json) -> None:
    shape["model"] = value


_TAKE: dict[str, Any] = {
    "contents": _contents,
    "tools": _tools,
    "toolConfig": _tool_config,
    "generationConfig": _generation,
    "safetySettings": _safety,
    "labels": _labels,
    "serviceTier": _tier,
    "model": _model,
}


# --- writing


def encode(request: Request, facts: Facts, losses: Losses) -> Json:
    """Raises Unsupported through ``losses``."""
    own = request.origin == ORIGIN
    shape: Json = (request.shape or {}) if own else {}
    extra: Json = dict(request.extra or {}) if own else {}
    within: dict[str, Json] = {"generationConfig": {}, "toolConfig": {}}
    for name in list(extra):
        outer, dot, inner = name.partition(".")
        if dot:
            within[outer][inner] = extra.pop(name)
    number = thinking.generation(facts.model)
    writer = Writer(own, losses, {} if own else request.tool_names(), number >= 3)
    writer.names_files = facts.vendor == "vertex"
    writer.fetches = facts.vendor == "vertex" or number >= 3 or "gemini-2.5" in facts.model
    body: Json = {}
    _messages_out(request, writer, shape, body)
    tools = encode_tools(request, own, shape, losses)
    if tools is not None:
        body["tools"] = tools
    config = encode_config(request, own, shape, within["toolConfig"], bool(tools))
    if config is not None:
        body["toolConfig"] = config
    config = generation.encode(request, facts.model, shape, within["generationConfig"], losses)
    if config is not None:
        body["generationConfig"] = config
    if own:
        if request.safety is not None:
            body["safetySettings"] = request.safety
        if request.metadata is not None:
            body["labels"] = request.metadata
        if request.service_tier:
            body["serviceTier"] = request.service_tier
        if "model" in shape:
            body["model"] = _model_out(shape["model"], facts.model)
        body |= extra
        return respell(body, shape.get("names"))
    _foreign(request, facts, losses, body)
    return body


def _model_out(given: Any, model: str) -> Any:
    """Callers may repeat the path's model in the body; it must not contradict the target's."""
    if not isinstance(given, str) or not model or given == model or given.endswith(f"/{model}"):
        return given
    return f"models/{model}" if given.startswith("models/") else model


def _foreign(request: Request, facts: Facts, losses: Losses, body: Json) -> None:
    """What other dialects say beside messages, tools and sampling."""
    if request.service_tier and request.service_tier != "auto":
        if (tier := _TIERS.get(request.service_tier)) is not None:
            body["serviceTier"] = tier
        else:
            losses.lose("service_tier")
    if request.metadata:
        if facts.vendor == "vertex" and _are_labels(request.metadata):
            body["labels"] = request.metadata
        else:
            losses.lose("metadata")
    if request.user:
        losses.lose("user")
    if request.parallel_tools is False:
        losses.lose("parallel_tool_calls")
    if request.safety is not None:
        losses.lose("guardrailConfig")
    losses.leave(request.extra, body)


def _are_labels(metadata: Json) -> bool:
    """Google Cloud's labels: at most 64, of up to 63 small letters, digits, ``_`` and ``-``."""
    return len(metadata) <= 64 and all(
        isinstance(value, str) and len(value) <= 63 and _LABEL.issuperset(value)
        and 0 < len(name) <= 63 and _LABEL.issuperset(name) and name[0].isalpha()
        for name, value in metadata.items()
    )  # fmt: skip


def _messages_out(request: Request, writer: Writer, shape: Json, body: Json) -> None:
    system: list[Json] = []
    contents: list[Json] = []
    own = writer.own
    after_result = False
    for message in request.messages:
        parts = writer.parts(message.parts)
        if not own and (message.name or message.extra):
            _lose_members(message, writer.losses)
        if message.role in ("system", "developer"):
            system += parts
            if own and message.role == "system":
                body["systemInstruction"] = _content(message, parts, None)
            continue
        if own:
            contents.append(_content(message, parts, "model" if message.role == "assistant" else "user"))
            continue
        if not parts:
            continue
        role = "model" if message.role == "assistant" else "user"
        result = role == "user" and any(isinstance(part, ToolResult) for part in message.parts)
        # The results of parallel calls stand in one content, and a call must follow what the user said at once.
        if contents and ((result and after_result) or (role == "model" and contents[-1]["role"] == role)):
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
        after_result = result
    if system and not own:
        if contents:
            body["systemInstruction"] = {"parts": system}
        else:
            contents.append({"role": "user", "parts": system})  # there must be one content
    single = shape.get("contents") == "single" and len(contents) == 1
    body["contents"] = contents[0] if single else contents


def _lose_members(message: Message, losses: Losses) -> None:
    if message.name:
        losses.lose("messages.name")
    for name, value in (message.extra or {}).items():
        if value:
            losses.lose(f"messages.{name}")


def _content(message: Message, parts: list[Json], role: str | None) -> Json:
    shape: Json = message.shape or {}
    value: Json = {}
    role = shape.get("role", role)
    if role is not None:
        value["role"] = role
    form = shape.get("parts")
    if parts or form not in ("absent", "null"):
        value["parts"] = parts[0] if form == "single" and len(parts) == 1 else parts
    elif form == "null":
        value["parts"] = None
    return value | message.extra if message.extra else value
