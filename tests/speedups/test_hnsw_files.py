"""Files of vector indexes: damaged, cut short, copied, locked, or left behind by a writer or a machine that died."""

from __future__ import annotations

import errno
import mmap
import os
import random
import resource
import shutil
import signal
import struct
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from _speedups import _hnsw_file
from _speedups._hnsw_file import PAGE, UnusableIndex, shape_of
from tests.speedups.children import kill, start, wait
from tests.speedups.conftest import INDEXES
from tests.speedups.test_hnsw import compiled, fill
from tests.speedups.vectors import DIM, gaussian
from tests.waiting import wait_for


@pytest.fixture
def path(hnsw: ModuleType, tmp_path: Path) -> Path:
    """A closed index with 200 vectors in scope 1."""
    made = tmp_path / "index"
    writer = hnsw.IndexWriter(made, DIM, most=5000)
    fill(writer, gaussian(200))
    writer.close()
    return made


def poke(path: Path, word: int, value: int) -> None:
    with path.open("r+b") as file:
        file.seek(8 * word)
        file.write(struct.pack("<Q", value))


def finds_all(index: Any, count: int = 200) -> bool:
    """A sample of the first ``count``: the pure twin compares each with all of them."""
    sample = range(0, count, max(1, count // 20))
    return [index.nearest(1, gaussian(count)[key].tobytes(), 1)[0][0] for key in sample] == list(sample)


def test_opened_again(hnsw: ModuleType, path: Path) -> None:
    assert finds_all(hnsw.IndexReader(path))
    writer = hnsw.IndexWriter(path, DIM, most=5000)
    assert finds_all(writer)
    assert writer.remove(5)
    assert writer.stats()["tombstones"] == 1


def test_a_copy_of_a_flushed_file(hnsw: ModuleType, path: Path) -> None:
    writer, copy = hnsw.IndexWriter(path, DIM, most=5000), path.with_name("copy")
    writer.put(1, 777, gaussian(1, seed=5)[0].tobytes())
    writer.flush()
    shutil.copyfile(path, copy)
    writer.remove(777)
    assert finds_all(hnsw.IndexReader(copy))
    again = hnsw.IndexWriter(copy, DIM, most=5000)
    assert again.nearest(1, gaussian(1, seed=5)[0].tobytes(), 1)[0][0] == 777
    assert len(again) == 201


def test_every_byte_of_the_header_counts(hnsw: ModuleType, path: Path) -> None:
    original = path.read_bytes()
    for at in range(8 * (_hnsw_file.W_CHECKSUM + 1)):
        damaged = bytearray(original)
        damaged[at] ^= 0x41
        path.write_bytes(damaged)
        with pytest.raises(UnusableIndex, match="index"):
            hnsw.IndexReader(path)
        if at % 8 == 0:
            with pytest.raises(UnusableIndex, match="index"):
                hnsw.IndexWriter(path, DIM, most=5000)


@pytest.mark.parametrize("word", [_hnsw_file.W_COUNT, _hnsw_file.W_ENTRY, _hnsw_file.W_IN_PROGRESS])
def test_counts_that_cannot_be(hnsw: ModuleType, path: Path, word: int) -> None:
    poke(path, word, 1 << 33)
    with pytest.raises(UnusableIndex, match="counts"):
        hnsw.IndexReader(path)


def test_cut_short(hnsw: ModuleType, path: Path) -> None:
    size = path.stat().st_size
    for length in (size - 1, size // 2, PAGE, PAGE - 1, 100, 7):
        os.truncate(path, length)
        with pytest.raises(UnusableIndex, match="cut short"):
            hnsw.IndexReader(path)
        with pytest.raises(UnusableIndex, match="cut short"):
            hnsw.IndexWriter(path, DIM, most=5000)
    path.write_bytes(b"not an index" * 1000)
    with pytest.raises(UnusableIndex, match="not a vector index"):
        hnsw.IndexReader(path)


def test_an_empty_file_is_made(hnsw: ModuleType, tmp_path: Path) -> None:
    """As one whose making was interrupted: its magic comes last."""
    for name, content in ("empty", b""), ("begun", bytes(20_000)):
        (tmp_path / name).write_bytes(content)
        hnsw.IndexWriter(tmp_path / name, DIM, most=5000).put(1, 1, gaussian(1)[0].tobytes())
        assert len(hnsw.IndexReader(tmp_path / name)) == 1


def test_there_is_none(hnsw: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        hnsw.IndexReader(tmp_path / "index")


@pytest.mark.parametrize(
    "parameters", [{"dim": 33}, {"kind": "int8"}, {"m": 8}, {"ef_construction": 20}, {"most": 5001}]
)
def test_made_for_something_else(hnsw: ModuleType, path: Path, parameters: dict[str, Any]) -> None:
    with pytest.raises(UnusableIndex, match="made for"):
        hnsw.IndexWriter(path, **{"dim": DIM, "most": 5000} | parameters)


def test_its_machine_went_down(hnsw: ModuleType, path: Path) -> None:
    """Pages reach a disk in any order: what was being written then may be anything."""
    writer = hnsw.IndexWriter(path, DIM, most=5000)
    writer.put(1, 300, gaussian(1)[0].tobytes())
    boot = int.from_bytes(path.read_bytes()[8 * _hnsw_file.W_OPEN : 8 * _hnsw_file.W_OPEN + 8], "little")
    assert boot != 0
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    poke(copy, _hnsw_file.W_OPEN, boot ^ 2)
    for opened in (lambda: hnsw.IndexReader(copy), lambda: hnsw.IndexWriter(copy, DIM, most=5000)):
        with pytest.raises(UnusableIndex, match="machine went down"):
            opened()
    writer.close()
    assert path.read_bytes()[8 * _hnsw_file.W_OPEN : 8 * _hnsw_file.W_OPEN + 8] == bytes(8)


def test_damage_behind_the_header_harms_nobody(hnsw: ModuleType, path: Path) -> None:
    """Links and chains are compared with the count before they are followed, and chains end."""
    original, rolls = path.read_bytes(), random.Random(4)
    for _ in range(6):
        damaged = bytearray(original)
        for _ in range(2000):
            damaged[rolls.randrange(PAGE, len(damaged))] = rolls.randrange(256)
        path.write_bytes(damaged)
        reader = hnsw.IndexReader(path)
        for query in gaussian(5):
            assert all(abs(cosine) <= 1 for _, cosine in reader.nearest(1, query.tobytes(), 5))


def test_one_writer(hnsw: ModuleType, path: Path) -> None:
    writer = hnsw.IndexWriter(path, DIM, most=5000)

    def second() -> None:
        with pytest.raises(BlockingIOError, match="another process"):
            hnsw.IndexWriter(path, DIM, most=5000)

    assert wait(start(second)) == 0
    writer.close()
    hnsw.IndexWriter(path, DIM, most=5000)


def test_made_anew_beside_its_readers(hnsw: ModuleType, path: Path) -> None:
    reader = hnsw.IndexReader(path)
    assert not reader.replaced()
    path.unlink()
    assert reader.replaced()
    hnsw.IndexWriter(path, DIM, most=5000)
    assert reader.replaced()
    assert finds_all(reader)


def test_a_full_disk(hnsw: ModuleType, path: Path) -> None:
    """A limit for the size of files stands for it: growth fails, and nothing else does."""
    vectors = gaussian(2000)

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = hnsw.IndexWriter(path, DIM, most=5000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size,) * 2)
        fill(writer, vectors[200:1024], first_key=200)
        with pytest.raises(OSError, match=r"large|space") as failed:
            writer.put(1, 1024, vectors[1024].tobytes())
        assert failed.value.errno in (errno.EFBIG, errno.ENOSPC)
        assert finds_all(writer, 1024)
        assert writer.remove(3)
        writer.put(1, 1024, vectors[1024].tobytes())
        assert writer.nearest(1, vectors[1024].tobytes(), 1)[0][0] == 1024
        writer.close()

    assert wait(start(work)) == 0
    assert len(hnsw.IndexReader(path)) == 1024


@pytest.mark.skipif(len(INDEXES) < 2, reason="there is one implementation only")
def test_what_the_pure_twin_wrote_is_linked(tmp_path: Path) -> None:
    path, vectors = tmp_path / "index", gaussian(1100)
    writer = INDEXES["py"].IndexWriter(path, DIM, most=5000)
    fill(writer, vectors[:1000])
    for key in range(0, 1000, 3):
        writer.remove(key)
    fill(writer, vectors[1000:], first_key=1000)
    writer.close()
    reader = INDEXES["c"].IndexReader(path)
    kept = [key for key in range(1100) if key % 3 or key >= 1000]
    for key in kept:
        assert reader.nearest(1, vectors[key].tobytes(), 1)[0][0] == key
    assert reader.compared == len(kept), "compared through a graph that is not there"
    INDEXES["c"].IndexWriter(path, DIM, most=5000)
    assert path.read_bytes()[8 * _hnsw_file.W_WHOLE] == 1
    reached = reached_through_the_graph(path, 1)
    assert reached == set(kept)


def reached_through_the_graph(path: Path, scope: int) -> set[int]:
    """Keys found with a scope so large beside ``ef`` that it is not compared whole."""
    reader, found = INDEXES["c"].IndexReader(path), set()
    for vector in gaussian(3000)[: len(reader) + 400]:
        hits = reader.nearest(scope, vector.tobytes(), 1, 4)
        assert reader.compared < len(reader)
        found |= {key for key, cosine in hits if cosine > 0.9999}
    return found


WRITES = 4000
KILLS = 6


def write_until_killed(hnsw: ModuleType, path: Path, done: mmap.mmap, most: int, vectors: Any) -> None:
    """Keys count up; the oldest of more than ``most - 64`` is removed first. ``done``: how many are surely there."""
    writer = hnsw.IndexWriter(path, DIM, most=most)
    key = int.from_bytes(done[:8], "little")
    while True:
        if key >= most - 64:
            writer.remove(key - (most - 64))
        writer.put(key % 2, key, vectors[key % WRITES].tobytes())
        key += 1
        done[:8] = key.to_bytes(8, "little")


def test_a_killed_writer_loses_nothing(hnsw: ModuleType, tmp_path: Path) -> None:
    """Every vector that was kept is found after each kill, nearly all through the graph; reading goes on meanwhile."""
    is_c = hnsw is INDEXES.get("c")
    most, path, rolls, vectors = 1500 if is_c else 120, tmp_path / "index", random.Random(3), gaussian(WRITES)
    done, wrong = mmap.mmap(-1, 16), mmap.mmap(-1, 16)
    writer = hnsw.IndexWriter(path, DIM, most=most)
    for key in range(most - 64):
        writer.put(key % 2, key, vectors[key % WRITES].tobytes())
    done[:8] = (most - 64).to_bytes(8, "little")
    writer.close()

    def read() -> None:
        reader, turn = hnsw.IndexReader(path), 0
        while True:
            turn += 1
            scope, query = turn % 2, vectors[turn * 7 % WRITES]
            for key, cosine in reader.nearest(scope, query.tobytes(), 4):
                if key % 2 != scope or abs(float(vectors[key % WRITES] @ query) - cosine) > 1e-5:
                    wrong[:8] = (int.from_bytes(wrong[:8], "little") + 1).to_bytes(8, "little")
            wrong[8:] = turn.to_bytes(8, "little")
            # As a worker, which has other things to do.
            time.sleep(0.002)

    readers = [start(read) for _ in range(2)]
    try:
        for _ in range(KILLS if is_c else 2):
            kill_and_look(hnsw, path, done, most, vectors, rolls.random() * 0.01)
    finally:
        for reader in readers:
            kill(reader)
    assert int.from_bytes(wrong[:8], "little") == 0
    assert int.from_bytes(wrong[8:], "little") > 10, "nobody read"


def kill_and_look(hnsw: ModuleType, path: Path, done: mmap.mmap, most: int, vectors: Any, after_s: float) -> None:
    first = int.from_bytes(done[:8], "little")
    child = start(lambda: write_until_killed(hnsw, path, done, most, vectors))
    try:
        wait_for(lambda: int.from_bytes(done[:8], "little") >= first + 10, "ten vectors")
        time.sleep(after_s)
    finally:
        kill(child)
    last = int.from_bytes(done[:8], "little")
    writer = hnsw.IndexWriter(path, DIM, most=most)
    # One more was begun at most, and the oldest may have been removed for it.
    assert most - 65 <= len(writer) <= most - 63
    kept = range(last - (most - 64) + 1, last, 1 if hnsw is INDEXES.get("c") else 3)

    def missed(ef: int) -> list[int]:
        return [k for k in kept if k not in dict(writer.nearest(k % 2, vectors[k % WRITES].tobytes(), 1, ef))]

    # So large beside the scope that all of it is compared.
    assert missed(256) == []
    # A graph is approximate, the most where a slot was taken out and is not in use again, killed or not: up to 1 %.
    assert len(missed(64)) <= len(kept) * 0.02
    writer.close()


@compiled
def test_what_was_being_linked_is_linked_again(tmp_path: Path) -> None:
    """The moment of the kill is staged: a vector with its own links, to which nobody links yet."""
    path, vectors = tmp_path / "index", gaussian(3000)
    writer = INDEXES["c"].IndexWriter(path, DIM, most=5000)
    fill(writer, vectors)
    writer.close()
    data, slot = bytearray(path.read_bytes()), 2500
    erase_links_to(data, slot, 3000)
    path.write_bytes(data)
    assert slot not in reached_through_the_graph(path, 1)
    poke(path, _hnsw_file.W_IN_PROGRESS, slot + 1)
    INDEXES["c"].IndexWriter(path, DIM, most=5000).close()
    assert slot in reached_through_the_graph(path, 1)
    assert path.read_bytes()[8 * _hnsw_file.W_IN_PROGRESS : 8 * _hnsw_file.W_IN_PROGRESS + 8] == bytes(8)


def erase_links_to(data: bytearray, slot: int, count: int) -> None:
    """On level 0 of the graph (2 * 16 links, behind head and code), those behind it moving up."""
    shape = shape_of(DIM, "float32", 16, 128, 5000)
    for other in range(count):
        node = shape.segments_at + other // 1024 * shape.segment_bytes + other % 1024 * shape.node_stride
        at = node + 64 + shape.code_bytes
        links = [link for link in struct.unpack_from("<32I", data, at) if link != slot + 1]
        struct.pack_into("<32I", data, at, *(links + [0] * 32)[:32])
