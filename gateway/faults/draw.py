"""Which faults a call meets: those that are set, by whom they are for, how often, and chance."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable

from gateway.faults.schema import AnyFault, CallFault, Down

Clock = Callable[[], float]


class _Standing:
    """A fault that is set."""

    def __init__(self, fault: CallFault, now: float) -> None:
        self.fault = fault
        self.set_at = now
        self.calls = 0

    def meets(self, model: str, stream: bool, reused: bool, now: float, dice: random.Random) -> bool:
        """Whether a call meets it; counts the call."""
        fault = self.fault
        age = now - self.set_at
        if age < fault.since or (fault.until and age >= fault.until):
            return False
        if (fault.models and model not in fault.models) or (fault.stream is not None and fault.stream != stream):
            return False
        if fault.connection != "any" and reused != (fault.connection == "reused"):
            return False
        self.calls += 1
        if (fault.first and self.calls > fault.first) or self.calls % fault.every:
            return False
        return fault.share >= 1 or dice.random() < fault.share


class Faults:
    """The faults of one upstream, in the order in which they were given. For one thread."""

    def __init__(self, faults: Iterable[AnyFault], dice: random.Random, clock: Clock = time.monotonic) -> None:
        self._dice = dice
        self._clock = clock
        self.set(faults)

    def set(self, faults: Iterable[AnyFault]) -> None:
        """Replace them all; counts and times begin anew."""
        now = self._clock()
        self.all = tuple(faults)
        self.set_at = now
        self._standing = [_Standing(fault, now) for fault in self.all if not isinstance(fault, Down)]

    def add(self, faults: Iterable[AnyFault]) -> None:
        """More of them; those that are set go on as they are."""
        more = tuple(faults)
        now = self._clock()
        self.all += more
        self._standing += [_Standing(fault, now) for fault in more if not isinstance(fault, Down)]

    def draw(self, model: str, stream: bool, reused: bool) -> tuple[CallFault, ...]:
        """Those that a call meets."""
        if not self._standing:
            return ()
        now = self._clock()
        return tuple(each.fault for each in self._standing if each.meets(model, stream, reused, now, self._dice))
