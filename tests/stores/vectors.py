"""Vectors of the semantic cache, for tests of its stores."""

from __future__ import annotations

import math
import random
from array import array

from tests.stores.answers import later

DIMENSIONS = 8
SCOPE, OTHER_SCOPE = 1, (1 << 64) - 1
"""The second as large as it can be: SQL has no unsigned numbers, JSON no whole ones of this size."""


def unit(values: list[float]) -> bytes:
    length = math.sqrt(sum(value * value for value in values))
    return array("f", [value / length for value in values]).tobytes()


def vector(number: int, dimensions: int = DIMENSIONS) -> bytes:
    """Another for each number."""
    lot = random.Random(number)
    return unit([lot.gauss(0, 1) for _ in range(dimensions)])


def near(number: int, by: float, dimensions: int = DIMENSIONS) -> bytes:
    """Beside ``vector(number)``."""
    lot = random.Random(-1 - number)
    return unit([value + by * lot.gauss(0, 1) for value in array("f", vector(number, dimensions))])


def cosine(one: bytes, other: bytes) -> float:
    return sum(a * b for a, b in zip(array("f", one), array("f", other), strict=True))


def entry(number: int, scope: int = SCOPE, dimensions: int = DIMENSIONS) -> tuple[int, int, bytes, int]:
    """Its key grows with the number, from half the numbers there are."""
    return scope, key(number), vector(number, dimensions), later()


def key(number: int) -> int:
    return (1 << 63) - 2 + number
