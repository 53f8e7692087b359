"""Verified mode: wrong answers stay under the user's bound where the truth is known; state survives; doubt explores."""

from __future__ import annotations

import random

import pytest

from gateway.cache.similar.logistic import (
    KNOTS,
    Observation,
    at,
    log_likelihood,
    lower_curve,
    mean_curve,
    packed,
    posterior,
    sigmoid,
)
from gateway.cache.similar.verified import (
    FRESH,
    MOST_OBSERVATIONS,
    MOST_SAVED,
    PRIOR,
    PROBE,
    Budget,
    EntryState,
    Policy,
    Pool,
    decide,
    exploration,
    observe_alone,
)

CURVES = ((0.78, 20.0), (0.84, 40.0), (0.9, 40.0), (0.94, 80.0), (9.0, 40.0))
"""Of the simulated entries; the last answers nobody else."""


class Traffic:
    """Look-ups of entries whose true curves are known, more of some entries than of others."""

    def __init__(self, seed: int, entries: int) -> None:
        self._draw = random.Random(seed)
        self._curves = [self._draw.choice(CURVES) for _ in range(entries)]
        self._popular = [1.0 / (rank + 1) for rank in range(entries)]

    def lookup(self) -> tuple[int, float, bool]:
        (entry,) = self._draw.choices(range(len(self._curves)), self._popular)
        similarity = min(1.0, self._draw.betavariate(9, 1.2))
        middle, slope = self._curves[entry]
        return entry, similarity, self._draw.random() < sigmoid(slope * (similarity - middle))


def simulate(
    seed: int, policy: Policy, lookups: int, pool: Pool | None, budget: Budget | None = None, entries: int = 30
) -> tuple[int, int]:
    """(hits, wrong hits)."""
    traffic = Traffic(seed, entries)
    draw = random.Random(seed + 1)
    states = [FRESH] * entries
    hits = wrong = 0
    for _ in range(lookups):
        entry, similarity, same = traffic.lookup()
        decision = decide(states[entry], similarity, policy, draw.random(), pool, budget)
        if decision.action == "exploit":
            hits += 1
            wrong += not same
        elif pool is None:
            states[entry] = observe_alone(states[entry], similarity, same)
        else:
            states[entry] = pool.observe(states[entry], decision.claim, similarity, same)
    return hits, wrong


LOOKUPS = 300


@pytest.mark.parametrize("pooled", [True, False], ids=["pooled", "alone"])
@pytest.mark.parametrize("bound", [0.02, 0.1])
def test_wrong_answers_stay_under_the_bound(bound: float, pooled: bool) -> None:
    # An entry that learns from itself alone needs more look-ups of its own.
    entries = 30 if pooled else 5
    outcomes = [simulate(seed, Policy(bound), LOOKUPS, Pool() if pooled else None, None, entries) for seed in range(3)]
    hits, wrong = (sum(column) for column in zip(*outcomes, strict=True))
    assert wrong <= bound * LOOKUPS * len(outcomes)
    assert hits > 0.02 * LOOKUPS * len(outcomes), "a bound that is kept by serving nothing is none"


def test_a_budget_keeps_the_bound_and_serves_more() -> None:
    kept = [simulate(seed, Policy(0.05), LOOKUPS, Pool(), Budget()) for seed in range(3)]
    memoryless = [simulate(seed, Policy(0.05), LOOKUPS, Pool()) for seed in range(3)]
    assert sum(wrong for _, wrong in kept) <= 0.05 * LOOKUPS * 3
    assert sum(hits for hits, _ in kept) > sum(hits for hits, _ in memoryless)


def test_a_budget_is_spent_once_and_not_saved_up_for_ever() -> None:
    budget = Budget()
    assert not budget.spend(0.01)
    for _ in range(10):
        budget.earn(0.1)
    assert budget.spend(0.6)
    assert not budget.spend(0.6)
    assert budget.spend(0.3)
    for _ in range(1000):
        budget.earn(0.1)
    assert budget.spend(MOST_SAVED)
    assert not budget.spend(0.01)


