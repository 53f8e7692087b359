"""What every request log does, whoever keeps the bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gateway.stores.log_query import LogQuery, Term
from gateway.stores.protocols import LogRow, LogStore
from tests.stores.conftest import Clock
from tests.stores.rows import row

Open = Callable[[], LogStore]


def every(store: LogStore, **query: object) -> list[int]:
    """Sequences of all rows of a look-up, page by page."""
    found: list[int] = []
    cursor: str | None = None
    while True:
        page = store.page(LogQuery(cursor=cursor, **query))  # type: ignore[arg-type]
        found += [entry.sequence for entry in page.rows]
        cursor = page.next
        if cursor is None:
            return found


def test_rows_come_back_whole_and_newest_first(open_log: Open) -> None:
    store = open_log()
    rows = [row(i, prompt_tokens=i, dropped="logprobs", receipt="r") for i in range(1, 6)]
    assert store.append(rows, {(0, 0): (1, 5)}) == 5
    assert store.page(LogQuery()).rows == rows[::-1]


def test_positions_are_stored_with_their_rows(open_log: Open) -> None:
    store = open_log()
    assert store.positions() == {}
    assert store.append([row(1), row(2)], {(0, 0): (1, 2)}) == 2
    again = open_log()
    assert again.positions() == {(0, 0): (1, 2)}
    assert again.append([row(3)], {(0, 0): (1, 3), (0, 1): (1, 77)}) == 1
    assert open_log().positions() == {(0, 0): (1, 3), (0, 1): (1, 77)}
    assert every(open_log()) == [3, 2, 1]


def test_positions_are_known_when_the_hour_has_changed_between_crash_and_restart(open_log: Open, clock: Clock) -> None:
    open_log().append([row(1), row(2)], {(0, 0): (1, 2)})
    clock.now += 7200
    assert open_log().positions() == {(0, 0): (1, 2)}
    assert open_log().append([row(3)], {(0, 0): (1, 3)}) == 1
    assert open_log().positions() == {(0, 0): (1, 3)}
    assert every(open_log()) == [3, 2, 1]


def test_positions_are_carried_from_segment_to_segment(open_log: Open, clock: Clock) -> None:
    store = open_log()
    store.append([row(5)], {(0, 0): (1, 5), (1, 0): (1, 9)})
    clock.now += 3600
    store.append([row(6)], {(0, 0): (1, 6)})
    assert store.positions() == {(0, 0): (1, 6), (1, 0): (1, 9)}
    assert open_log().positions() == {(0, 0): (1, 6), (1, 0): (1, 9)}


def test_a_ring_made_anew_may_begin_below_the_one_before(open_log: Open) -> None:
    """The clock stood wrong when one of the two was made."""
    store = open_log()
    store.append([row(500)], {(0, 0): (1, 500)})
    store.append([row(3)], {(0, 0): (1, 3)})
    assert open_log().positions() == {(0, 0): (1, 3)}
    assert every(open_log()) == [3, 500]


def test_equal_sequences_of_other_workers_and_epochs_are_other_records(open_log: Open) -> None:
    store = open_log()
    assert store.append([row(1), row(1, slot=1), row(1, epoch=2)], {}) == 3


def test_an_item_may_hold_many_rows(open_log: Open) -> None:
    """However many: implementations have statements for some numbers."""
    store, sequence = open_log(), 0
    for count in (1, 2, 15, 16, 17, 40):
        rows = [row(sequence + i) for i in range(count)]
        sequence += count
        assert store.append([[value for each in rows for value in each]], {}) == count
    assert every(store) == list(range(sequence - 1, -1, -1))


def test_positions_are_looked_at_when_the_rows_are_at_their_end(open_log: Open) -> None:
    positions: dict[tuple[int, int], tuple[int, int]] = {}

    def rows() -> Iterator[LogRow]:
        for i in range(1, 4):
            positions[0, 0] = (1, i)
            yield row(i)

    assert open_log().append(rows(), positions) == 3
    assert open_log().positions() == {(0, 0): (1, 3)}


def test_a_refused_batch_leaves_nothing_behind(open_log: Open) -> None:
    store = open_log()
    with pytest.raises((ValueError, OverflowError)):
        store.append([row(1), row(2, provider=1 << 70)], {(0, 0): (1, 2)})
    assert store.page(LogQuery()).rows == []
    assert store.positions() == {}
    assert store.append([row(1)], {(0, 0): (1, 1)}) == 1


def test_pages_follow_each_other_without_gap_or_repetition(open_log: Open, clock: Clock) -> None:
    store = open_log()
    for hour in range(4):
        store.append([row(hour * 100 + i) for i in range(25)], {})
        clock.now += 3600
    assert every(store, limit=7) == [hour * 100 + i for hour in (3, 2, 1, 0) for i in range(24, -1, -1)]
    page = store.page(LogQuery(limit=7))
    store.append([row(999)], {})
    assert [entry.sequence for entry in store.page(LogQuery(limit=2, cursor=page.next)).rows] == [317, 316]


@pytest.mark.parametrize("closed", [False, True])
def test_filters(open_log: Open, clock: Clock, closed: bool) -> None:
    store = open_log()
    store.append(
        [
            row(1, provider=1),
            row(2, virtual_key=2),
            row(3, status=429),
            row(4, status=0),
            row(5, model="route", target_model="x"),
            row(6, model="x", target_model="y"),
            row(7, kind=1, attempt=2),
            row(8),
            row(9, team=4, customer=5, operation=2, outcome=8, error_kind=21, cache_verdict=2, stream=1),
            row(10, total_us=5_000_000, cost_nanodollars=1_000),
        ],
        {},
    )
    if closed:
        clock.now += 3600
        store.append([], {})
        store.append([row(1000, provider=3)], {})
        store.maintain()
    assert every(store, provider=(1, 99)) == [1]
    assert every(store, virtual_key=(2,)) == [2]
    assert every(store, status=429) == [3]
    assert every(store, errors_only=True) == [4, 3]
    assert every(store, model="x") == [6, 5]
    assert every(store, request_id=row(8).request_id) == [8]
    assert every(store, kind=None, since_us=7_000_000, until_us=9_000_000) == [8, 7]
    assert every(store, kind=1) == [7]
    assert every(store, team=(4,)) == [9]
    assert every(store, customer=(5,)) == [9]
    assert every(store, team=(4,), customer=(6,)) == []
    assert every(store, operation=2) == every(store, outcome=8) == every(store, error_kind=21) == [9]
    assert every(store, cache_verdict=2) == every(store, stream=1) == [9]
    assert every(store, stream=1, cache_verdict=0) == []
    assert every(store, min_us=5_000_000) == every(store, min_cost=1) == [10]
    assert every(store, max_us=4_999_999, max_cost=999, since_us=8_000_000, until_us=11_000_000) == [9, 8]
    assert every(store, min_us=5_000_001) == every(store, min_cost=1_001) == []
    assert every(store, provider=(99,)) == []


@pytest.mark.parametrize("closed", [False, True])
def test_a_search_looks_at_names(open_log: Open, clock: Clock, closed: bool) -> None:
    store = open_log()
    store.append([row(1, model="Fast/GPT_5", target_model="o"), row(2, target_model="gpt%5"), row(3, team=4)], {})
    if closed:
        clock.now += 3600
        store.append([], {})
        store.append([row(1000, model="other")], {})
        store.maintain()

    def found(*terms: Term) -> list[int]:
        return every(store, search=terms)

    assert found(Term(text="gpt_5")) == [1]
    assert found(Term(text="gpt%5")) == [2]
    assert found(Term(text="gpt")) == [2, 1]
    assert found(Term(text="gpt"), Term(text="fast", excluded=True)) == [2]
    assert found(Term(text="red", ids=(4, 77))) == [3]
    assert found(Term(text="red", ids=(4,)), Term(text="gpt")) == []
    assert found(Term(text="nowhere")) == []


@pytest.mark.parametrize("cursor", ["", "x", "2026-01-01T00.db", "../../etc/passwd~1", "2026-01-01T00.db~x", "a.db~1"])
def test_what_is_no_cursor_is_refused(open_log: Open, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        open_log().page(LogQuery(cursor=cursor))


def test_status_counts_and_says_ok(open_log: Open) -> None:
    store = open_log()
    store.append([row(1)], {})
    status = store.status()
    assert status.ok
    assert status.bytes > 0
