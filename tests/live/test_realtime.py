"""Realtime sessions on real sockets: handshakes, what passes, what is refused, and how everything ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _speedups._bucket import Arena
from gateway.config.levels import LimitEntry
from gateway.config.units import Period
from gateway.records import ErrorKind, Outcome
from gateway.snapshot.levels import limit_id
from gateway.snapshot.model import id_hash
from gateway.snapshot.plan import virtual_key_id
from gateway.stores.protocols import LogRow
from tests.live.fixtures import Start
from tests.live.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Closed,
    End,
    Provider,
    accepting,
    answering,
    close_frame,
    connect,
    dial,
    frame,
    handshake,
    refusing,
    run,
)
from tests.live.instance import Gateway, configuration
from tests.live.trail import trail_of
from tests.live.wire import KEY, Answer, ask, request, split_bytes
from tests.ports import free_port
from tests.waiting import wait_for

PATH = "/v1/realtime?model=m"
LIVE = "/genai/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
ONE, FEW, THERE = "sk-one-at-a-time-9a8b7c6d", "sk-few-models-1a2b3c4d", "sk-one-there-5f6e7d8c"
CANARY = "sk-upstream-canary"


def config(asked: Provider, **more: Any) -> dict[str, Any]:
    host = asked.url.removesuffix("/v1")
    made = configuration(asked.url, **more)
    key = [{"name": "k1", "value": CANARY}]
    made["providers"] |= {
        "azure": {"vendor": "azure_deployments", "base_url": f"{host}/openai", "keys": key},
        "gemini": {"dialect": "gemini", "base_url": host, "keys": key},
        "plain": {"dialect": "anthropic", "base_url": host, "keys": key},
    }
    made["routes"] = {"m": {"targets": ["mock/up"]}, "live": {"targets": ["gemini/live-up"]}}
    made["virtual_keys"] += [
        {"name": "one", "value": ONE, "limits": [{"concurrency": 1}]},
        {"name": "few", "value": FEW, "models": ["m", "mock/whisper"]},
        {
            "name": "there",
            "value": THERE,
            "providers": [{"provider": name, "limits": [{"requests": 1, "per": "1h"}]} for name in ("mock", "gemini")],
        },
    ]
    return made


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as made:
        yield made


@pytest.fixture(scope="module")
def shared(provider: Provider, start_for_module: Start) -> Gateway:
    return start_for_module(config(provider))


@pytest.fixture(autouse=True)
def fresh(provider: Provider) -> None:
    provider.script = answering
    provider.answer = lambda head: None
    provider.accept = None
    provider.heads.clear()
    provider.seen.clear()


async def session(gateway: Gateway, path: str = PATH, key: str = KEY, **more: Any) -> End:
    end = await connect(gateway.port, handshake(path, key, **more))
    assert isinstance(end, End), end
    return end


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def turned_away(gateway: Gateway, raw: bytes) -> Answer:
    answer = run(connect(gateway.port, raw))
    assert isinstance(answer, Answer), answer.head
    return answer


# --- opening


def test_a_session_from_the_first_message_to_the_close(shared: Gateway, provider: Provider) -> None:
    async def main() -> None:
        end = await session(shared)
        assert (await end.json())["type"] == "session.created"
        await end.send({"type": "response.create"})
        kinds = [(await end.json())["type"] for _ in range(3)]
        assert kinds == ["response.created", "response.output_text.delta", "response.done"]
        await end.close(1000, "bye")
        assert await end.ended() == Closed(1000)
        assert await end.gone()

    run(main())
    head = provider.heads[0].decode()
    assert head.startswith("GET /v1/realtime?model=up HTTP/1.1\r\n")
    assert f"authorization: Bearer {CANARY}\r\n" in head
    assert KEY not in head


PLACES: dict[str, tuple[str, tuple[str, ...]]] = {
    "bearer": (PATH, (f"Authorization: Bearer {KEY}",)),
    "own": (PATH, (f"X-Microgate-Key: {KEY}",)),
    "azure": (PATH, (f"api-key: {KEY}",)),
    "browser": (PATH, (f"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.{KEY}, openai-beta.realtime-v1",)),
    "browser in two fields": (
        PATH,
        (f"Sec-WebSocket-Protocol: openai-insecure-api-key.{KEY}", "Sec-WebSocket-Protocol: realtime"),
    ),
    "google's field": (LIVE, (f"x-goog-api-key: {KEY}",)),
    "google's query": (f"{LIVE}?key={KEY}", ()),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_key_is_known_wherever_clients_put_it_and_goes_no_further(
    place: str, shared: Gateway, provider: Provider
) -> None:
    path, fields = PLACES[place]

    async def main() -> End:
        end = await session(shared, path, "", fields=fields)
        if path.startswith(LIVE):
            await end.send({"setup": {"model": "models/live"}})
        assert await end.json()
        await end.close()
        await end.ended()
        return end

    end = run(main())
    assert KEY.encode() not in provider.heads[0]
    assert CANARY.encode() in provider.heads[0]
    assert KEY.encode() not in end.head
    if place == "browser":
        assert b"sec-websocket-protocol: realtime, openai-beta.realtime-v1\r\n" in provider.heads[0]


@pytest.mark.parametrize("key", ["", "sk-unknown"])
@pytest.mark.parametrize("path", [PATH, LIVE, f"{LIVE}?key=sk-unknown", f"{PATH}&key={KEY}"])
def test_without_a_known_key_nothing_is_opened(key: str, path: str, shared: Gateway, provider: Provider) -> None:
    answer = turned_away(shared, handshake(path, key))
    assert answer.status == 401
    assert not provider.heads
    error = json.loads(answer.body)["error"]
    assert error["status" if path.startswith(LIVE) else "code"] in ("UNAUTHENTICATED", "invalid_api_key")


HANDSHAKES: dict[str, tuple[int, bytes]] = {
    "no upgrade": (426, handshake(PATH, upgrade="", connection="")),
    "no connection": (426, handshake(PATH, connection="")),
    "head": (426, request("HEAD", PATH, None)),
    "version 8": (426, handshake(PATH, version="8")),
    "no version": (426, handshake(PATH, version="")),
    "no key": (400, handshake(PATH, nonce=b"")),
    "short key": (400, handshake(PATH, nonce=b"MDEyMw==")),
    "key is not base64": (400, handshake(PATH, nonce=b"MDEyMzQ1Njc4OWFiY2Rl*g==")),
    "two keys": (400, handshake(PATH, fields=("Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",))),
    "head with upgrade": (400, handshake(PATH, method="HEAD")),
    "post": (405, handshake(PATH, method="POST", fields=("Content-Length: 0",))),
    "a body": (400, handshake(PATH, fields=("Content-Length: 3",)) + b"abc"),
    "another protocol": (400, handshake(PATH, upgrade="h2c")),
    "two protocols": (400, handshake(PATH, upgrade="websocket, h2c")),
    "a path of requests": (400, handshake("/v1/models")),
    "malformed sub-protocol": (400, handshake(PATH, fields=("Sec-WebSocket-Protocol: a b",))),
    "repeated sub-protocol": (400, handshake(PATH, fields=("Sec-WebSocket-Protocol: a, a",))),
    "no model": (400, handshake("/v1/realtime")),
    "empty model": (400, handshake("/v1/realtime?model=")),
    "two models": (400, handshake(PATH + "&model=m")),
    "model and deployment": (400, handshake(PATH + "&deployment=m")),
    "call": (400, handshake(PATH + "&call_id=c")),
    "intent": (400, handshake(PATH + "&intent=transcription")),
    "long model": (400, handshake("/v1/realtime?model=" + "m" * 513)),
    "unknown model": (404, handshake("/v1/realtime?model=nobody/knows")),
    "forbidden model": (403, handshake("/v1/realtime?model=mock/other", FEW)),
    "unsupported": (400, handshake("/v1/realtime?model=plain/claude")),
    "another form": (400, handshake("/v1/realtime?model=live")),
}


@pytest.mark.parametrize("name", HANDSHAKES)
def test_what_is_no_handshake_is_an_ordinary_error(name: str, shared: Gateway, provider: Provider) -> None:
    status, raw = HANDSHAKES[name]
    answer = turned_away(shared, raw)
    assert answer.status == status
    if not raw.startswith(b"HEAD"):
        assert json.loads(answer.body)["error"]["message"]
    if status == 426:
        assert answer.header("upgrade") == "websocket"
    assert not provider.heads


def test_an_unsupported_target_names_what_would_work(shared: Gateway) -> None:
    error = json.loads(turned_away(shared, HANDSHAKES["unsupported"][1]).body)["error"]
    assert error["code"] == "unsupported_operation"
    assert "(plain)" in error["message"]
    assert "These do: mock, azure." in error["message"]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (
            "/openai/realtime?api-version=2025-04-01-preview&deployment=d",
            "/openai/realtime?api-version=2024-10-21&deployment=d",
        ),
        ("/v1/realtime?model=azure/a%20b", "/openai/realtime?api-version=2024-10-21&deployment=a%20b"),
        ("/openai/v1/realtime?model=m", "/v1/realtime?model=up"),
        ("/litellm/realtime?model=m", "/v1/realtime?model=up"),
        ("/v1/realtime?model=mock/x%2Fy&secret=1", "/v1/realtime?model=x%2Fy"),
    ],
)
def test_the_model_and_nothing_else_of_the_query_goes_on(
    path: str, target: str, shared: Gateway, provider: Provider
) -> None:
    async def main() -> None:
        end = await session(shared, path)
        await end.json()
        end.abort()

    run(main())
    asked = provider.heads[0].split(b" ", 2)[1].decode()
    assert sorted(asked.partition("?")[2].split("&")) == sorted(target.partition("?")[2].split("&"))
    assert asked.partition("?")[0] == target.partition("?")[0]


def test_the_provider_s_choice_of_a_sub_protocol_reaches_the_caller(shared: Gateway, provider: Provider) -> None:
    provider.accept = lambda head: accepting(head, b"Sec-WebSocket-Protocol: realtime\r\n")

    async def main() -> str:
        end = await session(shared, fields=("Sec-WebSocket-Protocol: other, realtime",))
        end.abort()
        return end.protocol

    assert run(main()) == "realtime"
    # Chosen without an offer.
    assert turned_away(shared, handshake(PATH)).status == 502


@pytest.mark.parametrize("way", ["with the handshake", "byte by byte"])
def test_frames_wait_until_the_provider_has_accepted(way: str, shared: Gateway, provider: Provider) -> None:
    events = b"".join(frame(TEXT, json.dumps({"type": "n", "n": n})) for n in range(50))

    async def main() -> None:
        raw = handshake(PATH)
        if way == "with the handshake":
            end = await connect(shared.port, raw, events)
            assert isinstance(end, End)
        else:
            reader, writer = await dial(shared.port)
            for piece in split_bytes(raw + events):
                writer.write(piece)
                await asyncio.sleep(0)
            await reader.readuntil(b"\r\n\r\n")
            end = End(reader, writer, True)
        await end.json()
        assert [(await end.json())["of"]["n"] for _ in range(50)] == list(range(50))
        await end.close()
        await end.ended()

    run(main())


OPENAI_401 = {"error": {"message": "Incorrect API key", "type": "invalid_request_error", "code": "invalid_api_key"}}


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (refusing(401, OPENAI_401), 401, "Incorrect API key"),
        (refusing(404, {"error": {"message": "no such model"}}), 404, "no such model"),
        (refusing(429, {"error": {"message": "slow down"}}, "Retry-After: 20"), 429, "slow down"),
        (lambda head: b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, "{}"),
        (lambda head: b"HTTP/1.1 403 No\r\nContent-Type: text/html\r\n\r\n<html>10.0.0.1</html>", 403, "page"),
        (lambda head: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 502, "did not accept"),
        (lambda head: b"HTTP/1.1 302 No\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 502, "did not accept"),
        (lambda head: accepting(head).replace(b"Accept: ", b"Accept: x"), 502, "handshake's key"),
        (lambda head: accepting(head, b"Sec-WebSocket-Extensions: permessage-deflate\r\n"), 502, "extension"),
        (lambda head: accepting(head).replace(b"websocket", b"h2c"), 502, "upgrade"),
        (lambda head: b"SSH-2.0-nonsense\r\n\r\n", 502, "framed"),
        (lambda head: b"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nshort", 502, "closed"),
        (lambda head: b"", 502, "closed"),
        (lambda head: b"HTTP/1.1 100 Continue\r\n\r\n" * 40, 502, "interim"),
    ],
    ids=lambda value: str(value) if isinstance(value, str | int) else "",
)
def test_a_provider_s_refusal_is_an_ordinary_answer(
    answer: Any, status: int, says: str, shared: Gateway, provider: Provider
) -> None:
    provider.answer = answer
    got = turned_away(shared, handshake(PATH))
    assert got.status == status
    assert says in got.body.decode()
    assert b"10.0.0.1" not in got.body
    provider.answer = lambda head: None
    run(closing(shared))


async def closing(gateway: Gateway, path: str = PATH, key: str = KEY) -> None:
    """An ordinary session, to its end."""
    end = await session(gateway, path, key)
    await end.json()
    await end.close()
    assert (await end.ended()).code == 1000


async def closing_once_free(gateway: Gateway, key: str = KEY) -> None:
    """The same once the place of an earlier session is given back; until then it is refused."""
    while isinstance(end := await connect(gateway.port, handshake(PATH, key)), Answer):
        assert end.status in (429, 503)
        await asyncio.sleep(0.01)
    await end.json()
    await end.close()
    assert (await end.ended()).code == 1000


def test_other_keys_and_targets_are_asked_before_a_refusal_is_told(provider: Provider, start_gateway: Start) -> None:
    keys = [{"name": name, "value": f"sk-{name}-canary"} for name in ("a", "b")]
    made = config(provider, provider={"keys": keys}, retry={"backoff_initial": "1ms", "backoff_max": "2ms"})
    made["providers"]["away"] = {"base_url": f"http://127.0.0.1:{free_port()}/v1"}
    made["routes"]["m"] = {"targets": ["away/up"], "fallbacks": ["mock/up"]}
    gateway = start_gateway(made)
    limited = refusing(429, {"error": {"message": "slow"}}, "Retry-After: 30")
    first: list[bytes] = []

    def answer(head: bytes) -> bytes | None:
        first.append(head)
        return limited(head) if len(first) == 1 else None

    provider.answer = answer
    run(closing(gateway))
    used = [head.partition(b"Bearer ")[2].partition(b"\r")[0] for head in first]
    assert sorted(used) == [b"sk-a-canary", b"sk-b-canary"]
    first.clear()
    provider.answer = first.append  # type: ignore[assignment]  # None: not refused
    run(closing(gateway))
    # The one that is limited rests.
    assert used[1] in first[0]


def test_sessions_count_among_the_provider_s_connections(provider: Provider, start_gateway: Start) -> None:
    gateway = start_gateway(config(provider, provider={"max_connections": 1}))

    async def main() -> None:
        end = await session(gateway)
        second = await connect(gateway.port, handshake(PATH))
        assert isinstance(second, Answer)
        assert second.status == 503
        end.abort()
        await until(lambda: provider.open == 0)
        await closing_once_free(gateway)

    run(main())


def test_a_provider_that_does_not_answer_is_given_up(provider: Provider, start_gateway: Start) -> None:
    made = config(provider, provider={"timeouts": {"first_byte": "200ms"}}, retry={"attempts": 1})
    gateway = start_gateway(made)
    provider.accept = lambda head: b""

    async def silent(end: End) -> None:
        await end.reader.read()

    provider.script = silent
    assert turned_away(gateway, handshake(PATH)).status == 504


# --- what passes


async def echoing(end: End) -> None:
    """Sends every frame back as it came, unmasked."""
    while (got := await end.frame()) is not None:
        opcode, fin, payload = got
        if opcode == CLOSE:
            await end.raw(frame(CLOSE, payload, masked=False))
            return
        if opcode not in (PING, PONG):
            await end.raw(frame(opcode, payload, fin=fin, masked=False))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 262_144, 262_145, 3 << 20])
@pytest.mark.parametrize("kind", ["text", "binary"])
def test_messages_of_every_size_pass_whole(size: int, kind: str, shared: Gateway, provider: Provider) -> None:
    provider.script = echoing
    text = ('{"a":"' + "é" * size)[: max(size - 2, 0)] + '"}'
    payload = text.encode() if kind == "text" else b'{"b":"' + b"x" * size + b'"}'

    async def main() -> None:
        end = await session(shared)
        await end.raw(frame(TEXT if kind == "text" else BINARY, payload))
        got = await end.receive()
        if kind == "text" and size < 8:
            # No JSON: refused by an event.
            assert isinstance(got, bytes)
            assert json.loads(got)["type"] == "error"
        else:
            assert got == payload
        await end.close()
        await end.ended()

    run(main())


def test_fragments_are_put_together_and_control_frames_pass_between_them(shared: Gateway, provider: Provider) -> None:
    provider.script = echoing
    payload = '{"a":"ü€😀"}'.encode()

    async def main() -> None:
        end = await session(shared)
        await end.raw(frame(TEXT, payload[:1], fin=False))
        for at in range(1, len(payload)):
            await end.raw(frame(PING, b"p%d" % at) + frame(CONTINUATION, payload[at : at + 1], fin=False))
        await end.raw(frame(CONTINUATION, b""))
        assert await end.receive() == payload
        await end.close()
        await end.ended()
        assert end.pongs == [b"p%d" % at for at in range(1, len(payload))]

    run(main())


def test_pings_are_answered_and_pongs_ignored_on_both_sides(shared: Gateway, provider: Provider) -> None:
    async def script(end: End) -> None:
        await end.raw(frame(PING, b"are you there", masked=False) + frame(PONG, b"unasked", masked=False))
        await end.receive()
        provider.seen.append(end.pongs)

    provider.script = script

    async def main() -> None:
        end = await session(shared)
        await end.raw(frame(PONG, b"unasked") + frame(PING, b"x" * 125))
        assert await end.frame() == (PONG, True, b"x" * 125)
        # Not before the provider has its answer.
        await until(lambda: bool(provider.ends[-1].pongs))
        await end.close(4001)
        await end.ended()

    run(main())
    run(until(lambda: bool(provider.seen)))
    assert provider.seen == [[b"are you there"]]


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1008, 1011, 3000, 4999])
@pytest.mark.parametrize("by", ["caller", "provider"])
def test_a_close_is_passed_on_as_it_is(code: int, by: str, shared: Gateway, provider: Provider) -> None:
    reason = "" if code == 1005 else "why ü"
    sent = None if code == 1005 else code

    async def script(end: End) -> None:
        if by == "provider":
            await end.close(sent, reason)
        got = await end.ended()
        if by == "caller":
            provider.seen.append(got)
            await end.close(got.code if code != 1005 else None)

    provider.script = script

    async def main() -> Closed:
        end = await session(shared)
        if by == "caller":
            await end.close(sent, reason)
        got = await end.ended()
        if by == "provider":
            await end.close(sent)
        assert await end.gone()
        return got

    got = run(main())
    if by == "caller":
        run(until(lambda: bool(provider.seen)))
        assert provider.seen == [Closed(code, reason)]
        assert got.code == code
    else:
        assert got == Closed(code, reason)


# --- what goes wrong


def test_who_sends_on_after_its_close_gets_the_answer(shared: Gateway) -> None:
    """What comes too late must not make the connection's end a reset, which eats what has not been read yet."""

    async def main() -> None:
        end = await session(shared)
        end.pause()
        await end.close(1000)
        ended = select.poll()
        ended.register(end.writer.get_extra_info("socket"), select.POLLRDHUP)
        await until(lambda: bool(ended.poll(0)))
        for _ in range(3):
            await end.raw(frame(PING, b"late"))
        end.resume()
        assert await end.ended() == Closed(1000)
        assert await end.gone()

    run(main())