def test_with_a_budget_what_is_served_is_paid_for() -> None:
    pool = Pool()
    for number in range(40):
        pool.observe(FRESH, 0.85, 0.9, number % 8 != 0)
    state = EntryState((), (int(0.85 * 65535),) * KNOTS)
    alpha = pool.trusted(0.85)
    assert 0.6 < alpha < 0.9
    budget = Budget()
    decisions = [decide(state, 0.9, Policy(0.02), PROBE, pool, budget) for _ in range(1000)]
    served = sum(decision.action == "exploit" for decision in decisions)
    assert served * (1.0 - alpha) <= 0.02 * 1000 + 1e-9
    assert served == int(0.02 * 1000 / (1.0 - alpha) + 1e-9)
    assert decide(state, 0.9, Policy(0.02), PROBE - 1e-9, pool, Budget()).action == "explore", "probed"


def test_wrong_answers_per_hit_stay_under_the_bound() -> None:
    outcomes = [simulate(seed, Policy(0.15, per_hit=True), LOOKUPS, Pool()) for seed in range(3)]
    hits, wrong = (sum(column) for column in zip(*outcomes, strict=True))
    assert wrong <= 0.15 * hits
    assert hits > 50


def test_answers_that_are_never_right_are_never_served() -> None:
    pool = Pool()
    state = FRESH
    draw = random.Random(1)
    for _ in range(120):
        decision = decide(state, 0.99, Policy(0.1), draw.random(), pool)
        assert decision.action == "explore"
        state = pool.observe(state, decision.claim, 0.99, False)


