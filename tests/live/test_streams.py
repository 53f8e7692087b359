"""Streams pass as they come, byte for byte, and end the way they ended."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import socket
import statistics
import struct
import time
from typing import Any

import uvloop

from gateway.records import Outcome
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.rounds import FULL, measured, rounds
from tests.live.trail import trail_of
from tests.live.upstreams import (
    DONE,
    USAGE_EVENT,
    Act,
    Received,
    Step,
    Until,
    Upstream,
    chunk,
    chunked_head,
    delta,
    http,
    stream_events,
)
from tests.live.wire import AnswerReader, ask, request, split_at


def asking(user: str) -> bytes:
    return request(body=json.dumps({"model": "m", "messages": [], "stream": True, "user": user}).encode())


async def read_stream(gateway: Gateway, raw: bytes) -> Any:
    """The answer, finished or cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(raw)
    answers = AnswerReader()
    while not (answers.final and answers.final[0].complete):
        data = await reader.read(65536)
        if not data:
            break
        answers.feed(data)
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    assert len(answers.final) == 1
    return answers.final[0]


def run(main: Any) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(rounds(60, 600)):
            return await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())


def random_stream(seed: str) -> bytes:
    """A chat stream of random shape: any line ends, comments, other fields, text in any script, events of any size."""
    dice = random.Random(seed)
    end = dice.choice([b"\n", b"\r\n"])
    pieces = []
    for _ in range(dice.randrange(1, 40)):
        if dice.random() < 0.2:
            pieces.append(b": ping" + end + end)
        if dice.random() < 0.1:
            pieces.append(b"event: message" + end + b"id: 7" + end)
        text = "".join(dice.choice('abc \u00e9\u4e2d\U0001f600"\\\n') for _ in range(dice.randrange(60)))
        pieces.append(delta(text).replace(b"\n", end))
    if dice.random() < 0.5:
        pieces.append(delta("x" * dice.randrange(40_000)).replace(b"\n", end))
    return b"".join([*pieces, delta("", "stop"), USAGE_EVENT, DONE])


def test_random_streams_pass_byte_for_byte(start_gateway: Start) -> None:
    count, at_once = rounds(400, 10_000), rounds(100, 500)

    def answer(received: Received) -> list[Step]:
        seed = received.json()["user"]
        raw = random_stream(seed)
        dice = random.Random(seed + "split")
        steps: list[Step] = [chunked_head()]
        for piece in split_at(raw, [dice.randrange(len(raw)) for _ in range(dice.randrange(30))]):
            steps.append(chunk(piece))
            if dice.random() < 0.2:
                steps.append(0.0)
        return [*steps, chunk(b"")]

    with Upstream(answer, keep=False) as upstream:
        # The provider reports usage by itself: nothing is asked for on the caller's behalf, so nothing is held back.
        gateway = start_gateway(configuration(upstream.url, provider={"stream_usage": "always"}))

        async def main() -> int:
            slots = asyncio.Semaphore(at_once)
            equal = 0

            async def one(i: int) -> None:
                nonlocal equal
                async with slots:
                    got = await read_stream(gateway, asking(str(i)))
                assert got.complete
                wanted = hashlib.sha256(random_stream(str(i))).digest()
                equal += hashlib.sha256(got.body).digest() == wanted

            await asyncio.gather(*(one(i) for i in range(count)))
            return equal

        assert run(main()) == count


def test_a_cut_is_visible_wherever_it_falls(start_gateway: Start) -> None:
    """The provider ends the stream at an event's border or inside an event, politely (last chunk) or not (FIN, RST)."""
    events = stream_events(3, usage=False)
    raw = b"".join(events)
    borders = [len(b"".join(events[:i])) for i in range(1, len(events) - 1)]
    inside = list(range(3, borders[-1], rounds(23, 1)))

    def answer(received: Received) -> list[Step]:
        at, _, how = received.json()["user"].partition("|")
        start: list[Step] = [chunked_head(), chunk(raw[: int(at)])]
        return [*start, *{"end": [chunk(b"")], "fin": [Act.CLOSE], "rst": [0.01, Act.RESET]}[how]]

    with Upstream(answer, keep=False) as upstream:
        gateway = start_gateway(configuration(upstream.url, retry={"attempts": 1}))
        first = len(events[0])

        async def main() -> None:
            for at in sorted({*borders, *inside}):
                for how in ("end", "fin", "rst"):
                    got = await read_stream(gateway, asking(f"{at}|{how}"))
                    name = f"{at} {how}: {got.status} {got.body[-200:]!r}"
                    finished = at >= len(b"".join(events[:-1])) - 2
                    if got.status != 200:
                        assert at < first, name
                        assert got.complete, name
                        continue
                    assert b"[DONE]" not in got.body, name
                    if not (finished and how == "end"):
                        assert b'"error"' in got.body, name
                        assert not got.complete, name
                    assert raw.startswith(got.body.partition(b'data: {"error"')[0].rstrip(b"\n")), name

        run(main())


