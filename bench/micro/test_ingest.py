"""What a record costs in the control process, step by step, and what a scrape costs with many series."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gateway.control.aggregate import Aggregates
from gateway.control.exposition import render
from gateway.control.ingest import Ingest
from gateway.control.trail import Texts, log_row, unpack
from gateway.processes.paths import Paths
from gateway.stores.sqlite_log import SqliteLog
from tests.control.trail_records import NAMES, exchange
from tests.speedups.twins import twins

RECORDS = 1000
"""Of one round, and of one transaction: what a worker at 10,000 requests a second leaves between two looks."""

MODULES = twins("_ring")


def packed() -> list[bytes]:
    records = []
    for number in range(RECORDS):
        record = exchange(number, request_id=os.urandom(16), model=b"mock/gpt-4o-mini", target_model=b"gpt-4o-mini")
        records.append(record.pack())
    return records


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteLog]:
    store = SqliteLog(str(tmp_path / "log"))
    yield store
    store.close()


def test_unpack(benchmark: Any) -> None:
    records = packed()
    benchmark.extra_info["records"] = RECORDS
    benchmark(lambda: [unpack(data) for data in records])


def test_count(benchmark: Any) -> None:
    fields = [unpack(data) for data in packed()]
    aggregates = Aggregates()
    aggregates.rename(NAMES)

    def count() -> None:
        for each in fields:
            aggregates.add(each)

    benchmark.extra_info["records"] = RECORDS
    benchmark(count)


def test_make_rows(benchmark: Any) -> None:
    fields, texts = [unpack(data) for data in packed()], Texts()
    benchmark.extra_info["records"] = RECORDS
    benchmark(lambda: [log_row(0, 1, i, each, texts) for i, each in enumerate(fields)])


def test_insert(benchmark: Any, store: SqliteLog) -> None:
    fields, texts = [unpack(data) for data in packed()], Texts()
    sequence = itertools.count()
    benchmark.extra_info["records"] = RECORDS
    benchmark.pedantic(
        lambda rows: store.append(rows, {(0, 1): rows[-1][2]}),
        setup=lambda: (([log_row(0, 1, next(sequence), each, texts) for each in fields],), {}),
        rounds=50,
        warmup_rounds=3,
    )


@pytest.mark.parametrize("ring", MODULES.values(), ids=MODULES.keys())
def test_whole_way(benchmark: Any, ring: ModuleType, tmp_path: Path, store: SqliteLog, monkeypatch: Any) -> None:
    """Ring to log: read, unpack, count, insert, free."""
    monkeypatch.setattr("gateway.control.ingest.RingReader", ring.RingReader)
    paths = Paths(str(tmp_path / "data"))
    paths.create()
    writer = ring.RingWriter(paths.ring(0), 0, 1, paths.spill(0))
    aggregates = Aggregates()
    aggregates.rename(NAMES)
    ingest = Ingest(paths, store, aggregates)
    records = [ring.Record.unpack(data) for data in packed()]

    def fill() -> None:
        for record in records:
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
        aggregates.add(unpack(exchange(number, virtual_key=number).pack()))
        if number % 10 == 0 and render(aggregates).count("\n") >= series:
            break
    benchmark.extra_info["lines"] = render(aggregates).count("\n")
    benchmark(lambda: render(aggregates).encode())
