"""Who asks whom for what, of a record; and the same beside the reservation, before a call goes out.

A worker that is killed writes no records. So each call of a key with limits is written down in the arena before its
first byte leaves, and whoever replays the reservation charges it and writes its record
(``gateway.processes.left_behind``). A record stands in the ring before its reservation is settled: killed in between,
the call is told twice, and the ledger keeps the first.
"""

from __future__ import annotations

from _speedups._bytes import monotonic_ns, realtime_ns, unhex
from _speedups._ring import Record
from gateway.exchange import Exchange
from gateway.phases.metering import post_there
from gateway.records import CacheVerdict, Flags, Kind

KEEPALIVE = int(Flags.KEEPALIVE)
HEDGED = int(Flags.HEDGED)
ATTEMPT = int(Kind.ATTEMPT)
EXCHANGE = int(Kind.EXCHANGE)
MISS = int(CacheVerdict.MISS)


def intend(x: Exchange) -> None:
    """The request of ``x``, which has a reservation, is about to be written to its provider."""
    core = x.core
    arena = core.arena
    entry = x.route
    if arena is None or entry is None or not entry.metered:
        return
    r = core.record
    # A twin's attempt stands beside its request's, whose own record is that of the request.
    r.kind = ATTEMPT if x.flags & HEDGED and x.caller is None else EXCHANGE
    identify(x, r, monotonic_ns())
    if x.reservation >= 0:
        arena.intend(x.reservation, r, x.spent)
    else:
        arena.intend(x.there, r)


def withdraw(x: Exchange) -> None:
    """The attempt of ``x`` has ended and is recorded, and another may follow: what it took at its provider is settled,
    and until then a crash posts the money of those that have ended."""
    arena = x.core.arena
    if arena is None or x.joining is not None:
        return
    if x.reservation >= 0:
        arena.withdraw(x.reservation)
        arena.deliver(x.reservation, 0, x.spent, 0)
    if x.there >= 0:
        post_there(x)


def identify(x: Exchange, r: Record, now_ns: int) -> None:
    """Fill in what is known of an attempt when it begins. ``now_ns``: the time by CLOCK_MONOTONIC."""
    r.flags = x.flags | (KEEPALIVE if x.reused else 0)
    r.request_id = unhex(x.request_id)
    r.started_ns = realtime_ns() - (now_ns - x.started_ns)
    principal = x.principal
    if principal is None:
        r.virtual_key = r.team = r.customer = 0
    else:
        r.virtual_key = principal.id_hash
        r.team = principal.team
        r.customer = principal.customer
    r.provider = r.provider_key = 0
    r.target_model = b""
    target = x.target
    if target is not None:
        upstream = target.upstream
        r.provider = upstream.id_hash
        if x.key >= 0:
            r.provider_key = upstream.key_hashes[x.key]
        r.target_model = target.label
    resolution = x.resolution
    r.route = 0 if resolution is None else resolution.route_hash
    r.operation = x.operation
    r.dialect = x.dialect
    r.attempt = x.attempt
    r.stream = 1 if x.scan is not None else 0
    if x.cache_verdict > MISS:
        r.stream = 1 if x.stream else 0
    elif x.translation is not None:
        r.stream = 1 if x.translation.streaming else 0
    if resolution is not None:
        r.model = resolution.label
    else:
        r.model = x.model.encode("utf-8", "replace")[:96] if x.model else b""
