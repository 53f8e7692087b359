"""Chunked bodies: both twins read what RFC 9112 7.1 allows, at any split, and refuse the rest."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.speedups.twins import twins

CHUNKED = twins("_chunked")
EACH = pytest.mark.parametrize("chunked", CHUNKED.values(), ids=CHUNKED.keys())

Outcome = tuple[bytes, bool, bool, bool]


def read(chunked: ModuleType, pieces: list[bytes]) -> Outcome:
    body = chunked.ChunkedBody()
    data = b"".join([body.feed(piece) for piece in pieces])
    return data, body.done, body.extra, body.broken


def bytewise(message: bytes) -> list[bytes]:
    return [message[i : i + 1] for i in range(len(message))]


GOOD = [
    (b"0\r\n\r\n", b""),
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"1\r\na\r\n0A\r\n0123456789\r\n000\r\n\r\n", b"a0123456789"),
    (b'3;name=value;flag;q="a; \\"b"\r\nabc\r\n0;x=""\r\n\r\n', b"abc"),
    (b"2\r\n\r\n\r\n0\r\nDigest: x\r\nOther:\r\n\r\n", b"\r\n"),
]
BROKEN = [
    b"\r\n",
    b"g\r\n",
    b"-1\r\na",
    b"+1\r\na",
    b"0x1\r\na",
    b"1\na\r\n0\r\n\r\n",
    b"1\r\na\n0\r\n\r\n",
    b"1\r\nab\r\n0\r\n\r\n",
    b"1;\x00\r\na",
    b"1 \r\na",
    b"1 name\r\na",
    b"1;\r\na",
    b"1;;\r\na",
    b"1;=\r\na",
    b"1;a=\r\na",
    b"1;a=b=c\r\na",
    b'1;a="b\r\na',
    b'1;a="b"c\r\na',
    b'1;a="\\\r\na',
    b"1\r\ra",
    b"0000000000000001\r\na\r\n0\r\n\r\n",
    b"1\r\na\r\n\r\n",
    b"1;" + b"x" * 20000,
]
BAD_TRAILERS = [b"no colon\r\n", b": empty\r\n", b"a: b\n\r\n", b"a: \x01\r\n", b"\n", b"a:" + b"x" * 20000]


@EACH
@pytest.mark.parametrize(("message", "data"), GOOD)
def test_a_whole_message_is_its_data(chunked: ModuleType, message: bytes, data: bytes) -> None:
    assert read(chunked, [message]) == (data, True, False, False)
    assert read(chunked, bytewise(message)) == (data, True, False, False)
    for at in range(len(message)):
        assert read(chunked, [message[:at], message[at:]]) == (data, True, False, False)


@EACH
@pytest.mark.parametrize("message", BROKEN)
def test_malformed_framing_breaks_the_message(chunked: ModuleType, message: bytes) -> None:
    assert read(chunked, [message])[3]
    assert read(chunked, bytewise(message))[3]


@EACH
@pytest.mark.parametrize("trailers", BAD_TRAILERS)
def test_bad_trailers_cost_the_connection_and_nothing_of_the_body(chunked: ModuleType, trailers: bytes) -> None:
    for pieces in ([b"1\r\na\r\n0\r\n" + trailers], bytewise(b"1\r\na\r\n0\r\n" + trailers)):
        assert read(chunked, pieces) == (b"a", True, True, False)


@EACH
def test_what_follows_the_message_is_told(chunked: ModuleType) -> None:
    assert read(chunked, [b"1\r\na\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"]) == (b"a", True, True, False)


@EACH
def test_it_is_used_again_after_reset(chunked: ModuleType) -> None:
    body = chunked.ChunkedBody()
    body.feed(b"zz")
    assert body.broken
    body.reset()
    assert body.feed(b"1\r\na\r\n0\r\n\r\n") == b"a"
    assert body.done
    assert not body.broken


@EACH
def test_thirty_thousand_chunks_of_a_byte_are_read(chunked: ModuleType) -> None:
    assert read(chunked, [b"1\r\na\r\n" * 30_000 + b"0\r\n\r\n"]) == (b"a" * 30_000, True, False, False)


@pytest.mark.skipif("c" not in CHUNKED, reason="nothing is compiled in this run")
@given(
    pieces=st.lists(
        st.one_of(
            st.sampled_from(
                [bytes([byte]) for byte in b'\r\n01a;="\\ :'] + [b"\r\n", b"1\r\na\r\n", b"0\r\n\r\n", b"x: y\r\n"]
            ),
            st.binary(max_size=3),
        ),
        max_size=12,
    )
)
def test_the_twins_agree_on_anything(pieces: list[bytes]) -> None:
    assert read(CHUNKED["c"], pieces) == read(CHUNKED["py"], pieces)
    assert read(CHUNKED["c"], [b"".join(pieces)]) == read(CHUNKED["c"], pieces)
