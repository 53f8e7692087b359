"""What the arena is told of a limit beside its figures: whose it is, and by which calendar its periods end.

The thirteen bits of a limit's label (``_speedups._bucket.Arena.define``): two for the level, three for the period of
the calendar, eight for its time zone, by its place in ``Snapshot.time_zones``. Workers read them when they refuse and
when a key asks for its usage; control, when it lays down further periods.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.config.units import CALENDAR

KEY, TEAM, CUSTOMER, PROVIDER = range(4)
LEVELS: Final = ("virtual_key", "team", "customer", "provider")
"""Who a limit belongs to, in the order in which they are looked at."""

PERIODS: Final = ("", *CALENDAR)
"""Names of the periods of the calendar; none: a span of time."""
MAX_TIME_ZONES: Final = 256


class Label(NamedTuple):
    """Level, index in ``PERIODS``, index in ``Snapshot.time_zones``."""

    level: int
    period: int = 0
    zone: int = 0

    def pack(self) -> int:
        return self.level << 11 | self.period << 8 | self.zone


def label_of(packed: int) -> Label:
    return Label(packed >> 11, packed >> 8 & 7, packed & 0xFF)
