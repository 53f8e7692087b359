"""What a worker reads of the LMDB cache while another process writes it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.stores import lmdb_files
from gateway.stores.lmdb_answers import LmdbAnswers
from gateway.stores.lmdb_reader import LmdbReader
from tests.stores.answers import OTHER_SCOPE, answer, key, later, row
from tests.stores.lmdb_peer import Peer, peer
from tests.waiting import wait_for


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "answers")


@pytest.fixture
def store(directory: str) -> Iterator[LmdbAnswers]:
    store = LmdbAnswers(directory, 1 << 20)
    yield store
    store.close()


@pytest.fixture
def worker(store: LmdbAnswers) -> Iterator[Peer]:
    with peer(store.directory) as made:
        yield made


def test_a_worker_sees_what_is_stored_and_forgotten(store: LmdbAnswers, worker: Peer) -> None:
    assert worker.get(key(1)) is None
    store.put([row(1), row(2, 100_000), row(3, 0)])
    assert [worker.get(key(number)) for number in (1, 2, 3, 4)] == [answer(1), answer(2, 100_000), b"", None]
    assert worker.get(key(1, OTHER_SCOPE)) is None
    store.remove([key(1)])
    assert worker.get(key(1)) is None
    store.clear()
    assert worker.get(key(2)) is None


def test_a_worker_forgets_in_time(store: LmdbAnswers, worker: Peer) -> None:
    store.put([(key(1), b"brief", later(30_000_000))])
    wait_for(lambda: worker.get(key(1)) is None, "the answer to be forgotten")


def test_a_worker_goes_on_when_the_writer_is_restarted(directory: str) -> None:
    first = LmdbAnswers(directory)
    first.put([row(1)])
    with peer(directory) as worker:
        first.close()
        assert (worker.refresh(), worker.get(key(1))) == (True, answer(1))
        again = LmdbAnswers(directory)
        again.put([row(2)])
        assert worker.get(key(2)) == answer(2)
        assert (worker.refresh(), worker.get(key(1))) == (True, answer(1))
        again.close()


def test_a_worker_follows_to_a_new_file(directory: str) -> None:
    first = LmdbAnswers(directory)
    first.put([row(1)])
    with peer(directory) as worker:
        assert worker.get(key(1)) == answer(1)
        first.close()
        os.unlink(lmdb_files.current_path(directory))
        again = LmdbAnswers(directory)
        again.put([row(2)])
        # Until it looks it has what there was; it is nobody else's.
        assert worker.get(key(2)) is None
        assert (worker.refresh(), worker.get(key(2)), worker.get(key(1))) == (True, answer(2), None)
        again.close()


def test_a_worker_that_comes_first_finds_the_file_later(directory: str) -> None:
    with peer(directory) as worker:
        assert (worker.get(key(1)), worker.refresh()) == (None, False)
        store = LmdbAnswers(directory)
        store.put([row(1)])
        assert (worker.get(key(1)), worker.refresh(), worker.get(key(1))) == (None, True, answer(1))
        store.close()
        shutil.rmtree(directory)
        assert (worker.refresh(), worker.get(key(1))) == (False, None)


@pytest.mark.parametrize("change", [{"pid": 0}, {"pid": 1 << 30}, {"boot": "another"}, {"generation": "g-none"}])
def test_no_file_is_mapped_that_no_living_writer_has_verified(directory: str, change: dict[str, object]) -> None:
    store = LmdbAnswers(directory)
    store.put([row(1)])
    store.close()
    said = lmdb_files.read_current(directory)
    assert said is not None
    open_now = said._replace(pid=os.getpid())
    lmdb_files.write_current(directory, open_now._replace(**change))  # type: ignore[arg-type]
    with peer(directory) as worker:
        assert (worker.refresh(), worker.get(key(1))) == (False, None)
        lmdb_files.write_current(directory, open_now)
        assert (worker.refresh(), worker.get(key(1))) == (True, answer(1))


def test_what_killed_workers_had_begun_to_read_is_let_go(store: LmdbAnswers) -> None:
    for _ in range(3):
        store.put([row(1)])
        with peer(store.directory) as worker:
            worker.hold(key(1))
            assert worker.get(key(1)) == answer(1)
    env = store._env
    assert env is not None
    assert len(env.readers().splitlines()) >= 3
    store.maintain()
    assert env.reader_check() == 0
    assert len(env.readers().splitlines()) <= 2


def test_a_reader_that_never_ends_costs_a_new_file_and_no_answer(store: LmdbAnswers, worker: Peer) -> None:
    store.put([row(0)])
    worker.hold(key(0))
    generation, number = store._generation, 0
    while store._generation == generation:
        number += 1
        assert number < 10_000
        store.put([row(number, 20_000)])
    store.put([row(number + 1, 20_000)])
    assert worker.refresh()
    assert worker.get(key(number + 1)) == answer(number + 1, 20_000)
    assert store.get(key(number)) == answer(number, 20_000)
    assert store.status().bytes <= store.most_bytes


def test_a_worker_follows_a_file_that_may_be_larger_now(directory: str) -> None:
    first = LmdbAnswers(directory, 1 << 20)
    first.put([row(1)])
    with peer(directory) as worker:
        assert worker.get(key(1)) == answer(1)
        first.close()
        again = LmdbAnswers(directory, 32 << 20)
        again.put([row(number, 100_000) for number in range(2, 200)])
        # It has mapped less than the file has grown to: the next look-up misses, and it maps it anew.
        worker.get(key(199))
        assert worker.refresh()
        assert (worker.get(key(1)), worker.get(key(199))) == (answer(1), answer(199, 100_000))
        again.close()


def test_a_smaller_cache_gives_up_what_is_too_much(directory: str) -> None:
    first = LmdbAnswers(directory, 32 << 20)
    first.put([row(number, 100_000) for number in range(200)])
    first.close()
    again = LmdbAnswers(directory, 2 << 20)
    with peer(directory) as worker:
        again.put([row(200, 100_000)])
        assert again.status().bytes <= 2 << 20
        assert (worker.get(key(200)), worker.get(key(0))) == (answer(200, 100_000), None)
        for number in range(201, 260):
            again.put([row(number, 100_000)])
        assert (worker.refresh(), worker.get(key(259))) == (True, answer(259, 100_000))
    again.close()


def test_a_look_up_waits_for_no_commit(store: LmdbAnswers, worker: Peer) -> None:
    store.put([row(1)])
    with store._guarded() as env, env.begin(write=True) as txn:
        txn.put(key(2), b"not yet", db=store._answers)
        assert (worker.get(key(1)), worker.get(key(2))) == (answer(1), None)


def test_a_closed_reader_misses(tmp_path: Path) -> None:
    reader = LmdbReader(str(tmp_path / "nothing"), clock=time.time_ns)
    reader.close()
    assert reader.get(key(1)) is None
