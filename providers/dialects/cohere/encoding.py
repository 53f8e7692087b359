"""Writing requests."""

from __future__ import annotations

from typing import Any

from providers.dialects.base import Facts
from providers.dialects.cohere.parts import ORIGIN, PLAN, encode_call, encode_image
from providers.dialects.cohere.requests import NUMBERS, tool_out
from providers.dialects.ids import CallIds
from providers.dialects.reading import standard
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
    Text,
    ToolCall,
    ToolResult,
    budget_of,
    merged,
)

_SILENT = ("command-r", "command-a-03", "command-a-vision", "command-a-translate", "command-light", "c4ai", "aya")
"""How models begin that do not think (docs.cohere.com, "Reasoning")."""


def thinks(model: str) -> bool:
    return model != "command" and not model.startswith(_SILENT)


def encode(request: Request, facts: Facts, losses: Losses) -> Json:
    """Raises Unsupported through ``losses``."""
    own = request.origin == ORIGIN
    body: Json = {"model": facts.model}
    body["messages"] = _own(request.messages) if own else _others(request, facts, losses)
    for name, member in NUMBERS.items():
        value = getattr(request.sampling, member)
        if value is not None:
            body[name] = value
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.sampling.stop:
        body["stop_sequences"] = request.sampling.stop
    if request.sampling.logprobs is not None and (own or request.sampling.logprobs):
        body["logprobs"] = request.sampling.logprobs
    if own:
        if request.tools:
            body["tools"] = [tool_out(tool, True) for tool in request.tools]
        if request.tool_choice is not None:
            body["tool_choice"] = request.tool_choice.mode.upper()
        if request.stream:
            body["stream"] = True
        body |= request.shape or {}
        return body | request.extra if request.extra else body
    body["stream"] = request.stream
    _tools_out(request, body, losses)
    _format_out(request, body, losses)
    _thinking_out(request, facts, body, losses)
    _lose_others(request, losses)
    losses.leave(request.extra, body)
    return body


# --- of Cohere's own callers


def _own(messages: list[Message]) -> list[Json]:
    out: list[Json] = []
    for message in messages:
        shape: Json = message.shape or {}
        value: Json = {"role": message.role}
        content: list[Part] = []
        calls: list[Json] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                value["tool_call_id"] = part.call_id
                content += part.parts
            elif isinstance(part, ToolCall):
                calls.append(encode_call(part, len(calls), True))
            elif isinstance(part, Reasoning) and part.shape == PLAN:
                value["tool_plan"] = part.text
            else:
                content.append(part)
        if message.plain and len(content) == 1 and isinstance(content[0], Text):
            value["content"] = content[0].text
        elif content or message.role == "tool":
            value["content"] = [_own_part(part) for part in content]
        if calls:
            value["tool_calls"] = calls
        value |= shape
        out.append(value | message.extra if message.extra else value)
    return out


def _own_part(part: Part) -> Any:
    if isinstance(part, Text):
        if part.shape is not None:
            return part.shape
        value = {"type": "text", "text": part.text}
        return value | part.extra if part.extra else value
    if isinstance(part, Media):
        return encode_image(part)
    if isinstance(part, Reasoning):
        return {"type": "thinking", "thinking": part.text}
    return part.value if isinstance(part, Opaque) else None


# --- of others


def _others(request: Request, facts: Facts, losses: Losses) -> list[Json]:
    """Messages of another dialect. Pictures in results, which hold none here, are said by the user right behind."""
    out: list[Json] = []
    behind: list[Part] = []
    names = CallIds(lost="call_0")
    for message in merged(request.messages):
        if message.name and message.role != "tool":
            losses.lose("messages.name")
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        others: list[Part] = [part for part in message.parts if not isinstance(part, ToolResult)]
        out += [_result(result, names, behind, losses) for result in results]
        if others or (message.role != "tool" and not results):
            _flush(out, behind, facts, names, losses)
        if others or not results:
            said = _message(message, others, facts, names, losses)
            if said is not None:
                losses.leave(message.extra, said)
                out.append(said)
    _flush(out, behind, facts, names, losses)
    return out


def _flush(out: list[Json], behind: list[Part], facts: Facts, names: CallIds, losses: Losses) -> None:
    if behind:
        said = _message(Message("user"), behind, facts, names, losses)
        if said is not None:
            out.append(said)
        behind.clear()


def _result(result: ToolResult, names: CallIds, behind: list[Part], losses: Losses) -> Json:
    content: list[Json] = []
    for part in result.parts:
        if isinstance(part, Text):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Media):
            if part.text:
                content.append({"type": "text", "text": part.text})
            else:
                behind.append(part)
        elif isinstance(part, Opaque):
            losses.lose(f"messages.{part.kind or part.dialect}")
    if result.is_error:
        losses.lose("messages.is_error")
    losses.leave(result.extra, {})
    said = content[0]["text"] if len(content) == 1 else content or ""
    return {"role": "tool", "tool_call_id": result.call_id or names.found(result.name), "content": said}


