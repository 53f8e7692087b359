"""When periods of the calendar end: changes of summer time, ends of months, clocks that are set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from gateway.snapshot.calendar import begin_of, end_after, first_ends, next_end, offset_of, zone_of

BERLIN, HOWE, YORK = "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"
S = 10**9
MS = 10**6


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "period", "zone", "end"),
    [
        ("2026-11-26T10:20:30", "day", "UTC", "2026-11-27T00:00"),
        ("2026-11-26T10:20:30", "week", "UTC", "2026-11-30T00:00"),
        ("2026-11-29T23:59:59", "week", "UTC", "2026-11-30T00:00"),
        ("2026-11-30T00:00:00", "week", "UTC", "2026-12-07T00:00"),
        ("2026-11-26T10:20:30", "month", "UTC", "2026-12-01T00:00"),
        ("2024-02-29T10:00:00", "month", "UTC", "2024-03-01T00:00"),
        ("2024-01-31T10:00:00", "month", "UTC", "2024-02-01T00:00"),
        ("2026-12-31T23:59:59", "month", "UTC", "2027-01-01T00:00"),
        ("2026-02-14T00:00:00", "quarter", "UTC", "2026-04-01T00:00"),
        ("2026-12-01T00:00:00", "quarter", "UTC", "2027-01-01T00:00"),
        ("2026-12-01T00:00:00", "year", "UTC", "2027-01-01T00:00"),
        # An hour before midnight UTC is the next day already.
        ("2026-11-26T23:30:00", "day", BERLIN, "2026-11-27T23:00"),
        ("2026-11-30T23:30:00", "month", BERLIN, "2026-12-31T23:00"),
        # The days of 23 and of 25 hours.
        ("2026-03-28T23:00:00", "day", BERLIN, "2026-03-29T22:00"),
        ("2026-10-24T22:00:00", "day", BERLIN, "2026-10-25T23:00"),
        ("2026-10-25T00:30:00", "day", BERLIN, "2026-10-25T23:00"),
        ("2026-03-01T05:00:00", "month", YORK, "2026-04-01T04:00"),
        # Half an hour of summer time.
        ("2026-04-04T13:00:00", "day", HOWE, "2026-04-05T13:30"),
    ],
)
def test_ends(moment: str, period: str, zone: str, end: str) -> None:
    assert end_after(at(moment), period, zone_of(zone)) == at(end)


def test_a_year_of_days_has_no_gap_and_no_overlap() -> None:
    moment, ends = at("2025-12-31T23:00:00"), []
    while moment < at("2026-12-31T23:00:00"):
        moment = end_after(moment, "day", zone_of(BERLIN))
        ends.append(moment)
    assert len(ends) == 365
    assert {(b - a) for a, b in pairwise(ends)} == {
        timedelta(hours=24), timedelta(hours=23), timedelta(hours=25),
    }  # fmt: skip


def ns(text: str) -> int:
    return round(at(text).timestamp()) * S


def test_ends_on_the_monotonic_clock() -> None:
    ahead = ns("2026-11-26T00:00") - 5 * S
    now = 5 * S + 3600 * S
    assert first_ends("day", zone_of("UTC"), ahead, now) == (5 * S + 86400 * S, 5 * S + 2 * 86400 * S)
    following = next_end("day", zone_of("UTC"), ahead)
    # The arena rounds ends up by a millisecond at most.
    assert following(5 * S + 2 * 86400 * S + MS) == 5 * S + 3 * 86400 * S


@pytest.mark.parametrize("jump", [-3600, -60, 0, 60, 3600, 5 * 86400])
def test_a_clock_that_is_set_repeats_no_period(jump: int) -> None:
    """What was laid down stays; the period behind it ends at midnight of the new time, and is no mere rest."""
    ahead = ns("2026-11-26T00:00")
    _, last = first_ends("day", zone_of("UTC"), ahead, 3600 * S)
    end = next_end("day", zone_of("UTC"), ahead + jump * S)(last)
    assert 12 * 3600 * S <= end - last <= 36 * 3600 * S
    assert (end + ahead + jump * S) % (86400 * S) == 0


def test_even_periods_begin_with_the_clock() -> None:
    ahead = ns("2026-11-26T00:00") + 123
    for zone, minutes in (("UTC", 0), ("Asia/Kolkata", 330), (BERLIN, 60)):
        offset = offset_of(zone_of(zone), ahead, 10**12)
        assert offset == ahead + minutes * 60 * S


def test_an_unknown_zone() -> None:
    for name in ("Mars/Olympus", "../etc/passwd", "/etc/localtime", "x" * 300):
        with pytest.raises(ValueError, match="no time zone is called"):
            zone_of(name)


@pytest.mark.parametrize("period", ["day", "week", "month", "quarter", "year"])
@pytest.mark.parametrize("zone", ["UTC", BERLIN, HOWE, YORK, "Asia/Kolkata"])
def test_a_period_begins_when_the_one_before_it_ends(period: str, zone: str) -> None:
    moment = at("2023-12-30T13:14:15")
    for _ in range(900):
        moment += timedelta(hours=29)
        begin = begin_of(moment, period, zone_of(zone))
        assert begin <= moment < end_after(begin, period, zone_of(zone))
        assert end_after(begin - timedelta(seconds=1), period, zone_of(zone)) == begin
