"""Frames on a stream between processes: a 4-byte big-endian length, then that many bytes."""

from __future__ import annotations


class FrameError(Exception):
    """The peer sent something that is no frame of this protocol; the connection is of no use any more."""


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


class FrameCutter:
    """Cuts a byte stream into the bodies of its frames; fed in pieces of any size."""

    __slots__ = ("_buffer", "_most")

    def __init__(self, most_bytes: int) -> None:
        self._buffer = bytearray()
        self._most = most_bytes

    def feed(self, data: bytes) -> list[bytes]:
        """Bodies completed by ``data``. Raises FrameError for one larger than it may be."""
        buffer = self._buffer
        buffer += data
        bodies: list[bytes] = []
        start = 0
        while len(buffer) - start >= 4:
            size = int.from_bytes(buffer[start : start + 4], "big")
            if size > self._most:
                raise FrameError(f"frame of {size} bytes")
            end = start + 4 + size
            if len(buffer) < end:
                break
            bodies.append(bytes(buffer[start + 4 : end]))
            start = end
        del buffer[:start]
        return bodies
