"""`microgate upgrade` of the real gateway under load: nobody is refused or cut, limits go on, records count once."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bench.reliability.callers import Callers
from tests.live.fixtures import Start
from tests.live.instance import Gateway, _alive, configuration
from tests.live.rounds import rounds
from tests.live.upstreams import Act, Until, Upstream, ordinary, stream, stream_events
from tests.live.wire import KEY, AnswerReader, ask, request
from tests.waiting import wait_for

STREAM = request(body=b'{"model":"m","messages":[],"stream":true}')
TOKENS = 40
ENDLESS = [*stream(stream_events(2))[:-1], Act.HOLD]


@contextmanager
def streaming(gateway: Gateway, *, whole: bool = True) -> Iterator[AnswerReader]:
    """A stream that has begun; after the block it is read to its end, unless not ``whole``: then its caller leaves."""
    reader = AnswerReader()
    with socket.create_connection(("127.0.0.1", gateway.port), 60) as sock:
        sock.sendall(STREAM)
        while not reader.answers or not reader.answers[0].body:
            reader.feed(sock.recv(65536))
        yield reader
        if not whole:
            # A caller who has only finished sending would still be answered.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        while whole and (data := sock.recv(65536)):
            reader.feed(data)
            if reader.idle:
                break


@pytest.fixture
def finish(upstream: Upstream) -> threading.Event:
    """Streams are slow, and end once it is set; everything else is answered at once."""
    finish = threading.Event()
    head, *events, end = stream(stream_events(TOKENS), pause=0.05)
    steps = [head, *events[:TOKENS], Until(finish.is_set), *events[TOKENS:], end]

    def script(received: Any) -> Any:
        return steps if b'"stream":true' in received.body else ordinary(received)

    upstream.script = script
    upstream.keep = False
    return finish


def upgraded(gateway: Gateway) -> None:
    """Another one is in charge, and nothing is left of the one before."""
    old = [gateway.pid, *gateway.children()]
    assert gateway.upgrade()[0] == 0, gateway.stderr()
    wait_for(lambda: not any(map(_alive, old)), "the old generation ends")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_request_is_answered_and_counted_once(
    start_gateway: Start, upstream: Upstream, finish: threading.Event, workers: int
) -> None:
    config = configuration(upstream.url, server={"drain_timeout": "60s"})
    gateway = start_gateway(config, workers=workers)
    gateway.wait_for_control()
    raw = request()
    with (
        Callers(gateway.port, raw, count=8, rate=150) as kept,
        Callers(gateway.port, raw, count=4, rate=40, fresh=True) as fresh,
    ):
        old = [gateway.pid, *gateway.children()]
        with streaming(gateway) as reader:
            assert gateway.upgrade()[0] == 0, gateway.stderr()
            finish.set()
        wait_for(lambda: not any(map(_alive, old)), "the old generation ends")
        for _ in range(rounds(1, 10)):
            upgraded(gateway)
    assert reader.answers[0].body.endswith(b"data: [DONE]\n\n")
    assert reader.answers[0].body.count(b"data: ") >= TOKENS
    assert (kept.failures, fresh.failures) == ([], [])
    assert set(kept.statuses) == set(fresh.statuses) == {200}
    total = kept.answered + fresh.answered + 1
    assert upstream.served == total
    gateway.wait_for_control()
    wait_for(lambda: logged(gateway) >= total, "all records are in")
    assert logged(gateway) == total


def logged(gateway: Gateway) -> int:
    """Requests in the request log; /metrics counts since the last start of a control process."""
    token = (gateway.data_dir / "admin.token").read_text().strip()
    rows, cursor = 0, ""
    while True:
        path = f"/api/logs?limit=1000{cursor and '&cursor='}{cursor}"
        page = json.loads(ask(gateway.port, request("GET", path, None, token)).body)
        rows += len(page["entries"])
        cursor = page["next"]
        if not cursor:
            return rows


def test_a_fixed_window_admits_its_number_exactly(start_gateway: Start, upstream: Upstream) -> None:
    most = 300
    # A new window begins during a test of ten seconds as seldom as it can.
    keys = [{"name": "test", "value": KEY, "limits": [{"requests": most, "per": "30d"}]}]
    gateway = start_gateway(configuration(upstream.url, virtual_keys=keys), workers=2)
    with Callers(gateway.port, request(), count=8, rate=100) as callers:
        upgraded(gateway)
        wait_for(lambda: callers.statuses[429] > 50, "the window is used up")
        upgraded(gateway)
        refused = callers.statuses[429]
        wait_for(lambda: callers.statuses[429] > refused + 50, "and stays so")
    assert callers.failures == []
    assert callers.statuses[200] == most


def test_concurrency_is_counted_over_both_generations(start_gateway: Start, upstream: Upstream) -> None:
    upstream.script = lambda received: ENDLESS if b'"stream":true' in received.body else ordinary(received)
    keys = [{"name": "test", "value": KEY, "limits": [{"concurrency": 2}]}]
    gateway = start_gateway(configuration(upstream.url, virtual_keys=keys, server={"drain_timeout": "60s"}), workers=1)
    with streaming(gateway, whole=False):
        assert gateway.upgrade()[0] == 0
        with streaming(gateway, whole=False):
            assert ask(gateway.port).status == 429
        wait_for(lambda: ask(gateway.port).status == 200, "one of them has ended")


def test_a_wrong_file_is_named_and_changes_nothing(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(configuration(upstream.url), workers=1)
    pid = gateway.pid
    gateway.configure({"providers": {"mock": {"dialect": "openai_chat", "base_ulr": upstream.url}}})
    status, said = gateway.upgrade()
    assert status == 1
    assert "not upgraded" in said
    assert "base_ulr" in said
    assert gateway.pid == pid
    assert ask(gateway.port).status == 200
    gateway.configure(configuration(upstream.url))
    upgraded(gateway)
    assert ask(gateway.port).status == 200


def test_what_changed_in_the_file_is_served_after_it(start_gateway: Start, upstream: Upstream) -> None:
    """The successor begins with the snapshot there is and takes the file over with its own control process."""
    config = configuration(upstream.url)
    gateway = start_gateway(config, workers=1)
    threads = threading.active_count()
    gateway.configure({**config, "routes": {"m": {"targets": ["mock/m"]}, "new": {"targets": ["mock/m"]}}})
    assert gateway.upgrade()[0] == 0
    raw = request(body=b'{"model":"new","messages":[]}')
    wait_for(lambda: ask(gateway.port, raw).status == 200, "the new route is served")
    assert threading.active_count() == threads
