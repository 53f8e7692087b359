"""When a worker counts as serving, silent or frozen, from the heartbeat it publishes in the arena."""

from __future__ import annotations

from typing import Protocol

STARTING = 0
SERVING = 1
DRAINING = 2

BEAT_INTERVAL_S = 0.25

SILENT_AFTER_NS = 1_000_000_000
"""Four beats missed: it gets no new connections until it beats again."""

FROZEN_AFTER_NS = 8_000_000_000
"""It is killed. Long enough for a machine that swaps, short enough to be over within 10 s together with the restart."""

START_WITHIN_NS = 60_000_000_000
"""A worker that has not served by then is killed; a start takes well under a second, but it may have to wait for the
drain of a predecessor whose supervisor was killed."""


class StatusTable(Protocol):
    """The part of ``_speedups._bucket.Arena`` that is needed here."""

    def status(self, index: int) -> tuple[int, int, int, int, int]: ...


def is_serving(arena: StatusTable, index: int, now_ns: int) -> bool:
    """Whether worker ``index`` takes requests now: it says so, and said so less than a second ago. Readiness of the
    whole gateway is this, for every worker."""
    _epoch, _pid, beat_ns, state, _in_flight = arena.status(index)
    return state == SERVING and now_ns - beat_ns < SILENT_AFTER_NS
