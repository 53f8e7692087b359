"""Many callers who do nothing good: what they cost is bounded, and those who behave notice little."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import uvloop

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.rounds import measured, rounds
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, chunk, chunked_head, delta
from tests.live.wire import AnswerReader, ask, request, talk
from tests.waiting import PATIENCE_S, wait_for

STREAM = request(body=b'{"model":"m","messages":[],"stream":true}')


def run(main: Any, within: float = 120.0) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(within):
            return await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())


def test_endless_heads_are_refused_cheaply(start_gateway: Start, upstream: Upstream) -> None:
    count = rounds(100, 1000)
    # This process may take longer than ten seconds to write the heads of a thousand: it is their size that is refused.
    gateway = start_gateway(configuration(upstream.url, server={"limits": {"header_timeout": "60s"}}))
    assert ask(gateway.port).status == 200
    files, rss = gateway.open_files(), gateway.rss_bytes()
    statuses: list[int] = []
    peak = [0]

    # Far more than is read before it is refused, or after that.
    endless = [b"GET / HTTP/1.1\r\nHost: gw.test\r\n", *[b"X-Endless: " + b"a" * 1000 + b"\r\n"] * 10_000]

    async def main() -> None:
        async def one() -> None:
            outcome = await talk(gateway.port, endless, until_closed=True, total=120)
            statuses.extend(outcome.statuses)
            peak[0] = max(peak[0], gateway.rss_bytes())

        await asyncio.gather(*(one() for _ in range(count)))

    run(main())
    assert statuses == [431] * count
    measured("A6 memory of a connection with an endless head", f"{(peak[0] - rss) / count / 1024:.1f} KiB", "64 KiB")
    assert peak[0] - rss <= count * 65536 + (4 << 20)
    gateway.settle(files, rss)


def test_slow_heads_go_while_others_are_served(start_gateway: Start, upstream: Upstream) -> None:
    """Connections that send one header line at a time are gone by the head's total time-out; the rest lose nothing."""
    count = rounds(100, 1000)
    limits = {"header_timeout": "1500ms"}
    gateway = start_gateway(configuration(upstream.url, server={"limits": limits}))
    lasted: list[float] = []
    good: list[int] = []

    async def main() -> None:
        done = asyncio.Event()

        async def slow() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            started = time.monotonic()

            async def drip() -> None:
                writer.write(b"GET / HTTP/1.1\r\nHost: gw.test\r\n")
                while True:
                    await asyncio.sleep(0.2)
                    writer.write(b"X-A: 1\r\n")

            dripping = asyncio.ensure_future(drip())
            try:
                while await reader.read(65536):
                    pass
            except ConnectionError:
                pass
            lasted.append(time.monotonic() - started)
            dripping.cancel()
            writer.close()
            await asyncio.gather(dripping, writer.wait_closed(), return_exceptions=True)

        async def fast() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            while not done.is_set():
                writer.write(request())
                answers = AnswerReader()
                while not (answers.final and answers.final[0].complete):
                    answers.feed(await reader.read(65536))
                good.append(answers.final[0].status)
                await asyncio.sleep(0.005)
            writer.close()
            await writer.wait_closed()

        serving = [asyncio.ensure_future(fast()) for _ in range(4)]
        await asyncio.gather(*(slow() for _ in range(count)))
        done.set()
        await asyncio.gather(*serving)

    run(main())
    assert set(good) == {200}
    measured("A7 a slow head lasts", f"{max(lasted):.2f} s", "its time-out of 1.5 s and 1 s more")
    assert max(lasted) <= 1.5 + 1.0 + rounds(20, 0)


def flood(pieces: int) -> list[Step]:
    """A stream of about 60 kB an event, without end for any caller that does not read."""
    big = chunk(delta("x" * 60_000))
    return [chunked_head(), *(step for _ in range(pieces) for step in (big, 0.001)), Act.HOLD]


