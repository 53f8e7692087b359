"""What a worker has in its hooks, by the configuration in force. Nothing here is imported while it is off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.compat.answers import code_as_text
from gateway.compat.bodies import take_extras
from gateway.compat.heads import Heads


def switch(hooks: Mapping[str, list[Any]], products: tuple[str, ...]) -> None:
    """Put the hooks of these products into ``hooks`` (``gateway.pipeline.HOOKS``), and take those of others out."""
    litellm = "litellm" in products
    wanted: dict[str, list[Any]] = {
        "head": [Heads(products)] if products else [],
        "parsed": [take_extras] if litellm else [],
        "refused": [code_as_text] if litellm else [],
    }
    for point, ours in wanted.items():
        hooks[point][:] = [hook for hook in hooks[point] if not is_ours(hook)] + ours


def is_ours(hook: Any) -> bool:
    return isinstance(hook, Heads) or hook in (take_extras, code_as_text)
