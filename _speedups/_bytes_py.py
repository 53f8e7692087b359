"""Pieces of ``bytes`` without slice objects, chunk framing in one allocation, the monotonic clock: the pure twin."""

from time import monotonic_ns

__all__ = ["chunk", "head_end", "monotonic_ns", "part"]


def part(data: bytes, start: int, stop: int) -> bytes:
    return data[start:stop]


def head_end(data: bytes) -> int:
    end = data.find(b"\r\n\r\n")
    return -1 if end < 0 else end + 4


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