@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_cut_is_never_a_clean_close(how: str, shared: Gateway, provider: Provider) -> None:
    def cut(end: End) -> None:
        if how == "reset":
            end.abort()
        else:
            end.writer.close()

    async def by_provider(end: End) -> None:
        await end.send({"type": "session.created"})
        cut(end)

    provider.script = by_provider

    async def first() -> None:
        end = await session(shared)
        await end.json()
        assert await end.ended() == Closed(1011, "The connection to the provider was lost.")
        await end.close(1011)
        assert await end.gone()

    run(first())

    async def told(end: End) -> None:
        await end.send({"type": "session.created"})
        provider.seen.append(await end.ended())

    provider.script = told

    async def second() -> None:
        end = await session(shared)
        await end.json()
        cut(end)
        await until(lambda: bool(provider.seen))

    run(second())
    assert provider.seen == [Closed(1001, "The caller's connection was lost.")]


MALFORMED: dict[str, tuple[int, bytes]] = {
    "reserved bit": (1002, frame(TEXT, "{}", rsv=4)),
    "reserved opcode": (1002, frame(3, b"")),
    "reserved control opcode": (1002, frame(11, b"")),
    "mask": (1002, frame(TEXT, "{}", masked=False)),
    "continuation of nothing": (1002, frame(CONTINUATION, b"x")),
    "message within a message": (1002, frame(TEXT, "{", fin=False) + frame(TEXT, "}")),
    "fragmented ping": (1002, frame(PING, b"x", fin=False)),
    "large ping": (1002, frame(PING, b"x" * 126)),
    "large close": (1002, frame(CLOSE, b"\x03\xe8" + b"x" * 124)),
    "not utf-8": (1007, frame(TEXT, b'{"a":"\xff"}')),
    "surrogate": (1007, frame(TEXT, b'{"a":"\xed\xa0\x80"}')),
    "half a character": (1007, frame(TEXT, "ü".encode()[:1])),
    "close with half a code": (1002, frame(CLOSE, b"\x03")),
    "close with 1006": (1002, close_frame(1006)),
    "close with 999": (1002, close_frame(999)),
    "close with a reason that is not utf-8": (1007, frame(CLOSE, b"\x03\xe8\xff")),
    "length in more bytes than it needs": (1002, b"\x81\xfe\x00\x05" + bytes(4) + b"hello"),
    "length with its top bit": (1002, b"\x82\xff\xff" + bytes(7) + bytes(4)),
}