@pytest.mark.parametrize("similarity", [0.0, 0.5, 1.0, 1.0000001, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("pool", [None, Pool()], ids=["alone", "pooled"])
def test_without_evidence_everything_is_explored(similarity: float, pool: Pool | None) -> None:
    decision = decide(FRESH, similarity, Policy(0.1), 0.999999, pool)
    assert decision.action == "explore"
    assert decision.tau == 1.0


def test_the_draw_decides() -> None:
    state = FRESH
    for _ in range(30):
        state = observe_alone(state, 0.9, True)
    decision = decide(state, 0.9, Policy(0.01), 0.0)
    assert 0.0 < decision.tau < 1.0
    assert decide(state, 0.9, Policy(0.01), decision.tau - 1e-9).action == "explore"
    assert decide(state, 0.9, Policy(0.01), decision.tau).action == "exploit"


def test_how_much_is_explored() -> None:
    assert exploration(0.99, Policy(0.01)) == pytest.approx(0.0)
    assert exploration(0.9, Policy(0.05)) == pytest.approx(0.5)
    assert exploration(0.9, Policy(0.05, per_hit=True)) == 1.0
    assert exploration(0.4, Policy(0.05)) == 1.0, "below the floor"
    assert exploration(0.0, Policy(0.05, floor=0.0)) == pytest.approx(0.95), "as in the paper"
    for alpha in (0.5, 0.7, 0.9, 0.97, 1.0):
        assert (1.0 - exploration(alpha, Policy(0.03))) * (1.0 - alpha) <= 0.03 + 1e-12


def test_the_lower_curve_is_under_the_true_one() -> None:
    curves = []
    for seed in range(12):
        draw = random.Random(seed)
        places = [draw.uniform(0.6, 1) for _ in range(64)]
        curves.append(lower_curve([Observation(s, draw.random() < sigmoid(40.0 * (s - 0.8))) for s in places]))
        assert curves[-1] == sorted(curves[-1])
    # A single one may be above by its doubt; their mean is what a decision rests upon, and where nothing is served
    # anyway (Policy.floor) it may be coarse.
    for knot, bounds in enumerate(zip(*curves, strict=True)):
        true = sigmoid(40.0 * (0.30 + knot / 100 - 0.8))
        assert sum(bounds) / len(bounds) <= true + (0.0 if true > 0.4 else 0.03)
    assert min(curve[-1] for curve in curves) > 0.8


def test_right_answers_alone_do_not_prove_a_sharp_border() -> None:
    bounds = lower_curve([Observation(0.8, True)] * 12)
    assert 0.5 < bounds[50] < 0.9
    assert bounds[60] < 0.95, "no answer was observed at 0.9"


def test_a_band_that_is_open_bounds_nothing() -> None:
    assert lower_curve([]) == [0.0] * KNOTS
    assert max(lower_curve([Observation(0.9, False)] * 20)) == 0.0
    assert max(lower_curve([Observation(0.9, True)])) < 0.5


def test_a_right_answer_raises_the_claim_and_a_wrong_one_lowers_it() -> None:
    before = mean_curve(posterior(PRIOR, log_likelihood([])))
    right = mean_curve(posterior(PRIOR, log_likelihood([Observation(0.9, True)])))
    wrong = mean_curve(posterior(PRIOR, log_likelihood([Observation(0.9, False)])))
    assert len(before) == KNOTS
    for low, middle, high in zip(wrong, before, right, strict=True):
        assert 0.0 < low < middle < high < 1.0
    for curve in (before, right, wrong):
        assert curve == sorted(curve)
        assert at(packed(curve), 0.955) <= curve[65] == pytest.approx(at(packed(curve), 0.95), abs=1e-4)


def test_entries_survive_storage() -> None:
    assert EntryState.from_bytes(FRESH.to_bytes()) == FRESH
    pool = Pool()
    state = FRESH
    draw = random.Random(2)
    for _ in range(MOST_OBSERVATIONS + 5):
        state = pool.observe(state, 0.4, draw.random(), draw.random() < 0.5)
    assert len(state.observations) == MOST_OBSERVATIONS
    assert len(state.to_bytes()) < 300
    assert EntryState.from_bytes(state.to_bytes()) == state
    alone = observe_alone(FRESH, 0.912, True)
    assert EntryState.from_bytes(alone.to_bytes()) == alone


def test_a_pool_survives_storage_and_goes_on_as_if_nothing_had_happened() -> None:
    pool = Pool()
    draw = random.Random(3)
    for _ in range(70):
        pool.observe(FRESH, draw.random(), draw.uniform(0.7, 1.0), draw.random() < 0.8)
    again = Pool.from_bytes(pool.to_bytes())
    assert again.to_bytes() == pool.to_bytes()
    for _ in range(40):
        row = (draw.random(), draw.uniform(0.7, 1.0), draw.random() < 0.8)
        assert again.observe(FRESH, *row) == pool.observe(FRESH, *row)
    assert again.to_bytes() == pool.to_bytes()
    assert [again.trusted(claim / 100) for claim in range(101)] == [pool.trusted(claim / 100) for claim in range(101)]


@pytest.mark.parametrize("damage", [b"", b"\x07", b"\x01" * 40])
def test_damaged_state_is_refused(damage: bytes) -> None:
    with pytest.raises(ValueError, match=r"state|entry"):
        EntryState.from_bytes(damage)
    with pytest.raises(ValueError, match="pool"):
        Pool.from_bytes(damage)
    state = observe_alone(FRESH, 0.9, True).to_bytes()
    for cut in range(len(state)):
        with pytest.raises(ValueError, match="state"):
            EntryState.from_bytes(state[:cut])


def test_trust_needs_evidence_and_is_lost_again() -> None:
    pool = Pool()
    assert pool.trusted(0.96) == 0.0
    for _ in range(60):
        pool.observe(FRESH, 0.96, 0.95, True)
    assert 0.9 < pool.trusted(0.96) < 1.0
    assert pool.trusted(0.99) >= pool.trusted(0.96), "a higher claim is worth no less"
    assert pool.trusted(0.8) == 0.0, "and a lower one nothing yet"
    before = pool.trusted(0.96)
    for _ in range(30):
        pool.observe(FRESH, 0.96, 0.95, False)
    assert pool.trusted(0.96) < before - 0.2
