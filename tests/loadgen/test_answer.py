from __future__ import annotations

import pytest

from gateway.loadgen.answer import CHUNKED, MAX_HEAD, UNTIL_CLOSE, Head, field, may_begin, read_head


@pytest.mark.parametrize(
    ("lines", "head"),
    [
        ("http/1.1 200 ok|content-length: 12", Head(200, 12, True)),
        ("http/1.1 200 ok|content-length:12|connection: close", Head(200, 12, False)),
        ("http/1.0 200 ok|content-length: 12", Head(200, 12, False)),
        ("http/1.0 200 ok|content-length: 12|connection: keep-alive", Head(200, 12, True)),
        ("http/1.1 200 ok|transfer-encoding: chunked", Head(200, CHUNKED, True)),
        ("http/1.1 200 ok|x-content-length: 3", Head(200, UNTIL_CLOSE, False)),
        ("http/1.1 204 no content", Head(204, 0, True)),
        ("http/1.1 304|content-length: 12", Head(304, 0, True)),
        ("http/1.1 100 continue", Head(100, 0, True)),
    ],
)
def test_framing(lines: str, head: Head) -> None:
    assert read_head(lines.replace("|", "\r\n").encode()) == head


@pytest.mark.parametrize("lines", ["http/2 200", "http/1.1 abc", "http/1.1 200 ok\r\ncontent-length: x", ""])
def test_what_is_no_head_is_refused(lines: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # int() words it in its own way
        read_head(lines.encode())


def test_fields_are_found_by_their_whole_name() -> None:
    head = b"http/1.1 200 ok\r\nx-a: 1\r\na:  2 \r\nb: 3"
    assert (field(head, b"\r\na:"), field(head, b"\r\nb:"), field(head, b"\r\nc:")) == (b"2", b"3", None)


def test_the_beginning_of_an_answer() -> None:
    assert may_begin(b"HT")
    assert may_begin(b"HTTP/1.1 2")
    assert not may_begin(b"SSH-2.0")
    assert not may_begin(b"HTTP/1.1 " + b"x" * MAX_HEAD)
