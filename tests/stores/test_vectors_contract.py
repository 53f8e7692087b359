"""``VectorStore``: what holds for every implementation."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from gateway.stores.protocols import VectorStore
from tests.stores.answers import HOUR_NS, later
from tests.stores.vectors import DIMENSIONS, OTHER_SCOPE, SCOPE, cosine, entry, key, near, vector
from tests.waiting import wait_for

CLOSE = 1e-5
"""Cosines are sums of float32."""


@pytest.fixture
def store(open_vectors: Callable[[], VectorStore]) -> VectorStore:
    return open_vectors()


def keys(found: list[tuple[int, float]]) -> list[int]:
    return [name for name, _ in found]


def test_the_nearest_come_first_with_their_cosines(store: VectorStore) -> None:
    store.put([entry(number) for number in range(50)])
    asked = near(7, 0.05)
    expected = sorted(((cosine(asked, vector(number)), key(number)) for number in range(50)), reverse=True)[:5]
    found = store.nearest(SCOPE, asked, 5)
    assert keys(found) == [name for _, name in expected]
    assert [value for _, value in found] == pytest.approx([value for value, _ in expected], abs=CLOSE)
    assert keys(found)[0] == key(7)


def test_nothing_is_near_where_nothing_is(store: VectorStore) -> None:
    assert store.nearest(SCOPE, vector(1), 3) == []
    store.put([])
    assert store.remove([]) == 0
    store.clear()
    store.maintain()
    assert store.nearest(SCOPE, vector(1), 3) == []


def test_a_vector_is_as_near_to_itself_as_can_be(store: VectorStore) -> None:
    store.put([entry(1)])
    [(name, value)] = store.nearest(SCOPE, vector(1), 10)
    assert (name, value) == (key(1), pytest.approx(1.0, abs=CLOSE))


@pytest.mark.parametrize("scope", [0, 1, 1 << 53, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_scopes_and_keys_have_64_bits(store: VectorStore, scope: int) -> None:
    numbers = [0, 1, (1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
    store.put([(scope, name, vector(at), later()) for at, name in enumerate(numbers)])
    store.put([(scope ^ 1, 12345, vector(3), later())])
    assert sorted(keys(store.nearest(scope, vector(3), 10))) == numbers
    assert store.nearest(scope, vector(3), 1)[0][0] == numbers[3]
    assert store.remove(numbers) == 6


def test_nobody_finds_what_belongs_to_another_scope(store: VectorStore) -> None:
    store.put([entry(number, OTHER_SCOPE) for number in range(100)])
    store.put([entry(1000)])
    # However near it is, and however far what is one's own.
    assert keys(store.nearest(SCOPE, vector(5), 3)) == [key(1000)]
    assert store.nearest(2, vector(5), 3) == []
    assert keys(store.nearest(OTHER_SCOPE, vector(5), 1)) == [key(5)]


def test_the_same_key_again_replaces(store: VectorStore) -> None:
    store.put([entry(1), entry(2)])
    store.put([(OTHER_SCOPE, key(1), vector(9), later())])
    assert keys(store.nearest(SCOPE, vector(1), 5)) == [key(2)]
    [(name, value)] = store.nearest(OTHER_SCOPE, vector(9), 5)
    assert (name, value) == (key(1), pytest.approx(1.0, abs=CLOSE))
    store.put([(SCOPE, key(3), vector(3), later()), (SCOPE, key(3), vector(4), later())])
    assert store.nearest(SCOPE, vector(4), 1)[0] == (key(3), pytest.approx(1.0, abs=CLOSE))


def test_a_vector_is_forgotten_when_its_time_is_over(store: VectorStore) -> None:
    store.put([(SCOPE, key(1), vector(1), later(50_000_000)), entry(2), (SCOPE, key(3), vector(3), later(-HOUR_NS))])
    wait_for(lambda: keys(store.nearest(SCOPE, vector(1), 5)) == [key(2)], "the vector to be forgotten")
    assert store.remove([key(1), key(3)]) == 0
    store.maintain()
    assert keys(store.nearest(SCOPE, vector(1), 5)) == [key(2)]


def test_removed_vectors_are_counted(store: VectorStore) -> None:
    store.put([entry(number) for number in range(5)])
    assert store.remove([key(1), key(3), key(99)]) == 2
    assert sorted(keys(store.nearest(SCOPE, vector(1), 10))) == [key(0), key(2), key(4)]
    store.put([entry(1)])
    assert store.nearest(SCOPE, vector(1), 1)[0][0] == key(1)


def test_all_is_cleared(store: VectorStore) -> None:
    store.put([entry(number, scope) for number, scope in enumerate([SCOPE, OTHER_SCOPE] * 20)])
    store.clear()
    assert (store.nearest(SCOPE, vector(1), 5), store.nearest(OTHER_SCOPE, vector(1), 5)) == ([], [])
    store.put([entry(1)])
    assert keys(store.nearest(SCOPE, vector(1), 5)) == [key(1)]


@pytest.mark.parametrize("wrong", [b"", vector(1, DIMENSIONS - 1), vector(1, DIMENSIONS + 1), vector(1) + b"\0"])
def test_a_vector_of_another_dimension_is_a_mistake(store: VectorStore, wrong: bytes) -> None:
    store.put([entry(1)])
    with pytest.raises(ValueError, match=r"dimensions where 8 are kept"):
        store.put([entry(2), (SCOPE, key(3), wrong, later())])
    with pytest.raises(ValueError, match=r"dimensions where 8 are kept"):
        store.nearest(SCOPE, wrong, 1)
    assert keys(store.nearest(SCOPE, vector(1), 5)) == [key(1)]


def test_vectors_outlive_the_store(open_vectors: Callable[[], VectorStore]) -> None:
    open_vectors().put([entry(number) for number in range(20)])
    again = open_vectors()
    assert keys(again.nearest(SCOPE, vector(13), 1)) == [key(13)]
    again.put([entry(20)])
    assert keys(again.nearest(SCOPE, vector(20), 1)) == [key(20)]


def test_the_status_is_good(store: VectorStore) -> None:
    store.put([entry(1), entry(2)])
    status = store.status()
    assert (status.ok, status.problem, status.entries) == (True, "", 2)


def test_threads_share_a_store(store: VectorStore) -> None:
    wrong: list[object] = []

    def work(scope: int) -> None:
        try:
            for number in range(scope * 100, scope * 100 + 15):
                store.put([entry(number, scope)])
                if keys(store.nearest(scope, vector(number), 1)) != [key(number)]:
                    wrong.append(number)
        except Exception as error:  # told by the assertion
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(scope,)) for scope in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
