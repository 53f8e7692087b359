"""What a target's tokens cost: the worker's side of the price lists, found when a model's name is resolved.

A price is had from the operator's rules, else from the bundled price list of the provider's vendor, else from what the
provider's own list of models says. Where nobody names one it is unknown, which records and answers say.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson

from _speedups._bytes import monotonic_ns
from _speedups._cost import KINDS, Rates
from gateway.model_names import matches
from gateway.snapshot.model import PriceRule, Provider, Snapshot
from providers.prices.figures import counted, rates_of
from providers.prices.schedule import holds_until, in_force

if TYPE_CHECKING:
    from providers.models.matching import Index

NS = 1_000_000_000
NEVER_NS = (1 << 63) - 1
LOOK_AGAIN_NS = 60_000_000_000
"""Prices that change by day or hour are looked at again after this time at the latest, should the clock be set."""
KEPT = 10_000
"""Prices that are remembered, as many as resolutions."""

TIER = "service_tier"
NOTHING = Rates([0] * len(KINDS))
CEILING: dict[str, Any] = {"prices": {"input": "150", "output": "600"}}
"""USD for a million tokens of a model whose price nobody knows, where the operator wants it estimated: as much as the
dearest model of the bundled lists (o1-pro)."""


class Price:
    """What a model's tokens cost now."""

    def __init__(
        self,
        entry: dict[str, Any] | None,
        source: str,
        special: dict[int, Price] | None = None,
        listens: bool = True,
    ) -> None:
        """``entry``: what is said about the model's money, as ``providers.prices.schedule`` reads it; None: nothing.
        ``listens``: whether prices of service tiers count."""
        self.entry = entry
        self.source = source
        """``prices[N]`` (the operator's rule), ``list FILE``, ``PROVIDER`` (its own list); empty: unknown."""
        self.special = special
        """Virtual key's id hash -> what it costs for this key; None: the same for all."""
        self.known = bool(source)
        self.refused = entry is None
        """Unknown, and whoever has a budget is to be refused."""
        self.rates = NOTHING
        self.names = tiers_in(entry) if listens else ()
        self.tiers: dict[str, Rates] | None = None
        """Service tier, as answers name it -> what holds instead; None: answers need not be listened to."""
        self.tiered: bool = bool(self.names) or any(each.tiered for each in (special or {}).values())
        """Whether it is so for anybody."""
        self.until_ns = NEVER_NS
        self.renew(monotonic_ns())

    def at(self, now_ns: int) -> Rates:
        """The rates that hold at ``now_ns`` (CLOCK_MONOTONIC)."""
        if now_ns >= self.until_ns:
            self.renew(now_ns)
        return self.rates

    def of_key(self, virtual_key: int) -> Price:
        """The price for the virtual key with this id hash."""
        if self.special is None:
            return self
        return self.special.get(virtual_key, self)

    def foresee(self, virtual_key: int, prompt: int, completion: int, now_ns: int) -> int:
        """Nano-dollars that so many tokens cost this virtual key (its id hash); -1 where nobody knows and keys with a
        budget are to be refused."""
        price = self.of_key(virtual_key)
        if price.refused:
            return -1
        cost = price.at(now_ns).cost(prompt, completion)
        if price.tiers is not None:
            # Which one it will be is the provider's to say: the dearest.
            cost = max(cost, *[rates.cost(prompt, completion) for rates in price.tiers.values()])
        return cost

    def of_tier(self, tier: str) -> Rates | None:
        """What holds instead for an answer that names this service tier; None: nothing does."""
        return None if self.tiers is None else self.tiers.get(tier)

    def renew(self, now_ns: int) -> None:
        """Take the prices that hold now."""
        if self.entry is None:
            return
        at_s = int(time.time())
        self.rates = rates_of(in_force(self.entry, at_s)) or NOTHING
        if self.names:
            found = {name: rates_of(in_force(self.entry, at_s, {TIER: name})) for name in self.names}
            self.tiers = {name: rates or self.rates for name, rates in found.items()}
        change_s = holds_until(self.entry, at_s)
        self.until_ns = NEVER_NS if change_s is None else now_ns + min((change_s - at_s) * NS, LOOK_AGAIN_NS)


def tiers_in(entry: dict[str, Any] | None) -> tuple[str, ...]:
    """The service tiers that have prices of their own."""
    rows = () if entry is None else entry.get("variants", ())
    return tuple(dict.fromkeys(row["when"][TIER] for row in rows if row["when"].keys() == {TIER}))


class PriceBook:
    """The prices of one version of the configuration."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.lists = snapshot.price_lists
        self.rules = snapshot.price_rules
        self.facts = snapshot.facts
        self.unknown = Price(CEILING if snapshot.settings.unknown_price == "estimate" else None, "")
        self.files: dict[str, Index] = {}
        self.found: dict[tuple[str, str], Price] = {}

    def of(self, provider: Provider, asked: str) -> Price:
        """The price of what callers call ``asked`` at ``provider``."""
        if not asked:
            return self.unknown
        found = self.found.get((provider.name, asked))
        if found is None:
            if len(self.found) >= KEPT:
                self.found.clear()
            found = self.found[provider.name, asked] = self.look_up(provider, asked)
        return found

    def look_up(self, provider: Provider, asked: str) -> Price:
        names = asked, provider.aliases.get(asked, asked)
        special: dict[int, Price] = {}
        # The most exact rules come first.
        for rule in self.rules:
            if not fits(rule, provider.name, names):
                continue
            tiers = [{"when": {TIER: name}, "prices": prices} for name, prices in rule.tiers.items()]
            entry = {"prices": rule.prices, "variants": tiers}
            if not rule.virtual_keys:
                return Price(entry, rule.source, special or None)
            for virtual_key in rule.virtual_keys:
                special.setdefault(virtual_key, Price(entry, rule.source))
        entry, source = self.listed(provider, names)
        if not source and not special:
            return self.unknown
        return Price(entry if source else self.unknown.entry, source, special or None, provider.service_tiers)

    def listed(self, provider: Provider, names: tuple[str, str]) -> tuple[dict[str, Any], str]:
        """What is said by the vendor's price lists, or else by the provider's own list of models, and which says it."""
        # Here and not above: whose models are in no list does not wait for the rules of names.
        from providers.models.matching import NAMED_BY_OPERATOR, files_of
        from providers.prices.lists import find

        asked, model = names
        files = [self.file(name) for name in files_of(provider.vendor)]
        for name in (model, asked) if provider.vendor in NAMED_BY_OPERATOR else (model,):
            entry = find(files, name)
            if entry is not None:
                return (entry, f"list {provider.vendor}") if counted(entry.get("prices", {})) else ({}, "")
        facts = orjson.loads(self.facts.get(provider.name, b"{}")).get(asked, {})
        prices = facts.get("prices", {})
        try:
            known = rates_of(prices) is not None
        except ValueError:  # what providers say of themselves may be anything
            known = False
        return ({"prices": prices}, provider.name) if known else ({}, "")

    def file(self, name: str) -> Index:
        if name not in self.files:
            from providers.models.matching import Index

            self.files[name] = Index(name, orjson.loads(self.lists[name])["models"] if name in self.lists else {})
        return self.files[name]


def fits(rule: PriceRule, provider: str, models: Iterable[str]) -> bool:
    return (not rule.provider or matches((rule.provider,), provider)) and (
        not rule.model or any(matches((rule.model,), model) for model in models)
    )