def unmasked(raw: bytes, name: str) -> bytes:
    """The same mistake as a server makes it."""
    made = {
        "mask": frame(TEXT, "{}", masked=True),
        "message within a message": frame(TEXT, "{", fin=False, masked=False) + frame(TEXT, "}", masked=False),
        "length in more bytes than it needs": b"\x81\x7e\x00\x05hello",
        "length with its top bit": b"\x82\x7f\xff" + bytes(7),
    }
    if name in made:
        return made[name]
    first, size = raw[0], raw[1] & 0x7F
    at = 4 if size == 126 else 2
    key, data = raw[at : at + 4], raw[at + 4 :]
    payload = bytes(byte ^ key[n & 3] for n, byte in enumerate(data))
    return bytes((first, size)) + raw[2:at] + payload


@pytest.mark.parametrize("name", MALFORMED)
def test_frames_that_break_the_protocol_end_the_session_with_their_code(
    name: str, shared: Gateway, provider: Provider
) -> None:
    code, raw = MALFORMED[name]

    async def told(end: End) -> None:
        await end.send({"type": "session.created"})
        provider.seen.append(await end.ended())

    provider.script = told

    async def by_caller() -> None:
        end = await session(shared)
        await end.json()
        await end.raw(raw)
        assert (await end.ended()).code == code
        end.writer.close()
        await until(lambda: bool(provider.seen))

    run(by_caller())
    assert provider.seen[0].code == 1001

    async def breaks(end: End) -> None:
        await end.raw(unmasked(raw, name))
        provider.seen.append(await end.ended())

    provider.seen.clear()
    provider.script = breaks

    async def by_provider() -> None:
        end = await session(shared)
        got = await end.ended()
        assert got == Closed(1011, "The provider broke the WebSocket protocol.")
        await until(lambda: bool(provider.seen))

    run(by_provider())
    assert provider.seen[0].code == code


