"""Pure twin of ``_health.pyx``: whether a deployment is well, how busy and how fast it is."""

from __future__ import annotations

import random
from math import exp
from typing import Final

from _speedups._bucket import ArenaWorker
from _speedups._layout import L_BURST, L_STEP, L_TAU, L_WORD, LINE, NUMBER_BITS, NUMBER_MASK

WELL: Final = 0
OUT: Final = 1
DUE: Final = 2
NEUTRAL: Final = 0
GOOD: Final = 1
SICK: Final = 2
UNCHANGED: Final = 0
EJECTED: Final = 1
RESTORED: Final = 2

SINCE, ROW, UNTIL, SPEED = L_STEP, L_TAU, L_WORD, L_BURST
LOW: Final = 0xFFFFFFFF
BUSY_MASK: Final = 0xFFFF
COUNT_MASK: Final = 0xFFFFFF
FAILED_SHIFT: Final = 16
TOTAL_SHIFT: Final = 40
WINDOW_NS: Final = 10_000_000_000
LONGEST_PROBE_NS: Final = 10_000_000_000
SPEED_MS: Final = 10_000.0
DEMAND_S: Final = 30.0
OUTAGE_NS: Final = 15_000_000_000
"""Failures alone for so long are an outage; in shorter runs they are what a deployment refuses that takes a part."""
MULTIPLE: Final = 2.0
FEWEST: Final = 50.0
MOST_REFUSED: Final = 0.9


