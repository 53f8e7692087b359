"""Reading requests."""

from __future__ import annotations

from typing import Any

from providers.dialects.cohere.parts import ORIGIN, PLAN, decode_call, decode_content
from providers.dialects.reading import a_list, a_number, a_text, an_object, rest, text, whole
from providers.neutral import (
    Format,
    Json,
    Malformed,
    Message,
    Reasoning,
    Request,
    Role,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
)

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
NUMBERS = {
    "temperature": "temperature",
    "p": "top_p",
    "k": "top_k",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
}
"""Member of the body -> of ``Sampling``."""
_MODES = {"REQUIRED": "required", "NONE": "none"}
_MESSAGE = frozenset(("role", "content", "tool_calls", "tool_call_id", "tool_plan"))
_FUNCTION = frozenset(("name", "description", "parameters"))


def decode(body: Json) -> Request:
    """Raises Malformed."""
    request = Request(ORIGIN, text(body.get("model")))
    shape: Json = {}
    extra: Json = {}
    for name, value in body.items():
        if value is None and name != "messages":
            shape[name] = None
        elif name in NUMBERS:
            setattr(request.sampling, NUMBERS[name], a_number(value, name))
        elif (take := _TAKE.get(name)) is None:
            extra[name] = value
        elif (kept := take(request, value)) is not None:
            shape[name] = kept
    if body.get("strict_tools") is True:
        for tool in request.tools:
            tool.strict = True
    request.shape = shape or None
    request.extra = extra or None
    return request


def _messages(request: Request, value: Any) -> None:
    for at, message in enumerate(a_list(value, "messages")):
        request.messages.append(_message(an_object(message, f"messages.{at}"), f"messages.{at}"))


def _message(value: Json, place: str) -> Message:
    role = _ROLES.get(text(value.get("role")))
    if role is None:
        raise Malformed(f"'{place}.role' is {value.get('role')!r}.", f"{place}.role")
    message = Message(role, extra=rest(value, _MESSAGE))
    content = value.get("content")
    message.plain = isinstance(content, str)
    parts = decode_content(content, f"{place}.content") if content is not None else []
    if role == "tool":
        result = ToolResult(a_text(value.get("tool_call_id"), f"{place}.tool_call_id"), parts=parts)
        result.plain = message.plain
        message.parts.append(result)
        return message
    shape: Json = {name: value[name] for name in ("content", "tool_calls", "tool_plan") if value.get(name, 0) is None}
    if isinstance(value.get("tool_plan"), str):
        message.parts.append(Reasoning(value["tool_plan"], shape=PLAN))
    if content or content == "":
        message.parts += parts
    elif content is not None:
        shape["content"] = content
    calls = value.get("tool_calls")
    if calls is not None:
        found = a_list(calls, f"{place}.tool_calls")
        message.parts += [decode_call(call, f"{place}.tool_calls.{number}") for number, call in enumerate(found)]
        if not found:
            shape["tool_calls"] = []
    message.shape = shape or None
    return message


def _tools(request: Request, value: Any) -> Any:
    for at, given in enumerate(a_list(value, "tools")):
        place = f"tools.{at}"
        item = an_object(given, place)
        function = an_object(item.get("function"), f"{place}.function")
        parameters = function.get("parameters")
        request.tools.append(
            Tool(
                a_text(function.get("name"), f"{place}.function.name"),
                text(function.get("description")),
                parameters if isinstance(parameters, dict) else None,
                extra=rest(function, _FUNCTION),
            )
        )
    return None if request.tools and [tool_out(tool, True) for tool in request.tools] == value else value


def tool_out(tool: Tool, own: bool) -> Json:
    function: Json = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters is not None or not own:
        function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    if own and tool.extra:
        function |= tool.extra
    return {"type": "function", "function": function}


def _tool_choice(request: Request, value: Any) -> None:
    mode = _MODES.get(a_text(value, "tool_choice"))
    if mode is None:
        raise Malformed("'tool_choice' is neither REQUIRED nor NONE.", "tool_choice")
    request.tool_choice = ToolChoice(mode)  # type: ignore[arg-type] # it is one of two


def _format(request: Request, value: Any) -> Any:
    given = an_object(value, "response_format")
    kind = given.get("type")
    if kind == "json_object":
        schema = given.get("json_schema", given.get("schema"))
        if isinstance(schema, dict):
            request.format = Format("json_schema", schema, strict=True)
        else:
            request.format = Format("json_object")
    elif kind == "text":
        request.format = Format("text")
    else:
        raise Malformed("'response_format.type' is neither text nor json_object.", "response_format.type")
    return given


def _thinking(request: Request, value: Any) -> Any:
    given = an_object(value, "thinking")
    if given.get("type") not in ("enabled", "disabled"):
        raise Malformed("'thinking.type' is neither enabled nor disabled.", "thinking.type")
    request.thinking = Thinking(given["type"] == "enabled")
    budget = a_number(given.get("token_budget"), "thinking.token_budget")
    if budget is not None and request.thinking.enabled:
        request.thinking.budget = max(whole(budget), 0)
    return given


def _stop(request: Request, value: Any) -> Any:
    request.sampling.stop = [a_text(stop, "stop_sequences") for stop in a_list(value, "stop_sequences")]
    return None if request.sampling.stop else []


def _stream(request: Request, value: Any) -> bool | None:
    request.stream = value is True
    return None if request.stream else bool(value)


def _max_tokens(request: Request, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed("'max_tokens' is no whole number.", "max_tokens")
    request.max_tokens = value


def _logprobs(request: Request, value: Any) -> Any:
    request.sampling.logprobs = value is True
    return None if isinstance(value, bool) else value


def _strict(request: Request, value: Any) -> Any:
    return value


def _model(request: Request, value: Any) -> None:
    a_text(value, "model")


_TAKE: dict[str, Any] = {
    "model": _model,
    "messages": _messages,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "response_format": _format,
    "thinking": _thinking,
    "stop_sequences": _stop,
    "stream": _stream,
    "max_tokens": _max_tokens,
    "logprobs": _logprobs,
    "strict_tools": _strict,
}
"""Member of the body -> what reads it, and gives back what is to be written as it came."""
