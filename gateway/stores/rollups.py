"""What roll-ups are made of, where they lie and how far they reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

Cube: TypeAlias = Literal[0, 1]
WITHOUT_KEYS: Cube = 0
"""Series told apart by everything but virtual key, team and customer: few, so that a long time is read quickly."""
WITH_KEYS: Cube = 1

Grain: TypeAlias = Literal["minute", "hour", "day"]
GRAINS: dict[Grain, int] = {"minute": 60, "hour": 3600, "day": 86400}
"""Seconds of each."""


class Sheet(NamedTuple):
    """The figures of all series of one cube within a minute, an hour or a day."""

    at_s: int
    """Its beginning, Unix time."""
    cube: Cube
    data: bytes


Merge: TypeAlias = Callable[[Sequence[bytes]], bytes]
"""Sheets -> one with the sums of all."""


class Gap(NamedTuple):
    """Rows of the log that are not in the roll-ups yet: those behind ``reached``, up to ``until``."""

    number: int
    reached: str
    until: str
    rows: int
    """Taken in so far."""


class RollupLimits(msgspec.Struct, frozen=True):
    """How long they are kept."""

    minutes_s: float = 7 * 86400.0
    hours_s: float = 400 * 86400.0
    """Also of days."""


class RollupReader(Protocol):
    """One state of the store."""

    reached: str | None

    def sheets(self, grain: Grain, cube: Cube, since_s: int, until_s: int) -> list[bytes]:
        """Those of a time. Hours and days come with the minutes that are not in them yet."""


class RollupStore(Protocol):
    """Roll-ups of the request log, beside it. Any thread may call; all raise StoreUnavailable.

    How far they reach is stored in the transaction that stores them, as a ``LogStore.mark``. So what is in them is
    known whatever is killed when, and what is not is read from the log.
    """

    def begin(self, mark: str) -> None:
        """A process that knows nothing begins at ``mark``: what lies between where its predecessor came to and here is
        a gap."""

    def keep(self, sheets: Sequence[Sheet], mark: str) -> None:
        """Add minutes; from now on everything up to ``mark`` is in them but for the gaps."""

    def gaps(self) -> list[Gap]: ...
    def fill(self, gap: Gap, sheets: Sequence[Sheet], reached: str, rows: int) -> None:
        """Add minutes of rows in a gap, which has come to ``reached`` with them; it is gone once it is at its end."""

    def reading(self) -> AbstractContextManager[RollupReader]:
        """One state of it, fixed when this returns."""

    def unmerged(self, before_s: int) -> list[int]:
        """Beginnings of hours, up to one that ends at ``before_s``, of which minutes are not in their hour yet."""

    def merge(self, hour_s: int) -> None:
        """Add these minutes to their hour."""

    def unmerged_days(self, before_s: int) -> list[int]:
        """Beginnings of days, up to one that ends at ``before_s``, that are not what their hours are."""

    def merge_day(self, day_s: int) -> None:
        """Make a day of its hours."""

    def forget(self, minutes_before_s: int, hours_before_s: int) -> None: ...
    def problem(self) -> str:
        """Why it was of no use when it was last asked; empty: it was."""

    def close(self) -> None: ...
