"""A slope's interval holds the truth as often as it says, also where samples resemble their neighbours."""

from __future__ import annotations

import random

import pytest

from bench.reliability.slope import FEWEST, slope

EVERY_S = 5.0
COUNT = 420


def test_a_line_is_found_in_percent_an_hour_of_its_beginning() -> None:
    seconds = [EVERY_S * number for number in range(100)]
    found = slope(seconds, [1000 + second / 3600 * 20 for second in seconds])
    assert found.percent == pytest.approx(2.0)
    assert (found.low, found.high) == (pytest.approx(2.0), pytest.approx(2.0))


def test_what_stands_still_has_none() -> None:
    assert slope(range(FEWEST), [7.0] * FEWEST) == (0, 0, 0)


def _noise(draw: random.Random, likeness: float) -> list[float]:
    """Autoregressive, with a standard deviation of one."""
    values = [draw.gauss(0, 1)]
    while len(values) < COUNT:
        values.append(likeness * values[-1] + draw.gauss(0, 1) * (1 - likeness**2) ** 0.5)
    return values


@pytest.mark.parametrize("likeness", [0.0, 0.5, 0.8])
def test_the_interval_holds_the_truth(likeness: float) -> None:
    draw = random.Random(4)
    seconds = [EVERY_S * number for number in range(COUNT)]
    held = 0
    for _ in range(200):
        noise = _noise(draw, likeness)
        found = slope(seconds, [1000 + second / 3600 * 10 + one for second, one in zip(seconds, noise, strict=True)])
        held += found.low <= 1.0 <= found.high
    # 95 % of 200, less or more what luck may do.
    assert 180 <= held <= 199


@pytest.mark.parametrize("count", [0, FEWEST - 1])
def test_too_few_samples_say_nothing(count: int) -> None:
    with pytest.raises(ValueError, match="samples"):
        slope(range(count), [1.0] * count)
