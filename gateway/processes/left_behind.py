"""What a worker that was killed leaves behind: its reservations are posted, and each call that it had under way gets
the record that it could not write any more.

A record is in the ring before its reservation is posted. Whoever is killed in between has a successor that tells of the
call again, and the ledger keeps one row of an attempt, however often it is told of.
"""

from __future__ import annotations

import time

from _speedups._bucket import Arena, Record, RingWriter
from _speedups._calls import Call
from gateway.processes.paths import Paths
from gateway.records import SCHEMA, ErrorKind, Flags, Kind, Outcome, UsageSource


def post(arena: Arena, paths: Paths, place: int, event_fd: int = -1) -> int:
    """Post what the worker in this place left; returns how many reservations there were. Raises BlockingIOError while
    somebody has the place, OSError where its ring cannot be had."""
    records = _Records(arena, paths, place, event_fd)
    try:
        return arena.replay(place, records.write)
    finally:
        records.close()


class _Records:
    """The dead worker's ring, from the first call on."""

    def __init__(self, arena: Arena, paths: Paths, place: int, event_fd: int) -> None:
        self._epoch = arena.status(place)[0]
        self._paths, self._place, self._event_fd = paths, place, event_fd
        self._ring: RingWriter | None = None

    def write(self, call: Call) -> None:
        if self._ring is None:
            ring, spill = self._paths.ring(self._place), self._paths.spill(self._place)
            self._ring = RingWriter(ring, self._place, self._epoch, spill, event_fd=self._event_fd)
        self._ring.push(record_of(call))

    def close(self) -> None:
        if self._ring is not None:
            self._ring.close()


def record_of(call: Call) -> Record:
    """As far as it is known: what was sent and what had come of the answer are estimates, and what it would have been
    in the end nobody here knows."""
    r = Record()
    r.schema = SCHEMA
    r.kind = call.kind
    r.flags = call.flags | Flags.REPLAYED
    r.request_id = call.request_id
    r.started_ns = call.started_ns
    r.virtual_key, r.team, r.customer = call.virtual_key, call.team, call.customer
    r.provider, r.provider_key, r.route = call.provider, call.provider_key, call.route
    r.operation, r.dialect, r.stream = call.operation, call.dialect, call.stream
    r.attempt = r.attempts = call.attempt
    r.outcome, r.error_kind = Outcome.INTERNAL, ErrorKind.INTERNAL
    r.usage_source = UsageSource.ESTIMATE
    r.model, r.target_model = call.model, call.target_model
    r.prompt_tokens, r.completion_tokens = call.prompt_tokens, call.completion_tokens
    r.cost_nanodollars = call.cost_nanodollars
    if call.kind == Kind.EXCHANGE:
        r.total_us = min(max(0, time.time_ns() - call.started_ns) // 1000, 0xFFFFFFFF)
    return r
