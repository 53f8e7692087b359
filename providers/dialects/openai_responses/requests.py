"""Requests for responses."""

from __future__ import annotations

from typing import Any

from providers.dialects.base import Facts
from providers.dialects.openai_chat.answers import tier_out
from providers.dialects.openai_responses.items import ORIGIN, decode_item, encode_items, encode_own
from providers.dialects.reading import a_list, a_number, a_text, an_object, items, mapping, rest, text
from providers.neutral import (
    Format,
    Json,
    Losses,
    Malformed,
    Message,
    Request,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    effort_of,
)

_KNOWN = frozenset(
    (
        "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning",
        "max_output_tokens", "temperature", "top_p", "top_logprobs", "metadata", "user", "service_tier", "stream",
    )
)  # fmt: skip
_AS_GIVEN = ("text", "reasoning", "tools", "tool_choice", "instructions", "stream", "service_tier", "metadata", "user")
_FUNCTION = frozenset(("type", "name", "description", "parameters", "strict"))
_EFFORTS = frozenset(("none", "minimal", "low", "medium", "high", "xhigh", "max"))


def decode(body: Json) -> Request:
    """Raises Malformed."""
    request = Request(ORIGIN, text(body.get("model")))
    instructions = body.get("instructions")
    if isinstance(instructions, str) and instructions:
        request.messages.append(Message("system", [Text(instructions)], True, shape="instructions"))
    given = body.get("input")
    if isinstance(given, str):
        request.messages.append(Message("user", [Text(given)], True, shape="input"))
    elif given is not None:
        for at, item in enumerate(a_list(given, "input")):
            request.messages.append(decode_item(an_object(item, f"input.{at}"), f"input.{at}"))
    for tool in items(body.get("tools")):
        request.tools.append(_tool(an_object(tool, "tools")))
    if body.get("tool_choice") is not None:
        _tool_choice(request, body["tool_choice"])
    parallel = body.get("parallel_tool_calls")
    request.parallel_tools = parallel if isinstance(parallel, bool) else None
    _text(request, mapping(body.get("text")))
    reasoning = mapping(body.get("reasoning"))
    if reasoning:
        effort = text(reasoning.get("effort"))
        request.thinking = Thinking(effort=effort, summary=text(reasoning.get("summary")))
        if effort == "none":
            request.thinking.enabled = False
    limit = body.get("max_output_tokens")
    request.max_tokens = limit if isinstance(limit, int) else None
    sampling = request.sampling
    sampling.temperature = a_number(body.get("temperature"), "temperature")
    sampling.top_p = a_number(body.get("top_p"), "top_p")
    sampling.top_logprobs = a_number(body.get("top_logprobs"), "top_logprobs")
    sampling.logprobs = True if sampling.top_logprobs else None
    request.metadata = mapping(body.get("metadata")) or None
    request.user, request.service_tier = text(body.get("user")), text(body.get("service_tier"))
    request.stream = body.get("stream") is True
    request.shape = {name: value for name, value in body.items() if name in _KNOWN and name not in ("model", "input")}
    request.extra = rest(body, _KNOWN)
    return request


def _tool(value: Json) -> Tool:
    kind = value.get("type")
    if kind == "function":
        strict, parameters = value.get("strict"), value.get("parameters")
        return Tool(
            a_text(value.get("name"), "tools.name"), text(value.get("description")),
            parameters if isinstance(parameters, dict) else None, strict if isinstance(strict, bool) else None,
            extra=rest(value, _FUNCTION),
        )  # fmt: skip
    if kind == "custom":
        extra = rest(value, frozenset(("type", "name", "description")))
        return Tool(a_text(value.get("name"), "tools.name"), text(value.get("description")), custom=True, extra=extra)
    return Tool(text(kind), own=value)


def _tool_choice(request: Request, value: Any) -> None:
    if value in ("auto", "none", "required"):
        request.tool_choice = ToolChoice(value)
        return
    given = an_object(value, "tool_choice")
    kind = given.get("type")
    if kind == "allowed_tools":
        names = [text(mapping(tool).get("name")) for tool in items(given.get("tools"))]
        mode = "required" if given.get("mode") == "required" else "auto"
        request.tool_choice = ToolChoice("required" if mode == "required" else "auto", [name for name in names if name])
    elif kind in ("function", "custom"):
        request.tool_choice = ToolChoice("tool", [a_text(given.get("name"), "tool_choice.name")])
    elif isinstance(kind, str):
        request.tool_choice = ToolChoice("auto", extra=given)
    else:
        raise Malformed("'tool_choice' names no tool.", "tool_choice")


