"""What a request log that several gateways keep together does beyond the contract."""

from __future__ import annotations

import pytest

from gateway.stores import postgres_log
from gateway.stores.postgres_log import PostgresLog
from gateway.stores.protocols import LogLimits, LogQuery, StoreUnavailable
from tests.postgres import PostgresServer
from tests.stores.conftest import Clock
from tests.stores.rows import row


def test_gateways_share_rows_and_not_positions(postgres: PostgresServer) -> None:
    url = postgres.database(empty=True)
    one, other = PostgresLog(url, "one"), PostgresLog(url, "other")
    one.append([row(1)], {(0, 0): (1, 1)})
    other.append([row(2)], {(0, 0): (7, 7)})
    assert one.positions() == {(0, 0): (1, 1)}
    assert other.positions() == {(0, 0): (7, 7)}
    assert [entry.sequence for entry in one.page(LogQuery()).rows] == [2, 1]
    one.close()
    other.close()


def test_what_is_too_old_is_removed(postgres: PostgresServer, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_log, "DROPPED", 3)
    log = PostgresLog(postgres.database(empty=True), clock=clock, limits=LogLimits(max_age_s=100.0))
    log.append([row(number) for number in range(10)], {})
    clock.now += 60.0
    log.append([row(number) for number in range(10, 20)], {(0, 0): (1, 19)})
    log.maintain()
    assert len(log.page(LogQuery()).rows) == 20
    clock.now += 60.0
    log.maintain()
    assert [entry.sequence for entry in log.page(LogQuery()).rows] == list(range(19, 9, -1))
    assert log.positions() == {(0, 0): (1, 19)}
    log.close()


def test_a_look_up_that_takes_long_is_answered_in_parts(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_log, "WINDOW_IDS", 10)
    monkeypatch.setattr(postgres_log, "PAGE_BUDGET_S", 0.0)
    log = PostgresLog(postgres.database(empty=True))
    log.append([row(number, status=429 if number % 9 == 0 else 200) for number in range(50)], {})
    found, pages, cursor = [], 0, None
    while True:
        page = log.page(LogQuery(status=429, cursor=cursor))
        found += [entry.sequence for entry in page.rows]
        pages, cursor = pages + 1, page.next
        if cursor is None:
            break
    assert found == [45, 36, 27, 18, 9, 0]
    assert pages == 5
    log.close()


def test_a_text_with_a_character_0_does_not_keep_its_row_out(postgres: PostgresServer) -> None:
    log = PostgresLog(postgres.database(empty=True))
    assert log.append([row(1, model="a\0b")], {}) == 1
    assert log.page(LogQuery()).rows[0].model == "a\ufffdb"
    log.close()


def test_a_server_that_is_away_is_found_later(tmp_path: object) -> None:
    log = PostgresLog(f"postgresql://postgres@/x?host={tmp_path}")
    with pytest.raises(StoreUnavailable):
        log.append([row(1)], {})
    assert not log.status().ok
    assert "request log" in log.status().problem
    log.close()
