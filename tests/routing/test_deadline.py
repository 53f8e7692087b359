"""What a caller's header says of how long its request may take."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.routing.deadline import TIMEOUT, take_timeout, with_time_left

BEGAN_NS = 7_000_000_000
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\n{\r\n\r\n}"


class Request:
    """What is looked at of an exchange."""

    request_id = b"0" * 32
    started_ns = BEGAN_NS
    deadline_ns = 0
    answer_deadline_ns = 0


def told(value: bytes) -> tuple[Any, Any]:
    x: Any = Request()
    return take_timeout(x, value), x


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"5", 5),
        (b"0.25", 0.25),
        (b"1500ms", 1.5),
        (b"0.5ms", 0.0005),
        (b"2 s", 2),
        (b"2s", 2),
        (b"999999999", 999999999),
    ],
)
def test_times(value: bytes, seconds: float) -> None:
    refusal, x = told(value)
    assert refusal is None
    assert x.deadline_ns == BEGAN_NS + int(seconds * 1e9)


@pytest.mark.parametrize(
    "value", [b"", b"soon", b"-1", b"0", b"0ms", b"0.0000000001", b"1e3", b"nan", b"1000000000", b"5 m"]
)
def test_what_is_no_time_is_refused(value: bytes) -> None:
    refusal, x = told(value)
    assert refusal.status == 400
    assert value in refusal.body
    assert x.deadline_ns == 0


def test_a_provider_is_told_what_is_left() -> None:
    x: Any = Request()
    x.answer_deadline_ns = 1
    line, _, rest = HEAD.partition(b"\r\n")
    assert with_time_left(HEAD, x) == line + b"\r\n" + TIMEOUT + b": 0.001\r\n" + rest, "never nothing, nor less"
