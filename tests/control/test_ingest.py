"""From the rings to the log: nothing lost, nothing twice, whatever the process dies at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import pytest

from _speedups._bucket import RingWriter
from gateway.control.aggregate import Aggregates
from gateway.control.ingest import Ingest
from gateway.control.live import Live
from gateway.control.trail import WIDTH, Values
from gateway.processes.paths import Paths
from gateway.stores.protocols import LogQuery, LogRow, LogStore, Positions, StoreUnavailable
from gateway.stores.sqlite_log import SqliteLog
from tests.control.trail_records import SMALL_RING, exchange
from tests.waiting import PATIENCE_S, wait_for

ROOT = str(Path(__file__).resolve().parents[2])


class Ready:
    """An Ingest that is drained by hand and closed at the end."""

    def __init__(self, paths: Paths, store: LogStore) -> None:
        self.aggregates = Aggregates()
        self.ingest = Ingest(paths, store, self.aggregates)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ingest.stop()

    def drain_all(self) -> int:
        count = 0
        while read := self.ingest.drain():
            count += read
        return count


def numbers(store: LogStore) -> list[int]:
    """The number of every record in the log, in order of request id."""
    found: list[int] = []
    cursor = None
    while True:
        page = store.page(LogQuery(limit=1000, cursor=cursor, kind=None))
        found += [int.from_bytes(row.request_id, "big") for row in page.rows]
        cursor = page.next
        if cursor is None:
            return sorted(found)


def test_records_are_counted_stored_and_freed(paths: Paths, writer: RingWriter, store: SqliteLog) -> None:
    for number in range(50):
        assert writer.push(exchange(number))
    with Ready(paths, store) as ready:
        assert ready.drain_all() == 50
        assert ready.aggregates.records == 50
        assert ready.ingest.lag() == {0: 0}
        assert ready.ingest.stored == 50
        assert numbers(store) == list(range(50))
        assert store.positions().keys() == {(0, 0)}


def test_what_was_spilled_is_stored_too(paths: Paths, writer: RingWriter, store: SqliteLog) -> None:
    for number in range(500):
        assert writer.push(exchange(number))
    assert writer.spilled > 300
    with Ready(paths, store) as ready:
        assert ready.drain_all() == 500
        assert ready.ingest.spilled() == {0: writer.spilled}
        for number in range(500, 520):
            writer.push(exchange(number))
        assert ready.drain_all() == 20
    assert numbers(store) == list(range(520))


def test_rings_of_all_workers_are_found_also_those_that_come_later(paths: Paths, store: SqliteLog) -> None:
    with Ready(paths, store) as ready:
        assert ready.drain_all() == 0
        writers = [RingWriter(paths.ring(slot), slot, 1, paths.spill(slot), SMALL_RING) for slot in range(3)]
        for slot, writer in enumerate(writers):
            writer.push(exchange(slot))
            writer.close()
        wait_for(lambda: ready.drain_all() or ready.aggregates.records == 3, "all rings")
        ready.drain_all()
    assert numbers(store) == [0, 1, 2]


def test_a_ring_that_comes_to_light_later_is_read_behind_what_is_stored(
    paths: Paths, writer: RingWriter, store: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        writer.push(exchange(number))
    with monkeypatch.context() as patch, Ready(paths, store) as killed:
        patch.setattr(Ingest, "_free", lambda self: None)
        killed.ingest.drain()
        assert killed.ingest.stored == 100
    away = os.path.join(paths.data_dir, "away")
    os.rename(paths.ring(0), away)
    with Ready(paths, store) as ready:
        assert ready.ingest.drain() == 0
        os.rename(away, paths.ring(0))
        writer.push(exchange(100))
        monkeypatch.setattr(ready.ingest, "_look_at", 0.0)
        assert ready.drain_all() == 1
        assert ready.ingest.repeated == 100
        assert ready.aggregates.records == 1
    assert numbers(store) == list(range(101))


class Moody:
    """A log that answers as told before it does what it should."""

    def __init__(self, store: SqliteLog) -> None:
        self.store = store
        self.moods: list[Exception | None] = []
        self.late = self.middle = False
        """Refuses when everything, or the first rows, were taken."""

    def append(self, rows: Iterable[Sequence[object]], positions: Positions) -> int:
        mood = self.moods.pop(0) if self.moods else None
        if mood is None:
            return self.store.append(rows, positions)
        if self.late:
            self.store.append(rows, positions)
        elif self.middle:
            next(iter(rows))
        raise mood

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


def test_a_log_that_refuses_is_asked_again_and_nothing_is_lost_or_counted_twice(
    paths: Paths, writer: RingWriter, store: SqliteLog
) -> None:
    moody = Moody(store)
    moody.moods, moody.middle = [StoreUnavailable("full")] * 3, True
    for number in range(10):
        writer.push(exchange(number))
    with Ready(paths, moody) as ready:  # type: ignore[arg-type] # delegates the rest
        ready.ingest.drain()
        assert ready.ingest.blocked
        writer.push(exchange(10))
        assert ready.ingest.drain() == 0
        assert ready.ingest.drain() == 0
        assert ready.ingest.lag() == {0: 11}
        assert ready.drain_all() == 11
        assert not ready.ingest.blocked
        assert ready.aggregates.records == 11
        assert ready.ingest.lag() == {0: 0}
    assert numbers(store) == list(range(11))


@pytest.mark.parametrize("error", [StoreUnavailable("I/O error"), OverflowError("unexpected")])
@pytest.mark.parametrize("late", [True, False])
def test_an_error_that_leaves_open_what_is_stored(
    paths: Paths, writer: RingWriter, store: SqliteLog, error: Exception, late: bool
) -> None:
    """The log is asked how far it came: nothing is stored or counted twice, whether the rows are in it or not."""
    moody = Moody(store)
    moody.moods = [None, error, error, error]
    moody.late, moody.middle = late, not late
    with Ready(paths, moody) as ready:  # type: ignore[arg-type] # delegates the rest
        for number in range(20):
            writer.push(exchange(number))
        assert ready.drain_all() == 20
        for number in range(20, 200):
            writer.push(exchange(number))
        for _ in range(5):
            ready.ingest.drain()
            writer.push(exchange(number := number + 1))
        ready.drain_all()
        assert ready.aggregates.records == number + 1
        assert ready.ingest.stored + ready.ingest.repeated + ready.ingest.rejected == number + 1
        stored = numbers(store)
        assert len(stored) == len(set(stored)) == number + 1 - ready.ingest.rejected


class Watching(Live):
    """Looks for each request that it is told of."""

    wanted = True

    def __init__(self, store: SqliteLog) -> None:
        super().__init__()
        self.wanted = True
        self.store = store
        self.told: list[int] = []
        self.found: list[int] = []

    def offer(self, values: Values) -> None:
        for at in range(0, len(values), WIDTH):
            self.told.append(int.from_bytes(LogRow(*values[at : at + WIDTH]).request_id, "big"))
        self.found = numbers(self.store)


@pytest.mark.parametrize("mood", [None, OverflowError("one does not fit")])
def test_whoever_watches_can_look_up_what_is_told(
    paths: Paths, writer: RingWriter, store: SqliteLog, mood: Exception | None
) -> None:
    moody, live = Moody(store), Watching(store)
    moody.moods = [mood]
    ingest = Ingest(paths, moody, Aggregates(), live=live)  # type: ignore[arg-type] # delegates the rest
    for number in range(40):
        writer.push(exchange(number))
    ingest.drain()
    ingest.stop()
    assert live.told == live.found == list(range(40))


def test_a_log_that_refuses_keeps_nothing_from_whoever_watches(
    paths: Paths, writer: RingWriter, store: SqliteLog
) -> None:
    moody, live = Moody(store), Watching(store)
    moody.moods, moody.middle = [StoreUnavailable("full")], True
    ingest = Ingest(paths, moody, Aggregates(), live=live)  # type: ignore[arg-type] # delegates the rest
    for number in range(10):
        writer.push(exchange(number))
    ingest.drain()
    assert (live.told, live.found) == (list(range(10)), [])
    while ingest.drain():
        pass
    ingest.stop()
    assert (live.told, numbers(store)) == (list(range(10)), list(range(10)))


def test_a_record_that_does_not_fit_does_not_keep_the_others_out(
    paths: Paths, writer: RingWriter, store: SqliteLog, caplog: pytest.LogCaptureFixture
) -> None:
    moody = Moody(store)
    moody.moods = [OverflowError("too large"), None, OverflowError("too large")]
    for number in range(3):
        writer.push(exchange(number))
    with Ready(paths, moody) as ready:  # type: ignore[arg-type] # delegates the rest
        ready.drain_all()
        assert ready.ingest.rejected == 1
    assert numbers(store) == [0, 2]
    assert "left out" in caplog.text


def test_the_thread_is_woken_by_the_eventfd_and_reads_all_at_the_end(
    paths: Paths, store: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.control.ingest.IDLE_SLEEP_S", 60.0)
    event_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    writer = RingWriter(paths.ring(0), 0, 1, paths.spill(0), SMALL_RING, event_fd)
    aggregates = Aggregates()
    ingest = Ingest(paths, store, aggregates, event_fd=event_fd)
    ingest.start()
    try:
        for number in range(3):
            time.sleep(0.2)
            writer.push(exchange(number))
            wait_for(lambda n=number: ingest.stored == n + 1, "the record")  # type: ignore[misc]
        writer.push(exchange(3))
    finally:
        ingest.stop()
        writer.close()
        os.close(event_fd)
    assert numbers(store) == [0, 1, 2, 3]


_CONTROL = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
import gateway.processes.paths as places
places.SHARED_MEMORY = "/nonexistent"
from gateway.control.aggregate import Aggregates
from gateway.control.ingest import Ingest
from gateway.stores.sqlite_log import SqliteLog

step, countdown = sys.argv[3], int(sys.argv[4])

def die(name):
    global countdown
    if name == step:
        countdown -= 1
        if countdown < 0:
            os.kill(os.getpid(), signal.SIGKILL)

class Store(SqliteLog):
    def append(self, rows, positions):
        die("before append")
        new = super().append(rows, positions)
        die("after append")
        return new

class Mortal(Ingest):
    def _read(self, positions):
        for values in super()._read(positions):
            die("after read")
            yield values
        die("before commit")

    def _free(self):
        for ring in self._rings.values():
            ring.reader.commit()
            die("between frees")
        die("after free")

paths = places.Paths(sys.argv[1])
ingest = Mortal(paths, Store(paths.log_dir), Aggregates())
while True:
    ingest.drain()
    die("idle")
"""