def test_messages_beyond_the_bound_are_1009(provider: Provider, start_gateway: Start) -> None:
    limits = {"limits": {"websocket_message_bytes": "64KiB"}}
    gateway = start_gateway(config(provider, server=limits))
    provider.script = echoing
    fits = b'{"a":"' + b"x" * (65536 - 8) + b'"}'

    async def main() -> None:
        end = await session(gateway)
        await end.raw(frame(TEXT, fits))
        assert await end.receive() == fits
        # Announced only; and in pieces that never end.
        await end.raw(frame(TEXT, b"x" * 65536, length=1 << 40))
        await end.raw(b"y")
        assert (await end.ended()).code == 1009
        end = await session(gateway)
        with contextlib.suppress(ConnectionError):
            await end.raw(frame(TEXT, b"", fin=False))
            for _ in range(100):
                await end.raw(frame(CONTINUATION, b"x" * 1000, fin=False))
        assert (await end.ended()).code == 1009

    run(main())

    async def loud(end: End) -> None:
        await end.raw(frame(TEXT, b"x" * 65537, masked=False))
        provider.seen.append(await end.ended())

    provider.script = loud

    async def other() -> None:
        end = await session(gateway)
        assert await end.ended() == Closed(1011, "The provider sent too large a message.")
        await until(lambda: bool(provider.seen))

    run(other())
    assert provider.seen[0].code == 1009


