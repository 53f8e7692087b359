"""Affinity of a prompt of 20 KB with 8 keys: its digests, the choice and the note of it."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from tests.speedups.twins import twins

AFFINITIES = twins("_affinity")
SIZE, KEYS, LOOPS = 20_480, 8, 1000
ALL = (1 << KEYS) - 1
BODY = random.Random(1).randbytes(SIZE)


@pytest.mark.parametrize("twin", AFFINITIES)
def test_prefix_digests(benchmark: Any, twin: str) -> None:
    benchmark(AFFINITIES[twin].digests, BODY, 0, SIZE)
    benchmark.extra_info["gigabytes_per_second"] = SIZE / benchmark.stats.stats.median / 1e9


@pytest.mark.parametrize("known", ["cold", "warm"])
@pytest.mark.parametrize("twin", AFFINITIES)
def test_affine_choice(benchmark: Any, twin: str, known: str) -> None:
    """Among so many other prompts that the table does not lie in the processor's nearest cache."""
    module, now, draw = AFFINITIES[twin], time.monotonic_ns(), random.Random(2)
    table = module.Affinity(KEYS)
    for number in range(2000):
        table.used(draw.randbytes(8 * 18), number % KEYS, 1000, now)
    chain = module.digests(BODY, 0, SIZE)
    if known == "warm":
        table.used(chain, 3, 1000, now)
    assert benchmark(table.choose, chain, ALL, now) == 3 or known == "cold"


@pytest.mark.parametrize("twin", AFFINITIES)
def test_affine_note(benchmark: Any, twin: str) -> None:
    module, now = AFFINITIES[twin], time.monotonic_ns()
    benchmark(module.Affinity(KEYS).used, module.digests(BODY, 0, SIZE), 3, 1000, now)


def test_digests_choice_and_note_from_c(benchmark: Any) -> None:
    if "c" not in AFFINITIES:
        pytest.skip("the pure twin has no C caller")
    module = AFFINITIES["c"]
    benchmark.extra_info["operations"] = LOOPS
    benchmark(module._bench, module.Affinity(KEYS), BODY, ALL, time.monotonic_ns(), LOOPS)
