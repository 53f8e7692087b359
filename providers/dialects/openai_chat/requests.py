"""Reading requests for chat completions."""

from __future__ import annotations

from typing import Any

from providers.dialects.openai_chat.answers import signature_of
from providers.dialects.openai_chat.parts import cache_of, decode_content
from providers.dialects.reading import a_list, a_number, a_text, an_object, items, mapping, rest, text
from providers.neutral import (
    Format,
    Json,
    Malformed,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Role,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

ORIGIN = "openai_chat"

_ROLES: dict[str, Role] = {
    "system": "system", "developer": "developer", "user": "user", "assistant": "assistant", "tool": "tool",
}  # fmt: skip
SIMPLE = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "n": "count",
    "logprobs": "logprobs",
    "top_logprobs": "top_logprobs",
    "logit_bias": "logit_bias",
}
"""Member of the body -> of ``Sampling``; null means not said, and is kept as a note."""
_MESSAGE = frozenset(
    ("role", "content", "name", "tool_calls", "tool_call_id", "refusal", "reasoning_content", "reasoning")
)


def decode(body: Json) -> Request:
    """Raises Malformed."""
    request = Request(ORIGIN, text(body.get("model")))
    shape: Json = {}
    extra: Json = {}
    for name, value in body.items():
        if value is None and name not in ("messages", "model"):
            shape[name] = None
        elif name in SIMPLE:
            given = value if name in ("logprobs", "logit_bias") else a_number(value, name)
            setattr(request.sampling, SIMPLE[name], given)
        elif (take := _TAKE.get(name)) is None:
            extra[name] = value
        elif (kept := take(request, value)) is not None:
            shape[name] = kept
    request.shape = shape or None
    request.extra = extra or None
    return request


def _messages(request: Request, value: Any) -> None:
    for at, message in enumerate(a_list(value, "messages")):
        request.messages.append(_message(an_object(message, f"messages.{at}"), at))


def _message(value: Json, at: int) -> Message:
    given = value.get("role")
    if given == "function":
        # The form before tools, which some callers still use; only targets of the same dialect understand it.
        return Message("tool", [Opaque(ORIGIN, value, "function")])
    role = _ROLES.get(text(given))
    if role is None:
        raise Malformed(f"'messages.{at}.role' is {given!r}.", f"messages.{at}.role")
    message = Message(role, name=text(value.get("name")), extra=rest(value, _MESSAGE))
    content = value.get("content", message)
    place = f"messages.{at}.content"
    shape: Json = {}
    if role == "tool":
        # Mistral does not ask for the id.
        result = ToolResult(text(value.get("tool_call_id")), message.name, plain=isinstance(content, str))
        result.parts = [] if content is message else decode_content(content, place)
        result.shape = [name for name in ("tool_call_id", "name") if value.get(name, message) is None]
        if "tool_call_id" not in value:
            result.shape = "absent"
        message.parts.append(result)
        return message
    if "name" in value and not message.name:
        shape["name"] = value["name"]
    for name in ("reasoning_content", "reasoning"):
        if name in value:
            if isinstance(value[name], str) and value[name]:
                message.parts.append(Reasoning(value[name], shape=name))
            else:
                shape[name] = value[name]
    message.plain = isinstance(content, str)
    if content is message:
        shape["content"] = "absent"
    elif content is None:
        shape["content"] = "null"
    elif content == "":
        shape["content"] = "empty"
    elif content == []:
        shape["content"] = "list"
    else:
        message.parts += decode_content(content, place)
    if "refusal" in value:
        if isinstance(value["refusal"], str):
            message.parts.append(Refusal(value["refusal"]))
        else:
            shape["refusal"] = value["refusal"]
    if "tool_calls" in value:
        calls = value["tool_calls"]
        if calls:
            message.parts += [
                _call(an_object(call, f"messages.{at}.tool_calls"), at) for call in a_list(calls, "tool_calls")
            ]
        else:
            shape["tool_calls"] = calls
    message.shape = shape or None
    return message


def _call(value: Json, at: int) -> Part:
    kind = value.get("type", "function")
    inner = value.get(kind) if isinstance(kind, str) else None
    if kind not in ("function", "custom") or not isinstance(inner, dict):
        raise Malformed(f"'messages.{at}.tool_calls' holds no call of a function.", f"messages.{at}.tool_calls")
    custom = kind == "custom"
    return ToolCall(
        text(value.get("id")),
        text(inner.get("name")),
        text(inner.get("input" if custom else "arguments")),
        custom,
        signature_of(value),
        extra=rest(value, _CALL),
        shape=[name for name in ("id", "type") if name not in value] or None,
    )


_CALL = frozenset(("id", "type", "function", "custom"))
_FUNCTION = frozenset(("name", "description", "parameters", "strict"))
_TYPED = frozenset(("type", "function", "custom", "cache_control"))


