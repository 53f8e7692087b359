"""How many slots a worker whose loop is late can use: fewer and fewer while it is, more and more when it is not."""

from __future__ import annotations

WINDOW_NS = 250_000_000
"""Of the lateness seen in each of these the greatest counts, and the mean of late."""

NEWEST = 0.3
"""Weight of a sample in that mean."""

LATE_WINDOWS = 3
"""So many late ones in a row are no accident: a collection, a new configuration or a neighbour's burst take one."""

FURTHER_WINDOWS = 2
"""So many late ones after a cut ask for the next: what is measured follows what was done by about one."""

CUT = 0.1
MOST_CUT = 0.3
"""Share of the slots taken away at a time: growing from the one to the other while nothing helps."""

LEAST = 8
"""Part of the requests that were under way at the most lately which is left in any case: what they cost is then no
longer what makes the loop late, but refusing or something else, and fewer of them would help nobody."""

FORGET = 0.99
"""Of that most, what is left after a window: half after 17 s."""

GROWTH = 1.3
"""What a window in time gives back: ten times the slots within three seconds."""

NEAR = 0.8
CREEP = 1.04
"""From this part on of the slots at which it was late last, a window gives back only so much. At full speed the slots
would be half as many again before anything is noticed, and swing between too many and too few for ever."""


class Brake:
    """Fed with the lateness of a timer, which is what a request that arrives now would wait for its turn."""

    def __init__(self, bound_ns: int) -> None:
        self.bound_ns = bound_ns
        """A loop is late when a sample of a window is beyond this, or the mean beyond five eighths of it; 0:
        never. While the mean is beyond a quarter, slots come back slowly; beyond half none do. A worker whose turns are
        long does more: it finds several events of a stream at a time and passes them on as one."""
        self.ceiling = 1 << 30
        self.late = 0
        """Late windows in a row."""
        self.lag_ns = 0
        """Of the last window."""
        self.mean_ns = 0.0
        self._cuts = 0
        """In a row."""
        self._edge = 0
        """Slots in use when it was late last; 0: that is long ago."""
        self._worst_ns = 0
        self._busiest = 0
        self._most = 0.0
        self._ends_ns = 0

    def sample(self, lag_ns: int, under_way: int, limit: int, now_ns: int) -> bool:
        """Note a lateness, and how many requests are under way; True when a window has ended with it: ``ceiling`` is
        what can be used of ``limit`` slots until the next."""
        self._worst_ns = max(self._worst_ns, lag_ns)
        # One long stall says no more than that it was one.
        self.mean_ns += NEWEST * (min(lag_ns, self.bound_ns) - self.mean_ns)
        self._busiest = max(self._busiest, under_way)
        if now_ns < self._ends_ns:
            return False
        self._ends_ns = now_ns + WINDOW_NS
        worst_ns, self._worst_ns = self._worst_ns, 0
        busiest, self._busiest = self._busiest, 0
        self._most = max(busiest, self._most * FORGET)
        self.lag_ns = worst_ns
        late = worst_ns > self.bound_ns or self.mean_ns * 8 > 5 * self.bound_ns
        if not self.bound_ns or not late:
            self.late = self._cuts = 0
            slots = min(self.ceiling, limit)
            if self.mean_ns * 4 <= self.bound_ns or not self.bound_ns:
                self.ceiling = min(limit, self._grown(slots))
            elif self.mean_ns * 2 <= self.bound_ns:
                self.ceiling = min(limit, int(slots * CREEP) + 1)
        else:
            self.late += 1
            # While more are under way than have slots, all others are refused: the last cut has yet to show.
            if self.late >= LATE_WINDOWS and under_way <= self.ceiling:
                self._cut(min(self.ceiling, busiest))
        return True

    def _cut(self, slots: int) -> None:
        if not self._cuts:
            self._edge = slots
        self._cuts += 1
        self.late = LATE_WINDOWS - FURTHER_WINDOWS
        least = max(1, int(self._most / LEAST))
        self.ceiling = max(least, int(slots * (1.0 - min(MOST_CUT, CUT * self._cuts))))

    def _grown(self, slots: int) -> int:
        near = int(self._edge * NEAR)
        if slots < near:
            return min(near, int(slots * GROWTH) + 1)
        if slots > self._edge * GROWTH:
            # What made it late then does not any more.
            self._edge = 0
        return int(slots * (CREEP if self._edge else GROWTH)) + 1
