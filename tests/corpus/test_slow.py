"""Timed schedules: slow callers and slow providers meet a deadline, whoever else waits is not disturbed.

The schedules speak of tens of seconds; the instance has its time-outs in tenths, and the schedules run as fast.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.corpus.rows import Row, read
from tests.corpus.test_sse_live import text_and_error
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, chunk, chunked_head, delta, http, ordinary, stream
from tests.live.wire import KEY, Outcome, ask, request, split_whole, talk

SCALE = 0.05
"""Of the schedules' time."""
LIMITS = {
    "header_timeout": "600ms",
    "body_timeout": "900ms",
    "body_grace": "500ms",
    "body_min_rate": 1024,
    "keepalive_timeout": "800ms",
    "write_timeout": "1s",
}
TIMEOUTS = {"connect": "500ms", "first_byte": "800ms", "stream_idle": "800ms", "total": "1500ms"}
SLACK = 4.0
"""Seconds a deadline may be late: it is swept every 100 ms, and the machine is shared. Schedules that end at
a time-out only would last longer."""

STREAM = request(body=b'{"model":"m","messages":[],"stream":true}')


@pytest.fixture(scope="module")
def rows(corpus: Path) -> dict[str, Row]:
    found = {row["name"]: row for row in read(corpus / "http-torture" / "slow-authored.jsonl")}
    assert len(found) == 19
    return found


@pytest.fixture(scope="module")
def quick(upstream_for_module: Upstream, start_for_module: Start) -> Gateway:
    """An instance with short time-outs."""
    return start_for_module(hasty(upstream_for_module))


@pytest.fixture
def upstream(upstream_for_module: Upstream) -> Upstream:
    """The one behind ``quick``, as if nothing had been asked of it yet."""
    upstream_for_module.script = ordinary
    upstream_for_module.clear()
    return upstream_for_module


def hasty(upstream: Upstream, **provider: Any) -> dict[str, Any]:
    return configuration(
        upstream.url,
        provider={"timeouts": TIMEOUTS, **provider},
        server={"limits": LIMITS},
        retry={"attempts": 2, "backoff_initial": "1ms", "backoff_max": "2ms"},
    )


def sends(row: Row) -> list[tuple[float, bytes]]:
    """(seconds to wait, bytes to send) of a schedule, at the tests' pace and with the tests' key."""
    key = f"Bearer {KEY}\r".encode()
    return [
        (
            step["wait_ms"] / 1000 * SCALE,
            base64.b64decode(step.get("send_base64", "")).replace(b"Bearer sk-test\r", key),
        )
        for step in row["steps"]
    ]


def play(gateway: Gateway, row: Row, most: float = 20.0) -> tuple[list[int], bool, float]:
    """Play a caller's schedule: (statuses, closed by the server, seconds from connecting to the close)."""

    async def main() -> tuple[list[int], bool, float]:
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        started = loop.time()
        received = b""

        async def write() -> None:
            for pause, data in sends(row):
                await asyncio.sleep(pause)
                if data:
                    writer.write(data)

        writing = asyncio.ensure_future(write())
        closed = False
        try:
            async with asyncio.timeout(most):
                while True:
                    data = await reader.read(65536)
                    if not data:
                        break
                    received += data
            closed = True
        except TimeoutError:
            pass
        except ConnectionError:
            closed = True
        took = loop.time() - started
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        statuses = [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
        return statuses, closed, took

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "deadline"),
    [
        ("client-header-drip", 0.6),
        ("client-header-lines", 0.6),
        ("client-body-drip", 0.9),
        ("client-chunk-drip", 0.9),
        ("client-stall-after-headers", 0.9),
    ],
)
def test_slow_senders_are_cut_off(
    name: str, deadline: float, rows: dict[str, Row], quick: Gateway, upstream: Upstream
) -> None:
    statuses, closed, took = play(quick, rows[name])
    assert statuses in ([408], [])
    assert closed
    assert took <= deadline + SLACK
    assert not upstream.requests


