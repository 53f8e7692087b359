"""Where the vectors of similar questions are kept, by what the configuration says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.cache.similar.keeping import Meanings
from gateway.snapshot.cache import Semantic
from gateway.stores.hnsw_vectors import HnswVectors
from gateway.stores.hnswlib_vectors import HnswlibVectors
from gateway.stores.protocols import StoreUnavailable
from tests.stores.vectors import SCOPE, entry, key, vector

Made = Callable[[str], Meanings]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """In a directory whose name a URL would read as something else."""
    opened: list[Meanings] = []

    def made(store: str) -> Meanings:
        answers = SimpleNamespace(get=lambda _: None, put=lambda _: None)
        keeping = SimpleNamespace(answers=answers, paths=SimpleNamespace(cache_dir=str(tmp_path / "a %20?#b")))
        opened.append(Meanings.open(cast(Any, keeping), Semantic(embedder="demo/embed", store=store)))
        return opened[-1]

    yield made
    for each in opened:
        each.close()


def test_vectors_lie_in_a_file_of_this_host(made: Made, tmp_path: Path) -> None:
    store = made("").store(8)
    assert isinstance(store, HnswVectors)
    assert Path(store.path).parent == tmp_path / "a %20?#b" / "vectors"
    assert Path(store.path).is_file()


@pytest.mark.parametrize("url", ["hnswlib:", "hnswlib://", "hnswlib:///"])
def test_hnswlib_has_a_file_of_its_own_for_each_dimension(made: Made, tmp_path: Path, url: str, hnswlib: None) -> None:
    first = made(url)
    eight, sixteen = first.store(8), first.store(16)
    assert isinstance(eight, HnswlibVectors)
    assert isinstance(sixteen, HnswlibVectors)
    eight.put([entry(1)])
    sixteen.put([entry(2, dimensions=16)])
    first.close()
    again = made(url)
    assert [name for name, _ in again.store(8).nearest(SCOPE, vector(1), 5)] == [key(1)]
    assert [name for name, _ in again.store(16).nearest(SCOPE, vector(2, 16), 5)] == [key(2)]
    assert {each.parent for each in (Path(eight.path), Path(sixteen.path))} == {tmp_path / "a %20?#b" / "vectors"}


def test_threads_that_come_first_share_one_store(made: Made) -> None:
    meanings, found = made(""), []

    def ask() -> None:
        found.append(meanings.store(8))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(each) for each in found}) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [("pgvector://host/name?timeout=x", "number of seconds"), ("nothing://host", "no vectors store is known")],
)
def test_a_store_that_cannot_be_opened_is_unavailable(made: Made, url: str, words: str) -> None:
    with pytest.raises(StoreUnavailable, match=words):
        made(url).store(8)
