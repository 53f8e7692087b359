"""When a provider is down, and when too many requests fail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from _speedups._bucket import HEALTH, Arena, ArenaWorker
from gateway.alerts.alert import Finding
from gateway.alerts.providers import IDLE_S, Down, failing
from gateway.alerts.tallies import ALL, Tallies
from gateway.config.alerts import ErrorRate
from gateway.control.aggregate import Aggregates
from gateway.records import ErrorKind, Kind, Outcome
from gateway.snapshot.model import Provider, ProviderKey
from tests.control.trail_records import NAMES, exchange, values_of

S = 10**9
K1, K2, MODEL = 0, 1, 2


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    made = Arena.create(str(tmp_path / "arena"), workers=1, capacity=16, reservations=16)
    for slot in (K1, K2, MODEL):
        made.define(slot, slot + 1, HEALTH, 0, 0)
    yield made
    made.close()


@pytest.fixture
def worker(arena: Arena) -> Iterator[ArenaWorker]:
    made = arena.worker(0)
    yield made
    made.close()


class Ground:
    """The provider mock, its answers, and a clock."""

    def __init__(self, arena: Arena, worker: ArenaWorker) -> None:
        keys = tuple(ProviderKey(id=f"k{n}", name=f"k{n}", value="v", health_slot=n) for n in (K1, K2))
        provider = Provider(
            id="p",
            name="mock",
            vendor="custom",
            base_url="",
            dialects={},
            paths={},
            keys=keys,
            deployments={"m": MODEL},
        )
        self.providers = {"mock": provider}
        self.aggregates = Aggregates()
        self.aggregates.rename(NAMES)
        self.tallies = Tallies(self.aggregates)
        self.down = Down(arena)
        self.worker = worker
        self.now_s = 1000.0

    def rest(self, *slots: int, seconds: float = 1e6) -> None:
        until_ns = time.monotonic_ns() + int(seconds * S)
        for slot in slots:
            self.worker.set_cooldown(slot, until_ns)

    def answer(self, outcome: Outcome = Outcome.OK, count: int = 1, **fields: object) -> None:
        for _ in range(count):
            self.aggregates.add(values_of(exchange(outcome=int(outcome), **fields)))

    def look(self, after_s: float = 0.0) -> bool | None:
        self.now_s += after_s
        self.tallies.look(self.now_s, 300)
        [found] = self.down.look(self.providers, self.tallies, 60.0, self.now_s)
        return found.holds

    def rates(self, after_s: float = 0.0) -> dict[str, Finding]:
        self.now_s += after_s
        self.tallies.look(self.now_s, 300)
        rule = ErrorRate(share=0.5, window=300.0, requests=10)
        return {each.subject: each for each in failing(self.providers, self.tallies, rule, self.now_s)}


@pytest.fixture
def ground(arena: Arena, worker: ArenaWorker) -> Ground:
    return Ground(arena, worker)


@pytest.mark.parametrize("slots", [(K1, K2), (MODEL,)])
def test_a_provider_is_down_once_it_has_rested_long_enough(ground: Ground, slots: tuple[int, ...]) -> None:
    assert ground.look() is None
    ground.rest(*slots)
    assert [ground.look(after) for after in (0, 59, 1, 100)] == [None, None, True, True]
    # Its rest is over, and nobody has asked it yet.
    for slot in slots:
        ground.worker.set_cooldown(slot, 0)
    assert ground.look(1) is True
    ground.answer(Outcome.UPSTREAM_ERROR, error_kind=int(ErrorKind.UPSTREAM_SERVER), status=500)
    assert ground.look(1) is True
    ground.answer()
    assert ground.look(1) is False


def test_one_key_that_rests_is_no_provider_that_is_down(ground: Ground) -> None:
    ground.rest(K1)
    assert [ground.look(after) for after in (0, 61, 600)] == [None, None, None]


def test_another_model_that_answers_shows_that_it_is_up(ground: Ground) -> None:
    ground.rest(MODEL)
    for _ in range(4):
        ground.answer(target_model=b"other")
        assert ground.look(50) is not True


def test_nobody_asks_it_any_more(ground: Ground) -> None:
    ground.rest(MODEL)
    assert [ground.look(after) for after in (0, 60)] == [None, True]
    ground.worker.set_cooldown(MODEL, 0)
    assert [ground.look(after) for after in (IDLE_S - 1, 1)] == [True, False]


def test_a_restart_leaves_an_alert_as_it_was_until_something_is_known(ground: Ground) -> None:
    assert ground.look() is None
    ground.answer()
    assert ground.look(1) is False


def test_an_error_rate_is_of_the_window(ground: Ground) -> None:
    ground.rates()
    failed = {"error_kind": int(ErrorKind.UPSTREAM_SERVER), "status": 500}
    ground.answer(Outcome.UPSTREAM_ERROR, 9, **failed)
    assert {each.holds for each in ground.rates(1).values()} == {None}
    ground.answer(Outcome.UPSTREAM_ERROR, 1, **failed)
    found = ground.rates(1)
    assert {subject: each.holds for subject, each in found.items()} == {"gateway": True, "provider/mock": True}
    assert {each.level for each in found.values()} == {"critical", "warning"}
    assert found["provider/mock"].message == "100 % of 10 attempts at provider mock failed within 300 s"
    ground.answer(Outcome.OK, 12)
    assert {each.holds for each in ground.rates(1).values()} == {None}
    ground.answer(Outcome.OK, 10)
    assert {each.holds for each in ground.rates(1).values()} == {False}
    # What failed has left the window, with everything else: there is nothing to say.
    assert {each.holds for each in ground.rates(400).values()} == {False}


def test_mistakes_of_callers_and_refusals_are_no_failures(ground: Ground) -> None:
    ground.rates()
    ground.answer(Outcome.UPSTREAM_ERROR, 20, error_kind=int(ErrorKind.UPSTREAM_BAD_REQUEST), status=400)
    ground.answer(Outcome.REFUSED, 20, error_kind=int(ErrorKind.BUDGET), status=429, attempt=0, attempts=0)
    ground.answer(Outcome.CLIENT_ABORT, 20, error_kind=int(ErrorKind.CLIENT_GONE))
    ground.rates(1)
    assert ground.tallies.now[ALL].requests == 0
    assert ground.tallies.refused == {"alice": 20}


def test_attempts_count_for_the_provider_and_not_for_all(ground: Ground) -> None:
    ground.rates()
    ground.answer(Outcome.UPSTREAM_ERROR, 10, kind=int(Kind.ATTEMPT), error_kind=int(ErrorKind.RESET), status=502)
    ground.answer(Outcome.OK, 10, attempt=2, attempts=2)
    found = ground.rates(1)
    assert (found["provider/mock"].value, found["gateway"].value) == (0.5, 0.0)


def test_a_model_of_ones_own_making_passes_for_nothing_else(ground: Ground) -> None:
    ground.answer(target_model=b'x",virtual_key="bob",error="budget')
    ground.rates()
    assert ground.tallies.refused == {}
    assert ground.tallies.now[ALL].good == 1
