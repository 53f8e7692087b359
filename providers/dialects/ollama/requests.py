"""Reading and writing requests."""

from __future__ import annotations

from typing import Any

from providers.dialects.base import Facts
from providers.dialects.ollama import messages
from providers.dialects.ollama.messages import ORIGIN
from providers.dialects.reading import a_list, a_number, a_text, an_object, rest, text
from providers.neutral import Format, Json, Losses, Malformed, Request, Thinking, Tool, effort_of

OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
"""Member of ``options`` -> of ``Sampling``."""
_FUNCTION = frozenset(("name", "description", "parameters"))
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high"}


def decode(body: Json) -> Request:
    """Raises Malformed."""
    request = Request(ORIGIN, text(body.get("model")), stream=body.get("stream") is not False)
    shape: Json = {}
    extra: Json = {}
    for name, value in body.items():
        if value is None and name != "messages":
            shape[name] = None
        elif (take := _TAKE.get(name)) is None:
            extra[name] = value
        elif (kept := take(request, value)) is not None:
            shape[name] = kept
    if "stream" not in body:
        shape["stream"] = ...
    options = shape.get("options")
    if options and (left := {name: value for name, value in options.items() if name not in _KNOWN}):
        extra["options"] = left
    request.shape = shape or None
    request.extra = extra or None
    return request


def _tools(request: Request, value: Any) -> Any:
    for at, given in enumerate(a_list(value, "tools")):
        place = f"tools.{at}.function"
        function = an_object(an_object(given, f"tools.{at}").get("function"), place)
        parameters = function.get("parameters")
        request.tools.append(
            Tool(
                a_text(function.get("name"), f"{place}.name"),
                text(function.get("description")),
                parameters if isinstance(parameters, dict) else None,
                extra=rest(function, _FUNCTION),
            )
        )
    return value


def _options(request: Request, value: Any) -> Any:
    options = an_object(value, "options")
    sampling = request.sampling
    for name, member in OPTIONS.items():
        if name in options:
            setattr(sampling, member, a_number(options[name], f"options.{name}"))
    limit = a_number(options.get("num_predict"), "options.num_predict")
    if limit is not None and limit > 0:  # others: without end, or up to the context's
        request.max_tokens = int(limit)
    stops = options.get("stop")
    if isinstance(stops, str):
        sampling.stop = [stops]
    elif stops is not None:
        sampling.stop = [a_text(stop, "options.stop") for stop in a_list(stops, "options.stop")]
    return options


_KNOWN = frozenset((*OPTIONS, "num_predict", "stop"))


def _format(request: Request, value: Any) -> Any:
    if isinstance(value, dict):
        request.format = Format("json_schema", value, strict=True)
    elif value == "json":
        request.format = Format("json_object")
    elif value != "":
        raise Malformed("'format' is neither 'json' nor a schema.", "format")
    return value


def _think(request: Request, value: Any) -> Any:
    if isinstance(value, bool):
        request.thinking = Thinking(value)
    else:
        effort = a_text(value, "think")
        if effort:
            request.thinking = Thinking(True, "xhigh" if effort == "max" else effort)
    return value


def _stream(request: Request, value: Any) -> Any:
    return value


def _model(request: Request, value: Any) -> None:
    a_text(value, "model")


def _logprobs(request: Request, value: Any) -> Any:
    request.sampling.logprobs = value is True
    return value


def _top_logprobs(request: Request, value: Any) -> None:
    request.sampling.top_logprobs = a_number(value, "top_logprobs")


_TAKE: dict[str, Any] = {
    "model": _model,
    "messages": messages.decode_messages,
    "tools": _tools,
    "options": _options,
    "format": _format,
    "think": _think,
    "stream": _stream,
    "logprobs": _logprobs,
    "top_logprobs": _top_logprobs,
}
"""Member of the body -> what reads it, and gives back what is to be written as it came."""


def encode(request: Request, facts: Facts, losses: Losses) -> Json:
    """Raises Unsupported through ``losses``."""
    body: Json = {"model": facts.model}
    if request.origin == ORIGIN:
        body["messages"] = messages.encode_own(request.messages)
        body |= {name: value for name, value in (request.shape or {}).items() if value is not ...}
        if request.sampling.top_logprobs is not None:
            body["top_logprobs"] = request.sampling.top_logprobs
        for name, value in (request.extra or {}).items():
            body.setdefault(name, value)
        return body
    body["messages"] = messages.encode_others(request, losses)
    body["stream"] = request.stream
    _tools_out(request, body, losses)
    _format_out(request, body, losses)
    _think_out(request, facts.model, body, losses)
    _options_out(request, body, losses)
    _lose_others(request, losses)
    losses.leave(request.extra, body)
    return body


def _tools_out(request: Request, body: Json, losses: Losses) -> None:
    choice = request.tool_choice
    if choice is not None and choice.mode == "none":
        return  # the same as having none
    if choice is not None and choice.mode in ("required", "tool"):
        losses.lose("tool_choice")
    if request.parallel_tools is False and request.tools:
        losses.lose("parallel_tool_calls")
    tools: list[Json] = []
    for tool in request.tools:
        if tool.own is not None:
            losses.lose(f"tools.{tool.name}")
        elif tool.custom:
            losses.lose("tools.custom")
        elif choice is None or not choice.names or tool.name in choice.names:
            function: Json = {"name": tool.name, "description": tool.description}
            function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
            losses.leave(tool.extra, function)
            if tool.cache is not None:
                losses.lose("cache_control")
            tools.append({"type": "function", "function": function})
    if tools:
        body["tools"] = tools


def _format_out(request: Request, body: Json, losses: Losses) -> None:
    form = request.format
    if form is None:
        return
    if form.kind == "json_schema":
        body["format"] = form.schema or {}
    elif form.kind == "json_object":
        body["format"] = "json"
    elif form.extra:
        losses.lose("response_format")


def _think_out(request: Request, model: str, body: Json, losses: Losses) -> None:
    """``think``: a word for the models that know levels, yes or no for all others."""
    if request.thinking is None:
        return
    effort = effort_of(request.thinking)
    if not effort:
        if request.thinking.summary or request.thinking.extra:
            losses.lose("thinking")
    elif "gpt-oss" not in model:
        body["think"] = effort != "none"
    elif effort in _LEVELS:
        body["think"] = _LEVELS[effort]
    else:
        losses.lose("thinking")  # they always think


def _options_out(request: Request, body: Json, losses: Losses) -> None:
    sampling = request.sampling
    options: Json = {}
    for name, member in OPTIONS.items():
        value = getattr(sampling, member)
        if value is not None:
            options[name] = value
    if request.max_tokens is not None:
        options["num_predict"] = request.max_tokens
    if sampling.stop:
        options["stop"] = sampling.stop
    if options:
        body["options"] = options
    if sampling.logprobs:
        body["logprobs"] = True
        if sampling.top_logprobs:
            body["top_logprobs"] = sampling.top_logprobs
    if sampling.logit_bias:
        losses.lose("logit_bias")
    if sampling.count is not None and sampling.count != 1:
        losses.lose("n")


def _lose_others(request: Request, losses: Losses) -> None:
    if request.metadata:
        losses.lose("metadata")
    if request.user:
        losses.lose("user")
    if request.service_tier not in ("", "auto", "default", "standard"):
        losses.lose("service_tier")
    if any(kind != "text" for kind in request.modalities):
        losses.lose("modalities")
    if request.safety is not None:
        losses.lose("safety_settings")
