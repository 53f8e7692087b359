"""How people spell what the ledger tells apart, and what it costs: the same in commands and in the admin API."""

from __future__ import annotations

from collections.abc import Callable

from gateway.records import Outcome, UsageSource
from gateway.stores.ledger import Dimension
from providers.operations import Operation

DIMENSIONS: dict[str, Dimension] = {
    "key": "virtual_key",
    "team": "team",
    "customer": "customer",
    "provider": "provider",
    "provider-key": "provider_key",
    "route": "route",
    "model": "target_model",
    "asked-model": "model",
    "operation": "operation",
    "outcome": "outcome",
    "usage-source": "usage_source",
    "hour": "hour",
    "day": "day",
    "month": "month",
}
"""As people spell them -> as the ledger does. ``model`` is the one that was sent: that is what is charged."""

_NAMED = frozenset(("virtual_key", "team", "customer", "provider", "provider_key", "route"))
_SPELLED = {"operation": Operation, "outcome": Outcome, "usage_source": UsageSource}


def spelled(dimension: str, value: int | str, name: Callable[[str, int], str]) -> str:
    """A value in words; ``name`` tells what an id of a kind is called. Empty for no id."""
    if dimension in _NAMED:
        return name(dimension, int(value)) if value else ""
    if dimension in _SPELLED:
        try:
            return _SPELLED[dimension](int(value)).name.lower()
        except ValueError:
            return str(value)
    return str(value)


def dollars(nanodollars: int) -> str:
    """Exactly, with at least two decimals."""
    sign, amount = "-" if nanodollars < 0 else "", abs(nanodollars)
    whole, rest = divmod(amount, 1_000_000_000)
    decimals = f"{rest:09d}".rstrip("0")
    return f"{sign}{whole}.{decimals:0<2}"
