"""When periods of the calendar end: day, week (from Monday), month, quarter, year, in a time zone.

The arena knows CLOCK_MONOTONIC alone. Ends are computed from the wall clock once and then stay where they were put, so
a clock that is set, or set back, neither ends a period early nor repeats one; the first period that is laid down after
that follows the clock again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_NS = 1_000_000_000
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
EVEN = frozenset(("minute", "hour"))
"""Periods that are all of one length: nobody has to say when they end."""


def zone_of(name: str) -> tzinfo:
    """Raises ValueError for a time zone that this machine does not know."""
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone is called {name}") from None


def end_after(moment: datetime, period: str, zone: tzinfo) -> datetime:
    """When the period ends that runs at ``moment``; at a change to or from summer time, with the day that is longer or
    shorter for it."""
    local = moment.astimezone(zone)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    if period == "day":
        end = day + timedelta(days=1)
    elif period == "week":
        end = day + timedelta(days=7 - day.weekday())
    else:
        length = _MONTHS[period]
        month = day.month - 1 - (day.month - 1) % length + length
        end = day.replace(year=day.year + month // 12, month=month % 12 + 1, day=1)
    return end.replace(tzinfo=zone).astimezone(UTC)


def begin_of(moment: datetime, period: str, zone: tzinfo) -> datetime:
    """When the period began that runs at ``moment``."""
    day = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    if period == "week":
        day -= timedelta(days=day.weekday())
    elif period != "day":
        day = day.replace(month=day.month - (day.month - 1) % _MONTHS[period], day=1)
    return day.replace(tzinfo=zone).astimezone(UTC)


def offset_of(zone: tzinfo, ahead_ns: int, now_ns: int) -> int:
    """What CLOCK_MONOTONIC is added, so that even periods begin when they do in this time zone."""
    moment = datetime.fromtimestamp((now_ns + ahead_ns) / _NS, zone)
    return ahead_ns + round((moment.utcoffset() or timedelta()).total_seconds()) * _NS


def next_end(period: str, zone: tzinfo, ahead_ns: int) -> Callable[[int], int]:
    """For ``Arena.renew``: when the period ends that begins at a time of CLOCK_MONOTONIC, ``ahead_ns`` behind the wall
    clock. A rest that is shorter than half the usual is no period: the clock was set back over an end that is past."""

    def of(begin_ns: int) -> int:
        # What ends a moment before midnight by the grain of the arena's ends begins the day that follows.
        begin = datetime.fromtimestamp((begin_ns + ahead_ns) / _NS, UTC) + timedelta(milliseconds=2)
        end = end_after(begin, period, zone)
        shortest = end_after(end, period, zone) - end
        if end - begin < shortest / 2:
            end = end_after(end, period, zone)
        return round(end.timestamp()) * _NS - ahead_ns

    return of


def first_ends(period: str, zone: tzinfo, ahead_ns: int, now_ns: int) -> tuple[int, int]:
    """When the period ends that runs now, and the one behind it, on CLOCK_MONOTONIC."""
    end = end_after(datetime.fromtimestamp((now_ns + ahead_ns) / _NS, UTC), period, zone)
    following = end_after(end, period, zone)
    first, second = (round(each.timestamp()) * _NS - ahead_ns for each in (end, following))
    return first, second
