"""One fixture an implementation: the contract tests of a protocol run over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.stores.protocols import LogStore
from gateway.stores.sqlite_log import SqliteLog


class Clock:
    """Wall clock of a test, in seconds."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Callable[[], LogStore]]:
    """Opens the same log again and again, as successive control processes do; closes what the test leaves open."""
    opened: list[LogStore] = []

    def again() -> LogStore:
        for store in opened:
            store.close()
        store = SqliteLog(str(tmp_path / "log"), clock=clock)
        opened.append(store)
        return store

    yield again
    for store in opened:
        store.close()
