"""Tools of requests."""

from __future__ import annotations

from typing import Any

from providers.dialects.bedrock import models
from providers.dialects.bedrock.messages import calls_anything
from providers.dialects.bedrock.parts import ORIGIN, mark_of, mark_out
from providers.dialects.reading import a_list, a_text, an_object, rest, text
from providers.neutral import Json, Losses, Malformed, Request, Tool, ToolChoice

_SPEC = frozenset(("name", "description", "inputSchema", "strict"))
_MODES = {"auto": "auto", "any": "required"}
_MODES_OUT = {"auto": "auto", "required": "any"}


def decode_tools(request: Request, value: Any) -> Json | None:
    """``toolConfig``; it is kept as it came where the form can't say it."""
    config = an_object(value, "toolConfig")
    for at, given in enumerate(a_list(config.get("tools", []), "toolConfig.tools")):
        item = an_object(given, f"toolConfig.tools.{at}")
        if "toolSpec" in item:
            request.tools.append(_spec(item, f"toolConfig.tools.{at}.toolSpec"))
        elif "cachePoint" in item and request.tools and (mark := mark_of(item["cachePoint"])) is not None:
            request.tools[-1].cache = mark
        else:
            request.tools.append(Tool(next(iter(item), ""), own=item))
    if "toolChoice" in config:
        _choice(request, an_object(config["toolChoice"], "toolConfig.toolChoice"))
    return None if request.tools and _own(request) == config else config


def _spec(item: Json, place: str) -> Tool:
    spec = an_object(item["toolSpec"], place)
    schema = an_object(spec.get("inputSchema"), f"{place}.inputSchema")
    parameters, strict = schema.get("json"), spec.get("strict")
    return Tool(
        a_text(spec.get("name"), f"{place}.name"),
        text(spec.get("description")),
        parameters if isinstance(parameters, dict) else None,
        strict if isinstance(strict, bool) else None,
        extra=rest(spec, _SPEC),
    )


def _choice(request: Request, given: Json) -> None:
    kind = next(iter(given), "")
    if kind in _MODES:
        request.tool_choice = ToolChoice(_MODES[kind])  # type: ignore[arg-type] # it is one of two
    elif kind == "tool":
        named = an_object(given["tool"], "toolConfig.toolChoice.tool")
        name = a_text(named.get("name"), "toolConfig.toolChoice.tool.name")
        request.tool_choice = ToolChoice("tool", [name])
    else:
        raise Malformed("'toolConfig.toolChoice' is none of auto, any and tool.", "toolConfig.toolChoice")


def _own(request: Request) -> Json:
    tools: list[Json] = []
    for tool in request.tools:
        tools.append(_spec_out(tool, True) if tool.own is None else tool.own)
        if tool.cache is not None:
            tools.append(mark_out(tool.cache))
    config: Json = {"tools": tools}
    if request.tool_choice is not None:
        config["toolChoice"] = _choice_out(request.tool_choice)
    return config


def _spec_out(tool: Tool, own: bool) -> Json:
    schema = tool.parameters
    if not own and (schema is None or schema.get("type") != "object"):
        schema = {"type": "object"} | (schema or {"properties": {}})
    spec: Json = {"name": tool.name, "inputSchema": {"json": schema}}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict is not None and (own or tool.strict):
        spec["strict"] = tool.strict
    if own and tool.extra:
        spec |= tool.extra
    return {"toolSpec": spec}


def _choice_out(choice: ToolChoice) -> Json:
    if choice.mode == "tool":
        return {"tool": {"name": choice.names[0]}}
    return {_MODES_OUT.get(choice.mode, "auto"): {}}


def encode_tools(request: Request, said: list[Json], model: str, body: Json, losses: Losses) -> bool:
    """``toolConfig`` beside the messages ``said``; whether a tool has to be called."""
    if request.origin == ORIGIN:
        if request.tools:
            body["toolConfig"] = _own(request)
        return False
    choice = request.tool_choice
    tools = _tools_out(request, model, losses)
    called = calls_anything(said)
    if choice is not None and choice.mode == "none":
        if called:
            losses.lose("tool_choice")  # tools that were called have to stand there
        else:
            tools = []
        choice = None
    if not tools:
        if choice is not None and choice.mode in ("required", "tool"):
            losses.lose("tool_choice")
        # Messages with calls and results are refused where there are no tools.
        tools = [_spec_out(Tool(name), False) for name in called]
        choice = None
    if choice is not None and choice.mode in ("required", "tool") and not models.can_be_forced(model):
        losses.lose("tool_choice")
        choice = None
    if tools:
        body["toolConfig"] = {"tools": tools}
        if choice is not None and choice.mode != "auto":  # which is what they do, and not all know the member
            body["toolConfig"]["toolChoice"] = _choice_out(choice)
        if request.parallel_tools is False:
            losses.lose("parallel_tool_calls")
    return choice is not None and choice.mode in ("required", "tool")


def _tools_out(request: Request, model: str, losses: Losses) -> list[Json]:
    choice = request.tool_choice
    allowed = choice.names if choice is not None and choice.mode in ("auto", "required") else []
    tools: list[Json] = []
    for tool in request.tools:
        if tool.own is not None:
            losses.lose(f"tools.{tool.name}")
        elif tool.custom:
            losses.lose("tools.custom")
        elif not allowed or tool.name in allowed:  # a choice among some is the same as having only those
            written = _spec_out(tool, False)
            losses.leave(tool.extra, written["toolSpec"])
            tools.append(written)
            if tool.cache is not None:
                if models.is_claude_or_unsaid(model):
                    tools.append(mark_out(tool.cache))
                else:
                    losses.lose("cache_control")
    return tools
