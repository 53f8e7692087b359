"""The price lists that workers need: what the files of ``providers/models`` say about money.

For the builder, as ``facts.py`` is. A worker finds them in its snapshot and decodes those of a vendor when it first
resolves one of its models. A file that cannot be used, is gone, or is older than the list in force changes nothing: the
list in force stays, and the operator is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.snapshot.facts import HOME
from providers.models.matching import files_of
from providers.prices.figures import rates_of
from providers.prices.lists import money


class PriceList(msgspec.Struct):
    """One file."""

    taken: str
    """The day (ISO) as of which the prices hold."""
    models: dict[str, dict[str, Any]]


def price_lists(
    vendors: Iterable[str], before: Mapping[str, bytes], home: Path = HOME
) -> tuple[dict[str, bytes], list[str]]:
    """File -> JSON of its prices, for every file that knows models of these vendors, and what the operator is to be
    told. ``before``: the lists in force."""
    lists: dict[str, bytes] = {}
    told = []
    for file in dict.fromkeys(file for vendor in vendors for file in files_of(vendor)):
        path, kept = home / f"{file}.json", before.get(file)
        fault = ""
        try:
            found = read(path)
            old = msgspec.json.decode(kept, type=PriceList).taken if kept is not None else ""
            if found.taken < old:
                fault = f"is of {found.taken}, and the one in force of {old}"
            else:
                lists[file] = msgspec.json.encode(found)
        except FileNotFoundError:
            # Not every vendor has one.
            fault = "is gone" if kept is not None else ""
        except (OSError, ValueError) as error:
            fault = f"cannot be used: {error}"
        if fault and kept is not None:
            lists[file] = kept
        if fault:
            rest = "the one in force stays" if kept is not None else "the prices of its models are unknown"
            told.append(f"price list {path} {fault}; {rest}")
    return lists, told


def read(path: Path) -> PriceList:
    """A file's prices, each of them looked at. Raises OSError, ValueError."""
    found = msgspec.json.decode(path.read_bytes(), type=PriceList)
    found.models = money(found.models)
    for name, entry in found.models.items():
        for row in (entry, *entry.get("later", ()), *entry.get("hours", ()), *entry.get("variants", ())):
            try:
                rates_of(row.get("prices", {}))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ValueError(f"{name}: {error}") from None
    return found