def slow_reader(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.connect(("127.0.0.1", port))
    sock.sendall(STREAM)
    return sock


def test_slow_readers_hold_little_and_are_cut_off(start_gateway: Start) -> None:
    count = rounds(40, 500)
    with Upstream(lambda received: flood(200), keep=False) as upstream, ExitStack() as stack:
        limits = {"write_timeout": "8s"}
        gateway = start_gateway(configuration(upstream.url, server={"limits": limits}))
        assert ask(gateway.port, request("GET", "/v1/models", None)).status == 200
        rss = gateway.rss_bytes()
        for _ in range(count):
            stack.callback(slow_reader(gateway.port).close)
        upstream.wait(lambda: len(upstream.visits) == count)
        time.sleep(1.0)
        held = gateway.rss_bytes() - rss
        measured("A9 held for a slow reader", f"{held / count / 1024:.0f} KiB", "256 KiB")
        assert held <= count * 262_144 + (8 << 20)
        # A paused provider has far more to send than it could.
        assert all(visit.closed == 0 for visit in upstream.visits) or held < count * 262_144
        upstream.wait(lambda: upstream.open == 0)


def test_stalled_callers_do_not_slow_the_others(start_gateway: Start) -> None:
    """Callers who stopped reading hold a bounded part of memory while other streams run to their end."""
    count = rounds(60, 1000)

    def answer(received: Received) -> Iterable[Step]:
        if b"small" in received.body:
            return [chunked_head(), *(chunk(delta("t")) for _ in range(20)), chunk(b"data: [DONE]\n\n"), chunk(b"")]
        return flood(50)

    with Upstream(answer, keep=False) as upstream, ExitStack() as stack:
        gateway = start_gateway(configuration(upstream.url))
        small = request(body=b'{"model":"m","messages":[],"stream":true,"user":"small"}')
        assert ask(gateway.port, small).status == 200
        rss = gateway.rss_bytes()
        for _ in range(count):
            stack.callback(slow_reader(gateway.port).close)
        upstream.wait(lambda: len(upstream.visits) >= count)
        for _ in range(50):
            assert ask(gateway.port, small).body.endswith(b"data: [DONE]\n\n")
        held = gateway.rss_bytes() - rss
        measured(f"C9 held for {count} stalled callers", f"{held / (1 << 20):.0f} MiB", "256 MiB for 1,000")
        assert held <= 256 << 20


def test_connections_over_the_cap_are_refused_at_once(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(configuration(upstream.url, server={"limits": {"connections": 20}}))
    with ExitStack() as stack:
        held = []
        for _ in range(20):
            sock = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S)
            stack.callback(sock.close)
            sock.sendall(request())
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")
            held.append(sock)
        for _ in range(20):
            over = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S)
            stack.callback(over.close)
            assert over.recv(65536).startswith(b"HTTP/1.1 503")
            assert over.recv(65536) == b""
        held[0].sendall(request())
        assert held[0].recv(65536).startswith(b"HTTP/1.1 200")
        before = gateway.cpu_s()
        time.sleep(1.0)
        spent = gateway.cpu_s() - before
        measured("A14 processor in a second at the cap", f"{spent:.2f} s", "10 %")
        assert spent <= 0.1 + rounds(1, 0) * 0.1
    wait_for(lambda: ask(gateway.port, request("GET", "/livez", None)).status == 200, "the door is open again")


def test_running_out_of_descriptors_is_survived(start_gateway: Start, upstream: Upstream) -> None:
    """With few descriptors the cap is small; the door opens again as soon as callers leave."""
    gateway = start_gateway(configuration(upstream.url), open_files=320)
    with ExitStack() as stack:
        refused = 0
        for _ in range(80):
            sock = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S)
            stack.callback(sock.close)
            sock.sendall(request())
            try:
                refused += sock.recv(65536).startswith(b"HTTP/1.1 503")
            except ConnectionResetError:
                refused += 1
        assert refused > 0
    wait_for(lambda: ask(gateway.port).status == 200, "the door is open again")


def test_callers_that_reset_before_their_answer_cancel_it(start_gateway: Start) -> None:
    count = rounds(200, 5000)
    with Upstream(lambda received: [Act.HOLD], keep=False) as upstream:
        gateway = start_gateway(configuration(upstream.url))
        assert ask(gateway.port, request("GET", "/v1/models", None)).status == 200
        files, rss = gateway.open_files(), gateway.rss_bytes()
        for first in range(0, count, 50):
            socks = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(50)]
            for sock in socks:
                sock.sendall(request())
            upstream.wait(lambda: upstream.served >= first + 50)  # noqa: B023  (called at once)
            for sock in socks:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
            upstream.wait(lambda: upstream.open == 0)
        gateway.settle(files, rss)


def test_many_requests_at_once_leave_nothing_behind(start_gateway: Start) -> None:
    """A burst far above what idle connections serve: all are answered, then descriptors and memory come back."""
    count = rounds(300, 3000)
    with Upstream(
        lambda received: [0.2, b"HTTP/1.1 200 OK\r\nContent-Length: 249\r\n\r\n" + CHAT], keep=False
    ) as upstream:
        gateway = start_gateway(configuration(upstream.url))
        assert ask(gateway.port).status == 200
        files, rss = gateway.open_files(), gateway.rss_bytes()

        async def main() -> list[int]:
            async def one() -> int:
                reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                writer.write(request())
                answers = AnswerReader()
                while not (answers.final and answers.final[0].complete):
                    answers.feed(await reader.read(65536))
                writer.close()
                await writer.wait_closed()
                return answers.final[0].status

            return list(await asyncio.gather(*(one() for _ in range(count))))

        assert run(main()) == [200] * count
        # Idle connections to the provider are kept for a minute: no leak.
        upstream.each_open(lambda transport: transport.close())
        gateway.settle(files, rss)


def gauges(gateway: Gateway) -> dict[str, float]:
    return {name: value for name, value in gateway.metrics().items() if "in_flight" in name or "pending" in name}


def test_gauges_are_back_at_zero(shared_gateway: Gateway) -> None:
    shared_gateway.wait_for_control()
    assert ask(shared_gateway.port).status == 200

    def at_zero() -> bool:
        found = gauges(shared_gateway)
        return bool(found) and not any(found.values())

    wait_for(at_zero, "gauges at zero")
