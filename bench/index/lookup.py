"""``python -m bench.index.lookup [SET...]``: P8's look-up in process: time, recall, queries a second beside hnswlib,
time to build, memory. Each set is added to what is measured already (bench/results/index.json)."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from _speedups._hnsw import DEFAULT_EF, IndexReader, IndexWriter
from bench.index import data
from bench.load import result

M, EF_CONSTRUCTION = 16, 128
EFS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
EQUAL = (0.98, 0.99)
SCOPE = 1
WARM_UP = 200

SETS: dict[str, tuple[str, int, int, str, bool]] = {
    "1k": ("clustered", 1000, 384, "float32", True),
    "10k": ("clustered", 10_000, 384, "float32", True),
    "100k": ("clustered", 100_000, 384, "float32", True),
    "100k int8": ("clustered", 100_000, 384, "int8", False),
    "100k x 1536": ("clustered", 100_000, 1536, "float32", False),
    "1M int8": ("clustered", 1_000_000, 384, "int8", False),
    "10k gaussian": ("gaussian", 10_000, 384, "float32", True),
    "100k gaussian": ("gaussian", 100_000, 384, "float32", True),
}
"""Name -> distribution, vectors, dimensions, kind, whether hnswlib is measured beside it."""

Curve = list[dict[str, float]]


def _timed(queries: Sequence[bytes], ask: Callable[[bytes], int]) -> tuple[Any, list[int]]:
    """Processor time of each call in us, and what each found."""
    for query in queries[:WARM_UP]:
        ask(query)
    spent, found, clock = [], [], time.thread_time_ns
    for query in queries:
        begun = clock()
        found.append(ask(query))
        spent.append((clock() - begun) / 1000)
    return np.array(spent), found


def _ours(path: str, vectors: data.Vectors, queries: Sequence[bytes], best: Any, kind: str) -> dict[str, Any]:
    writer = IndexWriter(path, vectors.shape[1], kind, M, EF_CONSTRUCTION, len(vectors))
    begun = time.process_time()
    for key, vector in enumerate(vectors):
        writer.put(SCOPE, key, vector.tobytes())
    build_s = time.process_time() - begun
    size = writer.stats()["bytes"]
    writer.close()
    reader, curve = IndexReader(path), []
    for ef in EFS:
        spent, found = _timed(queries, lambda query, ef=ef: reader.nearest(SCOPE, query, 1, ef)[0][0])
        curve.append(
            {
                "ef": ef,
                "recall": float(np.mean(np.array(found) == best)),
                "p50_us": float(np.percentile(spent, 50)),
                "p99_us": float(np.percentile(spent, 99)),
                "per_second": float(1e6 / spent.mean()),
            }
        )
    return {
        "build_s": build_s, "bytes_per_vector": size / len(vectors), "curve": curve, "kernels": reader.kernels,
        "scanned": reader.compared == len(vectors),
    }  # fmt: skip


def _hnswlib(vectors: data.Vectors, queries: data.Vectors, best: Any) -> dict[str, Any]:
    """All queries in one call, so that Python costs it nothing; the same M and ef_construction, one thread."""
    import hnswlib

    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), ef_construction=EF_CONSTRUCTION, M=M)
    begun = time.process_time()
    index.add_items(vectors, num_threads=1)
    build_s, curve = time.process_time() - begun, []
    for ef in EFS:
        index.set_ef(ef)
        index.knn_query(queries[:WARM_UP], k=1, num_threads=1)
        begun_ns = time.thread_time_ns()
        found, _ = index.knn_query(queries, k=1, num_threads=1)
        spent_us = (time.thread_time_ns() - begun_ns) / 1000 / len(queries)
        recall = float(np.mean(found[:, 0] == best))
        curve.append({"ef": ef, "recall": recall, "mean_us": spent_us, "per_second": 1e6 / spent_us})
    return {"build_s": build_s, "curve": curve}


def at_recall(curve: Curve, wanted: float) -> dict[str, float] | None:
    """The cheapest point with that recall."""
    return max((point for point in curve if point["recall"] >= wanted), key=lambda p: p["per_second"], default=None)


def measure(name: str) -> dict[str, Any]:
    distribution, count, dim, kind, beside = SETS[name]
    draw = data.clustered if distribution == "clustered" else data.gaussian
    vectors, queries = draw(count, dim, 1000)
    best = data.truth(vectors, queries)
    place = tempfile.mkdtemp(prefix="index-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        asked = [query.tobytes() for query in queries]
        found: dict[str, Any] = {"ours": _ours(f"{place}/index", vectors, asked, best, kind)}
    finally:
        shutil.rmtree(place)
    if beside:
        found["hnswlib"] = _hnswlib(vectors, queries, best)
        for wanted in EQUAL:
            own, other = (at_recall(found[who]["curve"], wanted) for who in ("ours", "hnswlib"))
            if own and other:
                found[f"times_hnswlib_at_{wanted}"] = own["per_second"] / other["per_second"]
    found["default"] = next(point for point in found["ours"]["curve"] if point["ef"] == DEFAULT_EF)
    return {"distribution": distribution, "vectors": count, "dim": dim, "kind": kind} | found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.index.lookup", description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    parser.add_argument("--quick", action="store_true", help="does not replace the result that is shown")
    asked = parser.parse_args()
    if unknown := [name for name in asked.sets if name not in SETS]:
        parser.error(f"no such set: {', '.join(unknown)}")
    path = (result.QUICK if asked.quick else result.DIRECTORY) / "index.json"
    known = json.loads(path.read_bytes())["sets"] if path.exists() else {}
    for name in asked.sets or SETS:
        load = os.getloadavg()[0]
        known[name] = measure(name) | {"load_before": round(load, 1)}
        write({name: known[name] for name in SETS if name in known}, quick=asked.quick)
        print(name, json.dumps(known[name]), flush=True)


def write(sets: dict[str, Any], *, quick: bool) -> Path:
    method = (
        f"In one process, one thread, called from Python, M {M}, ef_construction {EF_CONSTRUCTION}; 1,000 queries of "
        "the same distribution, the one nearest vector asked for. Times are the thread's processor time. hnswlib: "
        "built without -march=native, as ours, all queries in one call. Clustered: 2,000 centres, points around "
        "them, in 32 dimensions laid into the space. Build: processor time, one thread."
    )
    return result.write("index", "semantic look-up in process", method, {"sets": sets}, quick=quick)


if __name__ == "__main__":
    main()
