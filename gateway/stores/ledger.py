"""What the ledger holds, one row an attempt that reached a provider, and what can be asked of it.

Money is whole nano-dollars, ids are the 64-bit hashes of stable ids as signed integers (SQL has no others).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, NamedTuple, TypeAlias

import msgspec

REQUEST = 2
"""``LedgerRow.kind`` of a request's last attempt: ``records.Kind.EXCHANGE``."""
CORRECTION = 4
"""``LedgerRow.kind`` of a row that no record stands behind; others are ``records.Kind``."""


class Line(IntEnum):
    """What a row of an attempt is about; with request id and attempt its unique key."""

    CALL = 0
    """The attempt itself, made for a caller."""
    SHADOW = 1
    """A call of the gateway's own: a copy that was sent to a shadow target, or texts embedded for the semantic cache
    (``records.Flags.EMBEDDING``). No budget counts it."""
    CORRECTION = 2
    """The first correction; further ones count up."""


class LedgerRow(NamedTuple):
    """One row, in the order of its columns. A row is never changed: what turns out to be wrong is corrected by a
    further row, whose amounts are differences."""

    request_id: bytes
    attempt: int
    kind: int
    """``records.Kind``: of a request's attempts, the last one is the row of kind EXCHANGE."""
    started_us: int
    """Wall clock; the period in which the money counts as spent."""
    virtual_key: int
    provider: int
    provider_key: int
    route: int
    model: str
    """As asked."""
    target_model: str
    operation: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    audio_in_tokens: int
    audio_out_tokens: int
    cost_nanodollars: int
    outcome: int
    usage_source: int
    """``records.UsageSource``: whether the tokens were estimated."""
    flags: int
    """``records.Flags`` of the record."""
    line: int
    """``Line``."""
    team: int
    customer: int
    """Who the key belonged to when the row was written; 0: nobody."""


Dimension: TypeAlias = Literal[
    "virtual_key",
    "team",
    "customer",
    "provider",
    "provider_key",
    "route",
    "model",
    "target_model",
    "operation",
    "outcome",
    "usage_source",
    "hour",
    "day",
    "month",
]
"""What a report can be by. ``hour`` (``2026-11-22T10``), ``day`` and ``month`` are of UTC."""

TOKENS = (
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "audio_in_tokens",
    "audio_out_tokens",
)


class UsageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows, and by what their sums are told apart. None: no restriction."""

    by: tuple[Dimension, ...] = ()
    """Empty: one sum of everything."""
    since_us: int | None = None
    until_us: int | None = None
    """Of ``started_us``: from ``since_us`` on, and before ``until_us``."""
    virtual_key: int | None = None
    team: int | None = None
    customer: int | None = None
    provider: int | None = None
    model: str | None = None
    """As asked or as sent."""
    shadows: bool = True
    """Whether copies sent to shadow targets, and embeddings for the cache, count: they cost money, and nobody asked for
    them."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the rows that have ``by`` in common."""

    by: tuple[int | str, ...]
    """In the order of ``UsageQuery.by``."""
    requests: int
    """Those of callers, each counted at its last attempt."""
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    audio_in_tokens: int
    audio_out_tokens: int
    cost_nanodollars: int
    estimated: int
    """Attempts whose tokens the gateway estimated."""
    unpriced: int
    """Attempts at models without a known price."""


class Spent(NamedTuple):
    """What one virtual key has used at one provider: what limits are filled from after a reboot."""

    virtual_key: int
    team: int
    customer: int
    provider: int
    part: int
    """Which part of the time that was asked for, counted from its beginning."""
    requests: int
    """Of callers."""
    attempts: int
    prompt_tokens: int
    """Of requests: as a limit counts them, like the next, without those of attempts that others followed."""
    completion_tokens: int
    cost_nanodollars: int
    """Of all attempts."""


def spent_by(row: LedgerRow, base_ns: int, part_ns: int) -> Spent:
    """What one row alone says, in the terms of ``LedgerStore.spent``."""
    counted = row.kind in (REQUEST, CORRECTION)
    return Spent(
        row.virtual_key,
        row.team,
        row.customer,
        row.provider,
        (row.started_us * 1000 - base_ns) // part_ns,
        int(row.kind == REQUEST),
        int(row.line == Line.CALL),
        row.prompt_tokens if counted else 0,
        row.completion_tokens if counted else 0,
        row.cost_nanodollars,
    )
