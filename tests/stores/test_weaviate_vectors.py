"""Weaviate's own: what the client is told, bounds, collections that are removed, servers that are away or silent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from gateway.stores.protocols import StoreUnavailable
from gateway.stores.weaviate_vectors import WeaviateVectors
from tests.stores.answers import later
from tests.stores.vectors import DIMENSIONS, SCOPE, entry, key, vector
from tests.waiting import wait_for
from tests.weaviate_fake import API_KEY, WeaviateFake

PATIENT = "&timeout=30"
"""No busy machine reaches it."""

Opened = Callable[..., WeaviateVectors]


@pytest.fixture
def opened() -> Iterator[Opened]:
    stores: list[WeaviateVectors] = []

    def opened(url: str, dimensions: int = DIMENSIONS, most: int = 1000) -> WeaviateVectors:
        stores.append(WeaviateVectors(url, dimensions, most))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def own() -> Iterator[WeaviateFake]:
    """A server that the test may stop."""
    fake = WeaviateFake()
    yield fake
    fake.stop()
    # What was given up ends with the client's own pauses.
    wait_for(lambda: "call with a deadline" not in {each.name for each in threading.enumerate()}, "calls to end")


def collection() -> str:
    return f"T{uuid4().hex}"


def test_the_server_is_asked_for_nothing_but_what_is_needed(own: WeaviateFake, opened: Opened) -> None:
    store = opened(own.url("Mine", more=PATIENT))
    store.put([entry(1)])
    store.nearest(SCOPE, vector(1), 1)
    store.nearest(SCOPE, vector(2), 1)
    assert own.asked == [
        "GET /v1/meta",
        f"GET /v1/schema/MineD{DIMENSIONS}",
        "POST /v1/schema",
        "BatchObjects",
        "Search",
        "Search",
    ]


def test_what_ends_soonest_makes_room(weaviate_fake: WeaviateFake, opened: Opened) -> None:
    store = opened(weaviate_fake.url(collection(), more=PATIENT), most=10)
    store.put([(SCOPE, key(number), vector(number), later() + number * 1_000_000) for number in range(25)])
    store.maintain()
    assert sorted(name for name, _ in store.nearest(SCOPE, vector(1), 50)) == [key(number) for number in range(15, 25)]


def test_many_vectors_are_several_calls(weaviate_fake: WeaviateFake, opened: Opened) -> None:
    store = opened(weaviate_fake.url(collection(), more=PATIENT), most=10_000)
    asked = len(weaviate_fake.asked)
    store.put([entry(number) for number in range(2100)])
    assert weaviate_fake.asked[asked:].count("BatchObjects") >= 3
    assert store.remove(key(number) for number in range(2100)) == 2100


def test_collections_are_apart_by_name_and_dimensions(weaviate_fake: WeaviateFake, opened: Opened) -> None:
    name = collection()
    same, other = opened(weaviate_fake.url(name, more=PATIENT)), opened(weaviate_fake.url(collection(), more=PATIENT))
    wide = opened(weaviate_fake.url(name, more=PATIENT), 16)
    opened(weaviate_fake.url(name, more=PATIENT)).put([entry(1)])
    assert [found for found, _ in same.nearest(SCOPE, vector(1), 5)] == [key(1)]
    assert other.nearest(SCOPE, vector(1), 5) == []
    wide.put([entry(2, dimensions=16)])
    assert [found for found, _ in wide.nearest(SCOPE, vector(2, 16), 5)] == [key(2)]


def test_many_make_the_collection_at_once(weaviate_fake: WeaviateFake, opened: Opened) -> None:
    url, wrong = weaviate_fake.url(collection(), more=PATIENT), []
    stores = [opened(url) for _ in range(4)]

    def begin(number: int) -> None:
        try:
            stores[number].put([entry(number)])
        except Exception as error:  # told by the assertion
            wrong.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(stores[0].nearest(SCOPE, vector(1), 10)) == 4


def test_a_collection_that_was_removed_is_made_again(weaviate_fake: WeaviateFake, opened: Opened) -> None:
    url = weaviate_fake.url(collection(), more=PATIENT)
    store = opened(url)
    store.put([entry(1)])
    opened(url).clear()
    with pytest.raises(StoreUnavailable, match="it refuses"):
        store.nearest(SCOPE, vector(1), 1)
    store.put([entry(2)])
    assert [name for name, _ in store.nearest(SCOPE, vector(1), 5)] == [key(2)]


def test_a_server_that_is_away_is_told_and_comes_back(own: WeaviateFake, opened: Opened) -> None:
    store = opened(own.url("Mine", more="&timeout=2"))
    wait_for(lambda: store.status().ok, "the server to be used")
    store.put([entry(1)])
    own.stop()
    try:
        with pytest.raises(StoreUnavailable, match=r"Weaviate: (not reachable|it does not answer in time)"):
            store.nearest(SCOPE, vector(1), 1)
        assert not store.status().ok
    finally:
        own.start()
    wait_for(lambda: store.status().ok, "the server to be used again")

    def found() -> bool:
        # gRPC has pauses of its own before it connects again.
        try:
            return [name for name, _ in store.nearest(SCOPE, vector(1), 5)] == [key(1)]
        except StoreUnavailable:
            return False

    wait_for(found, "searches to be answered again")


def test_a_server_that_was_never_there_is_not_waited_for(opened: Opened, own: WeaviateFake) -> None:
    url = own.url("Mine", more=PATIENT)
    own.stop()
    try:
        store = opened(url)
        for _ in range(1000):
            with pytest.raises(StoreUnavailable, match="Weaviate: not reachable"):
                store.nearest(SCOPE, vector(1), 1)
    finally:
        own.start()


def test_a_silent_server_is_waited_for_once(own: WeaviateFake, opened: Opened) -> None:
    store = opened(own.url("Mine", more="&timeout=0.2"))
    wait_for(lambda: store.status().ok, "the server to be used")
    before = len(own.asked)
    own.fall_silent()
    for _ in range(1000):
        with pytest.raises(StoreUnavailable, match="it does not answer in time"):
            store.nearest(SCOPE, vector(1), 1)
    assert len(own.asked) - before < 100
    assert store.status().problem == "Weaviate: it does not answer in time"
    own.speak()


def test_a_wrong_key_is_refused_and_none_is_repeated(
    weaviate_fake: WeaviateFake, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    store = opened(weaviate_fake.url("Mine", key="hunter2", more=PATIENT))
    with pytest.raises(StoreUnavailable, match="Weaviate: ") as caught:
        store.nearest(SCOPE, vector(1), 1)
    right = opened(weaviate_fake.url(collection(), more=PATIENT))
    right.put([entry(1)])
    text = caplog.text + str(caught.value) + str(store.status()) + str(right.status())
    assert "hunter2" not in text
    assert API_KEY not in text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("weaviate://host?timeout=x", "number of seconds"),
        ("weaviate://host?collection=small", "capital letter"),
        ("weaviate://host?collection=A/B", "capital letter"),
        ("weaviate://host?grpc=0", "number of a port"),
        ("weaviate://host?grpc=x", "number of a port"),
        ("weaviate://host/Name", "has no path"),
        ("weaviate://:hunter2@host?unheard=of", "unknown parameter"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        WeaviateVectors(url, DIMENSIONS, 10)
    assert "hunter2" not in str(caught.value)
