"""Tools and which of them a model may call.

A tool's ``shape`` notes what of Google's tool objects it stood in: its number, how names were spelt, and the
declaration as it came where its ``parameters`` were read as JSON schema.
"""

from __future__ import annotations

from typing import Any

from providers.dialects.gemini.schemas import json_schema
from providers.dialects.gemini.spelling import camel, respell
from providers.dialects.reading import a_list, a_text, an_object, rest, text
from providers.neutral import Json, Losses, Malformed, Request, Tool, ToolChoice

_DECLARATION = frozenset(("name", "description", "parameters", "parametersJsonSchema"))
_CALLING = frozenset(("mode", "allowedFunctionNames"))
_MODES = frozenset(("AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED"))


class Group:
    """How one of Google's tool objects was written."""

    __slots__ = ("names", "place")

    def __init__(self, place: int, names: Json) -> None:
        self.place = place
        self.names = names


def decode_tools(request: Request, value: Any, shape: Json) -> None:
    """Raises Malformed."""
    if isinstance(value, dict):  # protobuf's reader takes one for a list of one
        shape["tools"] = "single"
        value = [value]
    given = a_list(value, "tools")
    if not given:
        shape["tools"] = "empty"
    for at, one in enumerate(given):
        place = f"tools.{at}"
        names: Json = {}
        group = Group(at, names)
        tool = camel(an_object(one, place), names)
        if not tool:
            request.tools.append(Tool(own={}, shape=(group, None)))
        for name, member in tool.items():
            if name == "functionDeclarations" and member:
                declarations = [member] if isinstance(member, dict) else a_list(member, f"{place}.{name}")
                for number, declaration in enumerate(declarations):
                    request.tools.append(_declaration(declaration, f"{place}.{name}.{number}", group))
            else:
                request.tools.append(Tool(name, own={name: member}, shape=(group, None)))


def _declaration(value: Any, place: str, group: Group) -> Tool:
    names: Json = {}
    given = camel(an_object(value, place), names)
    tool = Tool(a_text(given.get("name"), f"{place}.name"), text(given.get("description")))
    kept: Json | None = None
    for name in ("parameters", "parametersJsonSchema"):
        schema = given.get(name)
        if schema is not None:
            schema = an_object(schema, f"{place}.{name}")
            tool.parameters = json_schema(schema, f"{place}.{name}") if name == "parameters" else schema
    if "parameters" in given or names or given.get("description") == "":
        kept = value
    tool.shape = (group, kept)
    tool.extra = rest(given, _DECLARATION)
    return tool


def encode_tools(request: Request, own: bool, shape: Json, losses: Losses) -> list[Json] | Json | None:
    """``tools``; None when there are none."""
    out: list[Json] = []
    if not own:
        declared = [_declare(tool, losses) for tool in request.tools if tool.own is None and not tool.custom]
        for tool in request.tools:
            if tool.own is not None or tool.custom:
                losses.lose(f"tools.{tool.name}")
        return [{"functionDeclarations": declared}] if declared else None
    groups: dict[int, Json] = {}
    notes: dict[int, Json] = {}
    for tool in request.tools:
        group, kept = tool.shape or (None, None)
        place = group.place if group is not None else -1
        target = groups.setdefault(place, {})
        if group is not None:
            notes[place] = group.names
        if tool.own is not None:
            target |= tool.own
        else:
            target.setdefault("functionDeclarations", []).append(kept or _declare(tool, losses))
    out = [respell(target, notes.get(place)) for place, target in groups.items()]
    if shape.get("tools") == "single" and len(out) == 1:
        return out[0]
    return out if out or shape.get("tools") == "empty" else None


def _declare(tool: Tool, losses: Losses) -> Json:
    value: Json = {"name": tool.name}
    if tool.description:
        value["description"] = tool.description
    if tool.parameters is not None:
        value["parametersJsonSchema"] = tool.parameters
    if isinstance(tool.shape, tuple) and tool.shape and isinstance(tool.shape[0], Group):
        return value | tool.extra if tool.extra else value
    if tool.cache is not None:
        losses.lose("cache_control")
    return value


# --- toolConfig


def decode_config(request: Request, value: Any, extra: Json, shape: Json) -> None:
    """Raises Malformed."""
    names: Json = {}
    config = camel(an_object(value, "toolConfig"), names)
    for name, member in config.items():
        if name == "functionCallingConfig" and member is not None:
            request.tool_choice = _choice(member, names, extra)
        else:
            extra[f"toolConfig.{name}"] = member
    if names or not config:
        shape["toolConfig"] = names
    if request.tool_choice is not None:
        given = config["functionCallingConfig"]
        if _calling(request.tool_choice) != {key: one for key, one in given.items() if key in _CALLING}:
            shape["calling"] = given


def _choice(value: Any, names: Json, extra: Json) -> ToolChoice:
    place = "toolConfig.functionCallingConfig"
    given = camel(an_object(value, place), names)
    mode = text(given.get("mode", "AUTO")).upper()
    if mode not in _MODES:
        raise Malformed(f"'{place}.mode' is none of AUTO, ANY, NONE and VALIDATED.", f"{place}.mode")
    allowed = given.get("allowedFunctionNames") or []
    allowed = [
        a_text(name, f"{place}.allowedFunctionNames") for name in a_list(allowed, f"{place}.allowedFunctionNames")
    ]
    for name, member in given.items():
        if name not in _CALLING:
            extra[f"toolConfig.functionCallingConfig.{name}"] = member
    if mode == "ANY":
        return ToolChoice("tool" if len(allowed) == 1 else "required", allowed)
    return ToolChoice("none" if mode == "NONE" else "auto", allowed)


def _calling(choice: ToolChoice) -> Json:
    if choice.mode in ("tool", "required"):
        value: Json = {"mode": "ANY"}
    elif choice.mode == "none":
        return {"mode": "NONE"}
    else:
        # Names may be given with ANY and VALIDATED alone; the latter lets the model answer in words as AUTO does.
        value = {"mode": "VALIDATED" if choice.names else "AUTO"}
    if choice.names:
        value["allowedFunctionNames"] = choice.names
    return value


def encode_config(request: Request, own: bool, shape: Json, more: Json, tools: bool) -> Json | None:
    """``toolConfig``; ``more`` are its members that the neutral form has no place for."""
    names: Json = shape.get("toolConfig") or {}
    config: Json = {name: member for name, member in more.items() if "." not in name}
    choice = request.tool_choice
    if choice is not None and (own or tools):
        calling = shape.get("calling")
        if calling is None:
            calling = _calling(choice)
            for name, member in more.items():
                if name.startswith("functionCallingConfig."):
                    calling[name[22:]] = member
            calling = respell(calling, names)
        config["functionCallingConfig"] = calling
    if not config and "toolConfig" not in shape:
        return None
    return respell(config, names)
