"""Requests for messages."""

from __future__ import annotations

from typing import Any

from providers.dialects.anthropic.parts import ORIGIN, cache_of, decode_parts, encode_parts, mark
from providers.dialects.base import Facts
from providers.dialects.reading import a_list, a_number, a_text, an_object, mapping, rest, text
from providers.neutral import (
    Format,
    Json,
    Losses,
    Malformed,
    Message,
    Opaque,
    Part,
    Request,
    Role,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    budget_of,
    effort_of,
)

DEFAULT_MAX_TOKENS = 4_096
"""Anthropic wants a bound; callers of other dialects may name none."""
MIN_BUDGET = 1_024
"""The smallest budget for thinking that is taken."""

_KNOWN = frozenset(
    (
        "model", "messages", "system", "max_tokens", "stop_sequences", "stream", "temperature", "top_p", "top_k",
        "tools", "tool_choice", "thinking", "metadata", "service_tier", "output_config",
    )
)  # fmt: skip
_TOOL = frozenset(("name", "description", "input_schema", "strict", "cache_control", "type"))
_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}


def decode(body: Json) -> Request:
    """Raises Malformed."""
    request = Request(ORIGIN, text(body.get("model")))
    shape: Json = {}
    if "system" in body:
        system = body["system"]
        request.messages.append(Message("system", decode_parts(system, "system"), isinstance(system, str)))
        shape["system"] = True
    for at, value in enumerate(a_list(body.get("messages"), "messages")):
        message = an_object(value, f"messages.{at}")
        role = _ROLES.get(text(message.get("role")))
        if role is None:
            raise Malformed(f"'messages.{at}.role' is {message.get('role')!r}.", f"messages.{at}.role")
        content = message.get("content")
        request.messages.append(
            Message(
                role, decode_parts(content, f"messages.{at}.content"), isinstance(content, str),
                extra=rest(message, frozenset(("role", "content"))),
            )
        )  # fmt: skip
    _sampling(request, body, shape)
    for at, tool in enumerate(a_list(body.get("tools") or [], "tools")):
        request.tools.append(_tool(an_object(tool, f"tools.{at}")))
    if body.get("tools") == []:
        shape["tools"] = []
    choice = body.get("tool_choice")
    if choice is not None:
        _tool_choice(request, an_object(choice, "tool_choice"))
        shape["tool_choice"] = choice
    _thinking(request, body, shape)
    user = mapping(body.get("metadata"))
    if "metadata" in body:
        request.user = text(user.get("user_id"))
        shape["metadata"] = body["metadata"]
    request.service_tier = text(body.get("service_tier"))
    request.shape = shape
    request.extra = rest(body, _KNOWN)
    return request


def _sampling(request: Request, body: Json, shape: Json) -> None:
    sampling = request.sampling
    limit = body.get("max_tokens")
    request.max_tokens = limit if isinstance(limit, int) else None
    sampling.temperature = a_number(body.get("temperature"), "temperature")
    sampling.top_p = a_number(body.get("top_p"), "top_p")
    sampling.top_k = a_number(body.get("top_k"), "top_k")
    if body.get("stop_sequences") is not None:
        sampling.stop = [a_text(stop, "stop_sequences") for stop in a_list(body["stop_sequences"], "stop_sequences")]
    request.stream = body.get("stream") is True
    if body.get("stream") is False:
        shape["stream"] = False
    for name in ("temperature", "top_p", "top_k", "stop_sequences", "service_tier", "thinking", "tools"):
        if name in body and (body[name] is None or body[name] == []):
            shape[name] = body[name]


def _tool(value: Json) -> Tool:
    kind = value.get("type", "custom")
    if kind is not None and kind != "custom":
        return Tool(text(kind), own=value)
    strict = value.get("strict")
    return Tool(
        a_text(value.get("name"), "tools.name"),
        text(value.get("description")),
        mapping(value.get("input_schema")),
        strict if isinstance(strict, bool) else None,
        cache=cache_of(value.get("cache_control")),
        shape=[name for name in ("type", "description") if name in value and value[name] in ("custom", "", None)],
        extra=rest(value, _TOOL),
    )


def _tool_choice(request: Request, value: Json) -> None:
    kind = value.get("type")
    if kind == "tool":
        request.tool_choice = ToolChoice("tool", [a_text(value.get("name"), "tool_choice.name")])
    elif kind in ("auto", "any", "none"):
        request.tool_choice = ToolChoice("required" if kind == "any" else kind)
    else:
        raise Malformed("'tool_choice.type' is none of auto, any, tool, none.", "tool_choice.type")
    if "disable_parallel_tool_use" in value:
        request.parallel_tools = value["disable_parallel_tool_use"] is not True


