"""Heads of the answers this server writes."""

from __future__ import annotations

from http import HTTPStatus

STATUS_LINES: dict[int, bytes] = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus
}

OK_LINE = STATUS_LINES[200]
KEEP = b"connection: keep-alive\r\n"
CLOSE = b"connection: close\r\n"


def status_line(status: int) -> bytes:
    """``HTTP/1.1 200 OK`` and its CRLF; a status without a registered phrase gets an empty one (RFC 9112 4)."""
    if status == 200:
        return OK_LINE
    line = STATUS_LINES.get(status)
    return line if line is not None else b"HTTP/1.1 %d \r\n" % status


def connection_field(http10: bool, keep_alive: bool) -> bytes:
    """The Connection header that says what happens next, empty where the version's default says it."""
    if keep_alive:
        return KEEP if http10 else b""
    return CLOSE