def _tools(request: Request, value: Any) -> str | None:
    for at, tool in enumerate(a_list(value, "tools")):
        request.tools.append(_tool(an_object(tool, f"tools.{at}"), at))
    return None if request.tools else "empty"


def _tool(value: Json, at: int) -> Tool:
    kind = value.get("type", "function")
    inner = value.get(kind) if isinstance(kind, str) else None
    if kind not in ("function", "custom"):
        return Tool(text(kind), own=value)
    inner = an_object(inner, f"tools.{at}.{kind}")
    custom = kind == "custom"
    strict = inner.get("strict")
    extra = rest(inner, _FUNCTION)
    parameters = inner.get("parameters")
    tool = Tool(
        a_text(inner.get("name"), f"tools.{at}.{kind}.name"),
        text(inner.get("description")),
        parameters if isinstance(parameters, dict) else None,
        strict if isinstance(strict, bool) else None,
        custom,
        cache_of(value.get("cache_control")),
        extra=extra,
    )
    nulls = [name for name in ("description", "parameters", "strict") if name in inner and inner[name] is None]
    empty = ["description"] if inner.get("description") == "" else []
    outer = rest(value, _TYPED)
    if nulls or empty or outer or "type" not in value:
        tool.shape = (nulls, empty, outer, "type" not in value)
    return tool


def _tool_choice(request: Request, value: Any) -> Any:
    if value in ("auto", "none", "required"):
        request.tool_choice = ToolChoice(value)
        return None
    if value == "any":  # Mistral's word
        request.tool_choice = ToolChoice("required")
        return "any"
    given = an_object(value, "tool_choice")
    kind = text(given.get("type"))
    if kind == "allowed_tools":
        allowed = mapping(given.get("allowed_tools"))
        names = [text(mapping(tool.get("function")).get("name")) for tool in items(allowed.get("tools"))]
        request.tool_choice = ToolChoice("required" if allowed.get("mode") == "required" else "auto", names)
        return given
    name = text(mapping(given.get(kind)).get("name")) if kind else ""
    if not name:
        raise Malformed("'tool_choice' names no tool.", "tool_choice")
    request.tool_choice = ToolChoice("tool", [name])
    return None if kind == "function" and given == {"type": kind, kind: {"name": name}} else given


def _format(request: Request, value: Any) -> Any:
    given = an_object(value, "response_format")
    kind = given.get("type")
    if kind == "json_schema":
        schema = an_object(given.get("json_schema"), "response_format.json_schema")
        strict = schema.get("strict")
        request.format = Format(
            "json_schema",
            mapping(schema.get("schema")),
            text(schema.get("name")),
            text(schema.get("description")),
            strict if isinstance(strict, bool) else None,
        )
    elif kind in ("text", "json_object"):
        request.format = Format(kind)
    else:
        request.format = Format("text", extra=given)
    return None if format_out(request.format) == given else given


def format_out(form: Format) -> Json:
    if form.kind != "json_schema":
        return {"type": form.kind}
    schema: Json = {"name": form.name or "answer", "schema": form.schema or {}}
    if form.description:
        schema["description"] = form.description
    if form.strict is not None:
        schema["strict"] = form.strict
    return {"type": "json_schema", "json_schema": schema}


def _stop(request: Request, value: Any) -> str | None:
    if isinstance(value, str):
        request.sampling.stop = [value]
        return "text"
    request.sampling.stop = [a_text(stop, "stop") for stop in a_list(value, "stop")]
    return None if request.sampling.stop else "empty"


def _stream(request: Request, value: Any) -> bool | None:
    request.stream = value is True
    return None if request.stream else bool(value)


def _stream_options(request: Request, value: Any) -> Any:
    request.include_usage = mapping(value).get("include_usage") is True
    return None if request.include_usage and value == {"include_usage": True} else value


def _limit(name: str) -> Any:
    def take(request: Request, value: Any) -> Any:
        request.max_tokens = value if isinstance(value, int) else None
        return name if name == "max_tokens" else None

    return take


def _effort(request: Request, value: Any) -> None:
    request.thinking = Thinking(effort=a_text(value, "reasoning_effort"))
    if value == "none":
        request.thinking.enabled = False


def _plainly(member: str) -> Any:
    def take(request: Request, value: Any) -> None:
        setattr(request, member, value)

    return take


def _model(request: Request, value: Any) -> None:
    request.model = text(value)


_TAKE: dict[str, Any] = {
    "model": _model,
    "messages": _messages,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "response_format": _format,
    "stop": _stop,
    "stream": _stream,
    "stream_options": _stream_options,
    "max_tokens": _limit("max_tokens"),
    "max_completion_tokens": _limit("max_completion_tokens"),
    "reasoning_effort": _effort,
    "parallel_tool_calls": _plainly("parallel_tools"),
    "service_tier": _plainly("service_tier"),
    "metadata": _plainly("metadata"),
    "user": _plainly("user"),
    "modalities": _plainly("modalities"),
}
