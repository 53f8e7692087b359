"""``inferenceConfig``, and what of sampling stands among a model's own members."""

from __future__ import annotations

from typing import Any

from providers.dialects.anthropic import models as claude
from providers.dialects.bedrock import models
from providers.dialects.reading import a_list, a_number, a_text, an_object, rest
from providers.neutral import Json, Losses, Malformed, Request

_CONFIG = frozenset(("maxTokens", "temperature", "topP", "stopSequences"))
_UNKNOWN: dict[str, Any] = {
    "frequency_penalty": 0, "presence_penalty": 0, "seed": None, "logprobs": False, "top_logprobs": 0,
    "logit_bias": None,
}  # fmt: skip
"""What Bedrock has no member for -> the value that says nothing."""


def decode(request: Request, value: Any) -> Json | None:
    """It is kept as it came where the form can't say it."""
    config = an_object(value, "inferenceConfig")
    sampling = request.sampling
    limit = a_number(config.get("maxTokens"), "inferenceConfig.maxTokens")
    if isinstance(limit, float):
        raise Malformed("'inferenceConfig.maxTokens' is no whole number.", "inferenceConfig.maxTokens")
    request.max_tokens = limit
    sampling.temperature = a_number(config.get("temperature"), "inferenceConfig.temperature")
    sampling.top_p = a_number(config.get("topP"), "inferenceConfig.topP")
    stops = config.get("stopSequences")
    if stops is not None:
        place = "inferenceConfig.stopSequences"
        sampling.stop = [a_text(stop, place) for stop in a_list(stops, place)]
    plain = config and rest(config, _CONFIG) is None and None not in config.values() and stops != []
    return None if plain else config


def encode_own(request: Request, body: Json) -> None:
    config: Json = {}
    sampling = request.sampling
    for name, value in (
        ("maxTokens", request.max_tokens),
        ("temperature", sampling.temperature),
        ("topP", sampling.top_p),
        ("stopSequences", sampling.stop or None),
    ):
        if value is not None:
            config[name] = value
    if config:
        body["inferenceConfig"] = config


def encode(request: Request, model: str, body: Json, fields: Json, losses: Losses) -> None:
    """For another dialect's caller."""
    sampling = request.sampling
    config: Json = {}
    if request.max_tokens is not None:
        config["maxTokens"] = request.max_tokens
    generation = claude.version(model)
    thinks = fields.get("thinking", {}).get("type") in ("enabled", "adaptive")
    for name, member, value in (
        ("temperature", "temperature", sampling.temperature),
        ("topP", "top_p", sampling.top_p),
    ):
        if value is None:
            continue
        second = name == "topP" and "temperature" in config and generation >= claude.ONE_OF_TWO
        # While Claude thinks, all but these are refused.
        refused = thinks and not (value == 1 if name == "temperature" else value >= 0.95)
        if second or refused or generation >= claude.NO_SAMPLING:
            losses.lose(member)
        elif name == "temperature" and value > 1:
            losses.lose(member)
            config[name] = 1.0
        else:
            config[name] = value
    if sampling.stop:
        stops = [stop for stop in sampling.stop if stop and not stop.isspace()]
        if len(stops) != len(sampling.stop):
            losses.lose("stop")
        if stops:
            config["stopSequences"] = stops
    if sampling.top_k is not None:
        if models.is_nova(model):
            fields["inferenceConfig"] = {"topK": sampling.top_k}
        elif models.is_claude(model) and not thinks and generation < claude.NO_SAMPLING:
            fields["top_k"] = sampling.top_k
        else:
            losses.lose("top_k")
    if config:
        body["inferenceConfig"] = config
    for name, silent in _UNKNOWN.items():
        value = getattr(sampling, name)
        if value is not None and value != silent and value != {}:
            losses.lose(name)
    if sampling.count is not None and sampling.count != 1:
        losses.lose("n")
