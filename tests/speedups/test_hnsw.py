"""The vector index: what is found, by whom, and what stays true while it changes."""

from __future__ import annotations

import struct
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from _speedups import _hnsw_file
from _speedups._hnsw_file import IndexFull, shape_of
from _speedups._hnsw_mapped import hash_of
from tests.speedups.conftest import INDEXES
from tests.speedups.vectors import DIM, gaussian, nearest, unit

compiled = pytest.mark.skipif("c" not in INDEXES, reason="nothing is compiled: there is no graph")
GRAPH = 3000
"""Vectors of a scope that is searched through the graph."""


def fill(writer: Any, vectors: Any, scope: int = 1, first_key: int = 0) -> None:
    for key, vector in enumerate(vectors, first_key):
        writer.put(scope, key, vector.tobytes())


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with two large scopes: even keys in scope 2, odd ones in scope 3."""
    path = tmp_path_factory.mktemp("hnsw") / "index"
    writer = INDEXES["c"].IndexWriter(path, DIM, most=2 * GRAPH)
    for key, vector in enumerate(gaussian(2 * GRAPH)):
        writer.put(2 + key % 2, key, vector.tobytes())
    writer.close()
    return path


def recall(reader: Any, vectors: Any, keys: list[int], scope: int, ef: int = 64) -> float:
    """Share of queries whose nearest vector of the scope is found first, through the graph."""
    queries, hits, whole = gaussian(200, seed=9), 0, 0
    for query in queries:
        hits += [key for key, _ in reader.nearest(scope, query.tobytes(), 1, ef)] == [keys[nearest(vectors, query)[0]]]
        whole += reader.compared == len(keys)
    assert whole < 20, "the scope was compared whole"
    return hits / len(queries)


@pytest.mark.parametrize("dim", [1, 7, 64, 100, 384])
def test_nearest_by_exact_cosine(hnsw: ModuleType, tmp_path: Path, dim: int) -> None:
    vectors = gaussian(50, dim)
    writer = hnsw.IndexWriter(tmp_path / "index", dim, most=100)
    fill(writer, vectors)
    reader = hnsw.IndexReader(tmp_path / "index")
    for query in gaussian(10, dim, seed=2):
        cosines = vectors @ query
        for index in writer, reader:
            found = index.nearest(1, query.tobytes(), 5)
            assert [cosine for _, cosine in found] == pytest.approx(sorted(cosines, reverse=True)[:5], abs=1e-6)
            assert [cosine for _, cosine in found] == pytest.approx([cosines[key] for key, _ in found], abs=1e-6)
    assert reader.nearest(1, vectors[7].tobytes(), 1) == [(7, pytest.approx(1.0, abs=1e-6))] or dim == 1
    assert len(reader.nearest(1, vectors[7].tobytes(), 1000)) == len(reader) == len(writer) == 50


def test_int8_gives_the_cosine_of_the_quantised_vector(hnsw: ModuleType, tmp_path: Path) -> None:
    vectors = gaussian(60, 100)
    writer = hnsw.IndexWriter(tmp_path / "index", 100, "int8", most=100)
    fill(writer, vectors)
    quantised = unit(np.round(vectors * (127 / np.abs(vectors).max(axis=1, keepdims=True))))
    for query in gaussian(10, 100, seed=2):
        found = writer.nearest(1, query.tobytes(), 60)
        assert dict(found) == pytest.approx(dict(enumerate(quantised @ query)), abs=1e-6)
        assert [key for key, _ in found] == sorted(dict(found), key=dict(found).__getitem__, reverse=True)


@pytest.mark.skipif(len(INDEXES) < 2, reason="there is one implementation only")
def test_both_twins_write_the_same_file(tmp_path: Path) -> None:
    """But for the links, the name, and whether the graph is whole."""
    contents = []
    for name, module in INDEXES.items():
        path = tmp_path / name
        writer = module.IndexWriter(path, 50, most=3000)
        fill(writer, gaussian(1100, 50), scope=5)
        for key in range(0, 1100, 3):
            writer.put(key % 40, key, gaussian(1, 50, seed=key)[0].tobytes(), 1_000_000_000 + key)
        for key in range(0, 1100, 7):
            writer.remove(key)
        writer.expire(1_000_000_600)
        writer.close()
        data, shape = path.read_bytes(), shape_of(50, "float32", 16, 128, 3000)
        words = struct.unpack_from("<512Q", data)
        part = [words[: _hnsw_file.W_NAME], words[_hnsw_file.W_CAPACITY : _hnsw_file.W_ENTRY]]
        part.append(data[_hnsw_file.PAGE : shape.segments_at])
        for slot in range(words[_hnsw_file.W_COUNT]):
            segment = shape.segments_at + slot // 1024 * shape.segment_bytes
            node = segment + slot % 1024 * shape.node_stride
            vector = segment + 1024 * shape.node_stride + slot % 1024 * shape.vector_stride
            part += [data[node : node + 64 + shape.code_bytes], data[vector : vector + shape.vector_stride]]
        contents.append(part)
    assert contents[0] == contents[1]


@compiled
def test_the_graph_finds_what_is_nearest(graph: Path) -> None:
    vectors, reader = gaussian(2 * GRAPH), INDEXES["c"].IndexReader(graph)
    assert recall(reader, vectors[::2], list(range(0, 2 * GRAPH, 2)), 2) >= 0.98


@compiled
def test_the_graph_gives_nothing_of_another_scope(graph: Path) -> None:
    reader = INDEXES["c"].IndexReader(graph)
    for row, vector in enumerate(gaussian(2 * GRAPH)[:300]):
        for scope in 2, 3:
            found = [key for key, _ in reader.nearest(scope, vector.tobytes(), 20)]
            assert {key % 2 + 2 for key in found} == {scope}
            assert (row in found) == (row % 2 + 2 == scope)
    assert reader.nearest(4, vector.tobytes(), 20) == []


@compiled
def test_every_vector_can_be_reached(graph: Path) -> None:
    reader = INDEXES["c"].IndexReader(graph)
    lost = [
        row
        for row, vector in enumerate(gaussian(2 * GRAPH))
        if reader.nearest(2 + row % 2, vector.tobytes(), 1)[0][0] != row
    ]
    assert lost == []


@compiled
def test_all_kernels_find_the_same(graph: Path, tmp_path: Path) -> None:
    bytes_only = tmp_path / "int8"
    writer = INDEXES["c"].IndexWriter(bytes_only, 100, "int8", most=200)
    fill(writer, gaussian(200, 100), scope=2)
    writer.flush()
    for path, dim in (graph, DIM), (bytes_only, 100):
        readers = [INDEXES["c"].IndexReader(path, kernels) for kernels in range(3)]
        assert readers[0].kernels == "plain"
        for query in gaussian(50, dim, seed=3):
            plain, *others = [reader.nearest(2, query.tobytes(), 5, 32) for reader in readers]
            for other in others:
                assert [key for key, _ in other] == [key for key, _ in plain]
                assert dict(other) == pytest.approx(dict(plain), abs=1e-6)


def test_scopes_that_share_a_bucket(hnsw: ModuleType, tmp_path: Path) -> None:
    """Three vectors each, all vectors the same."""
    buckets = shape_of(4, "float32", 16, 8, 2000).buckets
    scopes = [scope * 0x9E3779B97F4A7C15 % 2**64 for scope in range(100)]
    mask = buckets - 1
    crowded = [scope for scope in range(60_000) if hash_of(scope) & mask == 5]
    writer = hnsw.IndexWriter(tmp_path / "index", 4, ef_construction=8, most=2000)
    vector = unit(np.ones(4)).tobytes()
    owner = {}
    for turn in range(3):
        for number, scope in enumerate(scopes + crowded):
            key = turn * 1000 + number
            owner[key] = scope
            writer.put(scope, key, vector)
    for key in list(owner)[::5]:
        assert writer.remove(key)
        del owner[key]
    reader = hnsw.IndexReader(tmp_path / "index")
    for scope in scopes + crowded:
        expected = {key for key, whose in owner.items() if whose == scope}
        assert {key for key, _ in reader.nearest(scope, vector, 10)} == expected
    absent = next(scope for scope in range(60_000, 2**32) if hash_of(scope) & mask == 5)
    assert reader.nearest(absent, vector, 10) == []


def test_a_key_is_replaced_and_removed(hnsw: ModuleType, tmp_path: Path) -> None:
    one, other = gaussian(2)
    writer = hnsw.IndexWriter(tmp_path / "index", DIM, most=100)
    reader = hnsw.IndexReader(tmp_path / "index")
    writer.put(1, 2**64 - 1, one.tobytes())
    writer.put(2**64 - 1, 2**64 - 1, other.tobytes())
    assert reader.nearest(1, one.tobytes(), 5) == []
    assert reader.nearest(2**64 - 1, other.tobytes(), 5) == [(2**64 - 1, pytest.approx(1, abs=1e-6))]
    assert len(reader) == 1
    assert writer.remove(2**64 - 1)
    assert not writer.remove(2**64 - 1)
    assert reader.nearest(2**64 - 1, other.tobytes(), 5) == []
    assert reader.stats()["vectors"] == 0


@compiled
def test_churn_reuses_slots_and_finds_as_much(tmp_path: Path) -> None:
    """The whole content is replaced twice, in batches, at the most that the file may hold."""
    count, batch = 2048, 256
    vectors = gaussian(3 * count)
    writer = INDEXES["c"].IndexWriter(tmp_path / "index", DIM, most=count)
    fill(writer, vectors[:count])
    with pytest.raises(IndexFull):
        writer.put(1, count, vectors[0].tobytes())
    before = recall(writer, vectors[:count], list(range(count)), 1)
    for first in range(count, 3 * count, batch):
        for key in range(first - count, first - count + batch):
            assert writer.remove(key)
        fill(writer, vectors[first : first + batch], first_key=first)
        assert writer.stats()["capacity"] == count
    assert recall(writer, vectors[2 * count :], list(range(2 * count, 3 * count)), 1) >= before - 0.02
    writer.close()
    again = INDEXES["c"].IndexWriter(tmp_path / "index", DIM, most=count)
    assert recall(again, vectors[2 * count :], list(range(2 * count, 3 * count)), 1) >= before - 0.02


@compiled
def test_what_shrank_and_grew_again_finds_as_much_as_a_new_file(tmp_path: Path) -> None:
    """Three quarters of the neighbours of what stays are removed: its ways in are mended with them."""
    vectors, draw = gaussian(9000, 64), np.random.default_rng(7)
    indexes = [INDEXES["c"].IndexWriter(tmp_path / name, 64, ef_construction=64, most=3500) for name in ("worn", "new")]
    kept: list[int] = []
    for key, size in zip(range(9000), [3000] * 3500 + [700] * 1000 + [3000] * 4500, strict=True):
        while len(kept) >= size:
            at = int(draw.integers(len(kept)))
            kept[at], kept[-1] = kept[-1], kept[at]
            indexes[0].remove(kept.pop())
        indexes[0].put(1, key, vectors[key].tobytes())
        kept.append(key)
    for key in kept:
        indexes[1].put(1, key, vectors[key].tobytes())
    hits = [0, 0]
    for key in kept:
        for place, index in enumerate(indexes):
            hits[place] += index.nearest(1, vectors[key].tobytes(), 1)[0][0] == key
    assert hits[0] >= hits[1] - 0.005 * len(kept)


def test_most_is_removed_and_the_rest_is_found(hnsw: ModuleType, tmp_path: Path) -> None:
    count = 1500 if hnsw is INDEXES.get("c") else 150
    vectors = gaussian(count)
    writer = hnsw.IndexWriter(tmp_path / "index", DIM, ef_construction=32, most=4000)
    fill(writer, vectors)
    for key in range(count - 50):
        writer.remove(key)
    fill(writer, vectors[:100], first_key=5000)
    reader = hnsw.IndexReader(tmp_path / "index")
    for key in [*range(count - 50, count), *range(5000, 5100)]:
        assert reader.nearest(1, vectors[key % 5000].tobytes(), 1)[0][0] == key
    assert reader.stats()["vectors"] + reader.stats()["tombstones"] <= count + 64


def test_growth_is_seen_by_who_reads(hnsw: ModuleType, tmp_path: Path) -> None:
    vectors = gaussian(2500, 8)
    writer = hnsw.IndexWriter(tmp_path / "index", 8, ef_construction=16, most=2500)
    reader = hnsw.IndexReader(tmp_path / "index")
    assert reader.nearest(1, vectors[0].tobytes(), 1) == []
    assert writer.stats()["capacity"] == 0
    for key, vector in enumerate(vectors):
        writer.put(key % 500, key, vector.tobytes())
    assert reader.stats()["capacity"] == writer.stats()["capacity"] == 3072
    assert reader.stats()["bytes"] == (tmp_path / "index").stat().st_size
    for key in range(0, 2500, 50):
        assert reader.nearest(key % 500, vectors[key].tobytes(), 1)[0][0] == key


def test_what_is_over_is_left_out_and_removed(hnsw: ModuleType, tmp_path: Path) -> None:
    now, vector = int(time.time()), gaussian(1)[0].tobytes()
    writer = hnsw.IndexWriter(tmp_path / "index", DIM, most=100)
    for key, expires_s in enumerate((0, now - 5, now + 5000, now - 1)):
        writer.put(1, key, vector, expires_s)
    assert {key for key, _ in writer.nearest(1, vector, 10)} == {0, 2}
    assert len(writer) == 4
    assert writer.expire(now) == 2
    assert len(writer) == 2
    assert writer.expire(now + 6000) == 1
    assert [key for key, _ in writer.nearest(1, vector, 10)] == [0]


def test_clear(hnsw: ModuleType, tmp_path: Path) -> None:
    vectors = gaussian(300)
    writer = hnsw.IndexWriter(tmp_path / "index", DIM, most=1000)
    reader = hnsw.IndexReader(tmp_path / "index")
    fill(writer, vectors)
    writer.clear()
    assert reader.nearest(1, vectors[3].tobytes(), 5) == []
    assert (len(reader), reader.stats()["tombstones"], reader.stats()["generation"]) == (0, 0, 1)
    fill(writer, vectors, scope=2)
    assert reader.nearest(1, vectors[3].tobytes(), 5) == []
    assert reader.nearest(2, vectors[3].tobytes(), 1)[0][0] == 3


@pytest.mark.parametrize("vector", [bytes(4 * DIM), bytes(4 * DIM - 4), b"", b"\xff" * 4 * DIM, b"\0\0\x80\x7f" * DIM])
def test_what_is_no_unit_vector(hnsw: ModuleType, tmp_path: Path, vector: bytes) -> None:
    writer = hnsw.IndexWriter(tmp_path / "index", DIM, most=100)
    with pytest.raises(ValueError, match="vector"):
        writer.put(1, 1, vector)
    with pytest.raises(ValueError, match="vector"):
        writer.nearest(1, vector, 1)
    assert len(writer) == 0


def test_what_no_index_can_be(hnsw: ModuleType, tmp_path: Path) -> None:
    for parameters in (
        {"dim": 0}, {"dim": 100_000}, {"kind": "float16"}, {"m": 1}, {"m": 1000}, {"ef_construction": 0}, {"most": 0},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(parameters))):
            hnsw.IndexWriter(tmp_path / "index", **{"dim": 4} | parameters)
    assert not (tmp_path / "index").exists()
    writer, vector = hnsw.IndexWriter(tmp_path / "index", DIM), gaussian(1)[0].tobytes()
    for scope, key in (-1, 1), (1, -1), (2**64, 1), (1, 2**64):
        with pytest.raises(OverflowError):
            writer.put(scope, key, vector)
    for most in 0, 5000:
        with pytest.raises(ValueError, match="most"):
            writer.nearest(1, vector, most)


def test_after_close(hnsw: ModuleType, tmp_path: Path) -> None:
    writer, vector = hnsw.IndexWriter(tmp_path / "index", DIM), gaussian(1)[0].tobytes()
    reader = hnsw.IndexReader(tmp_path / "index")
    for index in reader, writer:
        index.close()
        index.close()
        for call in (lambda index=index: index.nearest(1, vector, 1), lambda index=index: len(index), index.stats):
            with pytest.raises(ValueError, match="closed"):
                call()
    for change in (lambda: writer.put(1, 1, vector), lambda: writer.remove(1), writer.clear, writer.flush):
        with pytest.raises(ValueError, match="closed"):
            change()


def test_threads_take_turns(hnsw: ModuleType, tmp_path: Path) -> None:
    count = 400 if hnsw is INDEXES.get("c") else 40
    vectors = gaussian(count)
    writer = hnsw.IndexWriter(tmp_path / "index", DIM, most=1000)
    reader = hnsw.IndexReader(tmp_path / "index")
    wrong: list[Any] = []

    def write(first: int) -> None:
        for key in range(first, count, 4):
            writer.put(1, key, vectors[key].tobytes())

    def read() -> None:
        for query in vectors:
            for key, cosine in reader.nearest(1, query.tobytes(), 3):
                if abs(float(vectors[key] @ query) - cosine) > 1e-5:
                    wrong.append((key, cosine))

    threads = [threading.Thread(target=write, args=(first,)) for first in range(4)]
    threads += [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [reader.nearest(1, vector.tobytes(), 1)[0][0] for vector in vectors] == list(range(count))


class Model(RuleBasedStateMachine):
    """An index against a dictionary; vectors are few, so that keys, scopes and vectors meet often."""

    module: ModuleType
    place: Path
    runs = 0
    vectors = gaussian(12, 8)
    numbers = st.integers(0, 11)
    keys = st.integers(0, 40)
    scopes = st.integers(0, 3)

    @initialize(kind=st.sampled_from(["float32", "int8"]))
    def open(self, kind: str) -> None:
        type(self).runs += 1
        self.path, self.kind = self.place / f"{type(self).__name__}{self.runs}", kind
        self.kept: dict[int, tuple[int, int, int]] = {}
        self.start()

    def start(self) -> None:
        self.writer = self.module.IndexWriter(self.path, 8, self.kind, m=2, ef_construction=8, most=30)
        self.reader = self.module.IndexReader(self.path)

    @rule(scope=scopes, key=keys, number=numbers, expires_s=st.sampled_from([0, 4_000_000_000, 4_100_000_000]))
    def put(self, scope: int, key: int, number: int, expires_s: int) -> None:
        if len(self.kept) == 30 and key not in self.kept:
            with pytest.raises(IndexFull):
                self.writer.put(scope, key, self.vectors[number].tobytes(), expires_s)
        else:
            self.writer.put(scope, key, self.vectors[number].tobytes(), expires_s)
            self.kept[key] = (scope, number, expires_s)

    @rule(key=keys)
    def remove(self, key: int) -> None:
        assert self.writer.remove(key) == (self.kept.pop(key, None) is not None)

    @rule()
    def expire(self) -> None:
        over = [key for key, (_, _, expires_s) in self.kept.items() if 0 < expires_s <= 4_000_000_000]
        assert self.writer.expire(4_000_000_000) == len(over)
        for key in over:
            del self.kept[key]

    @precondition(lambda self: len(self.kept) > 3)
    @rule()
    def clear(self) -> None:
        self.writer.clear()
        self.kept.clear()

    @rule()
    def reopen(self) -> None:
        self.writer.close()
        self.reader.close()
        self.start()

    @rule(scope=scopes, number=numbers)
    def look(self, scope: int, number: int) -> None:
        query = self.vectors[number]
        expected = {key: float(self.vectors[n] @ query) for key, (whose, n, _) in self.kept.items() if whose == scope}
        for index in self.reader, self.writer:
            found = index.nearest(scope, query.tobytes(), 50)
            assert dict(found) == pytest.approx(expected, abs=1e-6 if self.kind == "float32" else 0.02)
            assert len(found) == len(expected)

    @invariant()
    def counts(self) -> None:
        if hasattr(self, "writer"):
            assert len(self.writer) == len(self.reader) == len(self.kept)

    def teardown(self) -> None:
        if hasattr(self, "writer"):
            self.writer.close()
            self.reader.close()
            self.path.unlink()


def test_like_a_dictionary(hnsw: ModuleType, tmp_path: Path) -> None:
    machine: Any = type("Index", (Model,), {"module": hnsw, "place": tmp_path})
    case = machine.TestCase
    case.settings = settings(max_examples=12, stateful_step_count=40, deadline=None)
    case("runTest").runTest()