def test_a_fault_before_the_first_token_is_a_real_status(start_gateway: Start) -> None:
    faults: dict[str, list[Step]] = {
        "html": [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"],
        "empty": [chunked_head(), chunk(b"")],
        "pings": [chunked_head(), chunk(b": ping\n\n"), chunk(b"")],
        "error-event": [chunked_head(), chunk(b'data: {"error":{"message":"overloaded","code":503}}\n\n'), chunk(b"")],
        "named-error": [chunked_head(), chunk(b'event: error\ndata: {"message":"overloaded"}\n\n'), chunk(b"")],
        "503": [http(b"{}", 503)],
        "close": [chunked_head(), Act.CLOSE],
    }
    with Upstream(lambda received: faults[received.json()["user"]]) as faulty, Upstream() as sound:
        config = configuration(faulty.url, retry={"attempts": 2, "backoff_initial": "1ms", "backoff_max": "2ms"})
        config["providers"]["sound"] = {**config["providers"]["mock"], "base_url": sound.url}
        config["routes"]["rescued"] = {"targets": ["mock/m"], "fallbacks": ["sound/m"]}
        gateway = start_gateway(config)
        for name in faults:
            answer = ask(gateway.port, asking(name))
            assert answer.status >= 400, name
            assert (answer.header("content-type") or "").startswith("application/json"), name
            body = {"model": "rescued", "messages": [], "stream": True, "user": name}
            rescued = ask(gateway.port, request(body=json.dumps(body).encode()))
            assert rescued.status == 200, name
            assert rescued.body.endswith(DONE), name


def test_tokens_are_not_held_back(start_gateway: Start) -> None:
    """Each is sent once the caller has the one before it."""
    arrived = 0
    waited: list[Step] = [chunked_head()]
    for number in range(20):
        waited += [Until(lambda number=number: arrived >= number), chunk(delta(f"t{number}."))]  # type: ignore[misc]
    with Upstream(lambda received: [*waited, chunk(DONE), chunk(b"")]) as upstream:
        gateway = start_gateway(configuration(upstream.url))
        with socket.create_connection(("127.0.0.1", gateway.port), 60) as sock:
            sock.sendall(asking("x"))
            got = b""
            while DONE.strip() not in got:
                got += sock.recv(65536)
                arrived = got.count(b'."')
        assert arrived == 20
    if FULL:
        # A machine that other tests share says nothing of milliseconds.
        added_to_tokens(start_gateway)


def added_to_tokens(start_gateway: Start) -> None:
    """Each event carries the moment it was sent; what is added is the difference to reading directly."""
    count, streams = 20, 100

    def stamp() -> bytes:
        return chunk(delta(f"{time.monotonic():.6f}"))

    steps: list[Step] = [
        chunked_head(),
        *(step for _ in range(count) for step in (0.02, stamp)),
        chunk(DONE),
        chunk(b""),
    ]
    with Upstream(lambda received: steps, keep=False) as upstream:
        gateway = start_gateway(configuration(upstream.url))
        through = run(delays(gateway.port, streams))
        direct = run(delays(upstream.port, streams))
    assert len(through) == len(direct) == count * streams
    added = statistics.median(through) - statistics.median(direct)
    late = statistics.quantiles(through, n=100)[98] - statistics.quantiles(direct, n=100)[98]
    measured("C1 added delay", f"median {added * 1000:.2f} ms, 99th {late * 1000:.2f} ms", "1 ms, 5 ms")
    assert added < 0.001


async def delays(port: int, streams: int) -> list[float]:
    found: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asking("x"))
        rest = b""
        done = False
        while not done:
            data = await reader.read(65536)
            now = time.monotonic()
            assert data
            done = DONE.strip() in rest + data
            rest += data
            *lines, rest = rest.split(b"\n")
            events = [json.loads(line[6:]) for line in lines if line.startswith(b'data: {"id"')]
            found.extend(now - float(event["choices"][0]["delta"]["content"]) for event in events)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    await asyncio.gather(*(one() for _ in range(streams)))
    return found


def test_callers_that_leave_cancel_their_streams(start_gateway: Start) -> None:
    """Every caller resets its connection after the first token: the provider is closed at once, the trail says why."""
    count = rounds(200, 5000)
    with Upstream(
        lambda received: [chunked_head(), chunk(delta("a")), chunk(delta("b")), Act.HOLD], keep=False
    ) as upstream:
        gateway = start_gateway(configuration(upstream.url))
        assert ask(gateway.port, request("GET", "/v1/models", None)).status == 200
        files, rss = gateway.open_files(), gateway.rss_bytes()
        left: list[float] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()
            slots = asyncio.Semaphore(50)

            async def one() -> None:
                async with slots:
                    sock = socket.socket()
                    sock.setblocking(False)
                    await loop.sock_connect(sock, ("127.0.0.1", gateway.port))
                    await loop.sock_sendall(sock, asking("x"))
                    got = b""
                    while b'"a"' not in got:
                        got += await loop.sock_recv(sock, 65536)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    left.append(time.monotonic())
                    sock.close()

            await asyncio.gather(*(one() for _ in range(count)))

        run(main())
        upstream.wait(lambda: len(upstream.visits) == count and upstream.open == 0)
        closed = sorted(visit.closed for visit in upstream.visits)
        late = [c - gone for c, gone in zip(closed, sorted(left), strict=True)]
        measured("C7 a provider hears that the caller left", f"at most {max(late) * 1000:.1f} ms later", "100 ms")
        assert max(late) <= 0.1 or not FULL
        gateway.settle(files, rss)
        rows = [row for row in trail_of(gateway).values() if row.stream]
        assert len(rows) == count
        assert {row.outcome for row in rows} == {Outcome.CLIENT_ABORT}
        assert all(row.completion_tokens > 0 for row in rows)
