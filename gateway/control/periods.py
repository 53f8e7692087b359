"""Lays down when periods of the calendar end, ahead of time: workers know the monotonic clock alone.

A limit has the ends of two periods. Shortly after the first has passed, the one behind the second is put in its place,
so control may be away for a whole period before anything is late. What was laid down is never moved.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from _speedups._bucket import Arena
from gateway.snapshot.calendar import next_end, zone_of
from gateway.snapshot.limits import PERIODS, label_of

LOOK_S = 1.0
AGAIN_NS = 60_000_000_000
"""All limits are looked at again after this time: a new configuration brings new ones."""


class Periods:
    """Of all limits of the calendar in one arena."""

    def __init__(self, arena: Arena, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._arena = arena
        self._wall_ns = wall_ns
        self.zones: tuple[str, ...] = ()
        """As in the snapshot in force."""
        self._due_ns = 0

    async def watch(self, building: asyncio.Lock) -> None:
        """Renew until cancelled, whenever nobody is building a configuration."""
        while True:
            await asyncio.sleep(LOOK_S)
            now_ns = time.monotonic_ns()
            if now_ns >= self._due_ns:
                async with building:
                    self._due_ns = await asyncio.to_thread(self.renew, now_ns)

    def renew(self, now_ns: int) -> int:
        """Lay down what is missing; returns when the next period ends, or a far time."""
        ahead_ns, due_ns = self._wall_ns() - now_ns, now_ns + AGAIN_NS
        for slot, packed in self._arena.calendar_slots():
            label = label_of(packed)
            if label.zone >= len(self.zones):
                # Of a configuration that is being made; it has ends for now.
                continue
            following = next_end(PERIODS[label.period], zone_of(self.zones[label.zone]), ahead_ns)
            ends_ns = self._arena.renew(slot, now_ns, following)
            if ends_ns:
                due_ns = min(due_ns, ends_ns)
        return due_ns
