"""A worker that was killed: its calls are charged and recorded by whoever comes next, once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from _speedups._bucket import MONEY, Arena, LimitSet, Record, RingReader, RingWriter
from gateway.control.aggregate import Aggregates
from gateway.control.ingest import Ingest
from gateway.control.ledger_feed import LedgerFeed
from gateway.control.migrate import upgrade
from gateway.control.trail import WIDTH
from gateway.processes import left_behind
from gateway.processes.paths import Paths
from gateway.records import Flags, Kind, Outcome, UsageSource
from gateway.snapshot.model import id_hash
from gateway.stores.ledger import UsageQuery
from gateway.stores.ledger_spool import LedgerSpool
from gateway.stores.protocols import LogRow
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_log import SqliteLog
from gateway.stores.urls import open_database, sqlite_url
from tests.control.trail_records import PROVIDER, exchange

PENDING = 2


@pytest.fixture
def arena(paths: Paths) -> Iterator[Arena]:
    arena = Arena.create(paths.arena, workers=1, capacity=64, reservations=64)
    arena.define(0, 1, MONEY, 1 << 60, 0)
    yield arena
    arena.close()


def call(number: int, **more: Any) -> Record:
    return exchange(number, **more)


def killed(arena: Arena, *calls: Record) -> None:
    """A worker that dies with these calls under way, each of which has cost 100, and one that had not gone out yet."""
    worker, limits = arena.worker(0), LimitSet([0])
    for one in calls:
        handle = worker.reserve(limits, 1, 50, 500, time.monotonic_ns())
        worker.intend(handle, one, 40)
        worker.deliver(handle, 12, 140, 5)
    worker.reserve(limits, 1, 50, 500, time.monotonic_ns())
    worker.close()


def records(paths: Paths) -> list[dict[str, Any]]:
    reader = RingReader(paths.ring(0), paths.spill(0))
    values = reader.read(100)
    reader.close()
    return [dict(zip(LogRow._fields, values[at : at + WIDTH], strict=False)) for at in range(0, len(values), WIDTH)]


def test_a_call_under_way_has_its_record(paths: Paths, arena: Arena) -> None:
    killed(arena, call(7, attempt=3, stream=1, flags=int(Flags.HEDGED), kind=int(Kind.ATTEMPT)))
    assert left_behind.post(arena, paths, 0) == PENDING
    [record] = records(paths)
    assert {name: record[name] for name in ("prompt_tokens", "completion_tokens", "cost_nanodollars", "attempt")} == {
        "prompt_tokens": 7, "completion_tokens": 5, "cost_nanodollars": 100, "attempt": 3,
    }  # fmt: skip
    assert bytes(record["request_id"]) == (7).to_bytes(16, "big")
    assert (record["kind"], record["outcome"]) == (Kind.ATTEMPT, Outcome.INTERNAL)
    assert record["flags"] == Flags.HEDGED | Flags.REPLAYED
    assert record["usage_source"] == UsageSource.ESTIMATE
    assert record["provider"] in (id_hash(PROVIDER), id_hash(PROVIDER) - (1 << 64))
    assert (record["model"], record["target_model"]) == ("mock/m", "m")
    assert record["epoch"] == arena.status(0)[0]
    # What had gone out is what it had cost so far, with the attempts before it.
    assert arena.used(0, time.monotonic_ns()) == 140
    assert left_behind.post(arena, paths, 0) == 0
    assert len(records(paths)) == 1


def test_without_calls_no_ring_is_touched(paths: Paths, arena: Arena) -> None:
    killed(arena)
    assert left_behind.post(arena, paths, 0) == 1
    assert not Path(paths.ring(0)).exists()


def test_who_lives_is_left_alone(paths: Paths, arena: Arena) -> None:
    worker = arena.worker(0)
    with pytest.raises(BlockingIOError):
        left_behind.post(arena, paths, 0)
    worker.close()


def test_an_attempt_that_is_told_twice_is_one_row_of_the_ledger(paths: Paths, arena: Arena) -> None:
    """The worker wrote the record and died before it settled; then the one who replays is killed, and replays again."""
    upgrade(sqlite_url(paths.control_db))
    database = open_database(sqlite_url(paths.control_db))
    ledger, log = SqlLedger(database), SqliteLog(paths.log_dir)
    ring = RingWriter(paths.ring(0), 0, 1, paths.spill(0))
    ring.push(exchange(1, cost_nanodollars=100))
    ring.close()
    killed(arena, call(1), call(2))

    class Killed(BaseException):
        pass

    def settle(*_: Any) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arena, "settlement", settle)
        with pytest.raises(Killed):
            left_behind.post(arena, paths, 0)
    assert left_behind.post(arena, paths, 0) == PENDING + 1
    ingest = Ingest(paths, log, Aggregates(), feed=LedgerFeed(ledger, LedgerSpool(paths.ledger_spool)))
    while ingest.drain():
        pass
    rows = [row for _, row in ledger.rows(UsageQuery(), limit=100)]
    assert [(int.from_bytes(row.request_id, "big"), row.attempt, row.cost_nanodollars) for row in rows] == [
        (1, 1, 100),
        (2, 1, 100),
    ]
    # What is enforced is what the ledger says, and the two attempts before these that are in other rows.
    assert arena.used(0, time.monotonic_ns()) == 2 * 140
    ingest.stop()
    log.close()
    database.close()
