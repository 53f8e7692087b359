"""How many slots a worker whose loop is late can use: fewer and fewer while it is, more and more when it is not."""

from __future__ import annotations

WINDOW_NS = 250_000_000
"""Of the lateness seen in each of these the greatest counts, and the mean of late."""

NEWEST = 0.3
"""Weight of a sample in that mean."""

LATE_WINDOWS = 3
"""So many late ones in a row are no accident: a collection, a new configuration or a neighbour's burst take one."""

CUT = 0.1
MOST_CUT = 0.3
"""Share of the slots taken away in a window: growing from the one to the other while nothing helps."""

LEAST = 8
"""Part of the requests that were under way at the most lately which is left in any case: what they cost is then no
longer what makes the loop late, but refusing or something else, and fewer of them would help nobody."""

FORGET = 0.99
"""Of that most, what is left after a window: half after 17 s."""

GROWTH = 1.25
"""What a window in time gives back: ten times the slots within three seconds, and no step that makes all late anew."""


class Brake:
    """Fed with the lateness of a timer, which is what a request that arrives now would wait for its turn."""

    def __init__(self, bound_ns: int) -> None:
        self.bound_ns = bound_ns
        """A loop is late when a sample of a window is beyond this, or the mean beyond a quarter of it: who comes with a
        connection of its own waits for three turns. 0: never. While the mean is beyond an eighth, no slots are given
        back either."""
        self.ceiling = 1 << 30
        self.late = 0
        """Late windows in a row."""
        self.lag_ns = 0
        """Of the last window."""
        self.mean_ns = 0.0
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
        late = worst_ns > self.bound_ns or self.mean_ns * 4 > self.bound_ns
        if not self.bound_ns or not late:
            self.late = 0
            if self.mean_ns * 8 <= self.bound_ns or not self.bound_ns:
                self.ceiling = min(limit, int(min(self.ceiling, limit) * GROWTH) + 1)
        else:
            self.late += 1
            # While more are under way than have slots, all others are refused: the last cut has yet to show.
            if self.late >= LATE_WINDOWS and under_way <= self.ceiling:
                cut = min(MOST_CUT, CUT * (self.late - LATE_WINDOWS + 1))
                least = max(1, int(self._most / LEAST))
                self.ceiling = max(least, int(min(self.ceiling, busiest) * (1.0 - cut)))
        return True
