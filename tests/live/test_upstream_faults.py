"""What providers do wrong at the wrong moment, and how little of it a caller notices."""

from __future__ import annotations

import asyncio
import random
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.records import Flags
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.rounds import measured, rounds
from tests.live.trail import trail_of
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, chunk, chunked_head, http, stream_events
from tests.live.wire import Answer, AnswerReader, ask, request
from tests.upstream.servers import Authority
from tests.waiting import PATIENCE_S

STREAM = request(body=b'{"model":"m","messages":[],"stream":true}')


Check = Callable[[int, Answer], None]


def hammer(gateway: Gateway, numbers: Iterable[int], lanes: int, raw: Callable[[int], bytes], check: Check) -> None:
    """A request for each number over ``lanes`` keep-alive connections; ``check`` sees each answer."""

    async def lane(todo: Iterator[int]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        try:
            for number in todo:
                writer.write(raw(number))
                answers = AnswerReader()
                while not (answers.final and answers.final[-1].complete):
                    data = await reader.read(65536)
                    assert data, f"connection closed at request {number}"
                    answers.feed(data)
                check(number, answers.final[-1])
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    async def main() -> None:
        todo = iter(numbers)
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(lane(todo))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_idle_connections_closed_at_random_cost_no_request(start_gateway: Start) -> None:
    """The provider closes connections at random: right after an answer, a moment later, or as a request comes."""
    dice = random.Random(2)

    def answer(received: Received) -> list[Step]:
        fate = dice.random()
        if received.nth and fate < 0.1:
            return [Act.CLOSE if fate < 0.05 else Act.RESET]
        if fate < 0.3:
            return [http(CHAT), dice.random() * 0.003, Act.CLOSE]
        return [http(CHAT)]

    with Upstream(answer, keep=False) as upstream:
        gateway = start_gateway(configuration(upstream.url, retry={"attempts": 1}))
        count = rounds(2000, 100_000)
        statuses: dict[int, int] = {}

        def check(number: int, got: Answer) -> None:
            statuses[got.status] = statuses.get(got.status, 0) + 1
            assert got.status == 200, (number, got.body)
            assert got.body == CHAT

        hammer(gateway, range(count), 8, lambda number: request(), check)
        assert statuses == {200: count}
        asked_again = upstream.served - count
        assert asked_again > 0
        measured("B2 requests, errors, asked again", (count, 0, asked_again), "0 errors, at most one repeat each")
        rows = trail_of(gateway).values()
        assert sum(bool(row.flags & Flags.RETRIED) for row in rows) >= asked_again


def test_a_fresh_connection_that_dies_is_not_asked_again(start_gateway: Start) -> None:
    """Only a reused connection may have been closed before the request came; elsewhere the provider may have acted."""
    with Upstream(lambda received: [Act.CLOSE]) as upstream:
        gateway = start_gateway(configuration(upstream.url, retry={"attempts": 1}))
        for i in range(5):
            assert ask(gateway.port).status == 502
            assert len(upstream.requests) == i + 1


def test_nothing_is_asked_again_once_the_caller_has_a_byte(start_gateway: Start) -> None:
    """An answer cut at each of its bytes: one start, and what was not begun comes whole from the next target."""
    events = stream_events(2)
    whole = chunked_head() + b"".join(chunk(e) for e in events) + chunk(b"")
    body = b"".join(events)

    def cut(received: Received) -> list[Step]:
        at = int(received.json()["user"])
        return [whole[:at], Act.CLOSE] if at else [Act.CLOSE]

    with Upstream(cut) as cutting, Upstream() as sound:
        config = configuration(cutting.url, retry={"attempts": 2, "backoff_initial": "1ms", "backoff_max": "2ms"})
        config["providers"]["sound"] = {**config["providers"]["mock"], "base_url": sound.url}
        config["routes"] = {"m": {"targets": ["mock/m"], "fallbacks": ["sound/m"]}}
        gateway = start_gateway(config)
        step = rounds(7, 1)
        for at in range(0, len(whole), step):
            for u in (cutting, sound):
                u.clear()
            raw = request(body=b'{"model":"m","messages":[],"stream":true,"user":"%d"}' % at)
            got = asyncio.run(one_answer(gateway, raw))
            assert got.body.count(b'"content":"t0 "') <= 1, at
            if sound.requests:
                # Nothing of the first answer was passed on, and the second is whole.
                assert got.complete, at
                assert got.body.endswith(b"data: [DONE]\n\n"), at
                assert got.header("x-microgate-attempts") == "2"
            else:
                begun = got.body.partition(b'data: {"error"')[0]
                assert body.startswith(begun.rstrip(b"\n")), at
                # What ends in [DONE] is whole for the caller, whatever becomes of the connection; else it is told.
                assert (b'"error"' in got.body) == (b"[DONE]" not in got.body), at
                assert got.complete == (b"[DONE]" in got.body), at


async def one_answer(gateway: Gateway, raw: bytes) -> Any:
    """The one answer to a request, finished or cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(raw)
    answers = AnswerReader()
    async with asyncio.timeout(PATIENCE_S):
        while not (answers.final and answers.final[0].complete):
            data = await reader.read(65536)
            if not data:
                answers.eof()
                break
            answers.feed(data)
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    assert len(answers.final) == 1
    return answers.final[0]


def test_unsolicited_bytes_never_become_an_answer(start_gateway: Start) -> None:
    """Every so often the provider writes an answer that nobody asked for: behind another, or on idle connections."""
    poison = http(b'{"poison":true}')

    def answer(received: Received) -> list[Step]:
        number = received.json()["user"].encode()
        own = http(CHAT.replace(b'"hello"', b'"%b"' % number))
        return [own + poison] if int(number) % 20 == 0 else [own]

    with Upstream(answer, keep=False) as upstream:
        gateway = start_gateway(configuration(upstream.url))
        each, count = 50, rounds(2000, 100_000)
        body = b'{"model":"m","messages":[],"user":"%d"}'

        def check(number: int, got: Answer) -> None:
            assert (got.status, b'"%d"' % number in got.body, b"poison" in got.body) == (200, True, False), got.body

        for first in range(0, count, each):
            hammer(gateway, range(first, first + each), 6, lambda number: request(body=body % number), check)
            # All connections are idle now. The bytes are on them before the next request can be.
            written = threading.Event()
            upstream.call(lambda: [c.transport.write(poison) for c in list(upstream._connections)])
            upstream.call(written.set)
            assert written.wait(PATIENCE_S)


def test_a_connection_serves_one_provider_only(start_gateway: Start) -> None:
    """Four providers at one address that differ in key, path, proxy or nothing but their name share no connection."""
    with Upstream() as upstream:
        config = configuration(upstream.url)
        base = config["providers"]["mock"]
        config["providers"] = {
            "a": base,
            "b": {**base, "keys": [{"name": "k", "value": "sk-other-canary"}]},
            "c": {**base, "base_url": upstream.url + "/deeper"},
            "d": {**base, "proxy": f"http://127.0.0.1:{upstream.port}", "base_url": "http://provider.test/v1"},
        }
        config["routes"] = {}
        gateway = start_gateway(config)
        order = [name for name in "abcd" for _ in range(25)]
        random.Random(15).shuffle(order)

        def check(number: int, got: Answer) -> None:
            assert got.status == 200, got.body
            assert got.header("x-microgate-provider") == order[number]

        body = b'{"model":"%b/m","messages":[]}'
        hammer(gateway, range(len(order)), 5, lambda i: request(body=body % order[i].encode()), check)
        seen: dict[int, set[tuple[str, str | None, str | None]]] = {}
        for r in upstream.requests:
            path = r.target.removesuffix("/chat/completions")
            seen.setdefault(r.connection, set()).add((path, r.header("host"), r.header("authorization")))
        assert all(len(kinds) == 1 for kinds in seen.values()), seen
        kinds = set().union(*seen.values())
        assert {path for path, _, _ in kinds} == {"/v1", "/v1/deeper", "http://provider.test/v1"}
        assert {key for _, _, key in kinds} == {"Bearer sk-upstream-canary", "Bearer sk-other-canary"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def tls_context(certificate: tuple[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


CERTIFICATES = {
    "good": (("127.0.0.1",), {}, 200),
    "expired": (("127.0.0.1",), {"days": -1}, 502),
    "wrong-host": (("api.test",), {}, 502),
    "self-signed": (("127.0.0.1",), {"self_signed": True}, 502),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_an_unproven_provider_gets_no_byte_of_a_request(
    name: str, authority: Authority, start_gateway: Start, tmp_path: Path
) -> None:
    names, options, status = CERTIFICATES[name]
    with Upstream(tls=tls_context(authority.issue(*names, **options))) as upstream:
        tls = {"ca_file": authority.ca_file}
        gateway = start_gateway(configuration(upstream.url, provider={"tls": tls}, retry={"attempts": 1}))
        answer = ask(gateway.port)
        assert answer.status == status, answer.body
        assert sum(visit.received_bytes for visit in upstream.visits) == 0 or status == 200
        assert len(upstream.requests) == (status == 200)
        if status == 200:
            for _ in range(5):
                assert ask(gateway.port).body == CHAT
            assert len(upstream.visits) == 1


def test_names_of_certificates_share_no_connection(authority: Authority, start_gateway: Start, tmp_path: Path) -> None:
    """Two providers at one address, whose certificates are to be of different names."""
    names: list[str | None] = []
    context = tls_context(authority.issue("one.test", "two.test"))
    context.sni_callback = lambda connection, name, of: names.append(name)
    with Upstream(tls=context) as upstream:
        config = configuration(upstream.url)
        base = config["providers"].pop("mock")
        tls = {"ca_file": authority.ca_file}
        for name in ("one", "two"):
            config["providers"][name] = {**base, "tls": {**tls, "server_name": f"{name}.test"}}
        config["routes"] = {}
        gateway = start_gateway(config)
        order = [name for name in ("one", "two") for _ in range(20)]
        random.Random(15).shuffle(order)
        for name in order:
            raw = request(body=b'{"model":"%b/m","messages":[]}' % name.encode())
            assert ask(gateway.port, raw).header("x-microgate-provider") == name
        used = [name for name, _ in sorted(zip(order, upstream.requests, strict=True), key=lambda row: row[1].at)]
        served: dict[int, set[str]] = {}
        for name, received in zip(used, upstream.requests, strict=True):
            served.setdefault(received.connection, set()).add(name)
        assert sorted(names) == ["one.test", "two.test"]
        assert sorted(map(len, served.values())) == [1, 1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_redirect_is_not_followed(status: int, streamed: bool, start_gateway: Start) -> None:
    with Upstream() as elsewhere:
        place = [f"Location: {elsewhere.url}/chat/completions"]
        with Upstream(lambda received: [http(b"", status, fields=place)]) as upstream:
            gateway = start_gateway(configuration(upstream.url, retry={"attempts": 1}))
            answer = ask(gateway.port, STREAM if streamed else request())
            assert answer.status == 502
            assert answer.header("location") is None
            assert len(upstream.requests) == 1
        assert elsewhere.visits == []


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_further_connection_resumes_the_session_of_an_earlier_one(
    most: ssl.TLSVersion, authority: Authority, start_gateway: Start
) -> None:
    """Each connection is closed after its answer, so every request needs a handshake; only the first is a full one."""
    context = tls_context(authority.issue("127.0.0.1"))
    context.maximum_version = most

    def answer(received: Received) -> list[Step]:
        return [http(CHAT, fields=["Connection: close"]), Act.CLOSE]

    with Upstream(answer, tls=context) as upstream:
        tls = {"ca_file": authority.ca_file}
        gateway = start_gateway(configuration(upstream.url, provider={"tls": tls}, retry={"attempts": 1}))
        for _ in range(6):
            assert ask(gateway.port).status == 200
        stats = context.session_stats()
        assert (stats["accept_good"], stats["hits"]) == (6, 5)
