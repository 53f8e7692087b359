"""Price lists: what the files of ``providers/models`` say about money, and whose price a model's name means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from providers.models.matching import PRICED, Index, facts_of

OF_LISTS = PRICED | {"names"}


def money(models: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A file's models without what is not about money. One without a price stays: its name must not lead to another."""
    return {
        identity: {name: value for name, value in entry.items() if name in OF_LISTS}
        for identity, entry in models.items()
    }


def find(files: Iterable[Index], model: str) -> dict[str, Any] | None:
    """The members of ``model``'s entry that are about money, from the first file that has its price; None when none
    has."""
    entry = facts_of(files, model)
    if entry is None or not PRICED & entry.keys():
        return None
    return {name: value for name, value in entry.items() if name in PRICED}
