"""What a record costs in the control process, step by step, and what a scrape costs with many series."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from _speedups import IMPLEMENTATION
from gateway.control.aggregate import Aggregates
from gateway.control.exposition import render
from gateway.control.ingest import PIECE, Ingest
from gateway.control.trail import WIDTH
from gateway.processes.paths import Paths
from gateway.stores.sqlite_log import SqliteLog
from tests.control.trail_records import NAMES, exchange, values_of
from tests.speedups.twins import twins

RECORDS = 1000
"""Of one round, and of one transaction: what a worker at 20,000 requests a second leaves between two looks."""

MODULES = twins("_ring")


def records(ring: ModuleType) -> list[Any]:
    made = []
    for number in range(RECORDS):
        record = exchange(number, request_id=os.urandom(16), model=b"mock/gpt-4o-mini", target_model=b"gpt-4o-mini")
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
