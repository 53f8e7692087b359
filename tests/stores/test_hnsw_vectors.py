"""The mapped index's own: bounds, files that cannot be used, who writes, full disks, what readers see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from _speedups import _hnsw
from gateway.stores.hnsw_vectors import HnswVectors
from gateway.stores.protocols import StoreUnavailable
from tests.stores.answers import later
from tests.stores.vectors import DIMENSIONS, SCOPE, entry, key, vector

ROOT = str(Path(__file__).resolve().parents[2])
S = 1_000_000_000


class Now:
    """Wall clock of a test, in ns, far from the machine's: the index itself is told what is over."""

    def __init__(self) -> None:
        self.ns = time.time_ns()

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "cache" / "vectors")


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def store(path: str, now: Now) -> Iterator[HnswVectors]:
    store = HnswVectors(path, DIMENSIONS, 100, clock=now)
    yield store
    store.close()


def kept(store: HnswVectors) -> list[int]:
    return sorted(name for name, _ in store.nearest(SCOPE, vector(1), 1000))


def test_what_ends_soonest_makes_room(store: HnswVectors, now: Now) -> None:
    for number in range(250):
        now.ns += 10 * S
        store.put([(SCOPE, key(number), vector(number), now.ns + 3600 * S)])
    left = kept(store)
    assert left == [key(number) for number in range(250 - len(left), 250)]
    assert 90 < len(left) <= 100


def test_a_burst_makes_room_for_itself_only(store: HnswVectors, now: Now) -> None:
    for number in range(300):
        now.ns += S // 5
        store.put([(SCOPE, key(number), vector(number), now.ns + 3600 * S)])
        assert len(store.nearest(SCOPE, vector(1), 1000)) > min(number, 90)


def test_an_index_that_is_opened_full_makes_room(path: str, now: Now) -> None:
    first = HnswVectors(path, DIMENSIONS, 100, clock=now)
    first.put([(SCOPE, key(number), vector(number), now.ns + (3600 + 10 * number) * S) for number in range(100)])
    first.close()
    again = HnswVectors(path, DIMENSIONS, 100, clock=now)
    again.put([(SCOPE, key(100), vector(100), now.ns + 7200 * S)])
    assert again.nearest(SCOPE, vector(100), 1)[0][0] == key(100)
    assert key(99) in kept(again)
    again.close()


def test_what_would_end_first_itself_is_not_kept(store: HnswVectors, now: Now) -> None:
    store.put([(SCOPE, key(number), vector(number), now.ns + 3600 * S) for number in range(100)])
    store.put([(SCOPE, key(100), vector(100), now.ns + 60 * S)])
    assert kept(store) == [key(number) for number in range(100)]


def test_a_key_that_is_there_needs_no_room(store: HnswVectors, now: Now) -> None:
    store.put([(SCOPE, key(number), vector(number), now.ns + 3600 * S) for number in range(100)])
    store.put([(SCOPE, key(5), vector(500), now.ns + 3600 * S)])
    assert len(kept(store)) == 100
    assert store.nearest(SCOPE, vector(500), 1)[0][0] == key(5)


def test_what_is_over_makes_room_first(store: HnswVectors, now: Now) -> None:
    store.put([(SCOPE, key(number), vector(number), now.ns + (60 + number % 2 * 3600) * S) for number in range(100)])
    now.ns += 100 * S
    store.put([(SCOPE, key(100), vector(100), now.ns + 3600 * S)])
    assert kept(store) == [key(number) for number in range(1, 100, 2)] + [key(100)]


def test_maintain_forgets_what_is_over(store: HnswVectors, now: Now) -> None:
    store.put([(SCOPE, key(number), vector(number), now.ns + 60 * S) for number in range(50)])
    now.ns += 100 * S
    assert store.status().notes == ("50 of 100 vectors",)
    store.maintain()
    assert store.status().notes == ("0 of 100 vectors",)


def test_readers_see_what_is_put(store: HnswVectors, path: str) -> None:
    store.put([entry(1)])
    reader = _hnsw.IndexReader(path)
    store.put([entry(2)])
    assert [name for name, _ in reader.nearest(SCOPE, vector(2), 1)] == [key(2)]
    reader.close()


def test_quantised_vectors_are_found(path: str) -> None:
    store = HnswVectors(path, 64, 100, "int8")
    store.put([entry(number, dimensions=64) for number in range(50)])
    assert [store.nearest(SCOPE, vector(number, 64), 1)[0][0] for number in range(50)] == [
        key(number) for number in range(50)
    ]
    store.close()


