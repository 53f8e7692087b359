"""Hits and wrong hits by threshold."""

from __future__ import annotations

import random

import pytest

from gateway.cache.similar.threshold import BINS, Point, ThresholdCurve


def curve(seed: int, count: int) -> tuple[ThresholdCurve, list[tuple[float, bool, bool]]]:
    draw = random.Random(seed)
    found = ThresholdCurve()
    rows = [(draw.uniform(-0.1, 1.0), draw.random() < 0.7, draw.random() < 0.5) for _ in range(count)]
    for row in rows:
        found.add(*row)
    return found, rows


def test_points_are_what_counting_finds() -> None:
    found, rows = curve(1, 400)
    points = found.points()
    assert len(points) == BINS
    for kind, point in enumerate(points):
        served = [row for row in rows if int(max(row[0], 0.0) * 100 + 1e-6) >= kind]
        let_through = [row for row in served if row[1]]
        assert point == Point(
            kind / 100,
            len(served),
            sum(not same for _, _, same in served),
            len(let_through),
            sum(not same for _, _, same in let_through),
        )


def test_curves_add_up() -> None:
    one, _ = curve(2, 100)
    other, _ = curve(3, 50)
    other.add_without_candidate()
    one.merge(other)
    assert one.lookups == 151
    assert one.points()[0].plain_hits == 150


def test_curves_survive_storage() -> None:
    found, _ = curve(4, 100)
    again = ThresholdCurve.from_bytes(found.to_bytes())
    assert again.points() == found.points()
    assert again.lookups == 100
    for damaged in (b"", found.to_bytes()[:-1], b"\x09" + found.to_bytes()[1:]):
        with pytest.raises(ValueError, match="threshold curve"):
            ThresholdCurve.from_bytes(damaged)


@pytest.mark.parametrize(
    ("similarity", "last"),
    [(1.0000001, 100), (0.999, 99), (0.29, 29), (-1.0, 0), (float("nan"), 0), (float("inf"), 100)],
)
def test_any_similarity_has_a_bin(similarity: float, last: int) -> None:
    found = ThresholdCurve()
    found.add(similarity, agrees=True, same=False)
    assert max(number for number, point in enumerate(found.points()) if point.hits) == last
