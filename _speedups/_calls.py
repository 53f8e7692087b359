"""What a reservation knows of the call it was made for: written before it goes out, read when its worker has died.

A worker that is killed takes what it knew of its requests with it. Behind each reservation there is enough to charge
the call to its owners and to write the record that the worker no longer can.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from _speedups._layout import BODY_WORDS, R_CALL, R_DONE_MONEY, R_DONE_OUTPUT, R_DONE_TOKENS

if TYPE_CHECKING:
    from _speedups._ring_py import Record

_ROW: Final = struct.Struct("=Q16sQQQQQQHBBBBHq48s48s")
_WORDS: Final = struct.Struct(f"={BODY_WORDS - R_CALL}q")
assert _ROW.size == _WORDS.size


class Call(NamedTuple):
    """Ids are 64-bit hashes, as in a record."""

    request_id: bytes
    started_ns: int
    """Wall clock."""
    virtual_key: int
    team: int
    customer: int
    provider: int
    provider_key: int
    route: int
    attempt: int
    operation: int
    dialect: int
    kind: int
    stream: int
    flags: int
    model: bytes
    """As asked; like the next, at most 48 bytes."""
    target_model: bytes
    prompt_tokens: int
    """Foreseen, since no answer has said."""
    completion_tokens: int
    """Delivered."""
    cost_nanodollars: int
    """Of this attempt, up to what was delivered."""


def words_of(call: Record, before: int) -> tuple[int, ...]:
    """How a call lies behind ``R_CALL``, its tokens apart. ``before``: money of the attempts before it."""
    row = _ROW.pack(
        call.provider,
        call.request_id,
        call.started_ns,
        call.virtual_key,
        call.team,
        call.customer,
        call.provider_key,
        call.route,
        call.attempt,
        call.operation & 0xFF,
        call.dialect & 0xFF,
        call.kind & 0xFF,
        call.stream,
        call.flags & 0xFFFF,
        before,
        call.model,
        call.target_model,
    )
    return _WORDS.unpack(row)


def call_of(body: memoryview[int]) -> Call | None:
    """Of a reservation's body; None where nothing was sent to a provider."""
    if not body[R_CALL]:
        return None
    row = _ROW.unpack(_WORDS.pack(*body[R_CALL:BODY_WORDS]))
    (provider, request_id, started_ns, virtual_key, team, customer, provider_key, route) = row[:8]
    (attempt, operation, dialect, kind, stream, flags, before, model, target_model) = row[8:]
    return Call(
        request_id,
        started_ns,
        virtual_key,
        team,
        customer,
        provider,
        provider_key,
        route,
        attempt,
        operation,
        dialect,
        kind,
        stream,
        flags,
        model.rstrip(b"\0"),
        target_model.rstrip(b"\0"),
        body[R_DONE_TOKENS] - body[R_DONE_OUTPUT],
        body[R_DONE_OUTPUT],
        max(0, body[R_DONE_MONEY] - before),
    )
