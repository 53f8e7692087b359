"""In which order a full worker serves those who wait: ``python -m bench.reliability.queueing`` compares three ways.

A simulation: no sockets, no clock. Slots are held for an exponentially distributed second, arrivals are Poisson, and
nobody waits longer than a second. The table of docs/overload.md is from here.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, field

SLOTS = 100
PLACES = 1000
LONGEST_S = 1.0
TARGET_S = 0.1
LENGTH_S = 300.0


@dataclass(slots=True)
class Seen:
    """Waits of those who were served, in seconds, and how many came."""

    waits: list[float] = field(default_factory=list)
    came: int = 0

    def row(self) -> str:
        """Served a second, and the median and 99th percentile of their waits in ms."""
        waits = sorted(self.waits)
        middle, high = (waits[int(len(waits) * share)] * 1000 for share in (0.5, 0.99))
        return f"{len(waits) / LENGTH_S:.0f} | {middle:.0f} | {high:.0f}"


def simulate(rate: float, newest_first: bool, target_s: float, seed: int = 7) -> Seen:
    """Offer ``rate`` requests a second. In a queue that has not been empty for a second those who have waited beyond
    ``target_s`` are refused, and with ``newest_first`` the newest is served first."""
    draw = random.Random(seed)
    seen = Seen()
    ends: list[float] = []
    queue: deque[float] = deque()
    empty_at = now = 0.0
    comes = draw.expovariate(rate)
    while now < LENGTH_S:
        if ends and ends[0] <= comes:
            now = heapq.heappop(ends)
        else:
            now = comes
            comes = now + draw.expovariate(rate)
            seen.came += 1
            if not queue:
                empty_at = now
            if len(queue) < PLACES:
                queue.append(now)
        while queue and len(ends) < SLOTS:
            standing = now - empty_at > LONGEST_S
            since = queue.pop() if standing and newest_first else queue.popleft()
            if now - since > (target_s if standing else LONGEST_S):
                continue
            seen.waits.append(now - since)
            heapq.heappush(ends, now + draw.expovariate(1.0))
        if not queue:
            empty_at = now
    return seen


def main() -> None:
    """Print the table."""
    print("| offered / capacity | order | served a second | wait p50 ms | wait p99 ms |\n|---|---|--:|--:|--:|")
    for factor in (0.95, 1.5, 3.0):
        for name, newest_first, target_s in (
            ("of arrival", False, LONGEST_S),
            ("of arrival, late ones refused at the target", False, TARGET_S),
            ("newest first, late ones refused at the target", True, TARGET_S),
        ):
            print(f"| {factor} | {name} | {simulate(SLOTS * factor, newest_first, target_s).row()} |")


if __name__ == "__main__":
    main()
