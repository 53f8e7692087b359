"""What all stores of vectors ask of what they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Vectors: TypeAlias = Sequence[tuple[int, int, bytes, int]]
"""(scope, key, little-endian float32s of length 1, wall-clock time in ns at which it is forgotten)"""

_SIGN = 1 << 63


def check(vector: bytes, dimensions: int) -> None:
    """Raises ValueError."""
    if len(vector) != 4 * dimensions:
        raise ValueError(f"a vector of {len(vector) / 4:g} dimensions where {dimensions} are kept")


def signed(number: int) -> int:
    """The same 64 bits as SQL knows them."""
    return number - 2 * _SIGN if number >= _SIGN else number


def unsigned(number: int) -> int:
    return number + 2 * _SIGN if number < 0 else number
