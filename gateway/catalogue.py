"""What ``/v1/models`` says about a model beside its name: the snapshot's facts, in the members of OpenRouter's list.

Facts are bytes in the snapshot and are decoded for as long as one page is made; pages are kept, decoded facts are not.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from gateway.serving import View

Facts = dict[str, Any]
"""``name``, ``context``, ``max_output``, ``input``, ``output``, ``can``, ``kind``, ``deprecated``, ``prices``: what is
known of a model (docs/models.md)."""

TOKENS = {
    "input": "prompt",
    "output": "completion",
    "cache_read": "input_cache_read",
    "cache_write": "input_cache_write",
    "cache_write_1h": "input_cache_write_1h",
    "input_audio": "audio",
    "output_audio": "audio_output",
    "cache_read_audio": "input_audio_cache",
    "output_reasoning": "internal_reasoning",
}
"""Price of a million tokens -> its name in ``pricing``, where it is of one token."""
THOUSANDS = {"requests_kcount": "request", "web_searches_kcount": "web_search"}
"""Price of a thousand -> its name in ``pricing``, where it is of one."""

PARAMETERS = {
    "tools": ("tools",),
    "tool_choice": ("tool_choice",),
    "parallel_tools": ("parallel_tool_calls",),
    "structured_output": ("response_format", "structured_outputs"),
    "reasoning": ("reasoning",),
    "web_search": ("web_search_options",),
}
OUTPUTS = {"embedding": "embeddings", "rerank": "rerank", "speech": "speech", "transcription": "transcription"}
"""What models of a kind make, where it is not said otherwise, in OpenRouter's words."""


_MODELS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Catalogue:
    """Facts of one view. A provider's are taken apart when they are first asked for, a model's each time: all of a
    long list at once would be megabytes."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._apart: dict[str, dict[str, msgspec.Raw]] = {}

    def of_provider(self, provider: str, model: str) -> Facts:
        """Of ``model`` as callers write it behind ``provider/``; empty when nothing is known."""
        known = self._apart.get(provider)
        if known is None:
            known = self._apart[provider] = _MODELS.decode(self.view.snapshot.facts.get(provider, b"{}"))
        found = known.get(model)
        facts: Facts = orjson.loads(memoryview(found)) if found is not None else {}
        return facts

    def of_route(self, route: str, allowed: tuple[str, ...] = ()) -> Facts:
        """Of the first target at one of the ``allowed`` providers (none named: all)."""
        for target in self.view.routes[route].targets:
            if target.provider in self.view.upstreams and (not allowed or target.provider in allowed):
                return self.of_provider(target.provider, target.model)
        return {}


def members(facts: Facts) -> dict[str, object]:
    """Facts as members of an entry of the list; what is not known is not there."""
    shown: dict[str, object] = {}
    if "name" in facts:
        shown["name"] = facts["name"]
    if "context" in facts:
        shown["context_length"] = facts["context"]
    if architecture := _architecture(facts):
        shown["architecture"] = architecture
    if pricing := _pricing(facts.get("prices", {})):
        shown["pricing"] = pricing
    if "max_output" in facts:
        provider = {"context_length": facts["context"]} if "context" in facts else {}
        shown["top_provider"] = {**provider, "max_completion_tokens": facts["max_output"]}
    if parameters := [name for ability in facts.get("can", ()) for name in PARAMETERS.get(ability, ())]:
        shown["supported_parameters"] = parameters
    if "deprecated" in facts:
        shown["deprecated"] = True
    return shown


def _architecture(facts: Facts) -> dict[str, object]:
    inputs, outputs = facts.get("input"), facts.get("output")
    if outputs is None and facts.get("kind") in OUTPUTS:
        outputs = [OUTPUTS[facts["kind"]]]
    shown: dict[str, object] = {}
    if inputs and outputs:
        shown["modality"] = f"{'+'.join(inputs)}->{'+'.join(outputs)}"
    if inputs:
        shown["input_modalities"] = inputs
    if outputs:
        shown["output_modalities"] = outputs
    return shown


def _pricing(prices: dict[str, str]) -> dict[str, str]:
    tokens = {shown: moved(prices[name], 6) for name, shown in TOKENS.items() if name in prices}
    return tokens | {shown: moved(prices[name], 3) for name, shown in THOUSANDS.items() if name in prices}


def moved(price: str, places: int) -> str:
    """The decimal ``price`` divided by ten to the power of ``places``: ``("2.5", 6)`` is ``0.0000025``."""
    whole, _, rest = price.partition(".")
    digits = whole.rjust(places + 1, "0") + rest
    point = len(digits) - len(rest) - places
    return f"{digits[:point].lstrip('0') or '0'}.{digits[point:]}".rstrip("0").rstrip(".")
