"""Deadlines as attributes, swept every 100 ms, instead of a timer for each.

A timer a request costs about a microsecond to arm and another to cancel; an attribute costs a store. An object stands
in one slot of the wheel at a time and is looked at again when that slot comes round: then its deadline has passed, or
it moves on to a later slot. It is never parked further ahead than ``HORIZON_TICKS``, so what has closed is held no
longer.
"""

from __future__ import annotations

TICK_NS = 100_000_000
HORIZON_TICKS = 20


class Timed:
    """Something with a deadline on the monotonic clock; 0 means none."""

    def __init__(self) -> None:
        self.deadline_ns = 0
        self.tick = 0

    def expire(self, now_ns: int) -> None:
        """The deadline has passed; it is 0 again when this is called."""
        raise NotImplementedError


class Wheel:
    """All deadlines of one worker."""

    def __init__(self, now_ns: int) -> None:
        self.slots: list[list[Timed]] = [[] for _ in range(HORIZON_TICKS + 2)]
        self.current = now_ns // TICK_NS

    def set(self, timed: Timed, deadline_ns: int) -> None:
        """Give ``timed`` this deadline in place of the one it had (0: none). Acts within a tick, never early."""
        timed.deadline_ns = deadline_ns
        if deadline_ns == 0:
            return
        tick = deadline_ns // TICK_NS + 1
        if tick <= self.current:
            tick = self.current + 1
        if timed.tick == 0 or tick < timed.tick:
            self.park(timed, tick)

    def park(self, timed: Timed, tick: int) -> None:
        last = self.current + HORIZON_TICKS
        if tick > last:
            tick = last
            if timed.tick != 0 and timed.tick <= tick:
                return
        timed.tick = tick
        self.slots[tick % (HORIZON_TICKS + 2)].append(timed)

    def sweep(self, now_ns: int) -> int:
        """Expire what is due; returns how many objects were looked at."""
        target = now_ns // TICK_NS
        if target - self.current > HORIZON_TICKS:
            # The loop stood still for longer than the wheel is round: one turn looks at every slot.
            self.current = target - HORIZON_TICKS
        seen = 0
        while self.current < target:
            self.current += 1
            index = self.current % (HORIZON_TICKS + 2)
            due = self.slots[index]
            if not due:
                continue
            self.slots[index] = []
            for timed in due:
                seen += 1
                # An object moved to an earlier slot leaves its old entry behind; only the slot it names counts.
                if timed.tick == 0 or timed.tick > self.current:
                    continue
                timed.tick = 0
                deadline = timed.deadline_ns
                if deadline == 0:
                    continue
                if deadline <= now_ns:
                    timed.deadline_ns = 0
                    timed.expire(now_ns)
                else:
                    tick = deadline // TICK_NS + 1
                    self.park(timed, tick if tick > self.current else self.current + 1)
        return seen