def test_a_second_writer_is_refused(store: HnswVectors, path: str) -> None:
    store.put([entry(1)])
    with pytest.raises(StoreUnavailable, match="another process writes it"):
        HnswVectors(path, DIMENSIONS, 100)
    assert kept(store) == [key(1)]


def test_what_no_index_can_be_is_a_mistake(path: str) -> None:
    with pytest.raises(ValueError, match="float16"):
        HnswVectors(path, DIMENSIONS, 100, "float16")


@pytest.mark.parametrize("how", ["header", "cut", "emptied", "something else", "other dimensions", "other most"])
def test_a_file_that_cannot_be_used_is_begun_anew(path: str, how: str, caplog: pytest.LogCaptureFixture) -> None:
    dimensions, most = (DIMENSIONS * 2, 100) if how == "other dimensions" else (DIMENSIONS, 100)
    first = HnswVectors(path, dimensions, most * 2 if how == "other most" else most)
    first.put([entry(1, dimensions=dimensions)])
    first.close()
    old = _hnsw.IndexReader(path)
    if how == "header":
        data = bytearray(Path(path).read_bytes())
        data[24] ^= 1
        Path(path).write_bytes(data)
    elif how in ("cut", "emptied"):
        # A copy: who has mapped the file itself would be ended by what it now lacks.
        data = bytearray(Path(path).read_bytes())
        os.unlink(path)
        Path(path).write_bytes(data[: 5000 if how == "cut" else 0])
    elif how == "something else":
        os.unlink(path)
        Path(path).write_bytes(b"something else" * 1000)
    again = HnswVectors(path, DIMENSIONS, 100)
    assert kept(again) == []
    again.put([entry(2)])
    assert kept(again) == [key(2)]
    # An empty file is what a new one is before it has anything.
    assert ("begun anew" in caplog.text) is (how != "emptied")
    assert old.replaced()
    old.close()
    again.close()


def test_a_file_that_is_gone_is_begun_anew(store: HnswVectors, path: str, caplog: pytest.LogCaptureFixture) -> None:
    store.put([entry(1)])
    os.unlink(path)
    store.maintain()
    assert "its file is gone" in caplog.text
    assert kept(store) == []
    store.put([entry(2)])
    reader = _hnsw.IndexReader(path)
    assert len(reader) == 1
    reader.close()


_FULL = """
import json, resource, sys
sys.path.insert(0, sys.argv[1])
from gateway.stores.hnsw_vectors import HnswVectors
from gateway.stores.protocols import StoreUnavailable
from tests.stores.vectors import SCOPE, entry, key, vector

def limited(most):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

seen = []
limited(4096)
store = HnswVectors(sys.argv[2], 64, 100_000)
seen.append(store.status().problem)
limited(1 << 20)
number = 0
try:
    while number < 10_000:
        store.put([entry(number, dimensions=64)])
        number += 1
except StoreUnavailable as error:
    seen.append(str(error))
seen.append(number)
seen.append(all(store.nearest(SCOPE, vector(each, 64), 1)[0][0] == key(each) for each in (0, 77, number - 1)))
limited(resource.RLIM_INFINITY)
store.put([entry(number, dimensions=64)])
seen.append(store.nearest(SCOPE, vector(number, 64), 1)[0][0] == key(number))
store.close()
print(json.dumps(seen))
"""


def test_a_full_disk_takes_nothing_and_gives_what_it_has(path: str) -> None:
    """A limit on the size of files is met as a full disk is."""
    run = subprocess.run(
        [sys.executable, "-c", _FULL, ROOT, path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    at_first, then, number, found, later_on = json.loads(run.stdout)
    assert at_first.startswith("vector index: the disk is full")
    assert then.startswith("vector index: the disk is full")
    assert number > 100
    assert (found, later_on) == (True, True)


def test_what_is_over_when_it_comes_is_not_kept_and_replaces_all_the_same(store: HnswVectors, now: Now) -> None:
    store.put([entry(1), entry(2)])
    store.put([(SCOPE, key(1), vector(1), now.ns - S), (SCOPE, key(2), vector(2), later())])
    assert kept(store) == [key(2)]


def test_closed_is_closed(path: str) -> None:
    store = HnswVectors(path, DIMENSIONS, 100)
    store.close()
    store.close()
    HnswVectors(path, DIMENSIONS, 100).close()
