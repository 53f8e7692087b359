"""A provider's own list of models, whichever of the usual forms it has: names, and what it says about them itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import orjson

MOST_MODELS = 2_000
"""Of one provider; the longest real list (OpenRouter's, Hugging Face's) has several hundred."""
LONGEST_NAME = 200
MOST_TOKENS = 1 << 30

CONTEXT = (
    "context_length",
    "context_window",
    "max_model_len",
    "max_context_length",
    "max_input_tokens",
    "inputTokenLimit",
)
"""How OpenRouter and Together, Groq, vLLM, Mistral, Anthropic, Google write it."""
OUTPUT = ("max_completion_tokens", "max_output_tokens", "max_output_length", "outputTokenLimit")
NAME = ("display_name", "displayName", "name")
PARTS = frozenset({"text", "image", "audio", "video", "file"})
ABILITIES = {
    "tools": "tools",
    "tool_choice": "tool_choice",
    "parallel_tool_calls": "parallel_tools",
    "structured_outputs": "structured_output",
    "reasoning": "reasoning",
    "web_search_options": "web_search",
}
"""``supported_parameters`` of OpenRouter -> our words."""
PER_TOKEN = {
    "prompt": "input",
    "completion": "output",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
    "audio": "input_audio",
}
"""``pricing`` of OpenRouter, decimals of one token as text -> our words."""
PER_MILLION = ("input", "output", "cache_read", "cache_write")
"""``pricing`` of Perplexity, numbers, of a million tokens as ``unit`` says."""


@dataclass(frozen=True, slots=True)
class ModelList:
    names: tuple[str, ...]
    """In the provider's order, each once."""
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name -> what the provider says about the model, in the members of ``providers/models``."""


def model_list(body: bytes) -> ModelList:
    """The list is the answer itself, or its ``data`` or ``models``; a model is its name or has it as ``id`` or
    ``name``.

    Raises ValueError for anything else; single entries that name nothing usable, and members in no known form, are left
    out.
    """
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ValueError("not JSON") from None
    if isinstance(value, dict):
        value = value.get("data", value.get("models"))
    if not isinstance(value, list):
        raise ValueError("no list of models")
    entries: dict[str, Any] = {}
    for entry in value:
        name = entry.get("id", entry.get("name")) if isinstance(entry, dict) else entry
        if _usable(name) and len(entries) < MOST_MODELS:
            entries.setdefault(name, entry)
    if value and not entries:
        raise ValueError("a list without names")
    facts = {name: dict(_said(name, entry)) for name, entry in entries.items() if isinstance(entry, dict)}
    return ModelList(tuple(entries), {name: said for name, said in facts.items() if said})


def _usable(name: Any) -> TypeGuard[str]:
    # Names are shown to callers and come back from them: no control characters, no invisible ends.
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable() and name == name.strip()


def _said(name: str, entry: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Members of what is known, as far as this entry tells them in a form that is understood."""
    called = next((entry[key] for key in NAME if _usable(entry.get(key)) and entry[key] != name), None)
    if called is not None:
        yield "name", called
    inner = _part(entry, "top_provider")
    context = next(filter(None, (_tokens(entry.get(key)) for key in CONTEXT)), None)
    output = next(filter(None, (_tokens(part.get(key)) for part in (entry, inner) for key in OUTPUT)), None)
    if not output and "max_input_tokens" in entry:
        # Anthropic's; elsewhere the word means other things.
        output = _tokens(entry.get("max_tokens"))
    if context:
        yield "context", context
    if output:
        yield "max_output", output
    architecture = _part(entry, "architecture")
    for member, key in (("input", "input_modalities"), ("output", "output_modalities")):
        parts = architecture.get(key)
        if isinstance(parts, list) and (known := [part for part in parts if isinstance(part, str) and part in PARTS]):
            yield member, known
    parameters = entry.get("supported_parameters")
    if isinstance(parameters, list):
        yield "can", [ours for theirs, ours in ABILITIES.items() if theirs in parameters]
    prices = _prices(_part(entry, "pricing"))
    if prices:
        yield "prices", prices


def _part(entry: dict[str, Any], key: str) -> dict[str, Any]:
    value = entry.get(key)
    return value if isinstance(value, dict) else {}


def _tokens(value: Any) -> int:
    return value if type(value) is int and 0 < value <= MOST_TOKENS else 0


def _prices(pricing: dict[str, Any]) -> dict[str, str]:
    if pricing.get("unit") == "usd_per_1m_tokens":
        numbers = {key: pricing.get(key) for key in PER_MILLION}
        return {key: _plain(f"{n:.8f}") for key, n in numbers.items() if _is_price(n)}
    if "unit" in pricing:
        return {}
    texts = {ours: pricing.get(theirs) for theirs, ours in PER_TOKEN.items()}
    return {
        ours: _million(text)
        for ours, text in texts.items()
        if isinstance(text, str) and re.fullmatch(r"\d{1,3}(?:\.\d{1,18})?", text, re.ASCII)
    }


def _is_price(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6


def _million(text: str) -> str:
    """The decimal ``text`` times a million."""
    whole, _, rest = text.partition(".")
    rest = rest.ljust(6, "0")
    return _plain(f"{whole}{rest[:6]}.{rest[6:]}")


def _plain(text: str) -> str:
    whole, _, rest = text.partition(".")
    rest = rest.rstrip("0")
    return (whole.lstrip("0") or "0") + ("." + rest if rest else "")
