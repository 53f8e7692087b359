"""The names in a provider's list of models, whichever of the usual forms it has."""

from __future__ import annotations

from typing import Any

import orjson

MOST_MODELS = 2_000
"""Of one provider; the longest real list (OpenRouter's, Hugging Face's) has several hundred."""
LONGEST_NAME = 200


def model_names(body: bytes) -> tuple[str, ...]:
    """Names in the provider's order, each once.

    The list is the answer itself, or its ``data`` or ``models``; a model is its name or has it as ``id`` or ``name``.
    Raises ValueError for anything else; single entries that name nothing usable are left out.
    """
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ValueError("not JSON") from None
    if isinstance(value, dict):
        value = value.get("data", value.get("models"))
    if not isinstance(value, list):
        raise ValueError("no list of models")
    names = dict.fromkeys(filter(_usable, map(_name, value)))
    if value and not names:
        raise ValueError("a list without names")
    return tuple(names)[:MOST_MODELS]


def _name(entry: Any) -> Any:
    return entry.get("id", entry.get("name")) if isinstance(entry, dict) else entry


def _usable(name: Any) -> bool:
    # Names are shown to callers and come back from them: no control characters, no invisible ends.
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable() and name == name.strip()
