"""Ejection, probes, throttling and speed of a deployment, alone and among workers."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.speedups.conftest import BUCKETS, HEALTHS

S = 1_000_000_000
START = 1_000 * S


def fail(one: Any, times: int, now: int, verdict: int = 2) -> list[int]:
    said = []
    for _ in range(times):
        one.began(now)
        said.append(one.ended(now, now, verdict))
    return said


def test_five_failures_in_a_row_eject(health: ModuleType) -> None:
    one = health.Health(None, -1)
    assert fail(one, 4, START) == [health.UNCHANGED] * 4
    assert one.state(START) == health.WELL
    assert fail(one, 1, START) == [health.EJECTED]
    assert one.state(START) == one.state(START + 29 * S) == health.OUT
    failures, ejections, left = one.figures(START)
    assert (failures, ejections) == (5, 1)
    assert 30 * S <= left <= 36 * S, "a rest and up to a fifth more"


def test_a_good_answer_between_begins_the_row_anew(health: ModuleType) -> None:
    one = health.Health(None, -1)
    for _ in range(20):
        fail(one, 4, START)
        assert not one.proven()
        fail(one, 1, START, health.GOOD)
        assert one.proven()
    assert one.state(START) == health.WELL, "80 % failed: below 85 %"


def test_most_of_many_failed(health: ModuleType) -> None:
    """85 % of at least 50 within ten seconds, however the good ones lie between."""
    one = health.Health(None, -1, consecutive=1000)
    fail(one, 7, START, health.GOOD)
    assert health.EJECTED not in fail(one, 39, START)
    fail(one, 1, START, health.GOOD)
    assert fail(one, 10, START)[-1] == health.EJECTED or one.state(START) == health.OUT
    other = health.Health(None, -1, consecutive=1000)
    fail(other, 30, START)
    assert health.EJECTED not in fail(other, 30, START + 10 * S), "30 in each of two windows"


def test_rests_grow_and_are_forgotten(health: ModuleType) -> None:
    one = health.Health(None, -1, rest_ns=10 * S, longest_rest_ns=30 * S)
    now, rests = START, []
    fail(one, 5, now)
    for _ in range(5):
        rests.append(one.figures(now)[2])
        now += 40 * S
        assert one.probe(now)
        assert fail(one, 1, now) == [health.EJECTED], "a probe that fails"
    for rest, least in zip(rests, (10, 20, 30, 30, 30), strict=True):
        assert least * S <= rest <= least * S * 1.2
    now += 40 * S
    assert one.probe(now)
    assert fail(one, 1, now, health.GOOD) == [health.RESTORED]
    fail(one, 5, now + 200 * S)
    assert one.figures(now + 200 * S)[1] == 1, "well for twenty rests: the first one again"


def test_one_probe_at_a_time(health: ModuleType) -> None:
    one = health.Health(None, -1)
    fail(one, 5, START)
    now = START + 37 * S
    assert one.state(now) == health.DUE
    assert [one.probe(now) for _ in range(200)].count(True) == 1
    assert one.state(now + 9 * S) == health.OUT, "the probe is under way"
    assert one.probe(now + 10 * S), "it was lost: another"
    one.began(now + 10 * S)
    assert one.ended(now + 11 * S, now + 10 * S, health.GOOD) == health.RESTORED
    assert one.state(now + 11 * S) == health.WELL


def test_old_news_changes_nothing(health: ModuleType) -> None:
    """Of attempts that began before the ejection."""
    one = health.Health(None, -1)
    fail(one, 5, START)
    for verdict in (health.GOOD, health.SICK, health.NEUTRAL):
        one.began(START)
        assert one.ended(START + S, START - 1, verdict) == health.UNCHANGED
    assert one.state(START + S) == health.OUT
    one.began(START + S)
    assert one.ended(START + 2 * S, START + S, health.GOOD) == health.RESTORED, (
        "asked although it was out, and answered"
    )


def test_neutral_endings_count_for_nothing(health: ModuleType) -> None:
    one = health.Health(None, -1)
    assert fail(one, 100, START, health.NEUTRAL) == [health.UNCHANGED] * 100
    assert one.figures(START) == (0, 0, 0)


def test_under_way(health: ModuleType) -> None:
    one = health.Health(None, -1)
    for _ in range(3):
        one.began(START)
    assert one.busy() == 3
    one.ended(START + 60 * S, START, health.GOOD)
    assert one.busy() == 2, "also in another window"
    one.ended(START + 60 * S, START, health.NEUTRAL)
    one.ended(START + 60 * S, START, health.SICK)
    one.ended(START + 60 * S, START, health.SICK)
    assert one.busy() == 0, "never below"


def test_peak_ewma(health: ModuleType) -> None:
    one = health.Health(None, -1)
    assert one.latency_ns(START) == 0
    one.took(5_000_000, START)
    assert one.latency_ns(START) == 5_000_000
    one.took(50_000_000, START)
    assert one.latency_ns(START) == 50_000_000, "a slower one counts at once"
    one.took(5_000_000, START + S)
    assert 40_000_000 < one.latency_ns(START + S) < 50_000_000, "a faster one by and by"
    for second in range(2, 80):
        one.took(5_000_000, START + second * S)
    assert 4_900_000 < one.latency_ns(START + 79 * S) < 5_200_000
    assert one.latency_ns(START + 200 * S) < 100_000, "and nothing is held against it for ever"
    one.took(10**18, START)
    assert one.latency_ns(START) == 0x7FFFFFFF * 1000
    one.began(START)
    assert one.load(START) == 2 * one.latency_ns(START)


@pytest.mark.parametrize("rules", [{}, {"consecutive": 1 << 20, "permille": 1000}], ids=["ejected", "never ejected"])
def test_throttles_what_is_refused(health: ModuleType, rules: dict[str, int]) -> None:
    """Of a deployment that takes half of what it could be sent, no more than twice what it takes is sent (K = 2). The
    only target of a route is asked also while it counts as ejected."""
    one = health.Health(None, -1, **rules)
    now, sent, taken = START, 0, 0
    for second in range(300):
        capacity = 25
        for _ in range(100):
            now = START + second * S
            if one.throttled(now):
                continue
            one.began(now)
            good = capacity > 0
            capacity -= good
            one.ended(now, now, health.GOOD if good else health.SICK)
            if second >= 60:
                sent += 1
                taken += good
    assert taken == 240 * 25, "what it takes it gets"
    assert sent <= 2.1 * taken


def test_an_outage_is_not_held_against_what_is_well_again(health: ModuleType) -> None:
    one = health.Health(None, -1)
    fail(one, 100, START, health.GOOD)
    for second in range(20):
        fail(one, 100, START + second * S)
    assert any(one.throttled(START + 20 * S) for _ in range(100))
    fail(one, 1, START + 20 * S, health.GOOD)
    assert not any(one.throttled(START + 20 * S) for _ in range(100))


def test_does_not_throttle_what_is_well_or_little(health: ModuleType) -> None:
    one = health.Health(None, -1, consecutive=1 << 20, permille=1000)
    fail(one, 49, START)
    assert not any(one.throttled(START) for _ in range(100)), "below fifty requests"
    one = health.Health(None, -1)
    fail(one, 200, START, health.GOOD)
    fail(one, 4, START)
    assert not any(one.throttled(START) for _ in range(1000))


def test_the_share_that_is_left_out_is_told_without_drawing_a_lot(health: ModuleType) -> None:
    one = health.Health(None, -1, consecutive=1 << 20, permille=1000)
    fail(one, 49, START)
    assert one.refusing(START) == 0.0
    fail(one, 51, START)
    assert {one.refusing(START) for _ in range(1000)} == {75 / 101}
    fail(one, 10_000, START)
    assert one.refusing(START) == 0.9
    one = health.Health(None, -1)
    fail(one, 200, START, health.GOOD)
    assert one.refusing(START) == 0.0


def test_what_is_dead_is_still_asked_now_and_then(health: ModuleType) -> None:
    one = health.Health(None, -1)
    fail(one, 10_000, START)
    asked = sum(not one.throttled(START + S) for _ in range(2000))
    assert 120 < asked < 290, "a tenth, within six standard deviations"


def test_workers_share_it(tmp_path: Path) -> None:
    for name, health in HEALTHS.items():
        bucket = BUCKETS[name]
        arena = bucket.Arena.create(str(tmp_path / name), workers=3)
        slot = arena.allocate()
        arena.define(slot, 77, bucket.HEALTH, 0, 0)
        workers = [bucket.ArenaWorker(arena, index) for index in range(3)]
        ones = [health.Health(worker, slot) for worker in workers]
        for one in ones:
            one.began(START)
        assert [one.busy() for one in ones] == [3, 3, 3]
        said = [ones[index % 3].ended(START, START, health.SICK) for index in range(5)]
        assert said == [0, 0, 0, 0, health.EJECTED], "in a row over all workers"
        assert {one.state(START) for one in ones} == {health.OUT}
        now = START + 40 * S
        assert [one.probe(now) for one in ones].count(True) == 1
        assert ones[2].ended(now, now, health.GOOD) == health.RESTORED
        assert {one.state(now) for one in ones} == {health.WELL}
        ones[0].took(7_000_000, now)
        assert ones[1].latency_ns(now) == 7_000_000
        arena.define(slot, 77, bucket.HEALTH, 0, 0)
        assert ones[1].latency_ns(now) == 7_000_000, "the same one, defined again"
        arena.free(slot)
        arena.define(slot, 78, bucket.HEALTH, 0, 0)
        assert ones[1].latency_ns(now) == ones[1].busy() == 0, "another one has its slot"
        for worker in workers:
            worker.close()
        arena.close()


def test_a_dead_workers_attempts_are_not_under_way(tmp_path: Path) -> None:
    for name, health in HEALTHS.items():
        bucket = BUCKETS[name]
        arena = bucket.Arena.create(str(tmp_path / name), workers=1)
        slot = arena.allocate()
        arena.define(slot, 77, bucket.HEALTH, 0, 0)
        first = bucket.ArenaWorker(arena, 0)
        one = health.Health(first, slot)
        for _ in range(9):
            one.began(START)
        first.close()
        second = bucket.ArenaWorker(arena, 0)
        other = health.Health(second, slot)
        other.began(START)
        assert other.busy() == 1
        second.close()
        arena.close()


@pytest.mark.parametrize(
    "wrong", [{"consecutive": 0}, {"volume": 0}, {"permille": 1001}, {"rest_ns": 0}, {"longest_rest_ns": 1}]
)
def test_rules_that_cannot_be(health: ModuleType, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        health.Health(None, -1, **wrong)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("bGSNp"), st.integers(0, 40 * S)), max_size=80))
def test_both_twins_agree(steps: list[tuple[str, int]]) -> None:
    """Whatever happens, in whatever order: but for the jitter of a rest, which is left out."""
    made = [module.Health(None, -1, rest_ns=999, longest_rest_ns=999) for module in HEALTHS.values()]
    now = START
    for what, pause in steps:
        now += pause
        if what == "b":
            said = {one.began(now) for one in made}
        elif what == "p":
            said = {one.probe(now) for one in made}
        else:
            said = {one.ended(now, now - pause // 2, {"G": 1, "S": 2, "N": 0}[what]) for one in made}
            for one in made:
                one.took(pause // 100, now)
        assert len(said) == 1
        assert (
            len({(one.state(now), one.figures(now), one.busy(), one.latency_ns(now), one.proven()) for one in made})
            == 1
        )
