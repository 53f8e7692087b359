from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from _speedups._bucket import RingWriter
from gateway.processes.paths import Paths
from gateway.stores.sqlite_log import SqliteLog
from tests.control.process import Control
from tests.control.trail_records import SMALL_RING


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    """A control process with the configuration of ``process.CONFIG``, answering; no worker is connected."""
    control = Control(tmp_path)
    try:
        control.start()
        yield control
    finally:
        control.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    """The same, shared by tests that change nothing but add records under ids of their own."""
    control = Control(tmp_path_factory.mktemp("running"))
    try:
        control.start()
        yield control
    finally:
        control.close()


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setattr("gateway.processes.paths.SHARED_MEMORY", "/nonexistent")
    paths = Paths(str(tmp_path / "data"))
    paths.create()
    return paths


@pytest.fixture
def writer(paths: Paths) -> Iterator[RingWriter]:
    writer = RingWriter(paths.ring(0), 0, 1, paths.spill(0), SMALL_RING)
    yield writer
    writer.close()


@pytest.fixture
def store(paths: Paths) -> Iterator[SqliteLog]:
    store = SqliteLog(paths.log_dir)
    yield store
    store.close()
