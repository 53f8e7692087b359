"""Requests for a message."""

from __future__ import annotations

from typing import Any

from providers.dialects.anthropic import messages, models
from providers.dialects.anthropic.parts import ORIGIN, beyond, mark_out
from providers.dialects.anthropic.thinking import encode_thinking
from providers.dialects.base import Facts
from providers.dialects.reading import a_list, a_text, an_object, rest, text, whole
from providers.neutral import Format, Json, Losses, Malformed, Request, Thinking, Tool, ToolChoice

_TOOL = frozenset(("type", "name", "description", "input_schema", "strict"))
_CHOICE = frozenset(("type", "name", "disable_parallel_tool_use"))
_THINKING = frozenset(("type", "budget_tokens"))
_MODES_IN: dict[str, Any] = {"auto": "auto", "any": "required", "none": "none", "tool": "tool"}
_MODES_OUT = {"auto": "auto", "required": "any", "none": "none"}
_TIERS = {"auto": "auto", "standard_only": "default"}
_TIERS_OUT = {"auto": "auto", "default": "standard_only", "standard": "standard_only", "priority": "auto"}
"""``auto`` takes priority capacity where there is any; Anthropic has no flexible one."""
_UNKNOWN = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "seed": None,
    "logprobs": False,
    "top_logprobs": 0,
    "logit_bias": None,
}
"""Members of ``Sampling`` that Anthropic has no place for, and the value that says nothing."""
DEFAULT_MAX_TOKENS = 4_096
"""``max_tokens`` is mandatory; the smallest limit that any of their models has (Claude 3)."""


def decode(body: Json, *, model: str = "", stream: bool = False) -> Request:
    """Raises Malformed."""
    request = Request(ORIGIN, model, stream=stream)
    shape: Json = {}
    extra: Json = {}
    for name, value in body.items():
        if value is None and name != "messages":
            shape[name] = None
        elif (take := _TAKE.get(name)) is None:
            extra[name] = value
        elif (kept := take(request, value)) is not None:
            shape[name] = kept
    if "messages" not in body:
        raise Malformed("'messages' is missing.", "messages")
    request.shape = shape or None
    request.extra = extra or None
    return request


def _model(request: Request, value: Any) -> None:
    request.model = a_text(value, "model")


def _system(request: Request, value: Any) -> Any:
    return messages.decode_system(request, value)


