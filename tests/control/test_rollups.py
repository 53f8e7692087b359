"""From records to what requests came to over time: every record once, whatever is killed when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from _speedups._bucket import RingWriter
from gateway.control import known_models, minutes, rollups
from gateway.control.aggregate import Aggregates
from gateway.control.figures import Figures, Reader
from gateway.control.ingest import Ingest
from gateway.control.minutes import Minutes, Rate
from gateway.control.rollups import Rollups, merged, sheets_of
from gateway.control.sheets import OTHER_ID, Group, Question, collect
from gateway.control.trail import Values
from gateway.processes.paths import Paths
from gateway.records import Kind, Outcome
from gateway.snapshot.model import id_hash
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.rollups import RollupLimits
from gateway.stores.sqlite_log import SqliteLog
from gateway.stores.urls import open_rollups, sqlite_url
from tests.control.trail_records import PROVIDER, SMALL_RING, exchange, values_of

ROOT = str(Path(__file__).resolve().parents[2])
BEGIN = 1_800_057_600
"""The beginning of a day, UTC."""


class Control:
    """What a control process has of it, one life after the other."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.now = float(BEGIN)
        self.log = SqliteLog(paths.log_dir, clock=lambda: self.now)
        self.number = 0
        self.live()

    def live(self) -> None:
        self.aggregates = Aggregates()
        store = open_rollups(sqlite_url(self.paths.log_dir), "here", merged)
        self.rollups = Rollups(store, self.log, self.aggregates, clock=lambda: self.now)
        self.rollups.begin()

    def die(self) -> None:
        """As after a kill: what is in memory is gone."""
        self.rollups.store.close()

    def take(self, count: int, **fields: object) -> None:
        """Records of now, one a second."""
        for _ in range(count):
            self.now += 1
            self.number += 1
            self.store(values_of(exchange(self.number, **{"started_ns": int(self.now * 1e9), **fields})))
            self.rollups.tend()

    def store(self, values: Values) -> None:
        self.aggregates.add(values)
        self.log.append([values], {(0, 0): (1, self.number)})

    def fill(self) -> None:
        while self.rollups.fill():
            pass

    def ask(self, by: str = "none", step_s: int = 3600, **question: Any) -> dict[int | str, dict[int, int]]:
        """Requests of each group by step, from the beginning until now."""
        until_s = int(self.now) // 60 * 60 + 60
        points = self.rollups.points(Question(by, **question), BEGIN, until_s, step_s)
        return {group: {at: requests_in(data) for at, data in steps.items()} for group, steps in points.items()}

    def total(self, by: str = "none", **question: Any) -> dict[int | str, int]:
        return {group: sum(steps.values()) for group, steps in self.ask(by, **question).items()}


def requests_in(data: bytes) -> int:
    figures = Figures()
    figures.unpack(Reader(data))
    return figures.requests


@pytest.fixture
def control(paths: Paths) -> Iterator[Control]:
    control = Control(paths)
    yield control
    control.die()
    control.log.close()


def test_what_is_stored_and_what_is_in_memory_is_told_as_one(control: Control) -> None:
    control.take(200)
    assert control.total() == {"none": 200}
    assert sum(figures.requests for figures in control.rollups.minutes.cells.values()) < 100
    control.rollups.keep()
    assert (control.total(), control.rollups.minutes.cells) == ({"none": 200}, {})


def test_a_record_counts_in_the_minute_in_which_it_ended(control: Control) -> None:
    control.take(1, started_ns=(BEGIN + 59) * 10**9, total_us=900_000)
    control.take(1, started_ns=(BEGIN + 59) * 10**9, total_us=1_000_000)
    control.now += 120
    assert control.ask(step_s=60) == {"none": {BEGIN: 1, BEGIN + 60: 1}}


def test_filters_and_groups(control: Control) -> None:
    control.take(3)
    control.take(2, target_model=b"other-model", status=500, outcome=int(Outcome.UPSTREAM_ERROR))
    control.take(4, virtual_key=id_hash("virtual_key/bob"), team=7)
    provider = id_hash(PROVIDER)
    for _ in range(2):
        assert control.total("model") == {"m": 7, "other-model": 2}
        assert control.total("status", provider=provider) == {200: 7, 500: 2}
        assert control.total("team", model="m") == {0: 3, 7: 4}
        assert control.total("virtual_key", team=7) == {id_hash("virtual_key/bob"): 4}
        assert control.total(provider=1) == {}
        control.rollups.keep()


