"""From the rings to the ledger and the log: each record in both exactly once, whatever the process dies at."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from _speedups._bucket import RingWriter
from gateway.control.aggregate import Aggregates
from gateway.control.ingest import Ingest
from gateway.control.ledger_feed import LedgerFeed
from gateway.control.ledger_rows import rows_of
from gateway.control.migrate import upgrade
from gateway.processes.paths import Paths
from gateway.records import Kind, UsageSource
from gateway.snapshot.model import id_hash
from gateway.stores.ledger import LedgerRow, UsageQuery
from gateway.stores.ledger_spool import LedgerSpool
from gateway.stores.protocols import LogQuery, LogRow, StoreUnavailable
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_log import SqliteLog
from gateway.stores.urls import open_database, sqlite_url
from tests.control.trail_records import PROVIDER, SMALL_RING, VIRTUAL_KEY, exchange, values_of

ROOT = str(Path(__file__).resolve().parents[2])


def signed(text: str) -> int:
    number = id_hash(text)
    return number - (1 << 64) if number >= 1 << 63 else number


class Ledger(SqlLedger):
    """The real one, which may be away."""

    away = False

    def post(self, rows: Sequence[LedgerRow]) -> int:
        if self.away:
            raise StoreUnavailable("away")
        return super().post(rows)

    def numbers(self) -> list[int]:
        found = [row.request_id for _, row in self.rows(UsageQuery(), limit=10_000)]
        return [int.from_bytes(request_id, "big") for request_id in found]


@pytest.fixture
def ledger(paths: Paths) -> Iterator[Ledger]:
    upgrade(sqlite_url(paths.control_db))
    database = open_database(sqlite_url(paths.control_db))
    yield Ledger(database)
    database.close()


@pytest.fixture
def feed(paths: Paths, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> LedgerFeed:
    monkeypatch.setattr("gateway.control.ledger_feed.PAUSE_S", 0.0)
    return LedgerFeed(ledger, LedgerSpool(paths.ledger_spool))


@pytest.fixture
def ingest(paths: Paths, store: SqliteLog, feed: LedgerFeed) -> Iterator[Ingest]:
    ingest = Ingest(paths, store, Aggregates(), feed=feed)
    yield ingest
    ingest.stop()


def logged(store: SqliteLog) -> int:
    return len(store.page(LogQuery(limit=1000, kind=None)).rows)


def test_a_record_becomes_a_row(feed: LedgerFeed, ledger: Ledger) -> None:
    fields = {"cached_tokens": 3, "reasoning_tokens": 4, "cost_nanodollars": 12345, "flags": 8}
    fields |= {"team": 2**64 - 5, "customer": 6}
    feed.keep(rows_of(values_of(exchange(1, **fields))))
    [row] = ledger.find([(1).to_bytes(16, "big")])
    assert row._asdict() == {
        **dict.fromkeys(LedgerRow._fields, 0),
        "request_id": (1).to_bytes(16, "big"),
        "attempt": 1,
        "kind": int(Kind.EXCHANGE),
        "started_us": 1_800_000_000_000_000,
        "virtual_key": signed(VIRTUAL_KEY),
        "team": -5,
        "customer": 6,
        "provider": signed(PROVIDER),
        "provider_key": row.provider_key,
        "model": "mock/m",
        "target_model": "m",
        "operation": row.operation,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "cached_tokens": 3,
        "reasoning_tokens": 4,
        "cost_nanodollars": 12345,
        "outcome": 1,
        "usage_source": int(UsageSource.PROVIDER),
        "flags": 8,
    }


def test_each_field_is_the_records_own() -> None:
    values = list(range(100, 100 + len(LogRow._fields)))
    [row] = rows_of(values)
    record = LogRow(*values)._asdict()
    assert LedgerRow(*row)._asdict() == {name: record.get(name, 0) for name in LedgerRow._fields}


def test_what_reached_no_provider_has_no_row_and_every_attempt_has_one(feed: LedgerFeed) -> None:
    records = [
        exchange(1, provider=0, provider_key=0, attempt=0),
        exchange(2, attempt=0),
        exchange(3, kind=int(Kind.ATTEMPT)),
        exchange(3, attempt=2),
        exchange(3, kind=int(Kind.SHADOW)),
        exchange(3, kind=int(Kind.SHADOW), attempt=2),
    ]
    rows = [LedgerRow(*row) for row in rows_of(values_of(*records))]
    assert [(row.attempt, row.line, row.kind) for row in rows] == [(1, 0, 1), (2, 0, 2), (1, 1, 3), (2, 1, 3)]


def test_ledger_and_log_have_each_record_once(
    ingest: Ingest, feed: LedgerFeed, ledger: Ledger, store: SqliteLog, writer: RingWriter
) -> None:
    for number in range(500):
        writer.push(exchange(number, cost_nanodollars=number))
    while ingest.drain():
        pass
    assert ledger.numbers() == list(range(500))
    assert logged(store) == 500
    assert feed.posted == 500
    assert ledger.usage(UsageQuery())[0].cost_nanodollars == sum(range(500))


def test_while_the_ledger_is_away_the_log_goes_on_and_rows_wait_in_the_spool(
    ingest: Ingest, feed: LedgerFeed, ledger: Ledger, store: SqliteLog, writer: RingWriter
) -> None:
    ledger.away = True
    for number in range(40):
        writer.push(exchange(number))
        ingest.drain()
    assert logged(store) == 40
    assert not ingest.blocked
    assert (feed.spooled, ledger.numbers()) == (40, [])
    ledger.away = False
    while feed.waiting_bytes:
        ingest.drain()
    assert sorted(ledger.numbers()) == list(range(40))


def test_a_successor_posts_what_waits_in_the_spool(paths: Paths, feed: LedgerFeed, ledger: Ledger) -> None:
    ledger.away = True
    feed.keep(rows_of(values_of(exchange(1), exchange(2))))
    ledger.away = False
    has_its_tables = False
    successor = LedgerFeed(ledger, LedgerSpool(paths.ledger_spool), lambda: has_its_tables)
    successor.replay()
    assert ledger.numbers() == []
    has_its_tables = True
    successor.replay()
    assert ledger.numbers() == [1, 2]


def test_without_ledger_and_spool_records_wait_in_their_ring(
    ingest: Ingest,
    feed: LedgerFeed,
    ledger: Ledger,
    store: SqliteLog,
    writer: RingWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise StoreUnavailable("disk full")

    ledger.away = True
    with monkeypatch.context() as patch:
        patch.setattr(LedgerSpool, "append", full)
        for number in range(10):
            writer.push(exchange(number))
        assert ingest.drain() == 0
        assert ingest.blocked
        assert ingest.lag() == {0: 10}
        assert logged(store) == 0
    ledger.away = False
    assert ingest.drain() == 10
    assert not ingest.blocked
    assert ledger.numbers() == list(range(10))
    assert logged(store) == 10


_CONTROL = """
import os, random, signal, sys
sys.path.insert(0, sys.argv[2])
import gateway.processes.paths as places
places.SHARED_MEMORY = "/nonexistent"
import gateway.control.ledger_feed as feeding
from gateway.control.aggregate import Aggregates
from gateway.control.ingest import Ingest
from gateway.stores.ledger_spool import LedgerSpool
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_log import SqliteLog
from gateway.stores.urls import open_database

