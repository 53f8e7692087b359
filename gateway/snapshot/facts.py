"""What is known of the models that this configuration names, taken from the files of ``providers/models``.

For the builder. Workers find it in their snapshot (``Snapshot.facts``), a few hundred bytes a model and not decoded;
they never see the files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

import providers.models
from gateway.snapshot.model import Provider, Route
from providers.models.matching import NAMED_BY_OPERATOR, Index, facts_of, files_of

HOME = Path(providers.models.__file__).parent

NOT_SHOWN = frozenset({"later", "hours", "variants"})
"""Prices of other days, hours and tiers."""


def read(vendor: str, home: Path = HOME) -> list[Index]:
    """The files that know this vendor's models; empty for a vendor without one. One that cannot be read is left out:
    the builder tells of it when it looks at the prices (``prices.py``)."""
    found = []
    for file in files_of(vendor):
        with contextlib.suppress(OSError, ValueError):
            found.append(Index(file, decode(home / f"{file}.json")))
    return found


def decode(path: Path) -> dict[str, dict[str, Any]]:
    """The models of one file."""
    models: dict[str, dict[str, Any]] = msgspec.json.decode(path.read_bytes())["models"]
    return models


Said = Mapping[str, Mapping[str, dict[str, Any]]]
"""Provider's name -> model -> what the provider's own list says about it."""


def said_before(facts: Mapping[str, bytes], listed: Mapping[str, tuple[str, ...]]) -> Said:
    """What is known of listed models from the snapshot before, whose lists are still in force. It stays as it was
    until the provider is asked again."""
    said = {}
    for name, models in listed.items():
        known = msgspec.json.decode(facts.get(name, b"{}"))
        said[name] = {model: known[model] for model in models if model in known}
    return said


def facts_of_all(
    named: Mapping[str, Provider],
    routes: Mapping[str, Route],
    listed: Mapping[str, tuple[str, ...]],
    said: Said,
) -> dict[str, bytes]:
    """Provider's name -> JSON of its models' facts, by the names that callers write behind the provider's: declared,
    alias, listed by the provider itself, or target of a route. Models of which nothing is known are not in it. What the
    provider says itself counts more than the files."""
    wanted: dict[str, dict[str, None]] = {
        name: dict.fromkeys((*spec.models, *spec.aliases, *listed.get(name, ()))) for name, spec in named.items()
    }
    for route in routes.values():
        for target in route.targets:
            if target.provider in wanted:
                wanted[target.provider].setdefault(target.model)
    files: dict[str, list[Index]] = {}
    found = {}
    for name, models in wanted.items():
        vendor = named[name].vendor
        if models and vendor not in files:
            files[vendor] = read(vendor)
        own = said.get(name, {})
        if models and (files[vendor] or own):
            facts = _facts(named[name], files[vendor], own, models)
            if facts:
                found[name] = msgspec.json.encode(facts)
    return found


def _facts(
    spec: Provider, files: list[Index], own: Mapping[str, dict[str, Any]], models: Iterable[str]
) -> dict[str, dict[str, Any]]:
    facts = {}
    for model in models:
        upstream = spec.aliases.get(model, model)
        known = facts_of(files, upstream)
        if known is None and model in spec.aliases and spec.vendor in NAMED_BY_OPERATOR:
            known = facts_of(files, model)
        known = {**(known or {}), **own.get(upstream, {})}
        if known:
            shown = {name: value for name, value in known.items() if name not in NOT_SHOWN}
            if "prices" in shown:
                shown["prices"] = {name: price for name, price in shown["prices"].items() if name != "above"}
            facts[model] = shown
    return facts
