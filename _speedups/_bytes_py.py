"""Small things done to bytes on the way of every request, and clocks: the pure twin. The contract is ``_bytes.pyi``."""

from binascii import unhexlify
from time import monotonic_ns
from time import time_ns as realtime_ns

__all__ = [
    "chunk",
    "decimal",
    "equals",
    "find_byte",
    "head_end",
    "monotonic_ns",
    "numbered",
    "part",
    "realtime_ns",
    "taken",
    "unhex",
    "word_at",
]


def part(data: bytes, start: int, stop: int) -> bytes:
    return data[start:stop]


def taken(buffer: bytearray, count: int) -> bytes:
    if not 0 <= count <= len(buffer):
        raise ValueError("more than the buffer holds")
    return bytes(memoryview(buffer)[:count])


def equals(data: bytes, start: int, stop: int, other: bytes) -> bool:
    return stop <= len(data) and data[start:stop] == other


def head_end(data: bytes) -> int:
    end = data.find(b"\r\n\r\n")
    return -1 if end < 0 else end + 4


def find_byte(data: bytes, byte: int) -> int:
    return data.find(byte)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def decimal(value: int) -> bytes:
    if value < 0:
        raise ValueError("negative")
    return b"%d" % value


def numbered(prefix: bytes, number: int) -> bytes:
    return b"%b%012x" % (prefix, number & 0xFFFFFFFFFFFF)


def unhex(digits: bytes) -> bytes:
    if digits.translate(None, b"0123456789abcdef"):
        raise ValueError("not a hexadecimal digit")
    return unhexlify(digits)


def word_at(words: memoryview, index: int) -> int:
    value: int = words[index]
    return value
