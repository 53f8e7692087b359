"""How an answer is framed: the least that has to be known of its head to find its end."""

from __future__ import annotations

from typing import NamedTuple

CHUNKED = -1
UNTIL_CLOSE = -2
"""Lengths of answers that do not state one."""

MAX_HEAD = 65536
"""Bytes of a head; real ones take 1-3 KB."""

_VERSION = b"HTTP/1."


class Head(NamedTuple):
    """What a head says."""

    status: int
    length: int
    """Bytes of the body, CHUNKED or UNTIL_CLOSE."""
    keep: bool
    """The connection may carry another request."""


def may_begin(data: bytes) -> bool:
    """Whether an answer can begin like this."""
    return data.startswith(_VERSION[: len(data)]) and len(data) <= MAX_HEAD


def field(lowered: bytes, name: bytes) -> bytes | None:
    """Value of a field in a lower-case head without its last empty line; ``name`` as ``b"\\r\\nname:"``."""
    start = lowered.find(name)
    if start < 0:
        return None
    start += len(name)
    end = lowered.find(b"\r", start)
    return (lowered[start:end] if end >= 0 else lowered[start:]).strip()


def read_head(lowered: bytes) -> Head:
    """The framing of a lower-case head without its last empty line. Raises ValueError when it is no HTTP/1 head.

    A measured server is not an adversary: contradictory fields are not looked for.
    """
    if not lowered.startswith(b"http/1."):
        raise ValueError("not HTTP/1")
    status = int(lowered[9:12])
    keep = lowered[7:8] != b"0"
    named = field(lowered, b"\r\nconnection:")
    if named is not None:
        keep = b"close" not in named and (keep or b"keep-alive" in named)
    if status < 200 or status in (204, 304):
        return Head(status, 0, keep)
    stated = field(lowered, b"\r\ncontent-length:")
    if stated is not None:
        return Head(status, int(stated), keep)
    coding = field(lowered, b"\r\ntransfer-encoding:")
    if coding is not None and coding.endswith(b"chunked"):
        return Head(status, CHUNKED, keep)
    return Head(status, UNTIL_CLOSE, False)