class Health:
    """One deployment, as one worker sees it and as all of them do. Times are CLOCK_MONOTONIC nanoseconds."""

    __slots__ = (
        "_accepted", "_at", "_cells", "_consecutive", "_epoch", "_faded_ns", "_failing_ns", "_longest_rest_ns", "_own",
        "_permille", "_q", "_requests", "_rest_ns", "_volume",
    )  # fmt: skip

    def __init__(
        self,
        arena: ArenaWorker | None,
        slot: int,
        consecutive: int = 5,
        volume: int = 50,
        permille: int = 850,
        rest_ns: int = 30_000_000_000,
        longest_rest_ns: int = 300_000_000_000,
    ) -> None:
        if consecutive < 1 or volume < 1 or not 0 < permille <= 1000 or rest_ns < 1 or longest_rest_ns < rest_ns:
            raise ValueError("rules of health that cannot be")
        self._q: memoryview[int] | list[int]
        if arena is not None and slot >= 0:
            self._q, self._at, self._cells = arena.health_line(slot)
            self._own = self._at + LINE + 2 * arena.index
            self._epoch = arena.epoch & 0x7FFF
        else:
            self._q, self._at, self._cells = [0] * (LINE + 2), 0, 1
            self._own = LINE
            self._epoch = 0
        self._consecutive = consecutive
        self._volume = volume
        self._permille = permille
        self._rest_ns = rest_ns
        self._longest_rest_ns = longest_rest_ns
        self._requests = self._accepted = 0.0
        self._faded_ns = 0
        self._failing_ns = 0

    def state(self, now_ns: int) -> int:
        until = self._q[self._at + UNTIL]
        if until == 0:
            return WELL
        if until > now_ns or self._q[self._at + SINCE] + min(self._rest_ns, LONGEST_PROBE_NS) > now_ns:
            return OUT
        return DUE

    def probe(self, now_ns: int) -> bool:
        if self.state(now_ns) != DUE:
            return False
        self._q[self._at + SINCE] = now_ns
        return True

    def proven(self) -> bool:
        return self._q[self._at + UNTIL] == 0 and self._q[self._at + ROW] & LOW == 0

    def _mine(self, now_ns: int) -> int:
        q, own = self._q, self._own
        tag = self._epoch << NUMBER_BITS | now_ns // WINDOW_NS & NUMBER_MASK
        count = q[own + 1]
        if q[own] != tag:
            count = count & BUSY_MASK if q[own] >> NUMBER_BITS == self._epoch else 0
            q[own] = tag
        return count

    def began(self, now_ns: int) -> None:
        count = self._mine(now_ns)
        self._q[self._own + 1] = count + 1 if count & BUSY_MASK != BUSY_MASK else count

    def ended(self, now_ns: int, asked_ns: int, verdict: int) -> int:
        count = self._mine(now_ns)
        if count & BUSY_MASK:
            count -= 1
        if verdict and count >> TOTAL_SHIFT != COUNT_MASK >> 1:
            count += 1 << TOTAL_SHIFT
            if verdict == SICK:
                count += 1 << FAILED_SHIFT
        self._q[self._own + 1] = count
        if verdict == NEUTRAL:
            return UNCHANGED
        self._fade(now_ns)
        self._requests += 1.0
        if verdict == GOOD:
            if self._failing_ns and now_ns - self._failing_ns >= OUTAGE_NS:
                # Demand that met a sick deployment says nothing of a well one.
                self._requests = self._accepted = 0.0
            self._failing_ns = 0
            self._accepted += 1.0
            return self._good(now_ns, asked_ns)
        if not self._failing_ns:
            self._failing_ns = now_ns
        return self._sick(now_ns, asked_ns)

    def _good(self, now_ns: int, asked_ns: int) -> int:
        q, at = self._q, self._at
        q[at + ROW] &= ~LOW
        if q[at + UNTIL] == 0 or asked_ns < q[at + SINCE]:
            return UNCHANGED
        q[at + UNTIL] = 0
        q[at + SINCE] = now_ns
        return RESTORED

    def _sick(self, now_ns: int, asked_ns: int) -> int:
        q, at = self._q, self._at
        until = q[at + UNTIL]
        if q[at + ROW] & LOW != LOW:
            q[at + ROW] += 1
        if until > now_ns or (until and asked_ns < q[at + SINCE]):
            return UNCHANGED
        if until == 0 and q[at + ROW] & LOW < self._consecutive and not self._mostly_failed(now_ns):
            return UNCHANGED
        return self._eject(now_ns, until)

    def _mostly_failed(self, now_ns: int) -> bool:
        q, number = self._q, now_ns // WINDOW_NS & NUMBER_MASK
        cells = range(self._at + LINE, self._at + LINE + 2 * self._cells, 2)
        counts = [q[cell + 1] for cell in cells if q[cell] & NUMBER_MASK == number]
        total = sum(count >> TOTAL_SHIFT for count in counts)
        failed = sum(count >> FAILED_SHIFT & COUNT_MASK for count in counts)
        return total >= self._volume and failed * 1000 >= total * self._permille

    def _eject(self, now_ns: int, until: int) -> int:
        q, at = self._q, self._at
        row = q[at + ROW]
        times = row >> 32
        if until == 0:
            # Every span of good health as long as a rest makes one ejection forgotten.
            times = max(0, times - (now_ns - q[at + SINCE]) // self._rest_ns)
        times = min(times + 1, 1 << 20)
        rest = min(self._longest_rest_ns, self._rest_ns * times)
        q[at + UNTIL] = now_ns + rest + rest // 1000 * random.randrange(200)
        q[at + SINCE] = now_ns
        q[at + ROW] = times << 32 | row & LOW
        return EJECTED

    def busy(self) -> int:
        cells = range(self._at + LINE, self._at + LINE + 2 * self._cells, 2)
        return sum(self._q[cell + 1] & BUSY_MASK for cell in cells)

    def took(self, first_byte_ns: int, now_ns: int) -> None:
        word = self._q[self._at + SPEED]
        known, us = word >> 32, min(max(first_byte_ns // 1000, 1), 0x7FFFFFFF)
        now_ms = now_ns // 1_000_000
        if us < known:
            weight = exp(-(now_ms - word & LOW) / SPEED_MS)
            us = int(known * weight + us * (1.0 - weight))
        self._q[self._at + SPEED] = us << 32 | now_ms & LOW

    def latency_ns(self, now_ns: int) -> int:
        word = self._q[self._at + SPEED]
        age = now_ns // 1_000_000 - word & LOW
        return int((word >> 32) * exp(-age / SPEED_MS) * 1000.0)

    def load(self, now_ns: int) -> int:
        return self.latency_ns(now_ns) * (self.busy() + 1)

    def _fade(self, now_ns: int) -> None:
        age = now_ns - self._faded_ns
        if age < 100_000_000:
            return
        factor = exp(-age / (DEMAND_S * 1e9))
        self._requests *= factor
        self._accepted *= factor
        self._faded_ns = now_ns

    def refusing(self, now_ns: int) -> float:
        if self._requests < FEWEST:
            return 0.0
        self._fade(now_ns)
        excess = (self._requests - MULTIPLE * self._accepted - FEWEST / 2.0) / (self._requests + 1.0)
        return max(0.0, min(excess, MOST_REFUSED))

    def throttled(self, now_ns: int) -> bool:
        excess = self.refusing(now_ns)
        if excess <= 0.0 or random.random() >= excess:
            return False
        self._requests += 1.0
        return True

    def figures(self, now_ns: int) -> tuple[int, int, int]:
        row, until = self._q[self._at + ROW], self._q[self._at + UNTIL]
        return row & LOW, row >> 32, max(0, until - now_ns)
