"""The section ``prices`` of the configuration as rules for workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gateway.config.prices import PriceEntry, price_id, price_name, prices_of, tiers_of
from gateway.snapshot.model import PriceRule


def price_rules(entries: Sequence[PriceEntry], virtual_keys: Mapping[int, str]) -> tuple[PriceRule, ...]:
    """The rules, the most exact first; ``virtual_keys``: id_hash -> name."""
    ids = {name: identity for identity, name in virtual_keys.items()}
    return most_exact_first(
        PriceRule(
            id=price_id(price_name(entry, i), entry.id),
            source=f"price {entry.name}" if entry.name else price_name(entry, i),
            provider=entry.provider or "",
            model=entry.model or "",
            virtual_keys=tuple(ids[name] for name in entry.virtual_keys),
            prices=prices_of(entry),
            tiers=tiers_of(entry),
        )
        for i, entry in enumerate(entries)
    )


def most_exact_first(rules: Iterable[PriceRule]) -> tuple[PriceRule, ...]:
    """Of rules that are as exact as each other, those that were given first stay first."""
    return tuple(sorted(rules, key=_exactness, reverse=True))


def _exactness(rule: PriceRule) -> tuple[bool, bool, int, bool, int]:
    """Sorts rules: those for virtual keys last, then by model, then by provider, the most exact last."""
    model, provider = rule.model or "*", rule.provider or "*"
    return (
        bool(rule.virtual_keys),
        *(not model.endswith("*"), len(model)),
        *(not provider.endswith("*"), len(provider)),
    )
