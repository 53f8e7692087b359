"""Weighted choice among the keys of a provider, minding health that all workers share."""

from collections.abc import Sequence
from typing import Final, final

from _speedups._bucket import ArenaWorker

MAX_KEYS: Final = 64
"""Keys of one provider that a 64-bit mask can name."""

@final
class KeySet:
    """The keys of one provider, in configuration order; immutable but for health, which lives in the arena."""

    def __init__(self, arena: ArenaWorker | None, keys: Sequence[tuple[int, int, int]]) -> None:
        """``keys``: (weight >= 0 in thousandths, arena slot of kind HEALTH or -1, reserved 0) a key. Raises ValueError
        for more than MAX_KEYS keys or a negative weight. Without an arena health is kept in the process."""

    def __len__(self) -> int: ...
    def choose(self, allowed: int, now_ns: int) -> int:
        """Index of a key drawn with probability proportional to weight among those in the bit mask ``allowed`` that are
        neither cooling nor disabled; -1 when there is none. Weight 0: only when no other is left."""

    def cool(self, index: int, until_ns: int) -> None:
        """Leave this key out until ``until_ns`` (CLOCK_MONOTONIC); never shortens a longer wait."""

    def disable(self, index: int) -> None: ...
    def enable(self, index: int) -> None: ...
    def usable(self, index: int, now_ns: int) -> bool: ...
    def next_ready_ns(self, allowed: int, now_ns: int) -> int:
        """Earliest time at which some allowed key is usable again; -1 when all are disabled."""

def seed(value: int) -> None:
    """Seed this process's generator (a forked child must do it first)."""
