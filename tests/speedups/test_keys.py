"""Choice among keys: in proportion to weight, only among the healthy, and the same health in all workers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.speedups.conftest import BUCKETS, KEYS

NEVER = 2**63 - 1


def plain(keys: ModuleType, *weights: int) -> object:
    return keys.KeySet(None, [(weight, -1, 0) for weight in weights])


def test_draws_in_proportion_to_weight(keys: ModuleType) -> None:
    keys.seed(12345)
    chosen = plain(keys, 1000, 3000, 6000)
    counts = Counter(chosen.choose(0b111, 0) for _ in range(10_000))
    for index, share in enumerate((1000, 3000, 6000)):
        assert abs(counts[index] - share) < 250, "five standard deviations"


def test_draws_in_proportion_among_those_that_are_left(keys: ModuleType) -> None:
    """Whether a key rests, is not allowed, or weighs nothing."""
    keys.seed(54321)
    chosen = plain(keys, 1000, 5000, 0, 3000, 6000, 20_000)
    chosen.cool(1, 10)
    counts = Counter(chosen.choose(0b011111, 0) for _ in range(10_000))
    assert set(counts) == {0, 3, 4}
    for index, share in ((0, 1000), (3, 3000), (4, 6000)):
        assert abs(counts[index] - share) < 250, "five standard deviations"


def test_many_weights(keys: ModuleType) -> None:
    """Each of 64 keys at least its share less five standard deviations, and all of them no more than there are."""
    keys.seed(99)
    weights = [1 + index * index for index in range(64)]
    chosen, draws = plain(keys, *weights), 100_000
    counts = Counter(chosen.choose(2**64 - 1, 0) for _ in range(draws))
    for index, weight in enumerate(weights):
        share = draws * weight / sum(weights)
        assert abs(counts[index] - share) < 5 * share**0.5 + 3


def test_the_largest_weights(keys: ModuleType) -> None:
    keys.seed(1)
    chosen = plain(keys, 2**62, 2**62, 1)
    counts = Counter(chosen.choose(0b111, 0) for _ in range(2000))
    assert set(counts) == {0, 1}
    assert abs(counts[0] - 1000) < 120


def test_the_same_seed_draws_the_same(keys: ModuleType) -> None:
    chosen = plain(keys, 5, 5, 5, 5)
    draws = []
    for _ in range(2):
        keys.seed(7)
        draws.append([chosen.choose(0b1111, 0) for _ in range(50)])
    keys.seed(8)
    assert draws[0] == draws[1] != [chosen.choose(0b1111, 0) for _ in range(50)]


def test_only_allowed_keys(keys: ModuleType) -> None:
    chosen = plain(keys, 1, 1, 1, 1)
    assert {chosen.choose(0b0101, 0) for _ in range(100)} == {0, 2}
    assert chosen.choose(0, 0) == -1
    assert chosen.choose(0b10000, 0) == -1, "a bit without a key"
    assert len(chosen) == 4


def test_weight_zero_only_when_no_other_is_left(keys: ModuleType) -> None:
    chosen = plain(keys, 0, 10, 0)
    assert {chosen.choose(0b111, 5) for _ in range(50)} == {1}
    chosen.cool(1, 10)
    assert chosen.choose(0b111, 5) == 0
    assert chosen.choose(0b100, 5) == 2
    assert chosen.choose(0b111, 10) == 1


def test_cooling_disabling_enabling(keys: ModuleType) -> None:
    chosen = plain(keys, 1, 1)
    chosen.cool(0, 100)
    chosen.cool(0, 50)
    assert not chosen.usable(0, 99)
    assert chosen.usable(0, 100)
    assert chosen.next_ready_ns(0b01, 20) == 100
    assert chosen.next_ready_ns(0b11, 20) == 20
    chosen.disable(1)
    chosen.cool(1, 30)
    assert not chosen.usable(1, 10**18)
    assert chosen.next_ready_ns(0b10, 20) == -1
    assert chosen.choose(0b11, 99) == -1
    chosen.enable(1)
    assert chosen.choose(0b11, 99) == 1
    for index in (-1, 2):
        for act in (chosen.disable, chosen.enable, lambda i: chosen.cool(i, 1), lambda i: chosen.usable(i, 1)):
            with pytest.raises(IndexError):
                act(index)


def test_bounds(keys: ModuleType) -> None:
    whole = plain(keys, *range(1, 65))
    keys.seed(3)
    assert {whole.choose(2**64 - 1, 0) for _ in range(20_000)} == set(range(64))
    assert whole.choose(1 << 63, 0) == 63
    with pytest.raises(ValueError, match="64"):
        plain(keys, *[1] * 65)
    with pytest.raises(ValueError, match="negative"):
        plain(keys, 1, -1)
    assert plain(keys).choose(1, 0) == -1


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=64),
    allowed=st.integers(0, 2**64 - 1),
    now=st.integers(0, 20),
)
def test_always_a_healthy_allowed_key(rows: list[tuple[int, int]], allowed: int, now: int) -> None:
    for module in KEYS.values():
        chosen = plain(module, *[weight for weight, _ in rows])
        for index, (_, until) in enumerate(rows):
            chosen.cool(index, until)
        ready = {i for i, (_, until) in enumerate(rows) if allowed >> i & 1 and until <= now}
        weighty = {i for i in ready if rows[i][0]}
        got = chosen.choose(allowed, now)
        assert got in (weighty or ready or {-1})
        named = [until for i, (_, until) in enumerate(rows) if allowed >> i & 1]
        assert chosen.next_ready_ns(allowed, now) == (max(now, min(named)) if named else -1)


@pytest.mark.parametrize("name", KEYS)
def test_health_is_shared_by_all_workers(tmp_path: Path, name: str) -> None:
    keys, bucket = KEYS[name], BUCKETS["c" if "c" in BUCKETS else "py"]
    arena = bucket.Arena.create(str(tmp_path / "arena"), workers=2, capacity=64, reservations=16)
    for slot in range(2):
        arena.define(slot, 1 + slot, bucket.HEALTH, 0, 0)
    workers = [arena.worker(0), arena.worker(1)]
    first, second = (keys.KeySet(worker, [(1, 0, 0), (1, 1, 0), (1, -1, 0)]) for worker in workers)
    first.cool(0, 100)
    second.disable(1)
    first.cool(2, 500)
    assert [second.usable(i, 50) for i in range(3)] == [False, False, True], "a key without a slot is each worker's own"
    assert first.choose(0b011, 50) == -1
    assert first.choose(0b011, 100) == 0
    assert workers[0].cooldown_ns(1) == NEVER
    second.cool(1, 10**6)
    assert workers[0].cooldown_ns(1) == NEVER
    first.enable(1)
    assert second.usable(1, 50)
    for worker in workers:
        worker.close()
    arena.close()
