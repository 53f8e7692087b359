"""Who has guessed wrong too often waits, longer each time, and whether or not the account exists.

Three counts, each with its waits behind a number of free tries:

    a name from one address     5 free; a guesser is left with some hundred tries a day
    an address, over all names  20 free; who tries one password at many names is nobody's neighbour for long
    a name, over all addresses  25 free, and of each address only its first 5 count, so that one address alone keeps
                                nobody else out

The last two do not hold for who has lately been right under that name from that address: others cannot keep them out,
wherever they guess from. A right password is not looked at during a wait. Kept in memory: a restart begins anew.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

FREE_TRIES = 5
FREE_OF_ADDRESS = 20
FREE_OF_NAME = 5 * FREE_TRIES
FIRST_WAIT_S = 30.0
LONGEST_WAIT_S = 900.0
FORGET_AFTER_S = 24 * 3600.0
FAMILIAR_FOR_S = 30 * 24 * 3600.0
MOST_ACCOUNTS = 10_000
"""Names, addresses and pairs that are remembered, of each so many; the one tried longest ago makes room."""


class _Tries(NamedTuple):
    wrong: int
    """In a row."""
    at: float
    """When the last one was."""


class _Counts:
    """Wrong tries by a key."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._of: OrderedDict[tuple[str, ...], _Tries] = OrderedDict()

    def __len__(self) -> int:
        return len(self._of)

    def wrong(self, key: tuple[str, ...], now: float) -> int:
        """One more; returns how many there are now."""
        tries = self._of.pop(key, None)
        count = 1 if tries is None or now - tries.at > FORGET_AFTER_S else tries.wrong + 1
        self._of[key] = _Tries(count, now)
        if len(self._of) > MOST_ACCOUNTS:
            self._of.popitem(last=False)
        return count

    def wait_s(self, key: tuple[str, ...], now: float) -> float:
        tries = self._of.get(key)
        if tries is None or tries.wrong < self._free or now - tries.at > FORGET_AFTER_S:
            return 0.0
        wait = min(FIRST_WAIT_S * 2.0 ** min(tries.wrong - self._free, 30), LONGEST_WAIT_S)
        return max(0.0, wait - (now - tries.at))

    def forget(self, key: tuple[str, ...]) -> None:
        self._of.pop(key, None)

    def take_back(self, key: tuple[str, ...]) -> None:
        """The last one was none."""
        tries = self._of.get(key)
        if tries is not None:
            self._of[key] = tries._replace(wrong=max(0, tries.wrong - 1))


class Lockout:
    """One per control process, used on its loop. ``source`` is the address somebody tries from, as text; empty where
    it is not known, which is an address like any other then, but for the count over all names."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._here = _Counts(FREE_TRIES)
        self._addresses = _Counts(FREE_OF_ADDRESS)
        self._names = _Counts(FREE_OF_NAME)
        self._familiar: OrderedDict[tuple[str, str], float] = OrderedDict()
        """Name and address -> when a right password came last."""

    def wait_s(self, name: str, source: str) -> float:
        """How long nobody may log in under this name from there; 0: now."""
        now, source = self._clock(), network_of(source)
        wait = self._here.wait_s((name, source), now)
        if self._is_familiar(name, source, now):
            return wait
        of_address = self._addresses.wait_s((source,), now) if source else 0.0
        return max(wait, of_address, self._names.wait_s((name,), now))

    def wrong(self, name: str, source: str) -> None:
        """One more wrong password."""
        now, source = self._clock(), network_of(source)
        if source:
            self._addresses.wrong((source,), now)
        if self._here.wrong((name, source), now) <= FREE_TRIES:
            self._names.wrong((name,), now)

    def right(self, name: str, source: str) -> None:
        """The last one that was counted as wrong was right."""
        now, source = self._clock(), network_of(source)
        self._here.forget((name, source))
        self._names.forget((name,))
        # Of the other names tried from there nothing is forgiven: one who has an account may guess at others.
        self._addresses.take_back((source,))
        self._familiar.pop((name, source), None)
        self._familiar[name, source] = now
        if len(self._familiar) > MOST_ACCOUNTS:
            self._familiar.popitem(last=False)

    def _is_familiar(self, name: str, source: str, now: float) -> bool:
        at = self._familiar.get((name, source))
        return at is not None and now - at <= FAMILIAR_FOR_S


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits that one household is given (RFC 6177)."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