def _text(request: Request, value: Json) -> None:
    form = mapping(value.get("format"))
    kind = form.get("type")
    if kind == "json_schema":
        strict = form.get("strict")
        request.format = Format(
            "json_schema", mapping(form.get("schema")), text(form.get("name")), text(form.get("description")),
            strict if isinstance(strict, bool) else None,
        )  # fmt: skip
    elif kind == "json_object":
        request.format = Format("json_object")


# --- writing


def encode(request: Request, facts: Facts, losses: Losses) -> Json:
    """Raises Unsupported through ``losses``."""
    if request.origin == ORIGIN:
        return _own(request, facts)
    given: list[Json] = []
    body: Json = {"model": facts.model, "input": given, "store": False}
    prompts: list[str] = []
    for message in request.messages:
        if message.role in ("system", "developer") and not given:
            prompts += [part.text for part in message.parts if isinstance(part, Text)]
        else:
            given += encode_items(message, losses)
    if prompts:
        body["instructions"] = "\n\n".join(prompts)
    if request.service_tier and not tier_out(request.service_tier):
        losses.lose("service_tier")
    sampling = request.sampling
    for name, value in (
        ("temperature", sampling.temperature), ("top_p", sampling.top_p), ("max_output_tokens", request.max_tokens),
        ("parallel_tool_calls", request.parallel_tools), ("metadata", request.metadata or None),
        ("user", request.user or None), ("service_tier", tier_out(request.service_tier) or None),
        ("stream", True if request.stream else None),
    ):  # fmt: skip
        if value is not None:
            body[name] = value
    if sampling.top_logprobs:
        body["top_logprobs"] = sampling.top_logprobs
        body["include"] = ["message.output_text.logprobs"]
    other: Any
    for name, other in (
        ("top_k", sampling.top_k), ("frequency_penalty", sampling.frequency_penalty or None), ("seed", sampling.seed),
        ("presence_penalty", sampling.presence_penalty or None), ("stop", sampling.stop or None),
        ("logit_bias", sampling.logit_bias or None), ("n", sampling.count if sampling.count != 1 else None),
        ("safety", request.safety),
    ):  # fmt: skip
        if other is not None:
            losses.lose(name)
    _tools_out(request, body, losses)
    form = request.format
    if form is not None and form.kind == "json_schema":
        schema: Json = {"type": "json_schema", "name": form.name or "answer", "schema": form.schema or {}}
        if form.description:
            schema["description"] = form.description
        if form.strict is not None:
            schema["strict"] = form.strict
        body["text"] = {"format": schema}
    elif form is not None and form.kind == "json_object":
        body["text"] = {"format": {"type": "json_object"}}
    if request.thinking is not None and (effort := effort_of(request.thinking)):
        if effort not in _EFFORTS:
            losses.lose("reasoning_effort")
        else:
            body["reasoning"] = {"effort": effort}
            if request.thinking.summary:
                body["reasoning"]["summary"] = request.thinking.summary
    losses.leave(request.extra, body)
    return body


def _own(request: Request, facts: Facts) -> Json:
    body: Json = {"model": facts.model}
    given: list[Json] = []
    for message in request.messages:
        if message.shape == "input":
            body["input"] = getattr(message.parts[0], "text", "")
        elif message.shape != "instructions":
            given.append(encode_own(message))
    if "input" not in body:
        body["input"] = given
    if not facts.model and not request.model:
        del body["model"]
    return body | (request.shape or {}) | (request.extra or {})


def _tools_out(request: Request, body: Json, losses: Losses) -> None:
    tools: list[Json] = []
    for tool in request.tools:
        if tool.own is not None:
            losses.lose(f"tools.{tool.name}")
        elif tool.custom:
            tools.append({"type": "custom", "name": tool.name, "description": tool.description} | (tool.extra or {}))
        else:
            value: Json = {"type": "function", "name": tool.name, "parameters": tool.parameters or {}}
            value["strict"] = tool.strict is True
            if tool.description:
                value["description"] = tool.description
            tools.append(value)
    if not tools:
        return
    body["tools"] = tools
    choice = request.tool_choice
    if choice is None:
        return
    if choice.mode == "tool":
        body["tool_choice"] = {"type": "function", "name": choice.names[0]}
    elif choice.names:
        allowed = [{"type": "function", "name": name} for name in choice.names]
        body["tool_choice"] = {"type": "allowed_tools", "mode": choice.mode, "tools": allowed}
    else:
        body["tool_choice"] = choice.mode
