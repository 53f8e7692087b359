"""The section ``prices``: what the operator says that models cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway.config.names import ModelName, Name, RowId
from gateway.config.problems import Path, Problem, nearest
from gateway.config.units import Usd
from providers.prices.figures import rates_of


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every section."""


class TierEntry(Entry, frozen=True):
    """Prices of requests with more than a number of input tokens; what is not named costs as much as below."""

    tokens: Annotated[int, Meta(ge=1, le=2**53, description="More input tokens than this, cached ones included.")]
    input: Usd | None = None
    output: Usd | None = None
    cache_read: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None


class ServiceTierEntry(Entry, frozen=True):
    """Prices of answers that were made at a service tier; what is not named costs as much as without it."""

    input: Usd | None = None
    output: Usd | None = None
    cache_read: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None
    output_reasoning: Usd | None = None
    request: Usd | None = None


class PriceEntry(Entry, frozen=True, kw_only=True):
    """What models cost, in USD for a million tokens; of the rules that fit, the most exact counts, whole."""

    provider: Annotated[
        Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*\*?$|^\*$")] | None,
        Meta(description="Provider's name, exact or with a trailing *. Without it: any."),
    ] = None
    model: Annotated[
        ModelName | None,
        Meta(description="Model as callers or as the provider call it, exact or with a trailing *. Without it: any."),
    ] = None
    virtual_keys: Annotated[
        list[Name], Meta(description="Names of the keys it is for. Empty: all for whom no other rule is.")
    ] = []
    input: Annotated[Usd, Meta(description="Of input tokens. What is not named below costs what it is part of.")]
    output: Annotated[Usd, Meta(description="Of output tokens; 0 for models that have none, such as embeddings.")]
    cache_read: Annotated[Usd | None, Meta(description="Of input tokens that were read from the prompt cache.")] = None
    cache_write: Annotated[Usd | None, Meta(description="Of input tokens that were written into it.")] = None
    cache_write_1h: Annotated[Usd | None, Meta(description="Likewise, to be kept for an hour.")] = None
    cache_read_audio: Usd | None = None
    input_audio: Usd | None = None
    input_image: Usd | None = None
    output_reasoning: Usd | None = None
    output_audio: Usd | None = None
    output_image: Usd | None = None
    web_search: Annotated[Usd | None, Meta(description="Of one search of the provider's.")] = None
    request: Annotated[Usd | None, Meta(description="Of one request, beside its tokens.")] = None
    above: Annotated[list[TierEntry], Meta(description="Prices of longer requests, the shortest first.")] = []
    tiers: Annotated[
        dict[Annotated[str, Meta(pattern=r"^[!-~]{1,64}$")], ServiceTierEntry],
        Meta(description="Prices by the service tier that answers name (flex, priority)."),
    ] = {}
    name: Annotated[
        Annotated[str, Meta(pattern=r"^[!-~]{1,256}$")] | None,
        Meta(description="Of the rule, where reports name it; without one its place: prices[0]."),
    ] = None
    id: Annotated[str, Meta(description="Stable id that survives a rename.")] = ""


SINGLE = {"web_search": "web_searches_kcount", "request": "requests_kcount"}
"""What is priced one by one here and by the thousand in the lists."""
NO_FIGURES = ("provider", "model", "virtual_keys", "above", "tiers", "name", "id")


def prices_of(entry: PriceEntry) -> dict[str, Any]:
    """The rule's prices as a model of ``providers/models`` has them."""
    prices: dict[str, Any] = {
        SINGLE.get(field, field): str(value.thousandfold() if field in SINGLE else value)
        for field in entry.__struct_fields__
        if field not in NO_FIGURES and (value := getattr(entry, field)) is not None
    }
    if entry.above:
        prices["above"] = [
            {
                field: value if field == "tokens" else str(value)
                for field in tier.__struct_fields__
                if (value := getattr(tier, field)) is not None
            }
            for tier in entry.above
        ]
    return prices


def tiers_of(entry: PriceEntry) -> dict[str, dict[str, Any]]:
    """Service tier -> the prices that hold instead, as ``prices_of`` has them."""
    return {
        name: {
            SINGLE.get(field, field): str(value.thousandfold() if field in SINGLE else value)
            for field in tier.__struct_fields__
            if (value := getattr(tier, field)) is not None
        }
        for name, tier in entry.tiers.items()
    }


def price_id(name: str, given: str) -> str:
    """Of a rule of this name (or in this place)."""
    return str(given) if isinstance(given, RowId) else f"file:price/{given or name}"


def price_name(entry: PriceEntry, place: int) -> str:
    """Its own, or its place in the section."""
    return entry.name or f"prices[{place}]"


def judge(prices: Sequence[PriceEntry], providers: Mapping[str, Any], keys: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with the rules, in the light of the names of providers and virtual keys."""
    seen: Counter[tuple[str, str, str]] = Counter()
    names: set[str] = set()
    ids: set[str] = set()
    for i, entry in enumerate(prices):
        path: Path = ("prices", i)
        name = price_name(entry, i)
        if name in names:
            yield Problem((*path, "name"), f"another rule is called {name}")
        elif (stable_id := price_id(name, entry.id)) in ids:
            yield Problem(path, "has the same id as another rule")
        else:
            ids.add(stable_id)
        names.add(name)
        model, provider = entry.model or "*", entry.provider or "*"
        if "*" in model[:-1]:
            yield Problem((*path, "model"), "* can only be the last character")
        if not provider.endswith("*") and provider not in providers:
            yield Problem((*path, "provider"), f"no provider is called {provider}", nearest(provider, providers))
        for k, name in enumerate(entry.virtual_keys):
            if name not in keys:
                yield Problem((*path, "virtual_keys", k), f"no virtual key is called {name}", nearest(name, keys))
        for name in dict.fromkeys(entry.virtual_keys) or [""]:
            seen[provider, model, name] += 1
            if seen[provider, model, name] == 2:
                yield Problem(path, "another rule is for the same provider, model and virtual key")
        try:
            for figures in (prices_of(entry), *tiers_of(entry).values()):
                rates_of({"input": "0", **figures})
        except ValueError:
            # Of what an amount can be, only this is too much for what counts them.
            yield Problem(path, "one request, or one search, can cost up to 1152 USD")
        for tier_name, figures in tiers_of(entry).items():
            if not figures:
                yield Problem((*path, "tiers", tier_name), "names no price")
        tokens = [tier.tokens for tier in entry.above]
        if tokens != sorted(set(tokens)):
            yield Problem((*path, "above"), "tokens must grow from one to the next")
        for k, tier in enumerate(entry.above):
            if all(getattr(tier, field) is None for field in tier.__struct_fields__ if field != "tokens"):
                yield Problem((*path, "above", k), "names no price")