def test_a_silent_new_connection_is_closed(rows: dict[str, Row], quick: Gateway) -> None:
    statuses, closed, took = play(quick, rows["client-idle-new"])
    assert (statuses, closed) == ([], True)
    assert took <= 0.6 + SLACK


def test_an_idle_connection_is_closed_without_a_word(rows: dict[str, Row], quick: Gateway) -> None:
    statuses, closed, took = play(quick, rows["client-idle-keepalive"])
    assert len(statuses) == 1
    assert 408 not in statuses
    assert closed
    assert 0.7 <= took <= 0.8 + SLACK


def test_a_slow_reader_is_cut_off_and_holds_little(quick: Gateway, upstream: Upstream) -> None:
    """The upstream would send 64 MiB; it is paused long before, and the caller who does not read is dropped."""
    flood = chunk(delta("x" * 60_000))
    sent = [0]

    def endless(received: Received) -> Iterable[Step]:
        yield chunked_head()
        for _ in range(1000):
            sent[0] += 1
            yield flood
            yield 0.0005

    upstream.script = endless
    rss = quick.rss_bytes()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    sock.connect(("127.0.0.1", quick.port))
    sock.sendall(STREAM)
    started = time.monotonic()
    upstream.wait(lambda: bool(upstream.visits) and upstream.visits[-1].closed > 0)
    assert time.monotonic() - started <= 1.0 + 0.8 + 2 * SLACK
    assert quick.rss_bytes() - rss < 8 << 20
    sock.close()


def test_a_caller_that_vanishes_cancels_the_upstream(quick: Gateway, upstream: Upstream) -> None:
    upstream.script = lambda received: [chunked_head(), chunk(delta("a")), Act.HOLD]
    sock = socket.create_connection(("127.0.0.1", quick.port))
    sock.sendall(STREAM)
    assert b"200" in sock.recv(65536)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    upstream.wait(lambda: upstream.visits[-1].closed > 0)


def test_a_half_closed_caller_gets_its_answer(quick: Gateway, upstream: Upstream) -> None:
    upstream.script = lambda received: [0.2, http(CHAT)]
    outcome = talk_once(quick, request(), half_close=True)
    assert [a.body for a in outcome.answers] == [CHAT]
    upstream.script = lambda received: stream([delta("a"), delta("", "stop"), b"data: [DONE]\n\n"], 0.05)
    outcome = talk_once(quick, STREAM, half_close=True)
    assert text_and_error(outcome.answers[0].body) == ("a", False, True)


def talk_once(gateway: Gateway, raw: bytes, **options: Any) -> Outcome:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(talk(gateway.port, split_whole(raw), quiet=0.05, **options))


def timed(gateway: Gateway, raw: bytes) -> tuple[Outcome, float]:
    started = time.monotonic()
    outcome = talk_once(gateway, raw, total=30)
    return outcome, time.monotonic() - started


