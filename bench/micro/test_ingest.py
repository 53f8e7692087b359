"""What a record costs in the control process, step by step, and what a scrape costs with many series."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from _speedups import IMPLEMENTATION
from gateway.control.aggregate import Aggregates
from gateway.control.exposition import render
from gateway.control.ingest import PIECE, Ingest
from gateway.control.ledger_feed import LedgerFeed
from gateway.control.ledger_rows import rows_of
from gateway.control.migrate import upgrade
from gateway.control.trail import WIDTH
from gateway.processes.paths import Paths
from gateway.stores.ledger_spool import LedgerSpool
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_log import SqliteLog
from gateway.stores.sqlite_rules import stop_counting_memory
from gateway.stores.urls import open_database, sqlite_url
from tests.control.trail_records import NAMES, exchange, values_of
from tests.speedups.twins import twins

RECORDS = 1000
"""Of one round, and of one transaction: what a worker at 20,000 requests a second leaves between two looks."""

MODULES = twins("_ring")


@pytest.fixture(autouse=True, scope="module")
def _uncounted() -> None:
    """As in control."""
    stop_counting_memory()


def records(ring: ModuleType) -> list[Any]:
    """Of one worker: its request ids have a beginning in common and count up."""
    made, worker = [], os.urandom(8)
    for number in range(RECORDS):
        request_id = worker + number.to_bytes(8, "big")
        record = exchange(number, request_id=request_id, model=b"mock/gpt-4o-mini", target_model=b"gpt-4o-mini")
        made.append(ring.Record.unpack(record.pack()))
    return made


def pieces() -> list[list[Any]]:
    """As control reads them."""
    values = values_of(*records(MODULES.get("c", MODULES["py"])))
    return [values[at : at + PIECE * WIDTH] for at in range(0, len(values), PIECE * WIDTH)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteLog]:
    store = SqliteLog(str(tmp_path / "log"))
    yield store
    store.close()


@pytest.mark.parametrize("ring", MODULES.values(), ids=MODULES.keys())
def test_read(benchmark: Any, ring: ModuleType, tmp_path: Path) -> None:
    names = str(tmp_path / "ring"), str(tmp_path / "spill")
    writer = ring.RingWriter(names[0], 0, 1, names[1])
    for record in records(ring):
        writer.push(record)
    reader = ring.RingReader(*names)

    def read() -> int:
        count = 0
        while values := reader.read(PIECE):
            count += len(values) // WIDTH
        reader.resume(())
        return count

    benchmark.extra_info["records"] = RECORDS
    assert benchmark(read) == RECORDS
    reader.close()
    writer.close()


def test_count(benchmark: Any) -> None:
    """In the implementation that runs: ``MICROGATE_PURE=1`` measures the other one."""
    batch, aggregates = pieces(), Aggregates()
    aggregates.rename(NAMES)

    def count() -> None:
        for values in batch:
            aggregates.add(values)

    benchmark.extra_info["records"] = RECORDS
    benchmark.extra_info["implementation"] = IMPLEMENTATION
    benchmark(count)


def test_insert(benchmark: Any, store: SqliteLog) -> None:
    batch = pieces()
    benchmark.extra_info["records"] = RECORDS
    benchmark.pedantic(lambda: store.append(batch, {(0, 0): (1, 1)}), rounds=50, warmup_rounds=3)


def test_ledger_rows(benchmark: Any) -> None:
    """In the implementation that runs."""
    batch = pieces()
    benchmark.extra_info["records"] = RECORDS
    benchmark.extra_info["implementation"] = IMPLEMENTATION
    benchmark(lambda: [rows_of(values) for values in batch])


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    url = sqlite_url(str(tmp_path / "control.db"))
    upgrade(url)
    database = open_database(url)
    yield SqlLedger(database)
    database.close()


@pytest.mark.benchmark(timer=time.process_time)
def test_post(benchmark: Any, ledger: SqlLedger) -> None:
    """CPU alone: a commit of the ledger waits for the disk."""
    benchmark.extra_info["records"] = RECORDS
    rows = lambda: ((rows_of(values_of(*records(MODULES.get("c", MODULES["py"])))),), {})  # noqa: E731
    benchmark.pedantic(ledger.post, setup=rows, rounds=50, warmup_rounds=3)


@pytest.mark.benchmark(timer=time.process_time)
def test_whole_way_with_ledger(benchmark: Any, tmp_path: Path, store: SqliteLog, ledger: SqlLedger) -> None:
    """Ring to ledger and log, as control does it; CPU alone."""
    ring = MODULES.get("c", MODULES["py"])
    paths = Paths(str(tmp_path / "data"))
    paths.create()
    writer = ring.RingWriter(paths.ring(0), 0, 1, paths.spill(0))
    aggregates = Aggregates()
    aggregates.rename(NAMES)
    feed = LedgerFeed(ledger, LedgerSpool(paths.ledger_spool))
    ingest = Ingest(paths, store, aggregates, feed=feed)

    def fill() -> None:
        for record in records(ring):
            writer.push(record)

    benchmark.extra_info["records"] = RECORDS
    benchmark.extra_info["implementation"] = IMPLEMENTATION
    benchmark.pedantic(ingest.drain, setup=fill, rounds=50, warmup_rounds=3)
    assert (feed.posted, feed.spooled, ingest.stored) == (53 * RECORDS, 0, 53 * RECORDS)
    ingest.stop()
    writer.close()
    for name in os.listdir(paths.runtime_dir):
        os.unlink(os.path.join(paths.runtime_dir, name))
    os.rmdir(paths.runtime_dir)


@pytest.mark.parametrize("ring", MODULES.values(), ids=MODULES.keys())
def test_whole_way(benchmark: Any, ring: ModuleType, tmp_path: Path, store: SqliteLog, monkeypatch: Any) -> None:
    """Ring to log: read, count, insert, free."""
    monkeypatch.setattr("gateway.control.ingest.RingReader", ring.RingReader)
    paths = Paths(str(tmp_path / "data"))
    paths.create()
    writer = ring.RingWriter(paths.ring(0), 0, 1, paths.spill(0))
    aggregates = Aggregates()
    aggregates.rename(NAMES)
    ingest = Ingest(paths, store, aggregates)
    ready = records(ring)

    def fill() -> None:
        for record in ready:
            writer.push(record)

    benchmark.extra_info["records"] = RECORDS
    benchmark.pedantic(ingest.drain, setup=fill, rounds=50, warmup_rounds=3)
    assert aggregates.records == 53 * RECORDS
    ingest.stop()
    writer.close()
    for name in os.listdir(paths.runtime_dir):
        os.unlink(os.path.join(paths.runtime_dir, name))
    os.rmdir(paths.runtime_dir)


@pytest.mark.parametrize("series", [100, 10_000])
def test_scrape(benchmark: Any, series: int) -> None:
    """The page of metrics with this many sample lines."""
    aggregates = Aggregates()
    for number in itertools.count(1):
        aggregates.add(values_of(exchange(number, virtual_key=number)))
        if number % 10 == 0 and render(aggregates).count("\n") >= series:
            break
    benchmark.extra_info["lines"] = render(aggregates).count("\n")
    benchmark(lambda: render(aggregates).encode())