def test_a_slow_reader_holds_up_its_sender_and_fills_no_memory(provider: Provider, start_gateway: Start) -> None:
    gateway = start_gateway(config(provider))
    chunk = b'{"type":"x","d":"' + b"x" * 100_000 + b'"}'
    total = 1000

    async def loud(end: End) -> None:
        for sent in range(total):
            await end.raw(frame(TEXT, chunk, masked=False))
            provider.seen.append(sent)
        await end.ended()

    provider.script = loud

    async def quiet() -> int:
        """How many messages the provider could send before it had to wait."""
        seen = -1
        while seen != len(provider.seen):
            seen = len(provider.seen)
            await asyncio.sleep(0.3)
        return seen

    async def main() -> None:
        await closing_after(gateway, provider)
        before = gateway.rss_bytes()
        end = await session(gateway)
        end.pause()
        assert await quiet() < total // 2
        assert gateway.rss_bytes() - before < 8 << 20
        end.resume()
        for _ in range(total):
            assert await end.receive() == chunk
        await end.close()
        await end.ended()

    run(main())

    # The same towards the provider.
    provider.seen.clear()
    ready: list[End] = []

    async def slow(end: End) -> None:
        end.pause()
        ready.append(end)
        while isinstance(got := await end.receive(), bytes):
            provider.seen.append(len(got))
        await end.close()

    provider.script = slow

    async def other() -> None:
        before = gateway.rss_bytes()
        end = await session(gateway)
        sent = 0
        raw = frame(TEXT, chunk)
        with contextlib.suppress(TimeoutError):
            while sent < total:
                async with asyncio.timeout(0.5):
                    await end.raw(raw)
                sent += 1
        assert sent < total // 2
        assert gateway.rss_bytes() - before < 8 << 20
        provider.loop.call_soon_threadsafe(ready[0].resume)
        await end.writer.drain()
        await until(lambda: len(provider.seen) >= sent)
        assert set(provider.seen) == {len(chunk)}
        end.abort()

    run(other())


async def closing_after(gateway: Gateway, provider: Provider) -> None:
    """A session that loads whatever is loaded at the first one."""
    script, provider.script = provider.script, answering
    await closing(gateway)
    provider.script = script
    provider.seen.clear()


def test_floods_of_pings_and_tiny_frames_do_not_hold_up_others(shared: Gateway, provider: Provider) -> None:
    provider.script = echoing
    pings = frame(PING, b"") * 20_000
    tiny = frame(TEXT, b"{", fin=False) + frame(CONTINUATION, b" ", fin=False) * 50_000 + frame(CONTINUATION, b"}")

    async def main() -> None:
        end = await session(shared)
        task = asyncio.ensure_future(end.raw(pings + tiny))
        got = asyncio.ensure_future(end.receive())
        await closing_of(shared)
        await task
        assert await got == b"{" + b" " * 50_000 + b"}"
        assert len(end.pongs) > 0
        await end.close()
        await end.ended()

    async def closing_of(gateway: Gateway) -> None:
        answer = await asyncio.to_thread(ask, gateway.port, request("GET", "/v1/models", None))
        assert answer.status == 200

    run(main())


def serve_until_killed(pipe: Any) -> None:
    with Provider() as server:
        pipe.send(server.port)
        signal.pause()


def test_a_provider_killed_in_the_middle_is_a_cut(start_gateway: Start, provider: Provider) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve_until_killed, args=(theirs,))
    process.start()
    made = config(provider)
    made["providers"]["mock"]["base_url"] = f"http://127.0.0.1:{ours.recv()}/v1"
    gateway = start_gateway(made)

    async def main() -> None:
        ends = [await session(gateway, key=ONE if n == 0 else KEY) for n in range(5)]
        for end in ends:
            await end.json()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        for end in ends:
            assert (await end.ended()).code == 1011
            assert await end.gone()

    run(main())
    process.join()
    process.close()
    # The place of the first in its key's concurrency is free again: refused for another reason.
    assert turned_away(gateway, handshake(PATH, ONE)).status == 502


def test_nothing_is_left_behind(provider: Provider, start_gateway: Start) -> None:
    gateway = start_gateway(config(provider))
    run(closing(gateway))
    files, rss = gateway.open_files(), gateway.rss_bytes()

    async def main() -> None:
        ends = [await session(gateway) for _ in range(100)]
        for end in ends:
            await end.json()
        for n, end in enumerate(ends):
            if n % 4 == 0:
                end.abort()
            elif n % 4 == 1:
                await end.close()
            elif n % 4 == 2:
                await end.raw(frame(3, b""))
            else:
                provider.cut(provider.ends[-1 - n % 50])
        for end in ends:
            if not end.writer.transport.is_closing():
                # The gateway may have gone for good meanwhile: it hears out who broke the protocol for a second.
                with contextlib.suppress(ConnectionError):
                    await end.close()
                    await end.ended()
            end.abort()

    run(main())
    gateway.settle(files, rss)
    assert gateway_in_flight(gateway) == 0


def gateway_in_flight(gateway: Gateway) -> float:
    gateway.wait_for_control()

    def in_flight() -> float:
        return sum(value for name, value in gateway.metrics().items() if "in_flight" in name)

    wait_for(lambda: not in_flight(), "nothing is in flight")
    return in_flight()


# --- rules


