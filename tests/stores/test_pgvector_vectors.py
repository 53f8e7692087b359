"""pgvector's own: large scopes, bounds, what is made when, servers that are away or silent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from gateway.stores import pgvector_vectors
from gateway.stores.pgvector_vectors import PgvectorVectors, can_iterate
from gateway.stores.protocols import StoreUnavailable
from tests.postgres import PostgresServer, standing_still
from tests.stores.answers import later
from tests.stores.vectors import DIMENSIONS, OTHER_SCOPE, SCOPE, cosine, entry, key, near, vector
from tests.waiting import wait_for

PATIENT = "&timeout=30"
"""No busy machine reaches it."""

Opened = Callable[..., PgvectorVectors]


def pgvector(url: str) -> str:
    return url.replace("postgresql:", "pgvector:")


@pytest.fixture
def url(vector_postgres: PostgresServer) -> str:
    """With a table of the test's own, which is made sooner than a database."""
    return f"{pgvector(vector_postgres.url('postgres'))}&table=t{uuid4().hex}"


@pytest.fixture
def opened() -> Iterator[Opened]:
    stores: list[PgvectorVectors] = []

    def opened(url: str, dimensions: int = DIMENSIONS, most: int = 1000) -> PgvectorVectors:
        stores.append(PgvectorVectors(url, dimensions, most))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A server that tests may stop."""
    server = PostgresServer(vectors=True)
    yield server
    server.close()


def test_large_scopes_are_searched_by_the_index_and_small_ones_beside_them_completely(
    url: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(url + PATIENT, most=10_000)
    mine, others = range(100), range(1000, 1600)
    store.put([entry(number) for number in mine] + [entry(number, OTHER_SCOPE) for number in others])
    with store._connected(30) as connection:
        # So few rows are sooner read one by one than by any index: a larger table would decide otherwise.
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_sort = off")
    statements: list[str] = []
    run = store._run
    monkeypatch.setattr(store, "_run", lambda c, text, *values: (statements.append(text), run(c, text, *values))[1])
    monkeypatch.setattr(pgvector_vectors, "FEW", 10)
    right = 0
    for number in others[::20]:
        asked = near(number, 0.02)
        best = max(others, key=lambda each: cosine(vector(each), asked))
        right += store.nearest(OTHER_SCOPE, asked, 1)[0][0] == key(best)
    # HNSW may miss; it does not at this size.
    assert right == len(others[::20])
    assert not any("cosine DESC" in text for text in statements)
    # Everything near is another scope's: the index alone would find a few of one's own, or none.
    found = store.nearest(SCOPE, vector(1000), 50)
    expected = sorted(mine, key=lambda each: -cosine(vector(each), vector(1000)))[:50]
    assert [name for name, _ in found] == [key(number) for number in expected]


def test_the_index_is_what_a_search_by_distance_uses(url: str, opened: Opened) -> None:
    store = opened(url + PATIENT)
    store.put([entry(number) for number in range(50)])
    with store._connected(30) as connection:
        connection.execute("SET enable_seqscan = off")
        table = store._table.as_string(connection)
        asked = pgvector_vectors._Vector(vector(1))
        plan = connection.execute(f"EXPLAIN SELECT key FROM {table} ORDER BY embedding <=> %s LIMIT 3", (asked,))  # noqa: S608 - a table of the test's own
        assert f"{table.strip(chr(34))}_near" in str(plan.fetchall())


def test_what_ends_soonest_makes_room(url: str, opened: Opened) -> None:
    store = opened(url + PATIENT, most=10)
    store.put([(SCOPE, key(number), vector(number), later() + number) for number in range(25)])
    store.maintain()
    assert sorted(name for name, _ in store.nearest(SCOPE, vector(1), 50)) == [key(number) for number in range(15, 25)]


def test_tables_are_apart_by_name_and_dimensions(url: str, opened: Opened) -> None:
    same, other, wide = opened(url + PATIENT), opened(url + PATIENT + "&table=of_another"), opened(url + PATIENT, 3072)
    opened(url + PATIENT).put([entry(1)])
    assert [name for name, _ in same.nearest(SCOPE, vector(1), 5)] == [key(1)]
    assert other.nearest(SCOPE, vector(1), 5) == []
    # More dimensions than pgvector indexes.
    wide.put([entry(number, dimensions=3072) for number in range(5)])
    assert wide.nearest(SCOPE, vector(3, 3072), 1)[0][0] == key(3)
    assert wide.status().notes == ("more than 2000 dimensions have no index",)
    assert wide.status().ok


def test_many_make_extension_and_table_at_once(vector_postgres: PostgresServer, opened: Opened) -> None:
    url = pgvector(vector_postgres.database(empty=True))
    wrong: list[Exception] = []

    def begin(number: int) -> None:
        try:
            opened(url + PATIENT).put([entry(number)])
        except Exception as error:  # told by the assertion
            wrong.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(opened(url + PATIENT).nearest(SCOPE, vector(1), 10)) == 4


def test_a_table_that_was_removed_is_made_again(url: str, opened: Opened) -> None:
    store = opened(url + PATIENT)
    store.put([entry(1)])
    with store._connected(30) as connection:
        connection.execute(f"DROP TABLE {store._table.as_string(connection)}")
    with pytest.raises(StoreUnavailable, match="its table is gone"):
        store.nearest(SCOPE, vector(1), 1)
    store.put([entry(2)])
    assert [name for name, _ in store.nearest(SCOPE, vector(1), 5)] == [key(2)]


def test_values_that_no_vector_has_are_a_mistake(url: str, opened: Opened) -> None:
    store = opened(url + PATIENT)
    with pytest.raises(ValueError, match="NaN"):
        store.put([(SCOPE, 1, b"\0\0\xc0\x7f" * DIMENSIONS, later())])
    store.put([entry(1)])


def test_a_server_that_is_away_is_told_and_comes_back(own: PostgresServer, opened: Opened) -> None:
    store = opened(f"{pgvector(own.url('postgres'))}&table=t{uuid4().hex}{PATIENT}")
    store.put([entry(1)])
    own.stop()
    try:
        for call in (
            lambda: store.nearest(SCOPE, vector(1), 1),
            lambda: store.put([entry(2)]),
            store.clear,
            store.maintain,
            lambda: store.remove([1]),
        ):
            with pytest.raises(StoreUnavailable, match="pgvector: not reachable"):
                call()
        assert not store.status().ok
    finally:
        own.start()
    wait_for(lambda: store.status().ok, "the server to be used again")
    assert [name for name, _ in store.nearest(SCOPE, vector(1), 5)] == [key(1)]


def test_a_silent_server_is_waited_for_once(
    own: PostgresServer, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(f"{pgvector(own.url('postgres'))}&table=t{uuid4().hex}&timeout=0.2")
    wait_for(lambda: store.status().ok, "the server to be used")
    asked: list[int] = []
    take = store._take
    monkeypatch.setattr(store, "_take", lambda: (asked.append(1), take())[1])
    with standing_still(own):
        with pytest.raises(StoreUnavailable, match="not reachable"):
            store.nearest(SCOPE, vector(1), 1)
        for _ in range(1000):
            with pytest.raises(StoreUnavailable, match="not reachable"):
                store.nearest(SCOPE, vector(1), 1)
        assert len(asked) < 100


def test_nothing_of_the_url_is_repeated(caplog: pytest.LogCaptureFixture, opened: Opened) -> None:
    caplog.set_level("DEBUG")
    store = opened("pgvector://somebody:hunter2@127.0.0.1:1/secret-name?timeout=5")
    with pytest.raises(StoreUnavailable) as caught:
        store.nearest(SCOPE, vector(1), 1)
    for word in ("hunter2", "somebody", "secret-name"):
        assert word not in caplog.text + str(caught.value) + str(store.status())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("pgvector://host/name?timeout=x", "number of seconds"),
        ("pgvector://host/name?table=x;drop", "table is a name"),
        ("pgvector://host/name?table=" + "x" * 41, "table is a name"),
        ("pgvector://u:hunter2@host/name?unheard=of", "cannot be read"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        PgvectorVectors(url, DIMENSIONS, 10)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "can"), [("0.6.2", False), ("0.7.4", False), ("0.8.0", True), ("0.10.1", True), ("1.0", True)]
)
def test_which_servers_go_on_until_enough_are_found(version: str, can: bool) -> None:
    assert can_iterate(version) is can