step, countdown, url = sys.argv[3], int(sys.argv[4]), sys.argv[5]
lot = random.Random(countdown)
feeding.PAUSE_S = 0.0

def die(name):
    global countdown
    if name == step:
        countdown -= 1
        if countdown < 0:
            os.kill(os.getpid(), signal.SIGKILL)

class Ledger(SqlLedger):
    def post(self, rows):
        die("before post")
        # Away half of the time: before it has the rows, or when it has them and nobody hears of it.
        mood = lot.randrange(4)
        if mood == 0:
            raise StoreUnavailable("away")
        new = super().post(rows)
        die("after post")
        if mood == 1:
            raise StoreUnavailable("not heard")
        return new

class Spool(LedgerSpool):
    def append(self, rows):
        die("before spooling")
        super().append(rows)
        die("after spooling")

    def posted(self, until):
        die("before emptying")
        super().posted(until)
        die("after emptying")

class Mortal(Ingest):
    def _read(self, positions):
        yield from super()._read(positions)
        die("before commit")

    def _free(self):
        die("before free")
        super()._free()

paths = places.Paths(sys.argv[1])
feed = feeding.LedgerFeed(Ledger(open_database(url)), Spool(paths.ledger_spool))
ingest = Mortal(paths, SqliteLog(paths.log_dir), Aggregates(), feed=feed)
while True:
    ingest.drain()
"""

STEPS = (
    "before post", "after post", "before spooling", "after spooling", "before emptying", "after emptying",
    "before commit", "before free",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_at_any_step_every_record_is_in_ledger_and_log_exactly_once(
    paths: Paths, kind: str, request: pytest.FixtureRequest
) -> None:
    url = sqlite_url(paths.control_db)
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").database()
    else:
        upgrade(url)
    writers = [RingWriter(paths.ring(slot), slot, 1, paths.spill(slot), SMALL_RING) for slot in range(2)]
    number = 0
    for step in STEPS:
        for countdown in (0, 2) if kind == "sqlite" else (1,):
            command = [sys.executable, "-c", _CONTROL, paths.data_dir, ROOT, step, str(countdown), url]
            control = subprocess.Popen(command, cwd=ROOT)
            deadline = time.monotonic() + 60
            while control.poll() is None and time.monotonic() < deadline:
                assert writers[number % 2].push(exchange(number, cost_nanodollars=number))
                number += 1
                time.sleep(random.random() * 0.004)
            if control.poll() is None:
                control.kill()
                control.wait()
                pytest.fail(f"did not come to {step!r} {countdown + 1} times")
            assert control.returncode == -signal.SIGKILL
    store = SqliteLog(paths.log_dir)
    database = open_database(url)
    ledger = Ledger(database)
    feed = LedgerFeed(ledger, LedgerSpool(paths.ledger_spool))
    ingest = Ingest(paths, store, Aggregates(), feed=feed)
    while ingest.drain() or feed.waiting_bytes:
        pass
    assert not os.path.exists(paths.ledger_spool) or os.path.getsize(paths.ledger_spool) == 0
    assert sorted(ledger.numbers()) == list(range(number))
    assert ledger.usage(UsageQuery())[0].cost_nanodollars == sum(range(number))
    assert _count(store) == number
    ingest.stop()
    store.close()
    database.close()
    for writer in writers:
        assert writer.dropped == 0
        writer.close()


def _count(store: SqliteLog) -> int:
    found, cursor = 0, None
    while True:
        page = store.page(LogQuery(limit=1000, cursor=cursor, kind=None))
        found, cursor = found + len(page.rows), page.next
        if cursor is None:
            return found
