"""Redis's own: servers that are away, silent, full or strangers; passwords; TLS; who shares what."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.stores.protocols import StoreUnavailable
from gateway.stores.redis_answers import LARGEST_BYTES, RedisAnswers
from tests.redis import PASSWORD, RedisServer, certificate
from tests.stores.answers import SCOPE, answer, key, row
from tests.waiting import wait_for

PATIENT = "&timeout=30"
"""No busy machine reaches it."""


@pytest.fixture
def opened() -> Iterator[Callable[[str], RedisAnswers]]:
    stores: list[RedisAnswers] = []

    def opened(url: str) -> RedisAnswers:
        stores.append(RedisAnswers(url))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A server that the test may stop."""
    server = RedisServer()
    yield server
    server.close()


Opened = Callable[[str], RedisAnswers]


def test_gateways_with_the_same_prefix_share_answers(redis_server: RedisServer, opened: Opened) -> None:
    name = str(uuid4())
    one, same, other = (opened(redis_server.url(prefix, more=PATIENT)) for prefix in (name, name, name + "2"))
    one.put([row(1)])
    assert (same.get(key(1)), other.get(key(1))) == (answer(1), None)
    other.put([row(1), row(2)])
    assert same.clear() == 1
    assert len(list(other.entries())) == 2


def test_what_somebody_else_wrote_is_no_answer(redis_server: RedisServer, opened: Opened) -> None:
    name = str(uuid4())
    store = opened(redis_server.url(name, more=PATIENT))
    store.put([row(1), row(2)])
    client = store._client
    client.set(name.encode() + b":" + key(3), b"something else")
    client.set(name.encode() + b":" + key(4), b"")
    # The answer to another question.
    client.copy(name.encode() + b":" + key(1), name.encode() + b":" + key(2), replace=True)
    assert [store.get(key(number)) for number in (1, 2, 3, 4)] == [answer(1), None, None, None]


def test_a_server_that_is_away_is_told_and_comes_back(own: RedisServer, opened: Opened) -> None:
    store = opened(own.url("p", more=PATIENT))
    store.put([row(1)])
    own.stop()
    for call in (lambda: store.get(key(1)), lambda: store.put([row(1)]), store.clear, lambda: store.remove([key(1)])):
        with pytest.raises(StoreUnavailable, match="Redis: not reachable"):
            call()
    with pytest.raises(StoreUnavailable):
        list(store.entries())
    assert not store.status().ok
    own.start()

    def back() -> bool:
        store.maintain()
        return store.status().ok

    wait_for(back, "the server to be used again")
    store.put([row(2)])
    assert (store.get(key(1)), store.get(key(2))) == (None, answer(2))


def test_a_silent_server_is_waited_for_once(own: RedisServer, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(own.url("p", more="&timeout=0.2"))
    wait_for(lambda: store.status().ok, "the server to be used")
    asked: list[bytes] = []
    get = store._client.get
    monkeypatch.setattr(store._client, "get", lambda name: asked.append(name) or get(name))
    os.kill(own.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable, match="does not answer in time"):
            store.get(key(1))
        # Far more than pauses let through, whatever the machine is busy with.
        for _ in range(1000):
            with pytest.raises(StoreUnavailable, match="does not answer in time"):
                store.get(key(1))
        assert len(asked) < 100
        assert store.status().problem == "Redis: it does not answer in time"
    finally:
        os.kill(own.pid, signal.SIGCONT)


def test_a_full_server_still_gives(own: RedisServer, opened: Opened) -> None:
    store = opened(own.url("p", more=PATIENT))
    store.put([row(1)])
    store._client.config_set("maxmemory", "1")
    with pytest.raises(StoreUnavailable, match="Redis: it refuses"):
        store.put([row(2), row(3)])
    assert [store.get(key(number)) for number in (1, 2, 3)] == [answer(1), None, None]


def test_an_answer_that_is_too_large_is_not_kept(redis_server: RedisServer, opened: Opened) -> None:
    store = opened(redis_server.url(str(uuid4()), more=PATIENT))
    store.put([row(1), row(2)])
    store.put([(key(1), bytes(LARGEST_BYTES + 1), row(1)[2])])
    assert (store.get(key(1)), store.get(key(2))) == (None, answer(2))
    assert store.status().notes == (f"1 answers of more than {LARGEST_BYTES} bytes were not kept",)


def test_a_wrong_password_is_refused_and_none_is_repeated(
    redis_server: RedisServer, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    store = opened(redis_server.url("p", password="hunter2", more=PATIENT))
    with pytest.raises(StoreUnavailable, match="Redis: it refuses the name or password") as caught:
        store.get(key(1))
    right = opened(redis_server.url(str(uuid4()), more=PATIENT))
    right.put([row(1)])
    text = caplog.text + str(caught.value) + str(store.status()) + str(right.status())
    assert "hunter2" not in text
    assert PASSWORD not in text


def test_tls_is_verified(redis_server: RedisServer, opened: Opened, tmp_path: Path) -> None:
    ca = str(redis_server.directory / "cert.pem")
    certificate(tmp_path)
    store = opened(redis_server.tls_url(str(uuid4()), ca=ca) + PATIENT)
    store.put([row(1)])
    assert store.get(key(1)) == answer(1)
    for url in (
        redis_server.tls_url("p"),
        redis_server.tls_url("p", ca=str(tmp_path / "cert.pem")),
        redis_server.tls_url("p", ca=ca, host="127.0.0.1"),
    ):
        with pytest.raises(StoreUnavailable, match=r"Redis: not reachable \(SSL"):
            opened(url + PATIENT).get(key(1))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://host/x", "number of a database"),
        ("redis://host?ca=/x", "of rediss:// only"),
        ("redis://host?timeout=0", "timeout is a number of seconds"),
        ("redis://host?ssl_cert_reqs=none", "unknown parameter"),
        ("redis://", "names no host"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RedisAnswers(url)


def test_a_large_scope_is_cleared(redis_server: RedisServer, opened: Opened) -> None:
    store = opened(redis_server.url(str(uuid4()), more=PATIENT))
    store.put([row(number, 1) for number in range(3000)] + [row(1, 1, b"other scope here")])
    assert store.clear(SCOPE) == 3000
    assert store.clear() == 1
