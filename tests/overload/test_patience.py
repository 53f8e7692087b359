"""What a caller's head says of how long it waits."""

from __future__ import annotations

import pytest

from gateway.overload.patience import NEVER_NS, patience_ns

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n%b\r\n"


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        (b"x-stainless-read-timeout: 600\r\n", 600),
        (b"X-Stainless-Timeout:0.25 \r\n", 0.25),
        (b"x-stainless-read-timeout: 600.0\r\nx-stainless-timeout: 30\r\n", 30),
    ],
)
def test_times_that_are_held_to(fields: bytes, seconds: float) -> None:
    assert patience_ns(HEAD % fields) == int(seconds * 1e9)


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"x-stainless-timeout: soon\r\n",
        b"x-stainless-timeout: -1\r\n",
        b"x-stainless-timeout: 0\r\n",
        b"x-stainless-timeout: 1e3\r\n",
        b"x-stainless-timeout: nan\r\n",
        b"x-stainless-timeout: 99999999999999999999\r\n",
        b"x-stainless-timeout: 86401\r\n",
        b"x-stainless-read-timeout: None\r\n",
        b"x-other: x-stainless-timeout: 5\r\n",
        b"my-x-stainless-timeout: 5\r\n",
    ],
)
def test_what_cannot_be_read_bounds_nothing(fields: bytes) -> None:
    assert patience_ns(HEAD % fields) == NEVER_NS