def test_a_blackholed_provider_times_out_or_falls_back(start_gateway: Start, upstream: Upstream) -> None:
    """A listening socket whose queue is full drops further handshakes."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        dead = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        config = hasty(upstream)
        config["providers"]["dead"] = {**config["providers"]["mock"], "base_url": dead}
        config["routes"] = {
            "dead": {"targets": ["dead/m"]},
            "rescued": {"targets": ["dead/m"], "fallbacks": ["mock/m"]},
        }
        config["retry"]["attempts"] = 2
        gateway = start_gateway(config)
        outcome, took = timed(gateway, request(body=b'{"model":"rescued","messages":[]}'))
        assert [a.body for a in outcome.answers] == [CHAT]
        assert took <= 0.5 + SLACK
        outcome, took = timed(gateway, request(body=b'{"model":"dead","messages":[]}'))
        assert outcome.statuses == [504]
        assert took <= 2 * 0.5 + SLACK
        for filler in fillers:
            filler.close()


def upstream_steps(row: Row) -> list[Step]:
    steps: list[Step] = []
    for pause, data in sends(row):
        steps += [pause] if pause else []
        steps += [data] if data else []
    return steps


@pytest.mark.parametrize("name", ["upstream-accept-no-answer", "upstream-header-drip"])
def test_a_provider_that_does_not_answer_is_504(
    name: str, rows: dict[str, Row], quick: Gateway, upstream: Upstream
) -> None:
    steps = upstream_steps(rows[name])
    upstream.script = lambda received: steps
    outcome, took = timed(quick, request())
    assert outcome.statuses == [504]
    assert took <= 1.5 + SLACK


def test_a_stalled_stream_ends_in_an_error_event(rows: dict[str, Row], quick: Gateway, upstream: Upstream) -> None:
    steps = upstream_steps(rows["upstream-stream-stall"])
    upstream.script = lambda received: steps
    outcome, took = timed(quick, STREAM)
    assert text_and_error(outcome.answers[0].body) == ("a", True, False)
    assert outcome.closed
    assert 0.7 <= took <= 0.8 + SLACK


def test_a_stream_of_pings_only_is_bounded(rows: dict[str, Row], quick: Gateway, upstream: Upstream) -> None:
    steps = upstream_steps(rows["upstream-stream-pings-only"])
    upstream.script = lambda received: steps
    outcome, took = timed(quick, STREAM)
    assert len(outcome.answers) == 1
    answer = outcome.answers[0]
    assert answer.status == 504 or text_and_error(answer.body)[1:] == (True, False)
    assert took <= 1.5 + SLACK


def test_a_reset_mid_stream_ends_in_an_error_event(rows: dict[str, Row], quick: Gateway, upstream: Upstream) -> None:
    steps = upstream_steps(rows["upstream-rst-mid-stream"])
    upstream.script = lambda received: [*steps, 0.05, Act.RESET]
    outcome, _ = timed(quick, STREAM)
    assert text_and_error(outcome.answers[0].body) == ("ab", True, False)


def test_an_idle_connection_closed_under_a_request_is_replaced(quick: Gateway, upstream: Upstream) -> None:
    """The provider closes its connection at the very moment the next request arrives on it."""

    def answer(received: Received) -> list[Step]:
        return [Act.CLOSE] if received.nth == 1 else [http(CHAT)]

    upstream.script = answer
    for _ in range(20):
        got = ask(quick.port)
        assert (got.status, got.body) == (200, CHAT)
        assert got.header("x-microgate-attempts") == "1"


def test_single_byte_writes_make_no_difference(rows: dict[str, Row], quick: Gateway, upstream: Upstream) -> None:
    steps = upstream_steps(rows["upstream-1-byte-writes"])
    body = b"".join(step for step in steps if isinstance(step, bytes)).partition(b"\r\n\r\n")[2]
    steps = [step for step in steps if isinstance(step, bytes)]
    spaced: list[Step] = []
    for step in steps:
        spaced += [step, 0.0]
    upstream.script = lambda received: [*spaced, Act.CLOSE]
    outcome, _ = timed(quick, STREAM)
    assert outcome.answers[0].body == body
    assert outcome.answers[0].complete


def test_a_provider_that_reads_slowly_costs_little(start_gateway: Start) -> None:
    """It reads 1,000 bytes of a 2 MB request and stops: the total deadline ends it, and memory stays bounded."""
    with Upstream(read_at_most=1000) as upstream:
        gateway = start_gateway(hasty(upstream))
        rss = gateway.rss_bytes()
        body = json.dumps({"model": "m", "messages": ["x" * (2 << 20)]}).encode()
        outcome, took = timed(gateway, request(body=body))
        assert outcome.statuses == [504]
        assert took <= 1.5 + SLACK
        assert gateway.rss_bytes() - rss < 16 << 20
