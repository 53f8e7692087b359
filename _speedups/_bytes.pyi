"""Pieces of ``bytes`` without slice objects, chunk framing in one allocation, the monotonic clock."""

__pyx_capi__: dict[str, object]
"""What other extension modules call; only in the compiled module."""

def part(data: bytes, start: int, stop: int) -> bytes:
    """``data[start:stop]`` for ``start >= 0``; ``data`` itself when that is all of it."""

def head_end(data: bytes) -> int:
    """Offset just behind the first empty line (CRLF CRLF); -1 when there is none."""

def chunk(data: bytes) -> bytes:
    """``data`` as one chunk (RFC 9112 7.1); empty data gives no bytes, since an empty chunk would end the message."""

def monotonic_ns() -> int:
    """CLOCK_MONOTONIC in nanoseconds."""
