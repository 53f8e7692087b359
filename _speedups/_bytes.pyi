"""Small things done to bytes on the way of every request, and clocks."""

__pyx_capi__: dict[str, object]
"""What other extension modules call; only in the compiled module."""

def part(data: bytes, start: int, stop: int) -> bytes:
    """``data[start:stop]`` for ``start >= 0``; ``data`` itself when that is all of it."""

def taken(buffer: bytearray, count: int) -> bytes:
    """A copy of the first ``count`` bytes. Raises ValueError when there are fewer."""

def equals(data: bytes, start: int, stop: int, other: bytes) -> bool:
    """``data[start:stop] == other`` for ``0 <= start <= stop``."""

def head_end(data: bytes) -> int:
    """Offset just behind the first empty line (CRLF CRLF); -1 when there is none."""

def find_byte(data: bytes, byte: int) -> int:
    """Offset of the first ``byte``, given as its number; -1 when there is none."""

def chunk(data: bytes) -> bytes:
    """``data`` as one chunk (RFC 9112 7.1); empty data gives no bytes, since an empty chunk would end the message."""

def monotonic_ns() -> int:
    """CLOCK_MONOTONIC in nanoseconds."""

def realtime_ns() -> int:
    """CLOCK_REALTIME in nanoseconds."""

def decimal(value: int) -> bytes:
    """``b"%d" % value``. Raises ValueError when negative."""

def numbered(prefix: bytes, number: int) -> bytes:
    """``prefix`` and the low 48 bits of ``number`` as twelve hexadecimal digits."""

def unhex(digits: bytes) -> bytes:
    """The bytes that these lower-case hexadecimal digits stand for. Raises ValueError when they are not."""

def word_at(words: memoryview, index: int) -> int:
    """``words[index]`` of a memoryview of unsigned 64-bit words, for ``index >= 0``. Raises IndexError behind its end
    and ValueError when it was released."""
