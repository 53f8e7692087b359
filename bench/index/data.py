"""Vectors to measure with, from a seed: clustered as embeddings are, and Gaussian, which no embeddings are."""

from __future__ import annotations

from typing import Any

import numpy as np

CENTRES = 2000
INTRINSIC = 32
SPREAD = 0.5
"""Of a cluster, beside distances between centres of 1 in each intrinsic dimension."""
Vectors = np.ndarray[Any, np.dtype[np.float32]]
PART = 100_000
"""Rows made at a time."""


def unit(values: Vectors) -> Vectors:
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values


def clustered(count: int, dim: int, queries: int, seed: int = 1) -> tuple[Vectors, Vectors]:
    """``count`` vectors and as many queries of the same distribution: points around 2,000 centres in a subspace of 32
    dimensions of a space of ``dim``."""
    draw = np.random.default_rng(seed)
    basis = draw.standard_normal((INTRINSIC, dim), np.float32)
    centres = draw.standard_normal((CENTRES, INTRINSIC), np.float32)

    def points(size: int) -> Vectors:
        places = centres[draw.integers(0, CENTRES, size)] + SPREAD * draw.standard_normal((size, INTRINSIC), np.float32)
        return unit(places @ basis)

    made = np.empty((count, dim), np.float32)
    for first in range(0, count, PART):
        made[first : first + PART] = points(len(made[first : first + PART]))
    return made, points(queries)


def gaussian(count: int, dim: int, queries: int, seed: int = 1) -> tuple[Vectors, Vectors]:
    """All directions alike."""
    draw = np.random.default_rng(seed)
    made = draw.standard_normal((count + queries, dim), np.float32)
    return unit(made[:count]), unit(made[count:])


def truth(vectors: Vectors, queries: Vectors) -> np.ndarray[Any, np.dtype[np.intp]]:
    """The row with the highest cosine for each query."""
    best, found = np.full(len(queries), -2.0, np.float32), np.zeros(len(queries), np.intp)
    for first in range(0, len(vectors), PART):
        cosines = queries @ vectors[first : first + PART].T
        rows = cosines.argmax(axis=1)
        values = cosines[np.arange(len(queries)), rows]
        better = values > best
        best[better], found[better] = values[better], rows[better] + first
    return found
