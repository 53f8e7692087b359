"""The section ``prices`` of the configuration as rules for workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.config.prices import PriceEntry, exactness, prices_of
from gateway.snapshot.model import PriceRule


def price_rules(entries: Sequence[PriceEntry], virtual_keys: Mapping[int, str]) -> tuple[PriceRule, ...]:
    """The rules, the most exact first; ``virtual_keys``: id_hash -> name."""
    ids = {name: identity for identity, name in virtual_keys.items()}
    return tuple(
        PriceRule(
            source=f"prices[{i}]",
            provider=entry.provider or "",
            model=entry.model or "",
            virtual_keys=tuple(ids[name] for name in entry.virtual_keys),
            prices=prices_of(entry),
        )
        for i, entry in sorted(enumerate(entries), key=lambda at: exactness(at[1]), reverse=True)
    )
