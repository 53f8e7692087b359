"""What every store of roll-ups does, whoever keeps the bytes. Sheets are opaque to it: here they are words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from gateway.stores.protocols import StoreUnavailable
from gateway.stores.rollups import WITH_KEYS, WITHOUT_KEYS, Cube, Gap, Grain, RollupStore, Sheet
from gateway.stores.sql_rollups import FILE
from gateway.stores.urls import open_rollups, sqlite_url
from tests.postgres import PostgresServer

DAY = 1_800_057_600
"""The beginning of one, UTC."""


def joined_words(sheets: Sequence[bytes]) -> bytes:
    """Words end in commas, so that sorting them is adding up."""
    return b"".join(sorted(word + b"," for data in sheets for word in data.split(b",") if word))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.database(empty=True)
    return sqlite_url(str(tmp_path / "log"))


@pytest.fixture
def open_again(url: str) -> Iterator[Callable[..., RollupStore]]:
    opened: list[RollupStore] = []

    def again(instance: str = "here") -> RollupStore:
        store = open_rollups(url, instance, joined_words)
        opened.append(store)
        return store

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def rollups(open_again: Callable[..., RollupStore]) -> RollupStore:
    return open_again()


def read(store: RollupStore, grain: Grain, since_s: int, until_s: int, cube: Cube = WITH_KEYS) -> str:
    with store.reading() as reader:
        return joined_words(reader.sheets(grain, cube, since_s, until_s)).decode()


def reached(store: RollupStore) -> str | None:
    with store.reading() as reader:
        return reader.reached


def test_minutes_come_back_by_time_and_cube(rollups: RollupStore) -> None:
    assert reached(rollups) is None
    sheets = [
        Sheet(DAY, WITH_KEYS, b"a,"),
        Sheet(DAY, WITHOUT_KEYS, b"x,"),
        Sheet(DAY + 60, WITH_KEYS, bytes(range(256)).replace(b",", b"") + b","),
    ]
    rollups.keep(sheets, "mark-1")
    rollups.keep([Sheet(DAY, WITH_KEYS, b"b,")], "mark-2")
    assert reached(rollups) == "mark-2"
    assert read(rollups, "minute", DAY, DAY + 60) == "a,b,"
    assert read(rollups, "minute", DAY, DAY + 60, WITHOUT_KEYS) == "x,"
    with rollups.reading() as reader:
        assert reader.sheets("minute", WITH_KEYS, DAY + 60, DAY + 120) == [sheets[2].data]
        assert reader.sheets("minute", WITH_KEYS, DAY + 120, DAY + 60) == []


def test_minutes_count_once_in_hours_and_days_whether_merged_or_not(rollups: RollupStore) -> None:
    rollups.keep([Sheet(DAY + 3600 * hour + 60, WITH_KEYS, b"%d," % hour) for hour in range(3)], "mark")
    hours, day, whole = (DAY, DAY + 3 * 3600), (DAY, DAY + 86400), "0,1,2,"
    assert read(rollups, "hour", *hours) == read(rollups, "day", *day) == whole
    assert rollups.unmerged(DAY + 2 * 3600) == [DAY, DAY + 3600]
    for hour_s in (DAY, DAY + 3600):
        rollups.merge(hour_s)
        assert read(rollups, "hour", *hours) == read(rollups, "day", *day) == whole
    rollups.merge(DAY)
    assert read(rollups, "minute", *hours) == read(rollups, "hour", *hours) == whole
    assert rollups.unmerged(DAY + 86400) == [DAY + 2 * 3600]
    assert rollups.unmerged_days(DAY + 86399) == []
    assert rollups.unmerged_days(DAY + 86400) == [DAY]
    rollups.merge_day(DAY)
    assert rollups.unmerged_days(DAY + 86400) == []
    assert read(rollups, "day", *day) == whole


def test_what_comes_late_is_added_to_an_hour_that_is_merged(rollups: RollupStore) -> None:
    rollups.keep([Sheet(DAY, WITH_KEYS, b"a,"), Sheet(DAY, WITHOUT_KEYS, b"x,")], "mark-1")
    rollups.merge(DAY)
    rollups.merge_day(DAY)
    rollups.keep([Sheet(DAY, WITH_KEYS, b"b,")], "mark-2")
    assert read(rollups, "hour", DAY, DAY + 3600) == read(rollups, "day", DAY, DAY + 86400) == "a,b,"
    assert rollups.unmerged(DAY + 3600) == [DAY]
    rollups.merge(DAY)
    assert rollups.unmerged_days(DAY + 86400) == [DAY]
    assert read(rollups, "hour", DAY, DAY + 3600) == read(rollups, "day", DAY, DAY + 86400) == "a,b,"
    rollups.merge_day(DAY)
    assert read(rollups, "day", DAY, DAY + 86400) == "a,b,"
    assert read(rollups, "hour", DAY, DAY + 3600, WITHOUT_KEYS) == "x,"


def test_a_successor_begins_where_the_log_is_and_has_a_gap(open_again: Callable[..., RollupStore]) -> None:
    store = open_again()
    store.begin("log-5")
    assert [gap[1:] for gap in store.gaps()] == [("", "log-5", 0)]
    store.fill(store.gaps()[0], [], "log-5", 3)
    assert store.gaps() == []
    store.keep([Sheet(DAY, WITH_KEYS, b"a,")], "log-7")
    store.close()
    after = open_again()
    after.begin("log-7")
    assert after.gaps() == []
    after.begin("log-9")
    assert [gap[1:] for gap in after.gaps()] == [("log-7", "log-9", 0)]
    assert reached(after) == "log-9"


def test_a_part_of_a_gap_is_filled_once(rollups: RollupStore) -> None:
    rollups.begin("log-9")
    [gap] = rollups.gaps()
    rollups.fill(gap, [Sheet(DAY, WITH_KEYS, b"a,")], "log-4", 4)
    rollups.fill(gap, [Sheet(DAY, WITH_KEYS, b"again,")], "log-4", 4)
    assert rollups.gaps() == [Gap(gap.number, "log-4", "log-9", 4)]
    rollups.fill(rollups.gaps()[0], [Sheet(DAY, WITH_KEYS, b"b,")], "log-9", 5)
    rollups.fill(gap, [Sheet(DAY, WITH_KEYS, b"late,")], "log-9", 5)
    assert (rollups.gaps(), read(rollups, "minute", DAY, DAY + 60)) == ([], "a,b,")


def test_old_ones_are_forgotten_once_they_are_merged(rollups: RollupStore) -> None:
    rollups.keep([Sheet(DAY, WITH_KEYS, b"a,"), Sheet(DAY + 7200, WITH_KEYS, b"b,")], "mark")
    rollups.forget(DAY + 86400, DAY)
    assert read(rollups, "minute", DAY, DAY + 86400) == "a,b,"
    rollups.merge(DAY)
    rollups.forget(DAY + 86400, DAY)
    assert read(rollups, "minute", DAY, DAY + 86400) == "b,"
    assert read(rollups, "hour", DAY, DAY + 86400) == "a,b,"
    rollups.merge_day(DAY)
    rollups.forget(DAY, DAY + 3600)
    assert read(rollups, "hour", DAY, DAY + 86400) == "b,"
    assert read(rollups, "day", DAY, DAY + 86400) == "a,b,"
    rollups.forget(DAY, DAY + 3 * 86400)
    assert read(rollups, "day", DAY, DAY + 86400) == "b,"


def test_a_state_that_is_being_read_does_not_change(rollups: RollupStore) -> None:
    rollups.keep([Sheet(DAY, WITH_KEYS, b"a,")], "mark-1")
    with rollups.reading() as reader:
        rollups.keep([Sheet(DAY, WITH_KEYS, b"b,")], "mark-2")
        assert (reader.reached, reader.sheets("minute", WITH_KEYS, DAY, DAY + 60)) == ("mark-1", [b"a,"])
    assert read(rollups, "minute", DAY, DAY + 60) == "a,b,"


def test_gateways_of_one_log_have_one_set_and_marks_of_their_own(open_again: Callable[..., RollupStore]) -> None:
    here, there = open_again(), open_again("there")
    here.begin("5")
    here.keep([Sheet(DAY, WITH_KEYS, b"a,")], "6")
    there.begin("9")
    there.keep([Sheet(DAY, WITH_KEYS, b"b,")], "10")
    assert read(here, "minute", DAY, DAY + 60) == "a,b,"
    assert (reached(here), reached(there)) == ("6", "10")
    assert [gap.until for gap in here.gaps()] == ["5"]
    here.merge(DAY)
    there.merge(DAY)
    assert read(there, "hour", DAY, DAY + 3600) == "a,b,"


def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    place = tmp_path / "log"
    place.mkdir()
    (place / FILE).write_bytes(b"no database" * 1000)
    store = open_rollups(sqlite_url(str(place)), "here", joined_words)
    store.begin("log-1")
    assert [gap.until for gap in store.gaps()] == ["log-1"]
    assert (place / f"{FILE}.damaged").read_bytes().startswith(b"no database")
    store.close()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    store = open_rollups(sqlite_url(str(tmp_path / "log")), "here", joined_words)
    with pytest.raises(StoreUnavailable, match="roll-ups"):
        store.begin("log-1")
    assert store.problem()
    store.close()