def _thinking(request: Request, body: Json, shape: Json) -> None:
    value = body.get("thinking")
    output = body.get("output_config")
    if isinstance(value, dict):
        kind = value.get("type")
        budget = value.get("budget_tokens")
        thinking = request.thinking = Thinking(kind != "disabled", adaptive=kind == "adaptive")
        if isinstance(budget, int):
            thinking.budget = budget
        thinking.summary = "" if kind == "disabled" else "auto"
        shape["thinking"] = value
    if isinstance(output, dict):
        shape["output_config"] = output
        effort = output.get("effort")
        if isinstance(effort, str):
            request.thinking = request.thinking or Thinking()
            request.thinking.effort = effort
        wanted = output.get("format")
        if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
            request.format = Format("json_schema", mapping(wanted.get("schema")))


# --- writing


def encode(request: Request, facts: Facts, losses: Losses) -> Json:
    """Raises Unsupported through ``losses``."""
    own = request.origin == ORIGIN
    shape: Json = (request.shape or {}) if own else {}
    system, messages = _messages(request, own, losses)
    body: Json = {"model": facts.model, "messages": messages}
    if system is not None:
        body["system"] = system
    _tools_out(request, body, own, shape, losses)
    _thinking_out(request, body, own, shape, losses)
    _sampling_out(request, body, own, losses)
    if request.stream:
        body["stream"] = True
    if request.service_tier:
        if own:
            body["service_tier"] = request.service_tier
        elif request.service_tier in ("auto", "default"):
            body["service_tier"] = "auto" if request.service_tier == "auto" else "standard_only"
        else:
            losses.lose("service_tier")
    if "metadata" in shape:
        body["metadata"] = shape["metadata"]
    elif request.user:
        body["metadata"] = {"user_id": request.user}
    if own:
        body |= {name: value for name, value in shape.items() if name not in body and name != "system"}
        body |= request.extra or {}
        return body
    if request.metadata:
        losses.lose("metadata")
    if request.modalities and request.modalities != ["text"]:
        losses.lose("modalities")
    if request.safety is not None:
        losses.lose("safety_settings")
    losses.leave(request.extra, body)
    return body


def _messages(request: Request, own: bool, losses: Losses) -> tuple[Any, list[Json]]:
    """System prompt and messages. Of other dialects, all system messages become the prompt, and messages of one wire
    role are merged: roles have to alternate there."""
    if own:
        out = []
        system: Any = None
        first = bool(request.shape and request.shape.get("system"))
        for message in request.messages:
            content = _content(message, losses)
            if first and system is None:
                system = content
                continue
            value = {"role": message.role, "content": content}
            out.append(value | message.extra if message.extra else value)
        return system, out
    prompts: list[Part] = []
    turns: list[tuple[str, list[Part]]] = []
    for message in request.messages:
        if message.role in ("system", "developer"):
            prompts += message.parts
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if not turns or turns[-1][0] != role:
            turns.append((role, []))
        turns[-1][1].extend(message.parts)
    _name_calls(turns)
    messages = []
    for role, parts in turns:
        # Results of tools come first in their message, or they are refused.
        parts.sort(key=lambda part: not isinstance(part, ToolResult))
        blocks = encode_parts(parts, False, losses)
        if role == "assistant":
            # Thoughts come first in theirs.
            blocks.sort(key=lambda block: block["type"] not in ("thinking", "redacted_thinking"))
        if blocks:
            messages.append({"role": role, "content": blocks})
    blocks = encode_parts(prompts, False, losses)
    if blocks and all(set(block) == {"type", "text"} for block in blocks):
        return "\n\n".join(block["text"] for block in blocks), messages
    return blocks or None, messages


def _name_calls(turns: list[tuple[str, list[Part]]]) -> None:
    """Calls without an id get one from their place; results without one belong to the calls before them, in order."""
    open_ids: list[str] = []
    for at, (_, parts) in enumerate(turns):
        for place, part in enumerate(parts):
            if isinstance(part, ToolCall):
                if not part.id:
                    parts[place] = part = ToolCall(
                        f"toolu_{at}_{place}", part.name, part.arguments, part.custom, part.signature, cache=part.cache
                    )
                open_ids.append(part.id)
            elif isinstance(part, ToolResult):
                if not part.call_id and open_ids:
                    parts[place] = ToolResult(
                        open_ids[0], part.name, part.parts, part.is_error, part.plain, cache=part.cache
                    )
                open_ids = open_ids[1:]