def test_concurrency_counts_sessions(shared: Gateway, provider: Provider) -> None:
    async def main() -> None:
        end = await session(shared, key=ONE)
        await end.json()
        second = await connect(shared.port, handshake(PATH, ONE))
        assert isinstance(second, Answer)
        assert second.status == 429
        await end.close()
        await end.ended()
        await closing(shared, key=ONE)
        end = await session(shared, LIVE, ONE)
        second = await connect(shared.port, handshake(LIVE, ONE))
        assert isinstance(second, Answer)
        assert second.status == 429
        assert json.loads(second.body)["error"]["status"] == "RESOURCE_EXHAUSTED"
        end.abort()

    run(main())


def test_limits_at_a_provider_count_sessions_too(shared: Gateway, provider: Provider) -> None:
    """Google's sessions say with their first message which provider they are for: they are refused with a Close."""

    async def main() -> Closed:
        await closing(shared, key=THERE)
        second = await connect(shared.port, handshake(PATH, THERE))
        assert isinstance(second, Answer)
        assert second.status == 429
        assert "at the provider 'mock'" in json.loads(second.body)["error"]["message"]
        provider.script = live
        end = await session(shared, LIVE, THERE)
        await end.send({"setup": {"model": "live"}})
        await end.json()
        await end.close()
        await end.ended()
        end = await session(shared, LIVE, THERE)
        await end.send({"setup": {"model": "live"}})
        return await end.ended()

    got = run(main())
    assert "used up" in got.reason
    assert len(provider.heads) == 2


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "event_id": "e1", "session": session}


REFUSED_EVENTS: dict[str, str] = {
    "another model": json.dumps(update(model="mock/other")),
    "another model, escaped": json.dumps(update(model="mock/other")).replace("session", "\\u0073ession"),
    "its member in another case": json.dumps(update(Model="mock/other")),
    "session in another case": json.dumps({"type": "session.update", "Session": {"model": "x"}}),
    "two sessions": '{"session":{"model":"x"},"type":"session.update","session":{"model":"mock/other"}}',
    "transcription": json.dumps(update(audio={"input": {"transcription": {"model": "gpt-4o-transcribe"}}})),
    "transcription of the beta": json.dumps(update(input_audio_transcription={"model": "gpt-4o-transcribe"})),
    "no object": "[1]",
    "no json": '{"session":',
}


@pytest.mark.parametrize("name", REFUSED_EVENTS)
def test_events_may_name_no_model_that_the_key_may_not_use(name: str, shared: Gateway) -> None:
    async def main() -> None:
        end = await session(shared, key=FEW)
        await end.json()
        await end.send(REFUSED_EVENTS[name])
        await end.send({"type": "next"})
        error = await end.json()
        assert error["type"] == "error"
        assert error["error"]["type"] == "invalid_request_error"
        # The refused one went no further, and the session goes on.
        assert (await end.json())["of"] == {"type": "next"}
        await end.close()
        await end.ended()

    run(main())


def test_the_session_s_own_model_and_those_the_key_may_use_go_on(shared: Gateway) -> None:
    async def main() -> None:
        end = await session(shared, key=FEW)
        await end.json()
        for name in ("m", "up"):
            await end.send(update(model=name, instructions="é"))
            assert (await end.json())["of"]["session"] == {"model": "up", "instructions": "é"}
        await end.send(update(audio={"input": {"transcription": {"model": "whisper"}}}))
        assert (await end.json())["of"]["session"]["audio"] == {"input": {"transcription": {"model": "whisper"}}}
        # The first of two would have been another reader's choice: what was judged is what goes on.
        await end.send('{"type":"session.update","session":{"model":"mock/other","model":"m"}}')
        assert (await end.json())["of"]["session"] == {"model": "up"}
        await end.close()
        await end.ended()

    run(main())


def test_a_key_that_is_switched_off_ends_its_session(provider: Provider, start_gateway: Start) -> None:
    made = config(provider)
    gateway = start_gateway(made)
    gateway.wait_for_control()

    async def main() -> None:
        end = await session(gateway, key=ONE)
        other = await session(gateway)
        await end.json()
        made["virtual_keys"] = [key for key in made["virtual_keys"] if key["name"] != "one"]
        gateway.configure(made)
        assert (await end.ended()).code == 1008
        await other.json()
        await other.send({"type": "still"})
        assert (await other.json())["of"] == {"type": "still"}
        await other.close()
        await other.ended()

    run(main())


@pytest.mark.parametrize("bound", ["websocket_idle_timeout", "websocket_session_timeout"])
def test_sessions_end_after_their_time(bound: str, provider: Provider, start_gateway: Start) -> None:
    gateway = start_gateway(config(provider, server={"limits": {bound: "2s"}}))

    async def main() -> Closed:
        end = await session(gateway)
        await end.json()
        if bound == "websocket_session_timeout":
            # However much is said.
            with contextlib.suppress(ConnectionError):
                for _ in range(12):
                    await end.send({"type": "n"})
                    await asyncio.sleep(0.1)
        return await end.ended()

    assert run(main()).code == 1001
    (row,) = trail_of(gateway).values()
    assert row.outcome == Outcome.TIMEOUT


def test_a_receiver_that_takes_nothing_is_given_up(provider: Provider, start_gateway: Start) -> None:
    gateway = start_gateway(config(provider, server={"limits": {"write_timeout": "1s"}}))

    async def loud(end: End) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await end.raw(frame(BINARY, b"x" * 100_000, masked=False))

    provider.script = loud

    async def main() -> None:
        end = await session(gateway)
        await until(lambda: provider.open == 0)
        end.abort()

    run(main())
    (row,) = trail_of(gateway).values()
    assert (row.outcome, row.error_kind) == (Outcome.CLIENT_ABORT, ErrorKind.TIMEOUT_WRITE)


# --- draining


def test_a_shutdown_is_told_as_1012(provider: Provider, start_gateway: Start) -> None:
    gateway = start_gateway(config(provider))

    async def told(end: End) -> None:
        await end.send({"type": "session.created"})
        provider.seen.append(await end.ended())

    provider.script = told

    async def main() -> None:
        end = await session(gateway)
        live = await session(gateway, LIVE)
        await end.json()
        stopping = asyncio.ensure_future(asyncio.to_thread(gateway.stop))
        assert (await end.ended()).code == 1012
        assert (await live.ended()).code == 1012
        end.writer.close()
        live.writer.close()
        await stopping

    run(main())
    run(until(lambda: bool(provider.seen)))
    assert [got.code for got in provider.seen] == [1001]