def _max_tokens(request: Request, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed("'max_tokens' is no whole number.", "max_tokens")
    request.max_tokens = value


def _stream(request: Request, value: Any) -> bool | None:
    if not isinstance(value, bool):
        raise Malformed("'stream' is neither true nor false.", "stream")
    request.stream = value
    return None if value else False


def _number(name: str) -> Any:
    def take(request: Request, value: Any) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Malformed(f"'{name}' is no number.", name)
        setattr(request.sampling, name, value)

    return take


def _stop(request: Request, value: Any) -> Any:
    request.sampling.stop = [a_text(stop, "stop_sequences") for stop in a_list(value, "stop_sequences")]
    return None if value else []


def _metadata(request: Request, value: Any) -> Any:
    given = an_object(value, "metadata")
    request.user = text(given.get("user_id"))
    if request.user and len(given) == 1:
        return None
    request.metadata = {name: item for name, item in given.items() if name != "user_id" and item is not None} or None
    return given


def _tier(request: Request, value: Any) -> Any:
    tier = a_text(value, "service_tier")
    request.service_tier = _TIERS.get(tier, tier)
    return None if tier in _TIERS else tier


def _tools(request: Request, value: Any) -> Any:
    for at, given in enumerate(a_list(value, "tools")):
        tool = an_object(given, f"tools.{at}")
        kind = tool.get("type", "custom")
        if kind is not None and kind != "custom":
            request.tools.append(Tool(a_text(kind, f"tools.{at}.type"), own=tool))
        else:
            request.tools.append(_tool(tool, at))
    return None if value else []


def _tool(value: Json, at: int) -> Tool:
    cache, extra = beyond(value, _TOOL)
    name, schema = a_text(value.get("name"), f"tools.{at}.name"), value.get("input_schema")
    tool = Tool(name, cache=cache, extra=extra)
    if schema is not None:
        tool.parameters = an_object(schema, f"tools.{at}.input_schema")
    tool.description = text(value.get("description"))
    tool.strict = value["strict"] if isinstance(value.get("strict"), bool) else None
    # What the form says in one way only: whether there is a type, and members that say nothing.
    shape = {"type": value["type"]} if "type" in value else {}
    for member, said in (("description", tool.description), ("input_schema", schema), ("strict", tool.strict)):
        if member in value and (said is None or said == ""):
            shape[member] = value[member]
    tool.shape = shape or None
    return tool


def _tool_choice(request: Request, value: Any) -> Any:
    given = an_object(value, "tool_choice")
    kind = text(given.get("type"))
    if kind not in _MODES_IN:
        raise Malformed("'tool_choice.type' is none of 'auto', 'any', 'tool' and 'none'.", "tool_choice.type")
    choice = request.tool_choice = ToolChoice(_MODES_IN[kind], extra=rest(given, _CHOICE))
    if kind == "tool":
        choice.names = [a_text(given.get("name"), "tool_choice.name")]
    disabled = given.get("disable_parallel_tool_use")
    if isinstance(disabled, bool):
        request.parallel_tools = not disabled
    return None if _choice_out(choice, request.parallel_tools, True) == given else given


def _thinking(request: Request, value: Any) -> Any:
    given = an_object(value, "thinking")
    kind = a_text(given.get("type"), "thinking.type")
    thinking = request.thinking = request.thinking or Thinking()
    thinking.enabled = kind != "disabled"
    thinking.adaptive = kind == "adaptive"
    if kind == "enabled":
        budget = given.get("budget_tokens")
        if not isinstance(budget, int) or isinstance(budget, bool) or budget < 0:
            raise Malformed("'thinking.budget_tokens' is no number of tokens.", "thinking.budget_tokens")
        thinking.budget = budget
    if given.get("display") == "summarized":
        thinking.summary = "auto"
    return given


def _output_config(request: Request, value: Any) -> Any:
    given = an_object(value, "output_config")
    effort = given.get("effort")
    if effort is not None:
        thinking = request.thinking = request.thinking or Thinking()
        thinking.effort = "xhigh" if effort == "max" else a_text(effort, "output_config.effort")
    if given.get("format") is not None:
        request.format = _format(an_object(given["format"], "output_config.format"), "output_config.format")
    return given


def _output_format(request: Request, value: Any) -> Any:
    """The member's place while structured output was in beta."""
    given = an_object(value, "output_format")
    request.format = _format(given, "output_format")
    return given


def _format(given: Json, place: str) -> Format:
    if given.get("type") != "json_schema":
        raise Malformed(f"'{place}.type' is not 'json_schema'.", f"{place}.type")
    return Format("json_schema", an_object(given.get("schema"), f"{place}.schema"), strict=True)


_TAKE: dict[str, Any] = {
    "model": _model,
    "system": _system,
    "messages": messages.decode_messages,
    "max_tokens": _max_tokens,
    "stream": _stream,
    "temperature": _number("temperature"),
    "top_p": _number("top_p"),
    "top_k": _number("top_k"),
    "stop_sequences": _stop,
    "metadata": _metadata,
    "service_tier": _tier,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "thinking": _thinking,
    "output_config": _output_config,
    "output_format": _output_format,
}


# --- writing


def encode(request: Request, facts: Facts, losses: Losses) -> Json:
    """Raises Unsupported through ``losses``."""
    own = request.origin == ORIGIN
    shape: Json = (request.shape or {}) if own else {}
    system, said = messages.encode(request, losses)
    body: Json = {"model": facts.model, "max_tokens": request.max_tokens, "messages": said}
    if system is not None:
        body["system"] = system
    _tools_out(request, body, shape, own, losses)
    if own:
        for name in ("thinking", "output_config", "output_format"):
            if shape.get(name) is not None:
                body[name] = shape[name]
    else:
        encode_thinking(request, facts, body, losses)
        _format_out(request, body, losses)
    _sampling_out(request, facts, body, own, losses)
    if request.max_tokens is None:
        thinking = body.get("thinking")
        budget = whole(thinking.get("budget_tokens")) if thinking else 0
        body["max_tokens"] = budget + DEFAULT_MAX_TOKENS
    if request.stream:
        body["stream"] = True
    _about_caller(request, body, shape, own, losses)
    if own:
        for name, value in shape.items():
            body.setdefault(name, value)
        return body | request.extra if request.extra else body
    losses.leave(request.extra, body)
    return body


def _tools_out(request: Request, body: Json, shape: Json, own: bool, losses: Losses) -> None:
    choice = request.tool_choice
    allowed = choice.names if choice is not None and choice.mode in ("auto", "required") else []
    tools: list[Json] = []
    for tool in request.tools:
        if tool.own is not None:
            if own:
                tools.append(tool.own)
            else:
                losses.lose(f"tools.{tool.name}")
        elif tool.custom:
            losses.lose("tools.custom")
        elif not allowed or tool.name in allowed:  # a choice among some is the same as having only those
            tools.append(_tool_out(tool, own, losses))
    if tools:
        body["tools"] = tools
    given = shape.get("tool_choice")
    if given is not None:
        body["tool_choice"] = given
    elif tools or own:
        if choice is not None:
            body["tool_choice"] = _choice_out(choice, request.parallel_tools, own)
        elif request.parallel_tools is False:
            body["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}
    elif choice is not None and choice.mode in ("required", "tool"):
        losses.lose("tool_choice")


def _tool_out(tool: Tool, own: bool, losses: Losses) -> Json:
    out: Json = {"name": tool.name}
    if tool.description:
        out["description"] = tool.description
    if tool.parameters is not None:
        out["input_schema"] = tool.parameters
    if tool.strict is not None and (own or tool.strict):
        out["strict"] = tool.strict
    if tool.cache is not None:
        out["cache_control"] = mark_out(tool.cache)
    if own:
        out |= tool.shape or {}
        return out | tool.extra if tool.extra else out
    schema = tool.parameters or {}
    if schema.get("type") != "object":
        out["input_schema"] = {"type": "object", "properties": {}} if not schema else {"type": "object"} | schema
    losses.leave(tool.extra, out)
    return out


def _choice_out(choice: ToolChoice, parallel: bool | None, own: bool) -> Json:
    if choice.mode == "tool":
        out: Json = {"type": "tool", "name": choice.names[0]}
    else:
        out = {"type": _MODES_OUT[choice.mode]}
    # With 'none' there is no such member, and parallel calls are the default.
    if parallel is not None and choice.mode != "none" and (own or not parallel):
        out["disable_parallel_tool_use"] = not parallel
    return out | choice.extra if own and choice.extra else out


def _format_out(request: Request, body: Json, losses: Losses) -> None:
    form = request.format
    if form is None or (form.kind == "text" and not form.extra):
        return
    if form.kind != "json_schema":
        losses.lose("response_format")
        return
    config = body.setdefault("output_config", {})
    try:
        config["format"] = {"type": "json_schema", "schema": closed(form.schema or {})}
    except RecursionError:
        raise Malformed("The schema of the answer nests too deep.", "response_format") from None


def closed(schema: Any) -> Any:
    """``schema`` with ``additionalProperties: false`` in objects that do not say: Anthropic refuses them otherwise."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out = {name: value if name in _LITERAL else closed(value) for name, value in schema.items()}
    kind = schema.get("type")
    if (kind == "object" or (isinstance(kind, list) and "object" in kind)) and "additionalProperties" not in schema:
        out["additionalProperties"] = False
    return out


_LITERAL = frozenset(("enum", "const", "default", "examples", "required"))


def _sampling_out(request: Request, facts: Facts, body: Json, own: bool, losses: Losses) -> None:
    sampling = request.sampling
    generation = (0, 0) if own else models.version(facts.model)
    thinks = not own and body.get("thinking", {}).get("type") in ("enabled", "adaptive")
    for name, value in (
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("top_k", sampling.top_k),
    ):
        if value is None:
            continue
        second = name == "top_p" and "temperature" in body
        if generation >= models.NO_SAMPLING or (second and generation >= models.ONE_OF_TWO):
            losses.lose(name)
        elif thinks and not (value == 1 if name == "temperature" else name == "top_p" and value >= 0.95):
            losses.lose(name)  # while it thinks, all but these are refused
        elif name == "temperature" and not own and value > 1:
            losses.lose(name)
            body[name] = 1.0
        else:
            body[name] = value
    if sampling.stop:
        stops = sampling.stop if own else [stop for stop in sampling.stop if stop and not stop.isspace()]
        if len(stops) != len(sampling.stop):
            losses.lose("stop")
        if stops:
            body["stop_sequences"] = stops
    if own:
        return
    for name, silent in _UNKNOWN.items():
        value = getattr(sampling, name)
        if value is not None and value != silent and value != {}:
            losses.lose(name)
    if sampling.count is not None and sampling.count != 1:
        losses.lose("n")


def _about_caller(request: Request, body: Json, shape: Json, own: bool, losses: Losses) -> None:
    if request.user:
        body["metadata"] = {"user_id": request.user}
    if own:
        if shape.get("metadata") is not None:
            body["metadata"] = shape["metadata"]
        if request.service_tier:
            tier = request.service_tier
            body["service_tier"] = shape.get("service_tier") or _TIERS_OUT.get(tier, tier)
        return
    if request.metadata:
        losses.lose("metadata")
    if request.service_tier:
        if request.service_tier in _TIERS_OUT:
            body["service_tier"] = _TIERS_OUT[request.service_tier]
        else:
            losses.lose("service_tier")
    if any(kind != "text" for kind in request.modalities):
        losses.lose("modalities")
    if request.safety is not None:
        losses.lose("safety_settings")
