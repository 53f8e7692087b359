"""``AnswerStore``: what holds for every implementation."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from gateway.stores.protocols import AnswerStore
from tests.stores.answers import HOUR_NS, OTHER_SCOPE, SCOPE, answer, key, later, row
from tests.waiting import wait_for


@pytest.fixture
def store(open_answers: Callable[[], AnswerStore]) -> AnswerStore:
    return open_answers()


def test_an_answer_comes_back_to_its_key_only(store: AnswerStore) -> None:
    store.put([row(1), row(2)])
    assert (store.get(key(1)), store.get(key(2)), store.get(key(3))) == (answer(1), answer(2), None)
    assert store.get(key(1, OTHER_SCOPE)) is None


@pytest.mark.parametrize("size", [0, 1, 1900, 1960, 2040, 4096, 65_536, 1_000_000])
def test_an_answer_of_any_size_comes_back(store: AnswerStore, size: int) -> None:
    store.put([row(1, size), row(2, 10)])
    assert store.get(key(1)) == answer(1, size)


def test_nothing_is_kept_of_nothing(store: AnswerStore) -> None:
    store.put([])
    assert (list(store.entries()), store.remove([]), store.clear()) == ([], 0, 0)


def test_the_same_key_again_replaces(store: AnswerStore) -> None:
    store.put([row(1)])
    store.put([(key(1), b"shorter", later())])
    assert store.get(key(1)) == b"shorter"
    store.put([(key(1), b"first", later()), (key(1), b"second", later())])
    assert store.get(key(1)) == b"second"
    assert len(list(store.entries())) == 1


def test_an_answer_is_forgotten_when_its_time_is_over(store: AnswerStore) -> None:
    store.put([(key(1), b"brief", later(30_000_000)), row(2)])
    wait_for(lambda: store.get(key(1)) is None, "the answer to be forgotten")
    assert [found[0] for found in store.entries()] == [key(2)]
    assert store.remove([key(1)]) == 0
    store.maintain()
    assert (store.clear(), store.get(key(2))) == (1, None)


def test_what_is_over_when_it_comes_is_not_kept_and_replaces_all_the_same(store: AnswerStore) -> None:
    store.put([row(1)])
    store.put([(key(1), b"over", later(-HOUR_NS))])
    assert store.get(key(1)) is None


def test_a_new_time_counts(store: AnswerStore) -> None:
    store.put([(key(1), b"brief", later(30_000_000))])
    store.put([(key(1), b"long", later()), (key(2), b"brief", later(30_000_000))])
    wait_for(lambda: store.get(key(2)) is None, "the other to be forgotten")
    store.maintain()
    assert store.get(key(1)) == b"long"


def test_removed_answers_are_counted(store: AnswerStore) -> None:
    store.put([row(1), row(2), row(3)])
    assert store.remove([key(1), key(3), key(4)]) == 2
    assert [store.get(key(number)) for number in (1, 2, 3)] == [None, answer(2), None]


def test_a_scope_is_cleared_and_no_other(store: AnswerStore) -> None:
    # Bytes that a server's patterns would read as something else, and both ends of the range.
    scopes = [SCOPE, OTHER_SCOPE, b"*?[a-z]\\^$:{}_\n ", b"\xff" * 16, b"\0" * 16, b"\xff" * 15 + b"\0"]
    store.put([row(number, 10, scope) for scope in scopes for number in range(3)])
    left = set(scopes)
    for scope in scopes:
        assert store.clear(scope) == 3
        left.remove(scope)
        assert {found[0][:16] for found in store.entries()} == left


def test_all_is_cleared(store: AnswerStore) -> None:
    store.put([row(number, 10, scope) for scope in (SCOPE, OTHER_SCOPE) for number in range(1500)])
    assert store.clear() == 3000
    assert list(store.entries()) == []
    store.put([row(1)])
    assert store.get(key(1)) == answer(1)


def test_entries_say_key_size_and_time(store: AnswerStore) -> None:
    rows = [row(number, number) for number in range(2500)]
    store.put(rows)
    found = {entry[0]: entry[1:] for entry in store.entries()}
    assert {name: size for name, (size, _) in found.items()} == {name: len(value) for name, value, _ in rows}
    # A server counts what is left in milliseconds of its own clock.
    assert all(abs(found[name][1] - until) < 60 * 10**9 for name, _, until in rows)


def test_answers_outlive_the_store(open_answers: Callable[[], AnswerStore]) -> None:
    open_answers().put([row(1), row(2)])
    again = open_answers()
    assert (again.get(key(1)), again.get(key(2))) == (answer(1), answer(2))
    again.put([row(3)])
    assert again.get(key(3)) == answer(3)


def test_the_status_is_good(store: AnswerStore) -> None:
    store.put([row(1)])
    status = store.status()
    assert (status.ok, status.problem) == (True, "")
    assert status.bytes > 1000
    assert status.entries is not None
    assert status.entries >= 1


def test_threads_share_a_store(store: AnswerStore) -> None:
    wrong: list[object] = []

    def work(first: int) -> None:
        try:
            for number in range(first, first + 60):
                store.put([row(number, 50 * (number % 60))])
                if store.get(key(number)) != answer(number, 50 * (number % 60)):
                    wrong.append(number)
                if number % 3 == 0 and store.remove([key(number)]) != 1:
                    wrong.append(-number)
        except Exception as error:  # told by the assertion
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(1000 * at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(list(store.entries())) == 4 * 40


def test_random_bytes_are_kept_as_they_are(store: AnswerStore) -> None:
    rows = [(os.urandom(48), os.urandom(100), later()) for _ in range(200)]
    store.put(rows)
    assert all(store.get(name) == value for name, value, _ in rows)