def _message(message: Message, parts: list[Part], facts: Facts, names: CallIds, losses: Losses) -> Json | None:
    role = "user" if message.role == "tool" else "system" if message.role == "developer" else message.role
    content: list[Json] = []
    calls: list[Json] = []
    plan = ""
    for part in parts:
        if isinstance(part, ToolCall):
            if not part.id:
                part = ToolCall(names.made(part.name), part.name, part.arguments, part.custom)
            calls.append(encode_call(part, len(calls), False))
        elif isinstance(part, Reasoning):
            if role == "assistant" and part.text and thinks(facts.model):
                content.append({"type": "thinking", "thinking": part.text})
            elif part.text and any(isinstance(one, ToolCall) for one in parts):
                plan += part.text
            else:
                losses.lose("messages.reasoning")
        elif isinstance(part, Text):
            if part.text:
                content.append({"type": "text", "text": part.text})
            if part.cache is not None:
                losses.lose("cache_control")
            losses.leave(part.extra, content[-1] if content else {})
        elif isinstance(part, Refusal):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Media):
            if (written := _media(part, role, losses)) is not None:
                losses.leave(part.extra, written)
                content.append(written)
        elif isinstance(part, Opaque):
            losses.lose(f"messages.{part.kind or part.dialect}")
    if not content and not calls and role != "user":
        return None
    value: Json = {"role": role}
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        value["content"] = content[0]["text"]
    elif content or not calls:
        value["content"] = content or ""
    if calls:
        value["tool_calls"] = calls
    if plan:
        value["tool_plan"] = plan
    return value


def _media(media: Media, role: str, losses: Losses) -> Json | None:
    if media.text:
        return {"type": "text", "text": media.text}
    image = media.kind == "image" or media.media_type.startswith("image/")
    if image and role == "user" and (media.data or media.url):
        plain = Media("image", media.media_type, standard(media.data), media.url, detail=media.detail)
        return encode_image(plain)
    losses.lose(f"messages.{media.kind}")
    return None


def _tools_out(request: Request, body: Json, losses: Losses) -> None:
    choice = request.tool_choice
    # One tool alone, or a choice among some, is the same as having only those.
    allowed = choice.names if choice is not None else []
    tools: list[Json] = []
    strict = True
    for tool in request.tools:
        if tool.own is not None:
            losses.lose(f"tools.{tool.name}")
        elif tool.custom:
            losses.lose("tools.custom")
        elif not allowed or tool.name in allowed:
            written = tool_out(tool, False)
            losses.leave(tool.extra, written["function"])
            tools.append(written)
            strict = strict and tool.strict is True
            if tool.cache is not None:
                losses.lose("cache_control")
    if not tools:
        if choice is not None and choice.mode in ("required", "tool"):
            losses.lose("tool_choice")
        return
    body["tools"] = tools
    if strict:
        body["strict_tools"] = True
    if choice is not None and choice.mode != "auto":
        body["tool_choice"] = "NONE" if choice.mode == "none" else "REQUIRED"
    if request.parallel_tools is False:
        losses.lose("parallel_tool_calls")


def _format_out(request: Request, body: Json, losses: Losses) -> None:
    form = request.format
    if form is None or (form.kind == "text" and not form.extra):
        return
    if "tools" in body or form.kind == "text":
        losses.lose("response_format")  # refused beside tools (SDK's ``JsonObjectResponseFormatV2``)
        return
    body["response_format"] = {"type": "json_object"}
    if form.kind == "json_schema":
        body["response_format"]["json_schema"] = form.schema or {}


def _thinking_out(request: Request, facts: Facts, body: Json, losses: Losses) -> None:
    thinking = request.thinking
    if thinking is None:
        return
    budget = budget_of(thinking)
    if not thinks(facts.model):
        if budget != 0:
            losses.lose("thinking")
    elif budget == 0:
        body["thinking"] = {"type": "disabled"}
    elif budget > 0:
        body["thinking"] = {"type": "enabled", "token_budget": budget}
    elif thinking.enabled or thinking.adaptive:
        body["thinking"] = {"type": "enabled"}
    elif thinking.summary or thinking.extra:
        losses.lose("thinking")


def _lose_others(request: Request, losses: Losses) -> None:
    sampling = request.sampling
    if sampling.top_logprobs:
        losses.lose("top_logprobs")
    if sampling.logit_bias:
        losses.lose("logit_bias")
    if sampling.count is not None and sampling.count != 1:
        losses.lose("n")
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
