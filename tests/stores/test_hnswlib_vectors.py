"""hnswlib's own: bounds, slots that are used again, large scopes, the files it is kept in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.stores import hnswlib_vectors
from gateway.stores.hnswlib_vectors import HnswlibVectors
from gateway.stores.protocols import StoreUnavailable
from tests.stores.answers import later
from tests.stores.vectors import DIMENSIONS, OTHER_SCOPE, SCOPE, cosine, entry, key, near, vector

pytestmark = pytest.mark.usefixtures("hnswlib")
ROOT = str(Path(__file__).resolve().parents[2])


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "cache" / "vectors")


@pytest.fixture
def store(path: str) -> Iterator[HnswlibVectors]:
    store = HnswlibVectors(path, DIMENSIONS, 100)
    yield store
    store.close()


def kept(store: HnswlibVectors) -> list[int]:
    return sorted(name for name, _ in store.nearest(SCOPE, vector(1), 10_000))


def test_what_ends_soonest_makes_room(store: HnswlibVectors) -> None:
    for number in range(250):
        store.put([entry(number)])
    left = kept(store)
    assert left == [key(number) for number in range(250 - len(left), 250)]
    assert 95 < len(left) <= 100
    assert all(store.nearest(SCOPE, vector(number), 1)[0][0] == key(number) for number in range(240, 250))


def test_a_key_may_come_and_go(store: HnswlibVectors) -> None:
    for turn in range(100):
        number = turn % 7
        assert store.remove([key(number)]) == (turn >= 7 and turn % 14 < 7)
        if turn % 14 < 7:
            continue
        store.put([(SCOPE, key(number), vector(turn), later())])
        assert store.nearest(SCOPE, vector(turn), 1)[0][0] == key(number)


def test_large_scopes_are_searched_by_the_graph_and_small_ones_beside_them_completely(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hnswlib_vectors, "FEW", 10)
    store = HnswlibVectors(path, DIMENSIONS, 1000)
    mine, others = range(20), range(1000, 1300)
    store.put([entry(number) for number in mine] + [entry(number, OTHER_SCOPE) for number in others])
    with monkeypatch.context() as patched:
        patched.setattr(store, "_compared", None)
        for number in others[::20]:
            asked = near(number, 0.02)
            best = max(others, key=lambda each: cosine(vector(each), asked))
            assert store.nearest(OTHER_SCOPE, asked, 1)[0][0] == key(best)
    # Everything near is another scope's.
    found = store.nearest(SCOPE, vector(1000), 15)
    assert [name for name, _ in found] == [
        key(number) for number in sorted(mine, key=lambda each: -cosine(vector(each), vector(1000)))[:15]
    ]
    store.close()


@pytest.mark.parametrize("how", ["note", "graph", "no graph", "emptied", "other dimensions", "other most"])
def test_a_file_that_cannot_be_used_is_begun_anew(path: str, how: str, caplog: pytest.LogCaptureFixture) -> None:
    dimensions, most = (
        (DIMENSIONS * 2 if how == "other dimensions" else DIMENSIONS),
        200 if how == "other most" else 100,
    )
    first = HnswlibVectors(path, dimensions, most)
    first.put([entry(1, dimensions=dimensions)])
    first.close()
    if how in ("note", "graph"):
        damaged = Path(path if how == "note" else f"{path}.graph")
        data = bytearray(damaged.read_bytes())
        data[len(data) // 2] ^= 1
        damaged.write_bytes(data)
    elif how == "no graph":
        os.unlink(f"{path}.graph")
    elif how == "emptied":
        Path(path).write_bytes(b"")
    again = HnswlibVectors(path, DIMENSIONS, 100)
    assert kept(again) == []
    assert "begun anew" in caplog.text
    again.put([entry(2)])
    again.close()
    third = HnswlibVectors(path, DIMENSIONS, 100)
    assert kept(third) == [key(2)]
    third.close()


def test_it_is_written_now_and_then(store: HnswlibVectors, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put([entry(1)])
    store.maintain()
    assert not os.path.exists(path)
    monkeypatch.setattr(hnswlib_vectors, "SAVE_S", -1.0)
    store.maintain()
    other = HnswlibVectors(path, DIMENSIONS, 100)
    assert kept(other) == [key(1)]
    assert Path(path).stat().st_mode & 0o077 == 0


_FULL = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from gateway.stores.hnswlib_vectors import HnswlibVectors
from gateway.stores import hnswlib_vectors
from gateway.stores.protocols import StoreUnavailable
from tests.stores.vectors import SCOPE, entry, key, vector

store = HnswlibVectors(sys.argv[2], 64, 1000)
store.put([entry(number, dimensions=64) for number in range(200)])
hnswlib_vectors.SAVE_S = -1.0
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
try:
    store.maintain()
except StoreUnavailable as error:
    print(error)
assert not store.status().ok
assert store.nearest(SCOPE, vector(150, 64), 1)[0][0] == key(150)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.maintain()
assert store.status().ok
"""


def test_a_full_disk_costs_the_file_alone(path: str) -> None:
    """A limit on the size of files is met as a full disk is."""
    command = [sys.executable, "-c", _FULL, ROOT, path]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("vector index: it cannot be written")
    assert len(kept_in(path)) == 200


def kept_in(path: str) -> list[int]:
    store = HnswlibVectors(path, 64, 1000)
    return sorted(name for name, _ in store.nearest(SCOPE, vector(1, 64), 1000))


def test_what_cannot_be_written_is_told(store: HnswlibVectors, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hnswlib_vectors, "SAVE_S", -1.0)
    Path(path).parent.write_text("no directory")
    store.put([entry(1)])
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        store.maintain()
    assert store.status().problem.startswith("it cannot be written")
    assert kept(store) == [key(1)]
