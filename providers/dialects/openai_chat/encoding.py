"""Writing requests for chat completions."""

from __future__ import annotations

from providers.dialects.base import Facts
from providers.dialects.openai_chat.parts import encode_parts
from providers.dialects.openai_chat.requests import ORIGIN, SIMPLE, format_out
from providers.neutral import (
    Json,
    Losses,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Tool,
    ToolCall,
    ToolResult,
    effort_of,
    merged,
)

_OPENAI = frozenset(("", "openai", "azure", "azure_deployments"))
"""They refuse members that they do not know."""


def encode(request: Request, facts: Facts, losses: Losses) -> Json:
    """Raises Unsupported through ``losses``."""
    own = request.origin == ORIGIN
    shape: Json = (request.shape or {}) if own else {}
    plain = not own and facts.vendor in _OPENAI
    body: Json = {"model": facts.model, "messages": _messages_out(request, losses, plain)}
    sampling = request.sampling
    for name, member in SIMPLE.items():
        value = getattr(sampling, member)
        if value is not None:
            if name == "top_k" and plain:
                losses.lose("top_k")
            else:
                body[name] = value
    if sampling.stop or shape.get("stop") == "empty":
        body["stop"] = sampling.stop[0] if shape.get("stop") == "text" else sampling.stop
    if request.max_tokens is not None:
        # Reasoning models of OpenAI refuse max_tokens, most followers know nothing else.
        older = shape.get("max_tokens") == "max_tokens" if own else facts.vendor not in _OPENAI
        body["max_tokens" if older else "max_completion_tokens"] = request.max_tokens
    _tools_out(request, body, shape, losses)
    if request.format is not None:
        body["response_format"] = shape.get("response_format") or format_out(request.format)
    if request.thinking is not None:
        effort = effort_of(request.thinking)
        if effort and (request.thinking.enabled is not False or own or facts.vendor not in _OPENAI):
            body["reasoning_effort"] = effort
    if request.stream:
        body["stream"] = True
    if request.include_usage or (request.stream and facts.ask_usage and not own):
        body["stream_options"] = shape.get("stream_options") or {"include_usage": True}
    for name, value in (
        ("parallel_tool_calls", request.parallel_tools),
        ("service_tier", request.service_tier or None),
        ("metadata", request.metadata),
        ("user", request.user or None),
        ("modalities", _modalities(request, plain, losses) or None),
    ):
        if value is not None:
            body[name] = value
    if request.safety is not None:
        losses.lose("safety_settings")
    if own:
        body |= {name: value for name, value in shape.items() if name not in body and value is not _EMPTY}
        body |= request.extra or {}
    else:
        losses.leave(request.extra, body)
    return body


_EMPTY = "empty"


