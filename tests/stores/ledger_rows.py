"""Rows for tests of the ledger."""

from __future__ import annotations

from gateway.records import Kind, Outcome, UsageSource
from gateway.stores.ledger import LedgerRow

DAY_US = 86_400_000_000


def entry(number: int, **fields: object) -> LedgerRow:
    """What request ``number`` cost: a thousand nano-dollars and its number; started ``number`` days after the epoch."""
    values: dict[str, object] = {
        **dict.fromkeys(LedgerRow._fields, 0),
        "request_id": number.to_bytes(16, "big"),
        "attempt": 1,
        "kind": int(Kind.EXCHANGE),
        "started_us": number * DAY_US,
        "virtual_key": 9,
        "provider": 7,
        "model": "mock/m",
        "target_model": "m",
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "cost_nanodollars": 1000 + number,
        "outcome": int(Outcome.OK),
        "usage_source": int(UsageSource.PROVIDER),
    }
    return LedgerRow(**{**values, **fields})  # type: ignore[arg-type]