def test_killed_at_any_step_every_record_is_stored_exactly_once(paths: Paths) -> None:
    writers = [RingWriter(paths.ring(slot), slot, 1, paths.spill(slot), SMALL_RING) for slot in range(2)]
    number = 0
    steps = (
        "before append", "after read", "before commit", "after append", "between frees", "after free", "idle",
    )  # fmt: skip
    for step in steps:
        for countdown in (0, 1, 3):
            for _ in range(60 + 40 * countdown):
                assert writers[number % 2].push(exchange(number))
                number += 1
            control = subprocess.Popen(
                [sys.executable, "-c", _CONTROL, paths.data_dir, ROOT, step, str(countdown)], cwd=ROOT
            )
            # More records while it lives, so that it comes to each step as often as it takes.
            deadline = time.monotonic() + PATIENCE_S
            while control.poll() is None and time.monotonic() < deadline:
                assert writers[number % 2].push(exchange(number))
                number += 1
                time.sleep(0.002)
            if control.poll() is None:
                control.kill()
                control.wait()
                pytest.fail(f"did not come to {step!r} {countdown + 1} times")
            assert control.returncode == -signal.SIGKILL
    store = SqliteLog(paths.log_dir)
    with Ready(paths, store) as ready:
        ready.drain_all()
        assert numbers(store) == list(range(number))
    store.close()
    for writer in writers:
        assert writer.dropped == 0
        writer.close()
