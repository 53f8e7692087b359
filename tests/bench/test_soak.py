"""What the soak counts as promised and what not: answers, calls in a killed worker, arrivals, growth."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from bench.reliability import group_e_soak
from bench.reliability.instance import Instance
from bench.reliability.soak import arrivals, mix, provider, watch
from bench.reliability.soak.arrivals import Arrival
from bench.reliability.soak.callers import LOST
from bench.reliability.soak.course import Kill, Seen
from bench.reliability.soak.mix import KINDS, Kind
from gateway.config.loader import load
from gateway.faults.schema import Down

BENCH = Path(__file__).resolve().parents[2] / "bench"
MARK = b"soak-0000000000000007"
OTHER = b"soak-0000000000000008"
HEAD = b"http/1.1 200 ok\r\nx-microgate-request-id: 1\r\ncontent-length: 9"
BUSY = HEAD + b"\r\nretry-after: 1"
ERROR = b'{"error":{"code":"overloaded"}}'
DONE = b"data: [DONE]\n\n"

PLAIN, STREAM = Kind("plain", 1, "m"), Kind("stream", 1, "m", stream=True)
FAULTY, FAULTY_STREAM = Kind("503", 1, "m", faulty=True), Kind("cut", 1, "m", stream=True, faulty=True)
MESSAGES = Kind("messages", 1, "m", mix.MESSAGES, stream=True)
WRONG_KEY = Kind("wrong key", 1, "m", expected=401)


@pytest.mark.parametrize(
    ("kind", "status", "head", "body", "whole", "found"),
    [
        (PLAIN, 200, HEAD, MARK, True, mix.GOOD),
        (PLAIN, 200, HEAD, OTHER, True, mix.WRONG_ANSWER),
        (PLAIN, 200, HEAD, MARK + OTHER, True, mix.WRONG_ANSWER),
        (PLAIN, 200, HEAD, b"{}", True, "answer without its request's mark"),
        (PLAIN, 200, HEAD, MARK, False, "answer cut"),
        (PLAIN, 500, HEAD, ERROR, True, "status 500"),
        (PLAIN, 503, BUSY, ERROR, True, mix.OVERLOADED),
        (PLAIN, 503, HEAD, ERROR, True, "status 503"),
        (PLAIN, 503, b"", ERROR, True, "status 503 without an error that names the request"),
        (PLAIN, 502, HEAD, ERROR, False, "status 502, cut"),
        (FAULTY, 502, HEAD, ERROR, True, mix.FAILED_AS_PROMISED),
        (FAULTY, 404, HEAD, ERROR, True, "status 404"),
        (FAULTY, 503, BUSY, ERROR, True, mix.OVERLOADED),
        (FAULTY, 503, BUSY, b'{"error":{"message":"engine overloaded"}}', True, mix.FAILED_AS_PROMISED),
        (FAULTY, 200, HEAD, MARK, True, mix.GOOD),
        (WRONG_KEY, 401, HEAD, ERROR, True, mix.GOOD),
        (WRONG_KEY, 200, HEAD, MARK, True, "status 200 instead of 401"),
        (STREAM, 200, HEAD, MARK + MARK + DONE, True, mix.GOOD),
        (STREAM, 200, HEAD, MARK + DONE, True, mix.CLEAN_END),
        (STREAM, 200, HEAD, MARK + MARK + DONE, False, mix.CLEAN_END),
        (STREAM, 200, HEAD, MARK, True, mix.CLEAN_END),
        (STREAM, 200, HEAD, MARK + OTHER + DONE, True, mix.WRONG_ANSWER),
        (STREAM, 200, HEAD, MARK + ERROR, False, "stream ended with an error event"),
        (STREAM, 200, HEAD, MARK, False, "stream cut without an error event"),
        (FAULTY_STREAM, 200, HEAD, MARK + ERROR, False, mix.FAILED_AS_PROMISED),
        (FAULTY_STREAM, 200, HEAD, MARK + ERROR + DONE, True, mix.CLEAN_END),
        (FAULTY_STREAM, 200, HEAD, MARK, False, "stream cut without an error event"),
        (MESSAGES, 200, HEAD, MARK + MARK + b"event: message_stop\n", True, mix.GOOD),
        (MESSAGES, 200, HEAD, MARK + MARK + DONE, True, mix.CLEAN_END),
    ],
)
def test_verdicts(kind: Kind, status: int, head: bytes, body: bytes, whole: bool, found: str) -> None:
    assert mix.verdict(kind, MARK, status, head, body, whole=whole) == found


def test_shares_are_of_a_thousand_and_kinds_have_names_of_their_own() -> None:
    assert sum(kind.share for kind in KINDS) == 1000
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_every_kind_asks_for_a_route_and_every_fault_is_met() -> None:
    config = load(str(BENCH / "soak.yaml"), {}).config
    asked = {f"{kind.model}{words}" for kind in KINDS if kind.paced for words in provider.LENGTHS}
    asked |= {kind.model for kind in KINDS if not kind.paced and kind.expected != 404}
    assert asked == set(config.routes)
    models = {model for fault in provider.FAULTS if not isinstance(fault, Down) for model in fault.models}
    targets = {str(target).partition("/")[2] for route in config.routes.values() for target in route.targets}
    assert models <= targets
    without = {name for name, route in config.routes.items() if not route.fallbacks}
    assert {kind.model for kind in KINDS if kind.faulty} <= without


def test_a_request_is_whole_around_its_mark() -> None:
    for kind in KINDS:
        before, behind = mix.request(kind, "host:1", "sk-1", 1, 0)
        head, _, body = (before + MARK + behind).partition(b"\r\n\r\n")
        assert b"\r\nX-Client-Request-Id: " + MARK in head
        assert b"Content-Length: %d\r\n" % len(body) in head + b"\r\n"


def _failure(
    began: float, ended: float, asked_before: int = 0, failed: str = LOST, offered: int = 2000
) -> dict[str, object]:
    told = {"failed": failed, "began": began, "ended": ended, "asked_before": asked_before}
    return told | {"sent": True, "offered": offered}


def test_only_calls_that_a_killed_worker_can_have_had_are_its_own() -> None:
    inside = [_failure(99, 100.1), _failure(100.05, 100.1, asked_before=4)]
    others = [
        _failure(100.05, 100.1),  # on a connection made after the kill
        _failure(99, 99.9),
        _failure(99, 110),
        _failure(99, 100.1, failed="status 500"),
    ]
    assert Seen(kills=[Kill(100.0, 3)], failures=[*inside, *others]).promised() == (inside, [], others)


def test_a_killed_worker_had_no_more_calls_than_descriptors() -> None:
    failures = [_failure(99, 100.1) for _ in range(5)]
    killed, _, others = Seen(kills=[Kill(100.0, 3)], failures=failures).promised()
    assert (len(killed), len(others)) == (3, 2)


def test_who_left_just_before_a_kill_may_have_left_no_record() -> None:
    assert Seen(kills=[Kill(100.0, 3), Kill(200.0, 3)], leavings=[98.9, 99.1, 100.1, 199.9]).left_at_a_kill() == 2


def test_refusals_are_promised_when_more_comes_than_is_served_or_a_worker_is_missing() -> None:
    refused = [
        _failure(50, 50, failed=mix.OVERLOADED, offered=3001),
        _failure(101, 101, failed=mix.OVERLOADED),
    ]
    others = [_failure(50, 50, failed=mix.OVERLOADED), _failure(120, 120, failed=mix.OVERLOADED)]
    seen = Seen(kills=[Kill(100.0, 3)], failures=[*refused, *others], capacity=3000.0)
    assert seen.promised() == ([], refused, others)


def test_a_peak_is_the_fullest_stretch_wherever_it_begins() -> None:
    moments = [0, 900_000_000, 1_000_000_000, 1_050_000_000, 1_899_000_000, 5_000_000_000]
    assert arrivals.peak([Arrival(moment, 0, 0) for moment in moments], 1.0) == 4
    assert arrivals.peak([Arrival(moment, 0, 0) for moment in moments], 0.1) == 20


def _sample(rss: int, fds: int = 9) -> watch.Sample:
    return watch.Sample(rss, rss, fds, 2, 0, 0)


def test_growth_is_that_of_processes_that_lived_all_the_time() -> None:
    seen = watch.Watch(Instance.__new__(Instance), io.StringIO())
    for number in range(60):
        found = {"worker-0": (10 + number // 30, _sample(500)), "worker-1": (20, _sample(1000 + number))}
        seen.samples.append((5.0 * number, {**found, "control": (30, _sample(1000))}))
    slopes = seen.slopes(0.0, "rss")
    assert set(slopes) == {"worker-1", "control", "together"}
    assert slopes["control"].percent == 0
    assert slopes["worker-1"].low > group_e_soak.MOST_GROWTH
    assert slopes["together"].percent == pytest.approx(slopes["worker-1"].percent / 2, rel=0.01)
