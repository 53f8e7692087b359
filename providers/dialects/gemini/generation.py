"""``generationConfig``: sampling, limits, the answer's form, thinking."""

from __future__ import annotations

from typing import Any

from providers.dialects.gemini import thinking
from providers.dialects.gemini.schemas import json_schema
from providers.dialects.gemini.spelling import camel, respell
from providers.dialects.reading import a_list, a_text, an_object
from providers.neutral import Format, Json, Losses, Malformed, Request

_FLOATS = {
    "temperature": "temperature",
    "topP": "top_p",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
}
_INTS = {"topK": "top_k", "candidateCount": "count", "seed": "seed", "logprobs": "top_logprobs"}
"""Member -> of ``Sampling``."""
_FORMAT = ("responseMimeType", "responseSchema", "responseJsonSchema")
_MAX_STOPS = 5


def decode(request: Request, value: Any, shape: Json, extra: Json) -> None:
    """Raises Malformed."""
    names: Json = {}
    config = camel(an_object(value, "generationConfig"), names)
    shape["generationConfig"] = names
    sampling = request.sampling
    for name, member in config.items():
        place = f"generationConfig.{name}"
        if member is None:
            extra[place] = None
        elif name in _FLOATS:
            if isinstance(member, bool) or not isinstance(member, int | float):
                raise Malformed(f"'{place}' is no number.", place)
            setattr(sampling, _FLOATS[name], member)
        elif name in _INTS:
            setattr(sampling, _INTS[name], _whole(member, place))
        elif name == "maxOutputTokens":
            request.max_tokens = _whole(member, place)
        elif name == "stopSequences":
            sampling.stop = [a_text(stop, place) for stop in a_list(member, place)]
            if not member:
                extra[place] = []
        elif name == "responseLogprobs":
            if not isinstance(member, bool):
                raise Malformed(f"'{place}' is neither true nor false.", place)
            sampling.logprobs = member
        elif name == "thinkingConfig":
            _thinking(request, member, shape)
        elif name == "responseModalities":
            given = [a_text(one, place) for one in a_list(member, place)]
            request.modalities = [one.lower() for one in given]
            if not given or given != [one.upper() for one in given]:
                shape["modalities"] = given
        elif name not in _FORMAT:
            extra[place] = member
    if not config.keys().isdisjoint(_FORMAT):
        _format(request, config, shape, extra)


def _whole(value: Any, place: str) -> int:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if not known or not abs(value) < 1e18 or int(value) != value:
        raise Malformed(f"'{place}' is no whole number.", place)
    return int(value)


def _thinking(request: Request, value: Any, shape: Json) -> None:
    names: Json = {}
    request.thinking = thinking.decode(camel(an_object(value, "generationConfig.thinkingConfig"), names))
    shape["thinkingConfig"] = value


def _format(request: Request, config: Json, shape: Json, extra: Json) -> None:
    media_type = config.get("responseMimeType")
    if media_type is not None:
        media_type = a_text(media_type, "generationConfig.responseMimeType")
    given = {name: config[name] for name in _FORMAT if config.get(name) is not None}
    if media_type not in (None, "text/plain", "application/json"):
        # text/x.enum: one of a schema's words, bare; nobody else has it.
        extra |= {f"generationConfig.{name}": member for name, member in given.items()}
        return
    if not given:
        return
    form = Format("json_object" if media_type == "application/json" else "text")
    for name in ("responseSchema", "responseJsonSchema"):
        if name in given:
            schema = an_object(given[name], f"generationConfig.{name}")
            form.schema = json_schema(schema, f"generationConfig.{name}") if name == "responseSchema" else schema
            if media_type == "application/json":
                form.kind = "json_schema"
    request.format = form
    shape["format"] = given


def encode(request: Request, model: str, shape: Json, more: Json, losses: Losses) -> Json | None:
    """None when it says nothing; ``more`` are its members that the neutral form has no place for."""
    own = request.origin == "gemini"
    config: Json = {}
    sampling = request.sampling
    for table in (_FLOATS, _INTS):
        for name, member in table.items():
            value = getattr(sampling, member)
            if value is not None:
                config[name] = value
    if sampling.logprobs is not None:
        config["responseLogprobs"] = sampling.logprobs
    if request.max_tokens is not None:
        config["maxOutputTokens"] = request.max_tokens
    if sampling.stop:
        config["stopSequences"] = sampling.stop
        if not own and len(sampling.stop) > _MAX_STOPS:
            losses.lose("stop")
            config["stopSequences"] = sampling.stop[:_MAX_STOPS]
    if sampling.logit_bias and not own:
        losses.lose("logit_bias")
    if request.format is not None:
        config |= shape.get("format") or _format_out(request, model, losses)
    if request.modalities or "modalities" in shape:
        config["responseModalities"] = shape.get("modalities") or [one.upper() for one in request.modalities]
    if own:
        if request.thinking is not None:
            if thinking.generation(model) in (1, 2) and request.thinking.effort:
                config["thinkingConfig"] = thinking.encode(request, model, losses) or {}  # they know no levels
            else:
                config["thinkingConfig"] = shape.get("thinkingConfig", {})
        config |= more
        return respell(config, shape.get("generationConfig")) if config or "generationConfig" in shape else None
    thoughts = thinking.encode(request, model, losses)
    if thoughts is not None:
        config["thinkingConfig"] = thoughts
    return config or None


def _format_out(request: Request, model: str, losses: Losses) -> Json:
    form = request.format or Format()
    if form.kind == "text":
        if form.extra:
            losses.lose("response_format")
        return {}
    if thinking.generation(model) in (1, 2) and any(tool.own is None for tool in request.tools):
        losses.lose("response_format")  # before Gemini 3, functions and JSON exclude each other
        return {}
    value: Json = {"responseMimeType": "application/json"}
    if form.kind == "json_schema":
        schema = form.schema or {}
        if form.description and "description" not in schema:
            schema = schema | {"description": form.description}
        value["responseJsonSchema"] = schema
    return value
