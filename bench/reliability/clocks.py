"""Periods of the calendar while the wall clock is set, over changes of summer time and ends of months."""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from _speedups._bucket import MONEY, Arena, LimitSet
from bench.reliability.figures import Outcome, figure
from gateway.control.periods import Periods
from gateway.snapshot.calendar import end_after, first_ends, zone_of
from gateway.snapshot.limits import KEY, PERIODS, Label

S = 10**9
WORKERS = 3
STEP_S = 600
JUMP_S = 3600
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
CALENDAR = ("day", "week", "month", "quarter")
UP_NS = 10**15
"""CLOCK_MONOTONIC when it begins."""


@figure("F13", guard="tests/snapshot/test_calendar.py")
def clock_jumps(quick: bool) -> Outcome:
    """Limits of four periods in five zones, used by three workers every ten minutes over nine months; the wall clock is
    set an hour ahead or back at random, mostly close to the ends of periods, and right again some hours later."""
    first = datetime(2026, 3, 20, tzinfo=UTC)
    last = datetime(2026, 4, 6, tzinfo=UTC) if quick else datetime(2026, 12, 20, tzinfo=UTC)
    limits = [(period, zone) for period in CALENDAR for zone in range(len(ZONES))]
    draw = random.Random(8)
    began_ns = round(first.timestamp()) * S
    now_ns, wrong_ns, jumps, until = UP_NS, 0, 0, 0
    resets: list[list[int]] = [[] for _ in limits]
    apart = 0
    with tempfile.TemporaryDirectory(prefix="microgate-bench-") as folder:
        arena = Arena.create(str(Path(folder) / "arena"), workers=WORKERS, capacity=64, reservations=64)
        places = [arena.worker(index) for index in range(WORKERS)]

        def wall_ns() -> int:
            return began_ns + now_ns - UP_NS + wrong_ns

        periods = Periods(arena, wall_ns)
        periods.zones = ZONES
        for slot, (period, zone) in enumerate(limits):
            ends = first_ends(period, zone_of(ZONES[zone]), wall_ns() - now_ns, now_ns)
            label = Label(KEY, PERIODS.index(period), zone).pack()
            arena.define(slot, slot + 1, MONEY, 1 << 60, 400 * 86_400 * S, ends=ends, label=label)
        sets = [LimitSet([slot]) for slot in range(len(limits))]
        before = [0] * len(limits)
        while wall_ns() - wrong_ns < round(last.timestamp()) * S:
            now_ns += STEP_S * S
            until -= 1
            if wrong_ns and until <= 0:
                wrong_ns = 0
            elif not wrong_ns and draw.random() < 0.05:
                wrong_ns, until, jumps = draw.choice((-JUMP_S, JUMP_S)) * S, draw.randrange(1, 30), jumps + 1
            # Control looks once a second; here sometimes late.
            if draw.random() < 0.9:
                periods.renew(
                    now_ns,
                )
            for slot, own in enumerate(sets):
                seen = {place.standing(slot, now_ns)[1] for place in places}
                apart += len(seen) != 1
                used = seen.pop()
                if used < before[slot]:
                    resets[slot].append(now_ns)
                for place in places:
                    place.settle(place.reserve(own, 1, 0, 1, now_ns), 1, 0, 1, now_ns)
                before[slot] = arena.used(slot, now_ns)
        for place in places:
            place.close()
        arena.close()
    ended = missed = unexplained = 0
    for (period, zone), seen_ns in zip(limits, resets, strict=True):
        found = [began_ns + at - UP_NS for at in seen_ns]
        # One to one, in their order: what was laid down a period ahead may be off by what the clock was. So some ends
        # just behind the last look may have come, and some just before it not yet.
        late = timedelta(seconds=JUMP_S + 3 * STEP_S)
        due, sure = (_ends(period, ZONES[zone], first, last + by) for by in (late, -late))
        ended += len(found)
        missed += max(0, len(sure) - len(found))
        missed += sum(abs(a - b) > late.total_seconds() * S for a, b in zip(due, found, strict=False))
        unexplained += max(0, len(found) - len(due))
    values: dict[str, Any] = {
        "days": (last - first).days,
        "limits, workers": f"{len(limits)}, {WORKERS}",
        "times the clock was set": jumps,
        "resets seen by all workers": ended,
        "ends without one reset in their hour": missed,
        "resets without an end": unexplained,
        "looks at which workers differed": apart,
    }
    return Outcome(values, not missed and not unexplained and not apart)


def _ends(period: str, zone: str, first: datetime, last: datetime) -> list[int]:
    found = []
    moment = first
    while (moment := end_after(moment, period, zone_of(zone))) < last:
        found.append(round(moment.timestamp()) * S)
    return found


__all__ = ["clock_jumps"]