def _tools_out(request: Request, body: Json, shape: Json, losses: Losses) -> None:
    tools = []
    for tool in request.tools:
        if tool.own is not None:
            if request.origin == ORIGIN:
                tools.append(tool.own)
            else:
                losses.lose(f"tools.{tool.name}")
            continue
        tools.append(_tool_out(tool, request.origin == ORIGIN))
    if tools or shape.get("tools") == "empty":
        body["tools"] = tools
    choice = request.tool_choice
    if choice is None:
        return
    given = shape.get("tool_choice")
    if given is not None:
        body["tool_choice"] = given
    elif choice.mode == "tool":
        body["tool_choice"] = {"type": "function", "function": {"name": choice.names[0]}}
    elif choice.names:
        allowed = [{"type": "function", "function": {"name": name}} for name in choice.names]
        body["tool_choice"] = {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": allowed}}
    elif tools or request.origin == ORIGIN:
        body["tool_choice"] = choice.mode


def _tool_out(tool: Tool, own: bool) -> Json:
    nulls, empty, outer, untyped = (tool.shape if own else None) or ((), (), None, False)
    inner: Json = {"name": tool.name}
    if tool.description or "description" in empty:
        inner["description"] = tool.description
    if tool.parameters is not None:
        inner["parameters"] = tool.parameters
    if tool.strict is not None:
        inner["strict"] = tool.strict
    for name in nulls:
        inner[name] = None
    if own and tool.extra:
        inner |= tool.extra
    kind = "custom" if tool.custom else "function"
    out: Json = {kind: inner} if untyped else {"type": kind, kind: inner}
    if tool.cache is not None:
        out["cache_control"] = {"type": "ephemeral"} | ({"ttl": tool.cache.ttl} if tool.cache.ttl else {})
    return out | outer if outer else out


def _modalities(request: Request, plain: bool, losses: Losses) -> list[str]:
    """``plain``: OpenAI itself makes texts and sound only; OpenRouter and others make pictures as well."""
    if not plain or request.modalities in ([], ["text"]):
        return request.modalities
    kept = [kind for kind in request.modalities if kind in ("text", "audio")]
    if kept != request.modalities:
        losses.lose("modalities")
    return kept


def _messages_out(request: Request, losses: Losses, plain: bool) -> list[Json]:
    """``plain``: for OpenAI itself, which takes no films."""
    own = request.origin == ORIGIN
    out: list[Json] = []
    for message in request.messages if own else merged(request.messages):
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        others: list[Part] = [part for part in message.parts if not isinstance(part, ToolResult)]
        if plain and any(_is_film(part) for part in others):
            losses.lose("messages.video")
            others = [part for part in others if not _is_film(part)]
        out += [_result_out(result, message, others, own, losses) for result in results]
        if len(others) == 1 and isinstance(others[0], Opaque) and others[0].kind == "function" and own:
            out.append(others[0].value)
        elif others or not results:
            out.append(_message_out(message, others, own, losses))
    return out


def _is_film(part: Part) -> bool:
    return isinstance(part, Media) and part.kind == "video"


def _result_out(result: ToolResult, message: Message, others: list[Part], own: bool, losses: Losses) -> Json:
    """A tool message. What it cannot hold (pictures) is said by the user right behind it."""
    taken: list[Part] = []
    for part in result.parts:
        (taken if own or not hasattr(part, "media_type") else others).append(part)
    content = encode_parts(taken, ORIGIN if own else "", losses)
    if (result.plain or not own) and all(set(part) == {"type", "text"} for part in content):
        joined = "\n".join(part["text"] for part in content)
        value: Json = {"role": "tool", "tool_call_id": result.call_id, "content": joined}
    else:
        value = {"role": "tool", "tool_call_id": result.call_id, "content": content}
    if own:
        if result.shape == "absent":
            del value["tool_call_id"]
        elif result.shape:
            value |= dict.fromkeys(result.shape)
        if message.name:
            value["name"] = message.name
    return value | message.extra if own and message.extra else value


def _message_out(message: Message, parts: list[Part], own: bool, losses: Losses) -> Json:
    role = message.role if message.role != "tool" else "user"
    shape: Json = (message.shape or {}) if own else {}
    value: Json = {"role": role}
    calls: list[Json] = []
    content: list[Part] = []
    for part in parts:
        if isinstance(part, ToolCall):
            calls.append(_call_out(part, len(calls), own))
        elif isinstance(part, Reasoning):
            if own and part.shape in ("reasoning_content", "reasoning"):
                value[part.shape] = part.text
            elif own and part.shape == "part":
                content.append(part)
            else:
                losses.lose("messages.reasoning")
        elif isinstance(part, Refusal) and (not own or message.plain or shape.get("content")):
            value["refusal"] = part.text
        else:
            content.append(part)
    written = encode_parts(content, ORIGIN if own else "", losses)
    noted = shape.get("content")
    if noted == "null":
        value["content"] = None
    elif noted == "list":
        value["content"] = []
    elif noted == "empty" or (not written and not calls and noted != "absent" and "refusal" not in value):
        value["content"] = ""
    elif written:
        bare = len(written) == 1 and set(written[0]) == {"type", "text"}
        value["content"] = written[0]["text"] if bare and (message.plain or not own) else written
    elif noted != "absent":
        value["content"] = None
    if calls:
        value["tool_calls"] = calls
    if message.name:
        value["name"] = message.name
    for name in ("refusal", "tool_calls", "reasoning_content", "reasoning", "name"):
        if name in shape:
            value[name] = shape[name]
    if own and message.extra:
        value |= message.extra
    return value


def _call_out(call: ToolCall, place: int, own: bool) -> Json:
    kind, member = ("custom", "input") if call.custom else ("function", "arguments")
    inner = {"name": call.name, member: call.arguments or ("" if own or call.custom else "{}")}
    value: Json = {"id": call.id or f"call_{place}", "type": kind, kind: inner}
    if own:
        for name in call.shape or ():
            del value[name]
        value |= call.extra or {}
    return value
