"""``python -m bench.index.scopes``: up to which size a scope is compared whole rather than searched through the graph.

What the constants in ``_hnsw_search.h`` are taken from: build with them so that one way is always taken, and compare.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from _speedups._hnsw import IndexReader, IndexWriter
from bench.index import data

SIZES = (250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000)
COUNT, DIM, QUERIES = 100_000, 384, 100


def main() -> None:
    vectors, queries = data.clustered(COUNT, DIM, QUERIES)
    owner = np.repeat(np.arange(len(SIZES)), SIZES)
    owner = np.concatenate([owner, np.full(COUNT - len(owner), len(SIZES))])
    np.random.default_rng(3).shuffle(owner)
    with tempfile.TemporaryDirectory() as place:
        path = str(Path(place) / "index")
        writer = IndexWriter(path, DIM, most=COUNT)
        for key, vector in enumerate(vectors):
            writer.put(int(owner[key]), key, vector.tobytes())
        reader = IndexReader(path)
        for scope, size in enumerate(SIZES):
            rows = np.flatnonzero(owner == scope)
            best = rows[data.truth(vectors[rows], queries)]
            for ef in (16, 64):
                spent, hits, compared = [], 0, 0
                for query, row in zip(queries, best, strict=True):
                    begun = time.thread_time_ns()
                    found = reader.nearest(scope, query.tobytes(), 1, ef)
                    spent.append(time.thread_time_ns() - begun)
                    hits += found[0][0] == row
                    compared += reader.compared
                middle, mean = np.percentile(spent, 50) / 1000, compared / QUERIES
                print(f"{size:6} ef {ef:3} {middle:8.1f} us, recall {hits / QUERIES}, {mean:.0f} compared")


if __name__ == "__main__":
    main()