async def answers_when_told(end: End) -> None:
    """A provider whose answer ends when the caller says something."""
    await end.send({"type": "response.created"})
    await end.receive()
    await end.send({"type": "response.done", "response": {}})
    await end.ended()


def test_an_upgrade_ends_sessions_between_answers(provider: Provider, start_gateway: Start) -> None:
    gateway = start_gateway(config(provider, server={"drain_timeout": "60s"}))
    provider.script = answers_when_told

    async def main() -> None:
        end = await session(gateway)
        await end.json()
        assert (await asyncio.to_thread(gateway.upgrade))[0] == 0
        await end.send({"type": "go on"})
        assert (await end.json())["type"] == "response.done"
        assert (await end.ended()).code == 1012
        end.writer.close()

    run(main())


def test_an_answer_under_way_may_be_finished(provider: Provider, start_gateway: Start) -> None:
    gateway = start_gateway(config(provider, server={"drain_timeout": "20s"}))
    provider.script = answers_when_told

    async def main() -> None:
        end = await session(gateway)
        await end.json()
        stopping = asyncio.ensure_future(asyncio.to_thread(gateway.stop))
        await until(lambda: "stopping" in gateway.stderr())
        await asyncio.sleep(0.1)
        await end.send({"type": "go on"})
        assert (await end.json())["type"] == "response.done"
        assert (await end.ended()).code == 1012
        end.writer.close()
        await stopping

    run(main())


def test_an_answer_without_end_is_cut_when_the_time_is_over(provider: Provider, start_gateway: Start) -> None:
    gateway = start_gateway(config(provider, server={"drain_timeout": "1s"}))

    async def script(end: End) -> None:
        await end.send({"type": "response.created"})
        await end.ended()

    provider.script = script

    async def main() -> None:
        end = await session(gateway)
        await end.json()
        stopping = asyncio.ensure_future(asyncio.to_thread(gateway.stop))
        assert (await end.ended()).code == 1012
        end.writer.close()
        await stopping

    run(main())


# --- books


def row_of(gateway: Gateway, end: End) -> LogRow:
    name = next(value for key, value in end.fields if key == "x-microgate-request-id")
    return trail_of(gateway)[name]


@pytest.mark.parametrize("ending", ["close", "caller cut", "provider cut", "violation"])
def test_usage_is_summed_and_written_once_whatever_the_ending(
    ending: str, provider: Provider, start_gateway: Start
) -> None:
    gateway = start_gateway(config(provider))

    async def main() -> End:
        end = await session(gateway)
        await end.json()
        for _ in range(3):
            await end.send({"type": "response.create"})
            for _ in range(3):
                await end.json()
        if ending == "close":
            await end.close()
        elif ending == "caller cut":
            end.abort()
        elif ending == "provider cut":
            provider.cut(provider.ends[-1])
        else:
            await end.raw(frame(3, b""))
        if ending != "caller cut":
            await end.ended()
        await until(lambda: provider.open == 0)
        return end

    row = row_of(gateway, run(main()))
    assert (row.prompt_tokens, row.completion_tokens) == (60, 30)
    assert (row.cached_tokens, row.audio_in_tokens, row.audio_out_tokens) == (15, 21, 12)
    assert row.status == 101
    assert (
        row.outcome
        == {
            "close": Outcome.OK,
            "caller cut": Outcome.CLIENT_ABORT,
            "provider cut": Outcome.TRUNCATED,
            "violation": Outcome.REFUSED,
        }[ending]
    )


def test_an_answer_that_is_cut_off_costs_what_it_has_brought(provider: Provider, start_gateway: Start) -> None:
    gateway = start_gateway(config(provider))

    async def script(end: End) -> None:
        await end.send({"type": "response.created"})
        for _ in range(7):
            await end.send({"type": "response.output_audio.delta", "delta": "AAAA"})
        await end.ended()

    provider.script = script

    async def main() -> End:
        end = await session(gateway)
        for _ in range(8):
            await end.json()
        end.abort()
        await until(lambda: provider.open == 0)
        return end

    row = row_of(gateway, run(main()))
    assert (row.prompt_tokens, row.completion_tokens) == (0, 7)


def test_a_killed_worker_s_sessions_have_cost_what_was_said(provider: Provider, start_gateway: Start) -> None:
    made = config(provider)
    made["virtual_keys"].append(
        {"name": "metered", "value": "sk-metered-5e4d3c2b", "limits": [{"tokens": 9000, "per": "1h"}]}
    )
    gateway = start_gateway(made)

    async def main() -> None:
        end = await session(gateway, key="sk-metered-5e4d3c2b")
        await end.json()
        for _ in range(2):
            await end.send({"type": "response.create"})
            for _ in range(3):
                await end.json()
        os.kill(gateway.worker_pids()[0], signal.SIGKILL)
        assert (await end.ended()).code is None

    run(main())
    entry = LimitEntry(tokens=9000, per=Period(3600))
    arena = Arena.attach(gateway.paths.arena)
    try:
        slot = arena.find(id_hash(limit_id(virtual_key_id("metered", ""), entry)))
        run(until(lambda: arena.used(slot, time.monotonic_ns()) == 60))
    finally:
        arena.close()


# --- Gemini Live


async def live(end: End) -> None:
    """A provider of Google's form; its messages are binary, as Google's are."""

    async def say(message: Any) -> None:
        await end.raw(frame(BINARY, json.dumps(message), masked=False))

    got = await end.receive()
    assert isinstance(got, bytes)
    await say({"setupComplete": {}, "of": json.loads(got)})
    while isinstance(await end.receive(), bytes):
        await say({"serverContent": {"modelTurn": {"parts": [{"text": "hi"}]}}})
        usage = {"promptTokenCount": 20, "responseTokenCount": 5, "thoughtsTokenCount": 2, "cachedContentTokenCount": 3}
        audio = [{"modality": "AUDIO", "tokenCount": 4}]
        await say({"serverContent": {"turnComplete": True}, "usageMetadata": {**usage, "responseTokensDetails": audio}})
    await end.close()


