"""The generator against the demo upstream, over TCP, in one loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest
import uvloop

from gateway.demo.main import DemoServer
from gateway.loadgen import arrivals, generator, message
from gateway.loadgen.generator import Generator, Plan
from gateway.loadgen.report import Report
from gateway.loadgen.timer import Timer

T = TypeVar("T")
PATH = "/v1/chat/completions"


def _run(inside: Callable[[], Awaitable[T]]) -> T:
    async def whole() -> T:
        return await inside()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(whole())


def _against_demo(
    model: str, *, stream: bool = False, rate: float = 200, seconds: float = 0.2, **changes: object
) -> Report:
    async def inside() -> Report:
        server = DemoServer()
        port = await server.listen_tcp()
        body = message.chat_body(model, stream=stream)
        request = message.request(f"127.0.0.1:{port}", PATH, "sk", body)
        plan = Plan("127.0.0.1", port, request, arrivals.even(rate, seconds), warm_connections=2, timeout=20)
        try:
            return await Generator(replace(plan, **changes)).run()  # type: ignore[arg-type]  # names of Plan's own fields
        finally:
            await server.close()

    return _run(inside)


def test_every_request_is_answered_and_timed() -> None:
    report = _against_demo("echo")
    tally = report.tally
    assert (tally.sent, tally.completed, report.failed) == (40, 40, 0)
    assert tally.latency.count == tally.service.count == tally.late.count == tally.first.count == 40
    assert tally.statuses == {200: 40}
    assert report.cpu_us_per_request > 0


def test_latency_counts_from_the_intended_moment() -> None:
    report = _against_demo("echo+slow-500ms", rate=200, seconds=0.05)
    # The delay is a timer of the loop's, which rounds to milliseconds.
    assert report.tally.latency.lowest >= 498_000
    assert report.tally.latency.lowest >= report.tally.service.lowest
    # Ten were meant to leave within 50 ms, and the first answer came after 500 ms: nobody waited for an answer.
    assert report.peak_in_flight == 10


def test_connections_are_used_again() -> None:
    report = _against_demo("echo", rate=50, seconds=0.4, warm_connections=1)
    assert report.connections_opened < report.tally.sent


def test_connections_that_idled_for_long_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "STALE_NS", 0)
    report = _against_demo("echo", rate=50, seconds=0.4, warm_connections=1)
    assert report.connections_opened == 1 + report.tally.sent
    assert report.failed == 0


def test_streams_are_followed_to_their_end() -> None:
    report = _against_demo("words-5+pace-10ms", stream=True, rate=50, seconds=0.1)
    tally = report.tally
    assert (tally.completed, report.failed) == (5, 0)
    assert tally.first.count == 5
    assert tally.gap.count > 5
    assert tally.latency.lowest > tally.first.lowest


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("error-500", "status 500"),
        ("error-429", "status 429"),
        ("cut-stream", "answer cut"),
        ("reset", "connection lost"),
        ("garbage", "not HTTP"),
    ],
)
def test_failures_are_named(model: str, reason: str) -> None:
    report = _against_demo(model, seconds=0.05)
    assert report.tally.failures == {reason: 10}
    assert report.tally.completed == 0
    assert report.tally.latency.count == 0


def test_a_cut_stream_failed() -> None:
    report = _against_demo("cut-stream", stream=True, seconds=0.05)
    assert report.tally.failures == {"answer cut": 10}


def test_what_is_not_answered_in_time_failed() -> None:
    report = _against_demo("stall", seconds=0.05, timeout=0.1)
    assert report.tally.failures == {"timed out": 10}


def test_the_limit_of_connections_is_a_failure_not_a_queue() -> None:
    # So long that all were meant to leave before the first connection is given up.
    report = _against_demo("stall", seconds=0.05, timeout=0.5, max_connections=3)
    assert report.tally.failures == {"timed out": 3, "no connection left": 7}


def test_the_warm_up_is_not_measured() -> None:
    report = _against_demo("echo", seconds=0.2, warmup_ns=100_000_000)
    assert report.tally.sent == 20
    assert report.rate == pytest.approx(200)


def test_a_number_in_an_answers_header_is_collected() -> None:
    assert _against_demo("echo", header="openai-processing-ms").tally.header.summary()["p50"] == 1000
    assert _against_demo("echo", header="x-nothing").tally.header.count == 0


def test_nobody_listening_is_a_failure() -> None:
    async def inside() -> Report:
        server = DemoServer()
        port = await server.listen_tcp()
        await server.close()
        return await Generator(Plan("127.0.0.1", port, b"", arrivals.even(100, 0.05))).run()

    report = _run(inside)
    assert report.tally.failures == {"not connected": 5}
    assert report.connections_opened == 0


def test_nothing_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    _against_demo("stall", seconds=0.05, timeout=0.1)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_timer_keeps_microseconds() -> None:
    async def inside() -> list[int]:
        fired: list[int] = []
        done = asyncio.Event()

        def call() -> None:
            fired.append(Timer.now())
            if len(fired) == 3:
                done.set()
                timer.stop()
            else:
                timer.at(fired[-1] + 300_000)

        timer = Timer(asyncio.get_running_loop(), call)
        begun = Timer.now()
        timer.at(begun + 300_000)
        await done.wait()
        timer.close()
        return [b - a for a, b in zip([begun, *fired], fired, strict=False)]

    gaps = _run(inside)
    assert len(gaps) == 3
    assert min(gaps) >= 300_000
