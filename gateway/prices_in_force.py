"""What each model costs and who says so, as ``microgate prices show`` and ``/api/prices/effective`` tell it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from _speedups._cost import KINDS, Rates
from gateway.pricing import PriceBook
from gateway.snapshot.model import Provider, Snapshot
from gateway.snapshot.prices import PriceList
from providers.models.matching import files_of
from providers.prices.figures import PART_OF, usd


class PriceInForce(msgspec.Struct, frozen=True):
    """Of one model at one provider."""

    provider: str
    model: str
    """As callers write it behind the provider's name."""
    source: str
    """``prices[N]`` or ``price NAME`` (the operator's rule), ``list VENDOR of DAY``, the provider's name (its own
    list); ``unknown``."""
    prices: dict[str, Any]
    """Kind -> USD for a million tokens, or for one; ``above`` has those of longer prompts. Empty: unknown."""
    virtual_keys: int
    """For so many keys some rule says otherwise."""

    def shown(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)


def prices_in_force(snapshot: Snapshot, providers: Iterable[Provider], model: str = "") -> Iterator[PriceInForce]:
    """Of every model that is named somewhere, or else of the vendor's own list; or of ``model`` alone."""
    look_up = PriceLookUp(snapshot)
    for provider in providers:
        for name in [model] if model else models_of(snapshot, provider):
            yield look_up.of(provider, name)


class PriceLookUp:
    """Prices of one version of the configuration as they stand now."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._book = PriceBook(snapshot)
        self._taken = {
            file: msgspec.json.decode(text, type=PriceList).taken for file, text in snapshot.price_lists.items()
        }

    def of(self, provider: Provider, model: str) -> PriceInForce:
        price = self._book.of(provider, model)
        source = price.source
        if source.startswith("list "):
            source += f" of {max(self._taken[file] for file in files_of(provider.vendor) if file in self._taken)}"
        prices = dollars_of(price.rates) if price.known else {}
        return PriceInForce(provider.name, model, source or "unknown", prices, len(price.special or ()))


def models_of(snapshot: Snapshot, provider: Provider) -> list[str]:
    """Models that the configuration names, or else all of the vendor's own list."""
    named = [*provider.models, *provider.aliases]
    for route in snapshot.routes.values():
        named += [target.model for target in (*route.targets, *route.fallbacks) if target.provider == provider.name]
    if named:
        return list(dict.fromkeys(named))
    own = files_of(provider.vendor)[0]
    return (
        list(msgspec.json.decode(snapshot.price_lists[own], type=PriceList).models)
        if own in snapshot.price_lists
        else []
    )


def dollars_of(rates: Rates) -> dict[str, Any]:
    """Kind -> USD for a million tokens, or for one; those that cost what they are part of are left out."""
    exact = dict(zip(KINDS, rates.prices, strict=True))
    prices: dict[str, Any] = {}
    for kind, price in exact.items():
        whole = next((exact[other] for other in PART_OF.get(kind, ())), None)
        if price != whole and (price or kind in ("input", "output")):
            prices[kind] = usd(price, kind)
    if rates.over is not None:
        prices["above"] = {"tokens": rates.above, **dollars_of(rates.over)}
    return prices