def test_hours_and_days_say_what_minutes_said(control: Control) -> None:
    for _ in range(30):
        control.take(5)
        control.now += 3595
    by_hour = control.ask()
    assert len(by_hour["none"]) == 30
    control.rollups.keep()
    control.rollups.maintain()
    assert control.ask() == by_hour
    assert control.ask("virtual_key") == {id_hash("file:virtual_key/alice"): by_hour["none"]}
    assert control.ask(step_s=86400) == {"none": {BEGIN: 120, BEGIN + 86400: 30}}
    # An hour late, into a day that is made already.
    control.take(1, started_ns=BEGIN * 10**9)
    control.rollups.keep()
    assert control.ask(step_s=86400)["none"][BEGIN] == 121
    control.rollups.maintain()
    assert control.ask(step_s=86400)["none"][BEGIN] == 121


def test_minutes_are_dropped_before_hours(control: Control) -> None:
    control.rollups.limits = RollupLimits(minutes_s=7200, hours_s=40 * 3600)
    for _ in range(40):
        control.take(5)
        control.now += 3595
    control.rollups.keep()
    control.rollups.maintain()
    assert control.total() == {"none": 200}
    control.now += 10 * 3600
    control.rollups.maintain()
    assert 140 <= control.total()["none"] < 200


def test_a_process_that_died_has_left_nothing_out(control: Control) -> None:
    control.take(130)
    in_memory = sum(figures.requests for figures in control.rollups.minutes.cells.values())
    assert in_memory
    control.die()
    control.live()
    control.take(10)
    assert control.total() == {"none": 140 - in_memory}
    assert control.rollups.filling
    control.fill()
    assert control.total() == {"none": 140}
    assert (control.rollups.filling, control.rollups.notes()) == (False, [])


def test_a_log_from_before_is_taken_in_part_by_part(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.control.rollups.FILLED_AT_ONCE", 7)
    control.aggregates.minutes = None
    for _ in range(4):
        control.take(20)
        control.now += 3600
    shadow = values_of(exchange(99, kind=int(Kind.SHADOW), started_ns=int(control.now * 1e9)))
    attempt = exchange(100, kind=int(Kind.ATTEMPT), started_ns=int(control.now * 1e9), cost_nanodollars=5)
    control.store(shadow + values_of(attempt))
    control.die()
    os.unlink(os.path.join(control.paths.log_dir, "rollups.db"))
    control.live()
    control.take(3)
    parts = 0
    while control.rollups.fill():
        parts += 1
        assert parts == 1 or "so far" in control.rollups.notes()[0]
        if parts == 5:
            control.die()
            control.live()
    assert parts >= 12
    assert control.total() == {"none": 83}
    [steps] = control.rollups.points(Question(), BEGIN, int(control.now) + 60, 86400).values()
    figures = Figures()
    for data in steps.values():
        figures.unpack(Reader(data))
    assert figures.cost == 5


def test_a_store_that_takes_nothing_loses_nothing(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = control.rollups.store.keep

    def refuse(*_: object) -> None:
        raise StoreUnavailable("disk full")

    def kept_and_lost(*arguments: object) -> None:
        keep(*arguments)  # type: ignore[arg-type]
        raise StoreUnavailable("connection lost")

    control.take(5)
    for answer in (refuse, kept_and_lost, refuse):
        monkeypatch.setattr(control.rollups.store, "keep", answer)
        control.rollups.keep()
        assert control.total() == {"none": control.number}
        control.take(5)
        assert control.total() == {"none": control.number}
    monkeypatch.setattr(control.rollups.store, "keep", keep)
    control.rollups.keep()
    control.die()
    control.live()
    assert control.total() == {"none": control.number}


def test_rates_of_the_last_minutes(control: Control) -> None:
    control.take(90)
    control.take(30, status=503)
    provider = id_hash(PROVIDER)
    assert control.rollups.last(3600) == {provider: Rate(120, 30)}
    assert control.rollups.last(3600, "model") == {"m": Rate(120, 30)}
    control.rollups.keep()
    assert control.rollups.last(3600) == {provider: Rate(120, 30)}
    control.now += 600
    assert control.rollups.last(300) == {}


def test_series_beyond_the_bound_are_counted_as_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minutes, "MAX_SERIES", 3)
    kept = Minutes()
    for number in range(10):
        kept.add(values_of(exchange(virtual_key=number + 10)), 0)
    assert sum(figures.requests for figures in kept.cells.values()) == 10
    assert sorted(key[3] for key in kept.cells) == [OTHER_ID, 10, 11, 12]


def test_an_hour_has_no_more_series_than_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "MAX_SERIES", 3)
    sheets = []
    for minute in range(4):
        kept = Minutes()
        for key in range(5):
            for _ in range(key + 1):
                kept.add(values_of(exchange(virtual_key=10 * minute + key + 2, cost_nanodollars=1)), 0)
        [sheet, _] = sheets_of(kept.cells)
        sheets.append(sheet.data)
    found: dict[Group, Figures] = {}
    collect(merged(sheets), Question("virtual_key"), found)
    # The last of each minute had most requests.
    assert set(found) - {OTHER_ID} <= {6, 16, 26, 36}
    assert OTHER_ID in found
    assert len(found) <= 4
    assert sum(figures.requests for figures in found.values()) == sum(figures.cost for figures in found.values()) == 60


