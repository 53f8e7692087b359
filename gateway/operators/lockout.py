"""Who has guessed wrong too often waits: per account, longer each time, and whether or not the account exists.

The waits begin behind five wrong passwords in a row and double from half a minute to a quarter of an hour, which leaves
a guesser some hundred tries a day. A right password is not looked at meanwhile. Kept in memory: a restart begins anew.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

FREE_TRIES = 5
FIRST_WAIT_S = 30.0
LONGEST_WAIT_S = 900.0
FORGET_AFTER_S = 24 * 3600.0
MOST_ACCOUNTS = 10_000
"""Names that are remembered; the one tried longest ago makes room."""


class Lockout:
    """One per control process, used on its loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """Name -> wrong passwords in a row, and when the last one was."""

    def wait_s(self, name: str) -> float:
        """How long nobody may log in under this name; 0: now."""
        wrong, at = self._tries.get(name, (0, 0.0))
        past = self._clock() - at
        if wrong < FREE_TRIES or past > FORGET_AFTER_S:
            return 0.0
        wait = min(FIRST_WAIT_S * 2.0 ** min(wrong - FREE_TRIES, 30), LONGEST_WAIT_S)
        return max(0.0, wait - past)

    def wrong(self, name: str) -> None:
        """One more wrong password."""
        wrong, at = self._tries.pop(name, (0, 0.0))
        now = self._clock()
        self._tries[name] = (1 if now - at > FORGET_AFTER_S else wrong + 1, now)
        if len(self._tries) > MOST_ACCOUNTS:
            self._tries.popitem(last=False)

    def right(self, name: str) -> None:
        self._tries.pop(name, None)
