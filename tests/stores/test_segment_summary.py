"""Segments that cannot have what is looked for are not read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.stores import sqlite_segment
from gateway.stores.log_query import LogQuery, Term
from gateway.stores.segment_summary import MOST_VALUES
from gateway.stores.sqlite_log import SqliteLog
from tests.stores.conftest import Clock
from tests.stores.rows import row

WANTED: dict[str, Any] = {
    "provider": (8,),
    "virtual_key": (8,),
    "team": (8,),
    "customer": (8,),
    "model": "other",
    "status": 201,
    "errors_only": True,
    "operation": 7,
    "outcome": 7,
    "error_kind": 7,
    "cache_verdict": 3,
    "stream": 1,
    "kind": 3,
    "min_us": 11,
    "max_us": 9,
    "min_cost": 21,
    "max_cost": 19,
    "since_us": 2_000_001,
    "until_us": 1_000_000,
    "search": (Term(text="other", ids=(8,)),),
}
"""Of rows 1 and 2 below no one is wanted by any of these."""


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqliteLog]:
    opened = SqliteLog(str(tmp_path / "log"), clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A one for every look at rows."""
    looks: list[int] = []
    inner = sqlite_segment.rows_between

    def counted(*args: Any) -> Any:
        looks.append(1)
        return inner(*args)

    monkeypatch.setattr(sqlite_segment, "rows_between", counted)
    return looks


def closed(store: SqliteLog, clock: Clock, *rows: Any) -> None:
    store.append(rows, {})
    clock.now += 3600
    store.append([], {})
    store.maintain()


@pytest.mark.parametrize("name", WANTED)
def test_one_that_has_none_is_not_read(store: SqliteLog, clock: Clock, read: list[int], name: str) -> None:
    closed(store, clock, *(row(i, total_us=10, cost_nanodollars=20) for i in (1, 2)))
    assert store.page(LogQuery(**{name: WANTED[name]})).rows == []
    assert read == []
    assert [found.sequence for found in store.page(LogQuery()).rows] == [2, 1]
    assert read == [1]


def test_a_column_with_many_values_may_have_any(store: SqliteLog, clock: Clock, read: list[int]) -> None:
    closed(store, clock, *(row(i, provider=i, model=f"m{i}") for i in range(MOST_VALUES + 1)))
    assert [found.sequence for found in store.page(LogQuery(provider=(5,), model="m5")).rows] == [5]
    assert [found.sequence for found in store.page(LogQuery(search=(Term(text=f"m{MOST_VALUES}"),))).rows] == [
        MOST_VALUES
    ]
    assert store.page(LogQuery(provider=(-1,))).rows == []
    assert read == [1, 1, 1]


def test_a_segment_that_an_earlier_program_closed_is_read(store: SqliteLog, clock: Clock, read: list[int]) -> None:
    closed(store, clock, row(1))
    path = Path(store.directory) / sqlite_segment.names_in(store.directory)[0].file
    writer = sqlite_segment.connect_writer(str(path))
    writer.execute("DROP TABLE summary")
    writer.execute("ALTER TABLE log DROP COLUMN customer")
    writer.execute("ALTER TABLE log DROP COLUMN team")
    writer.close()
    assert store.page(LogQuery(status=404)).rows == []
    assert [found.sequence for found in store.page(LogQuery(status=200)).rows] == [1]
    assert read == [1, 1]
    assert store.page(LogQuery(team=(0,))).rows == []


def test_a_page_that_takes_long_ends_between_segments(
    store: SqliteLog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(4):
        closed(store, clock, row(i))
    monkeypatch.setattr("gateway.stores.sqlite_log.PAGE_BUDGET_S", 0)
    pages, cursor = 0, None
    found: list[int] = []
    while True:
        page = store.page(LogQuery(cursor=cursor))
        pages += 1
        found += [each.sequence for each in page.rows]
        cursor = page.next
        if cursor is None:
            break
    assert (pages, found) == (5, [3, 2, 1, 0])