def test_models_that_nobody_answered_are_counted_as_other() -> None:
    kept = Minutes()
    for number in range(known_models.MAX_FAILED_MODELS + 20):
        record = exchange(target_model=b"made-up-%d" % number, status=404, outcome=int(Outcome.UPSTREAM_ERROR))
        kept.add(values_of(record), 0)
    kept.add(values_of(exchange(target_model=b"real")), 0)
    models = {key[2]: figures.requests for key, figures in kept.cells.items()}
    assert (models["other"], models["real"], len(models)) == (20, 1, known_models.MAX_FAILED_MODELS + 2)


_CONTROL = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
import gateway.processes.paths as places
places.SHARED_MEMORY = "/nonexistent"
from gateway.control.aggregate import Aggregates
from gateway.control.ingest import Ingest
from gateway.control.rollups import Rollups, merged
from gateway.stores.sqlite_log import SqliteLog
from gateway.stores.urls import open_rollups, sqlite_url

step, countdown = sys.argv[3], int(sys.argv[4])

def die(name):
    global countdown
    if name == step:
        countdown -= 1
        if countdown < 0:
            os.kill(os.getpid(), signal.SIGKILL)

paths = places.Paths(sys.argv[1])
store = open_rollups(sqlite_url(paths.log_dir), "here", merged)
for name in ("begin", "keep", "fill"):
    def around(*arguments, name=name, do=getattr(store, name)):
        die("before " + name)
        do(*arguments)
        die("after " + name)
    setattr(store, name, around)
log, aggregates, minute = SqliteLog(paths.log_dir), Aggregates(), [0]
rollups = Rollups(store, log, aggregates, clock=lambda: minute[0])
ingest = Ingest(paths, log, aggregates, rollups=rollups)
while True:
    minute[0] += 20  # so that it stores at every third batch
    ingest.drain()
    die("between batches")
    rollups.fill()
"""


def test_killed_at_any_step_every_record_is_counted_exactly_once(paths: Paths) -> None:
    writer = RingWriter(paths.ring(0), 0, 1, paths.spill(0), SMALL_RING)
    number = 0
    steps = (
        "before begin", "after begin", "before keep", "after keep", "between batches", "before fill", "after fill",
    )  # fmt: skip
    for step in steps:
        for _ in range(100):
            assert writer.push(exchange(number))
            number += 1
        countdown = 0 if step.endswith(("begin", "fill")) else 2
        control = subprocess.Popen(
            [sys.executable, "-c", _CONTROL, paths.data_dir, ROOT, step, str(countdown)], cwd=ROOT
        )
        deadline = time.monotonic() + 60
        while control.poll() is None and time.monotonic() < deadline:
            assert writer.push(exchange(number))
            number += 1
            time.sleep(0.002)
        if control.poll() is None:
            control.kill()
            control.wait()
            pytest.fail(f"did not come to {step!r}")
        assert control.returncode == -signal.SIGKILL
    log, aggregates = SqliteLog(paths.log_dir), Aggregates()
    rollups = Rollups(open_rollups(sqlite_url(paths.log_dir), "here", merged), log, aggregates)
    ingest = Ingest(paths, log, aggregates, rollups=rollups)
    while ingest.drain():
        pass
    ingest.stop()
    while rollups.fill():
        pass
    points = rollups.points(Question(), 1_800_000_000 - 3600, 1_800_000_000 + 3600, 3600)
    assert sum(requests_in(data) for steps in points.values() for data in steps.values()) == number
    rollups.store.close()
    log.close()
    writer.close()
