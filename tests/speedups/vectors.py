"""Unit vectors for tests of the vector index; each derives from one number, so that any process can make it again."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

DIM = 32
Vectors = np.ndarray[Any, np.dtype[np.float32]]


def unit(values: np.ndarray[Any, Any]) -> Vectors:
    """Rows of length 1."""
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


@cache
def gaussian(count: int, dim: int = DIM, seed: int = 1) -> Vectors:
    """Rows that are unlike each other in all directions: for a graph the hardest."""
    return unit(np.random.default_rng(seed).standard_normal((count, dim)))


def nearest(vectors: Vectors, query: Vectors, most: int = 1) -> list[int]:
    """Rows, by all cosines."""
    return [int(row) for row in np.argsort(-(vectors @ query), kind="stable")[:most]]
