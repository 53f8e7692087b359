"""Pure twin of ``_keys.pyx``: weighted choice among the keys of a provider."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from _speedups._bucket import ArenaWorker

MAX_KEYS: Final = 64
DISABLED: Final = (1 << 63) - 1

_random = random.Random()


class KeySet:
    """The keys of one provider, in configuration order; immutable but for health, which lives in the arena."""

    __slots__ = ("_arena", "_bounds", "_count", "_own", "_slots", "_weights")

    def __init__(self, arena: ArenaWorker | None, keys: Sequence[tuple[int, int, int]]) -> None:
        if len(keys) > MAX_KEYS:
            raise ValueError(f"a provider can have {MAX_KEYS} keys, got {len(keys)}")
        if any(weight < 0 for weight, _, _ in keys):
            raise ValueError("a key's weight must not be negative")
        self._arena = arena
        self._count = len(keys)
        self._weights = [weight for weight, _, _ in keys]
        self._bounds = list(accumulate(self._weights))
        self._slots = [slot if arena is not None else -1 for _, slot, _ in keys]
        # Health of keys without an arena slot.
        self._own = [0] * len(keys)

    def __len__(self) -> int:
        return self._count

    def _until(self, index: int) -> int:
        slot = self._slots[index]
        if slot < 0 or self._arena is None:
            return self._own[index]
        return self._arena.cooldown_ns(slot)

    def choose(self, allowed: int, now_ns: int) -> int:
        total = self._bounds[-1] if self._bounds else 0
        if total:
            index = bisect(self._bounds, _random.randrange(total)) if self._count > 1 else 0
            # Drawn among all and kept if it may be: what is drawn again instead falls to the others by their weight.
            if allowed >> index & 1 and self._until(index) <= now_ns:
                return index
        return self._choose_among(allowed, now_ns)

    def _choose_among(self, allowed: int, now_ns: int) -> int:
        total, found, first_idle = 0, [], -1
        for index in range(self._count):
            if not allowed >> index & 1 or self._until(index) > now_ns:
                continue
            weight = self._weights[index]
            if weight:
                total += weight
                found.append((total, index))
            elif first_idle < 0:
                first_idle = index
        if not found:
            return first_idle
        if len(found) == 1:
            return found[0][1]
        drawn = _random.randrange(total)
        for bound, index in found:
            if drawn < bound:
                return index
        raise AssertionError("a draw below the total belongs to some key")

    def cool(self, index: int, until_ns: int) -> None:
        """Leave this key out until ``until_ns`` (CLOCK_MONOTONIC); never shortens a longer wait."""
        slot = self._slots[self._checked(index)]
        if slot < 0 or self._arena is None:
            self._own[index] = max(self._own[index], until_ns)
        else:
            self._arena.extend_cooldown(slot, until_ns)

    def disable(self, index: int) -> None:
        self.cool(index, DISABLED)

    def enable(self, index: int) -> None:
        slot = self._slots[self._checked(index)]
        if slot < 0 or self._arena is None:
            self._own[index] = 0
        else:
            self._arena.set_cooldown(slot, 0)

    def usable(self, index: int, now_ns: int) -> bool:
        return self._until(self._checked(index)) <= now_ns

    def next_ready_ns(self, allowed: int, now_ns: int) -> int:
        untils = [self._until(index) for index in range(self._count) if allowed >> index & 1]
        ready = [until for until in untils if until != DISABLED]
        return max(now_ns, min(ready)) if ready else -1

    def _checked(self, index: int) -> int:
        if not 0 <= index < self._count:
            raise IndexError(f"key {index} does not exist")
        return index


def seed(value: int) -> None:
    """Seed this process's generator (a forked child must do it first)."""
    _random.seed(value)
