"""What the ledger keeps of records: one row of each attempt that reached a provider, or was to.

Compiled with the types in ``ledger_rows.pxd``.
"""

from __future__ import annotations

from gateway.control import trail
from gateway.control.trail import Values
from gateway.records import Flags, Kind
from gateway.stores.ledger import LedgerRow, Line
from gateway.stores.protocols import LogRow

WIDTH = trail.WIDTH
COPY = int(Kind.SHADOW)
COPIED = int(Flags.SHADOW)
SHADOW, CALL = int(Line.SHADOW), int(Line.CALL)

# Places of a record's values.
_place = LogRow._fields.index
REQUEST_ID, ATTEMPT, KIND, STARTED_US = _place("request_id"), _place("attempt"), _place("kind"), _place("started_us")
VIRTUAL_KEY, PROVIDER, PROVIDER_KEY = _place("virtual_key"), _place("provider"), _place("provider_key")
ROUTE, MODEL, TARGET_MODEL = _place("route"), _place("model"), _place("target_model")
OPERATION, TOKENS, COST = _place("operation"), _place("prompt_tokens"), _place("cost_nanodollars")
OUTCOME, USAGE_SOURCE, FLAGS = _place("outcome"), _place("usage_source"), _place("flags")
TEAM, CUSTOMER = _place("team"), _place("customer")


def rows_of(values: Values) -> list[LedgerRow]:
    """The rows of records. A request that nobody was asked for (refused, answered by the gateway itself) has none."""
    rows: list[LedgerRow] = []
    for at in range(0, len(values), WIDTH):
        if not values[at + PROVIDER] or not values[at + ATTEMPT]:
            continue
        # A plain tuple in the order of LedgerRow: nothing but the database looks at it.
        row = (
            values[at + REQUEST_ID], values[at + ATTEMPT], values[at + KIND], values[at + STARTED_US],
            values[at + VIRTUAL_KEY], values[at + PROVIDER], values[at + PROVIDER_KEY], values[at + ROUTE],
            values[at + MODEL], values[at + TARGET_MODEL], values[at + OPERATION],
            values[at + TOKENS], values[at + TOKENS + 1], values[at + TOKENS + 2], values[at + TOKENS + 3],
            values[at + TOKENS + 4], values[at + TOKENS + 5], values[at + TOKENS + 6], values[at + COST],
            values[at + OUTCOME], values[at + USAGE_SOURCE], values[at + FLAGS],
            # An attempt for the semantic cache that another one followed is of kind ATTEMPT.
            SHADOW if values[at + KIND] == COPY or values[at + FLAGS] & COPIED else CALL,
            values[at + TEAM], values[at + CUSTOMER],
        )  # fmt: skip
        rows.append(row)  # type: ignore[arg-type]
    return rows