def _content(message: Message, losses: Losses) -> Any:
    parts = message.parts
    if message.plain and len(parts) == 1 and not isinstance(parts[0], Opaque):
        return getattr(parts[0], "text", "")
    return encode_parts(parts, True, losses)


def _sampling_out(request: Request, body: Json, own: bool, losses: Losses) -> None:
    sampling = request.sampling
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    elif not own:
        body["max_tokens"] = DEFAULT_MAX_TOKENS
    budget = mapping(body.get("thinking")).get("budget_tokens", 0)
    if not own and isinstance(budget, int) and budget and body["max_tokens"] <= budget:
        body["max_tokens"] = budget + DEFAULT_MAX_TOKENS
    thinks = bool(budget) or mapping(body.get("thinking")).get("type") == "adaptive"
    for name, value in (("temperature", sampling.temperature), ("top_p", sampling.top_p), ("top_k", sampling.top_k)):
        if value is None:
            continue
        if own:
            body[name] = value
        elif thinks and not (name == "temperature" and value == 1):
            losses.lose(name)  # not taken together with thinking
        else:
            body[name] = min(value, 1) if name == "temperature" else value
    if sampling.stop:
        body["stop_sequences"] = sampling.stop
    if own:
        return
    other: Any
    for name, other in (
        ("frequency_penalty", sampling.frequency_penalty), ("presence_penalty", sampling.presence_penalty),
        ("seed", sampling.seed), ("logprobs", sampling.logprobs or None), ("top_logprobs", sampling.top_logprobs),
        ("logit_bias", sampling.logit_bias or None), ("n", sampling.count if sampling.count != 1 else None),
    ):  # fmt: skip
        if other is not None and other != 0:
            losses.lose(name)


def _tools_out(request: Request, body: Json, own: bool, shape: Json, losses: Losses) -> None:
    tools = []
    for tool in request.tools:
        if tool.own is not None:
            if own:
                tools.append(tool.own)
            else:
                losses.lose(f"tools.{tool.name}")
            continue
        value: Json = {"name": tool.name, "input_schema": tool.parameters or {"type": "object", "properties": {}}}
        if own and tool.parameters is not None:
            value["input_schema"] = tool.parameters
        if tool.custom:
            value["input_schema"] = {
                "type": "object",
                "properties": {"input": {"type": "string"}},
                "required": ["input"],
            }
        if tool.description:
            value["description"] = tool.description
        if tool.strict is not None and (own or tool.strict):
            value["strict"] = tool.strict
        if own:
            for name in tool.shape or ():
                value[name] = "custom" if name == "type" else ""
            value |= tool.extra or {}
        if tool.cache is not None:
            value["cache_control"] = mark(tool.cache)
        tools.append(value)
    if tools:
        body["tools"] = tools
    if "tool_choice" in shape:
        body["tool_choice"] = shape["tool_choice"]
    elif tools and (request.tool_choice is not None or request.parallel_tools is False):
        choice = request.tool_choice or ToolChoice()
        kind = "any" if choice.mode == "required" else choice.mode
        out: Json = {"type": kind}
        if choice.mode == "tool":
            out["name"] = choice.names[0]
        elif choice.names:
            body["tools"] = [tool for tool in tools if tool["name"] in choice.names]
        if request.parallel_tools is False and kind != "none":
            out["disable_parallel_tool_use"] = True
        body["tool_choice"] = out


def _thinking_out(request: Request, body: Json, own: bool, shape: Json, losses: Losses) -> None:
    if own:
        for name in ("thinking", "output_config"):
            if name in shape:
                body[name] = shape[name]
        return
    output: Json = {}
    thinking = request.thinking
    if thinking is not None:
        budget = budget_of(thinking)
        if thinking.adaptive:
            body["thinking"] = {"type": "adaptive"}
            if effort := effort_of(thinking):
                output["effort"] = effort
        elif budget > 0:
            body["thinking"] = {"type": "enabled", "budget_tokens": max(budget, MIN_BUDGET)}
        elif budget < 0 and thinking.enabled:
            body["thinking"] = {"type": "enabled", "budget_tokens": MIN_BUDGET}
    form = request.format
    if form is not None and form.kind == "json_schema":
        output["format"] = {"type": "json_schema", "schema": form.schema or {"type": "object"}}
    elif form is not None and form.kind == "json_object":
        losses.lose("response_format")
    if output:
        body["output_config"] = output