def test_gemini_live_names_its_model_in_the_first_message(provider: Provider, start_gateway: Start) -> None:
    gateway = start_gateway(config(provider))
    provider.script = live

    async def main() -> End:
        end = await session(gateway, LIVE)
        await end.send({"setup": {"model": "models/live", "generationConfig": {"temperature": 0.5}}})
        await end.send({"clientContent": {"turns": []}})
        first = await end.json()
        assert first["of"] == {"setup": {"model": "models/live-up", "generationConfig": {"temperature": 0.5}}}
        assert "modelTurn" in (await end.json())["serverContent"]
        assert (await end.json())["usageMetadata"]["responseTokenCount"] == 5
        await end.close()
        assert (await end.ended()).code == 1000
        return end

    end = run(main())
    head = provider.heads[0].decode()
    assert head.startswith(f"GET {LIVE.removeprefix('/genai')} HTTP/1.1\r\n")
    assert f"x-goog-api-key: {CANARY}\r\n" in head
    row = row_of(gateway, end)
    assert (row.prompt_tokens, row.completion_tokens, row.cached_tokens, row.audio_out_tokens) == (20, 7, 3, 4)
    assert (row.model, row.target_model) == ("live", "live-up")


@pytest.mark.parametrize(
    ("first", "code", "says"),
    [
        ({"setup": {"model": "models/live-other"}}, 1008, "may not use"),
        ({"setup": {"model": "m"}}, 1008, "no realtime sessions in Google's form"),
        ({"setup": {}}, 1008, "name a model"),
        ({"setup": {"Model": "live", "model": "live"}}, 1008, "name a model"),
        ({"clientContent": {}}, 1008, "name a model"),
        ("nonsense", 1008, "name a model"),
    ],
)
def test_a_first_message_that_leads_nowhere_is_answered_with_a_close(
    first: Any, code: int, says: str, shared: Gateway, provider: Provider
) -> None:
    async def main() -> Closed:
        end = await session(shared, LIVE, FEW)
        await end.send(first)
        return await end.ended()

    got = run(main())
    assert got.code == code
    assert says in got.reason
    assert not provider.heads


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (refusing(403, {"error": {"code": 403, "message": "no access"}}), 1008, "no access"),
        (refusing(429, {"error": {"code": 429, "message": "slow down"}}, "Retry-After: 20"), 1013, "slow down"),
        (refusing(500, {}), 1011, "500"),
        (lambda head: b"", 1011, "closed the connection"),
    ],
)
def test_a_refusal_behind_the_first_message_is_a_close(
    answer: Any, code: int, says: str, shared: Gateway, provider: Provider
) -> None:
    provider.answer = answer

    async def main() -> Closed:
        end = await session(shared, LIVE)
        await end.send({"setup": {"model": "live"}})
        return await end.ended()

    got = run(main())
    assert got.code == code
    assert says in got.reason


def test_a_second_setup_ends_the_session(shared: Gateway, provider: Provider) -> None:
    provider.script = live

    async def main() -> Closed:
        end = await session(shared, LIVE)
        await end.send({"setup": {"model": "live"}})
        await end.json()
        await end.send('{"s\\u0065tup":{"model":"gemini/dear"}}')
        return await end.ended()

    assert run(main()).code == 1008


def test_a_caller_that_goes_before_there_is_a_session_leaves_nothing(shared: Gateway, provider: Provider) -> None:
    async def never(end: End) -> None:
        await end.reader.read()

    provider.accept = lambda head: b""
    provider.script = never

    async def main() -> None:
        for path in (PATH, LIVE):
            count = len(provider.heads)
            _, writer = await dial(shared.port)
            writer.write(handshake(path, ONE))
            if path == LIVE:
                writer.write(frame(TEXT, json.dumps({"setup": {"model": "live"}})))
            await until(lambda count=count: len(provider.heads) > count)
            writer.transport.abort()
            await until(lambda: provider.open == 0)
        _, writer = await dial(shared.port)
        writer.write(handshake(LIVE, ONE))
        await asyncio.sleep(0.1)
        writer.transport.abort()
        provider.accept = None
        provider.script = answering
        await closing_once_free(shared, key=ONE)

    run(main())


# --- fuzz

FRAMES = st.builds(
    frame,
    st.sampled_from([0, 1, 2, 3, 8, 9, 10, 11]),
    st.one_of(st.binary(max_size=200), st.just(b'{"type":"session.update","session":{"model":"x"}}')),
    fin=st.booleans(),
    masked=st.booleans().map(lambda masked: masked or os.urandom(1)[0] > 200),
    rsv=st.sampled_from([0, 0, 0, 0, 1, 4]),
)


ANYTHING = st.lists(st.one_of(FRAMES, st.binary(max_size=60)), max_size=12)
MANY = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


async def how_it_ended(end: End) -> None:
    with contextlib.suppress(TimeoutError):
        # A frame that announces more than comes is waited for.
        async with asyncio.timeout(0.3):
            # Never cut off: whatever was sent, a Close says why.
            assert (await end.ended()).code is not None
    end.abort()


@MANY
@given(ANYTHING, st.sampled_from([PATH, LIVE]), st.booleans())
def test_any_bytes_of_a_caller_end_in_a_close(shared: Gateway, pieces: list[bytes], path: str, whole: bool) -> None:
    async def main() -> None:
        end = await session(shared, path)
        with contextlib.suppress(ConnectionError):
            for piece in [b"".join(pieces)] if whole else pieces:
                await end.raw(piece)
            await end.raw(frame(PING, b"done") + close_frame(1000))
        await how_it_ended(end)

    run(main())


@MANY
@given(ANYTHING)
def test_any_bytes_of_a_provider_end_in_a_close(shared: Gateway, provider: Provider, pieces: list[bytes]) -> None:
    async def script(end: End) -> None:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                # Without the bit that says they are masked, as a server sends them.
                await end.raw(piece[:1] + bytes([piece[1] & 0x7F]) + piece[2:] if len(piece) > 1 else piece)
            await end.close()
            await end.gone()

    provider.script = script

    async def main() -> None:
        await how_it_ended(await session(shared))

    run(main())
    provider.script = answering


def test_after_all_that_sessions_are_served_as_before(shared: Gateway) -> None:
    run(closing(shared))
    shared.assert_quiet()
