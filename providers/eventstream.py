"""AWS event streams (``application/vnd.amazon.eventstream``): binary frames, without I/O, at any split of the bytes.

Source: the Smithy specification "Amazon Event Stream Specification"; the limits are those of botocore's
``eventstream.py``. A frame is: length of the frame, length of its headers, CRC-32 of these two, headers, payload,
CRC-32 of everything before; numbers are big-endian.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct, error
from typing import NamedTuple
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
MAX_HEADERS_BYTES = 128 << 10
MAX_PAYLOAD_BYTES = 24 << 20

_PRELUDE = Struct(">III")
_LENGTHS = Struct(">II")
_WORD = Struct(">I")
_SHORT = Struct(">H")
_OVERHEAD = 16
"""Bytes of a frame beyond headers and payload."""
_STRING = 7
_SIZED = (6, 7)
"""Types of header values that say their length."""
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Type of a header value -> its bytes: true, false, byte, short, integer, long, timestamp, UUID."""


class BadFrame(ValueError):
    """The bytes are no frame, a damaged one, or one beyond the limits."""


class Frame(NamedTuple):
    headers: dict[str, str]
    """Those that are texts, which all that AWS services send are."""
    payload: bytes


class EventStreamReader:
    """Splits a stream into frames. It is of no use any more once it has raised."""

    __slots__ = ("_buffer", "_need")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._need = _PRELUDE.size

    @property
    def pending(self) -> bool:
        """Whether a frame has begun that is not complete."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with ``data``. Raises BadFrame, after those that came before the bad one."""
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._need:
            return
        start = 0
        try:
            while len(buffer) - start >= _PRELUDE.size:
                total, headers, checksum = _PRELUDE.unpack_from(buffer, start)
                if crc32(buffer[start : start + 8]) != checksum:
                    raise BadFrame("the checksum of a frame's lengths is wrong")
                if headers > MAX_HEADERS_BYTES or total - headers - _OVERHEAD > MAX_PAYLOAD_BYTES:
                    raise BadFrame("a frame is too large")
                if total < headers + _OVERHEAD:
                    raise BadFrame("a frame's lengths contradict each other")
                end = start + total
                if len(buffer) < end:
                    self._need = total
                    return
                frame = bytes(buffer[start:end])
                start = end
                self._need = _PRELUDE.size
                yield _frame(frame, headers)
        finally:
            del buffer[:start]


def _frame(frame: bytes, headers: int) -> Frame:
    if crc32(frame[:-4]) != _WORD.unpack_from(frame, len(frame) - 4)[0]:
        raise BadFrame("the checksum of a frame is wrong")
    end = _PRELUDE.size + headers
    return Frame(_headers(frame, _PRELUDE.size, end), frame[end:-4])


def _headers(frame: bytes, at: int, end: int) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        while at < end:
            begin = at + 1
            at = begin + frame[at]
            name = frame[begin:at].decode()
            kind = frame[at]
            at += 1
            if kind in _SIZED:
                size = _SHORT.unpack_from(frame, at)[0]
                at += 2
                if kind == _STRING:
                    found[name] = frame[at : at + size].decode()
            else:
                size = _SIZES[kind]
            at += size
    except (IndexError, KeyError, UnicodeDecodeError, error):
        raise BadFrame("a frame's headers can't be read") from None
    if at != end:
        raise BadFrame("a frame's headers can't be read")
    return found


def header_bytes(headers: Mapping[str, str]) -> bytes:
    """Headers on the wire, all of them texts."""
    out = bytearray()
    for name, value in headers.items():
        raw, said = name.encode(), value.encode()
        out += b"%c%b%c%b%b" % (len(raw), raw, _STRING, _SHORT.pack(len(said)), said)
    return bytes(out)


def frame(headers: bytes, payload: bytes) -> bytes:
    """One frame; ``headers`` as ``header_bytes`` writes them."""
    lengths = _LENGTHS.pack(len(headers) + len(payload) + _OVERHEAD, len(headers))
    body = b"%b%b%b%b" % (lengths, _WORD.pack(crc32(lengths)), headers, payload)
    return body + _WORD.pack(crc32(body))
