"""Periods of the calendar are laid down ahead of time, in the time zone of their limit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from _speedups._bucket import MONEY, WINDOW, Arena
from gateway.control.periods import AGAIN_NS, Periods
from gateway.snapshot.calendar import first_ends, zone_of
from gateway.snapshot.limits import KEY, PERIODS, Label

S = 10**9
DAY = 86_400 * S


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    made = Arena.create(str(tmp_path / "arena"), workers=1, capacity=16, reservations=16)
    yield made
    made.close()


def define(arena: Arena, slot: int, period: str, zone: int, zone_name: str, now_ns: int) -> None:
    ends = first_ends(period, zone_of(zone_name), time.time_ns() - now_ns, now_ns)
    label = Label(KEY, PERIODS.index(period), zone)
    arena.define(slot, slot + 1, MONEY, 5, 31 * DAY, ends=ends, label=label.pack())


def test_further_ends_follow_the_calendar(arena: Arena) -> None:
    zones = ("UTC", "Asia/Kolkata")
    periods, now_ns = Periods(arena), time.monotonic_ns()
    periods.zones = zones
    for slot, (period, zone) in enumerate((("day", 0), ("day", 1), ("month", 0), ("year", 1))):
        define(arena, slot, period, zone, zones[zone], now_ns)
    arena.define(9, 99, WINDOW, 5, DAY)
    assert periods.renew(now_ns) == min(now_ns + AGAIN_NS, *(now_ns + arena.standing(n, now_ns)[3] for n in range(4)))
    # Ten days later, each looked at some hours behind its end: every end is the next midnight of its zone.
    for day in range(1, 10):
        at_ns = now_ns + day * DAY
        periods.renew(at_ns)
        for slot, zone in ((0, 0), (1, 1)):
            expected, _ = first_ends("day", zone_of(zones[zone]), time.time_ns() - time.monotonic_ns(), at_ns)
            assert abs(at_ns + arena.standing(slot, at_ns)[3] - expected) < S


def test_a_zone_that_is_not_in_force_yet_is_left_alone(arena: Arena) -> None:
    now_ns = time.monotonic_ns()
    define(arena, 0, "day", 3, "UTC", now_ns)
    periods = Periods(arena)
    assert periods.renew(now_ns + 5 * DAY) == now_ns + 5 * DAY + AGAIN_NS
