"""Reading and writing requests."""

from __future__ import annotations

from typing import Any

import orjson

from providers.dialects.anthropic.requests import closed
from providers.dialects.base import Facts
from providers.dialects.bedrock import messages, sampling, thinking
from providers.dialects.bedrock.parts import ORIGIN
from providers.dialects.bedrock.tools import decode_tools, encode_tools
from providers.dialects.reading import a_text, an_object, mapping, text
from providers.neutral import Format, Json, Losses, Malformed, Request, Thinking

FIELDS = "additionalModelRequestFields"
_TIERS = frozenset(("default", "priority", "flex", "reserved"))
_METADATA_COUNT = 16
_METADATA_LENGTH = 256
_METADATA_SIGNS = frozenset(" \t:_@$#=/+,-.")


def decode(body: Json, model: str, stream: bool) -> Request:
    """Raises Malformed."""
    request = Request(ORIGIN, model, stream=stream)
    shape: Json = {}
    extra: Json = {}
    for name, value in body.items():
        take = _TAKE.get(name)
        if take is None:
            extra[name] = value
        elif (kept := take(request, value)) is not None:
            shape[name] = kept
    if FIELDS in body and (left := _fields(request, body[FIELDS])):
        extra[FIELDS] = left
    request.shape = shape or None
    request.extra = extra or None
    return request


def _fields(request: Request, value: Any) -> Json:
    """What is left of a model's own members when the form has taken what it knows."""
    fields = an_object(value, FIELDS)
    found, name = thinking.decode(fields)
    taken = {name}
    if found is not None:
        if request.thinking is not None:
            found.effort = request.thinking.effort
        request.thinking = found
    top_k = fields.get("top_k", mapping(fields.get("inferenceConfig")).get("topK"))
    if isinstance(top_k, int) and not isinstance(top_k, bool):
        request.sampling.top_k = top_k
        taken |= {"top_k"} if "top_k" in fields else {"inferenceConfig"}
    return {name: member for name, member in fields.items() if name not in taken}


def _kept(request: Request, value: Any) -> Any:
    return value


def _guardrail(request: Request, value: Any) -> None:
    request.safety = an_object(value, "guardrailConfig")


def _tier(request: Request, value: Any) -> Any:
    given = an_object(value, "serviceTier")
    request.service_tier = text(given.get("type"))
    return None if len(given) == 1 and request.service_tier else given


def _metadata(request: Request, value: Any) -> None:
    request.metadata = an_object(value, "requestMetadata")


def _output(request: Request, value: Any) -> Any:
    given = an_object(value, "outputConfig")
    effort = given.get("effort")
    if effort is not None:
        found = request.thinking = request.thinking or Thinking()
        found.effort = "xhigh" if effort == "max" else a_text(effort, "outputConfig.effort")
    if "textFormat" in given:
        place = "outputConfig.textFormat.structure.jsonSchema"
        structure = mapping(an_object(given["textFormat"], "outputConfig.textFormat").get("structure"))
        schema = an_object(structure.get("jsonSchema"), place)
        try:
            parsed = orjson.loads(a_text(schema.get("schema"), f"{place}.schema"))
        except orjson.JSONDecodeError:
            raise Malformed(f"'{place}.schema' is not valid JSON.", f"{place}.schema") from None
        request.format = Format(
            "json_schema", an_object(parsed, f"{place}.schema"), text(schema.get("name")),
            text(schema.get("description")), True,
        )  # fmt: skip
    return given


_TAKE: dict[str, Any] = {
    "system": messages.decode_system,
    "messages": messages.decode_messages,
    "inferenceConfig": sampling.decode,
    "toolConfig": decode_tools,
    "guardrailConfig": _guardrail,
    "serviceTier": _tier,
    "requestMetadata": _metadata,
    "outputConfig": _output,
    FIELDS: _kept,
}
"""Member of the body -> what reads it, and gives back what is to be written as it came."""


def encode(request: Request, facts: Facts, losses: Losses) -> Json:
    """Raises Unsupported through ``losses``."""
    system, said = messages.encode(request, facts.model, losses)
    body: Json = {"messages": said}
    if system:
        body["system"] = system
    if request.origin == ORIGIN:
        return _own(request, body)
    fields: Json = {}
    config: Json = {}
    forced = encode_tools(request, said, facts.model, body, losses)
    thinking.encode(request, facts, forced, fields, config, losses)
    sampling.encode(request, facts.model, body, fields, losses)
    _format_out(request, config, losses)
    if config:
        body["outputConfig"] = config
    if fields:
        body[FIELDS] = fields
    _about_caller(request, body, losses)
    losses.leave(request.extra, body)
    return body


def _own(request: Request, body: Json) -> Json:
    shape: Json = request.shape or {}
    encode_tools(request, [], "", body, Losses())
    sampling.encode_own(request, body)
    if request.safety is not None:
        body["guardrailConfig"] = request.safety
    if request.service_tier:
        body["serviceTier"] = {"type": request.service_tier}
    if request.metadata is not None:
        body["requestMetadata"] = request.metadata
    body |= shape
    for name, value in (request.extra or {}).items():
        body.setdefault(name, value)
    return body


def _format_out(request: Request, config: Json, losses: Losses) -> None:
    form = request.format
    if form is None or (form.kind == "text" and not form.extra):
        return
    if form.kind != "json_schema":
        losses.lose("response_format")
        return
    try:
        schema: Json = {"schema": orjson.dumps(closed(form.schema or {})).decode(), "name": form.name or "answer"}
    except (RecursionError, TypeError):
        raise Malformed("The schema of the answer nests too deep.", "response_format") from None
    if form.description:
        schema["description"] = form.description
    config["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _about_caller(request: Request, body: Json, losses: Losses) -> None:
    if request.metadata:
        if is_metadata(request.metadata):
            body["requestMetadata"] = request.metadata
        else:
            losses.lose("metadata")
    if request.user:
        losses.lose("user")
    if request.service_tier in _TIERS:
        body["serviceTier"] = {"type": request.service_tier}
    elif request.service_tier not in ("", "auto", "standard"):
        losses.lose("service_tier")
    if any(kind != "text" for kind in request.modalities):
        losses.lose("modalities")
    if request.safety is not None:
        losses.lose("safety_settings")


def is_metadata(value: Json) -> bool:
    """Whether Bedrock takes it: a few short texts of few signs (``RequestMetadata`` of the service model)."""
    return len(value) <= _METADATA_COUNT and all(
        isinstance(said, str)
        and len(said) <= _METADATA_LENGTH
        and all((one.isascii() and one.isalnum()) or one in _METADATA_SIGNS for one in name + said)
        for name, said in value.items()
    )
