"""One answer as it lies in the LMDB file: a header that says whose it is and until when, then the answer.

LMDB sums nothing up itself. The checksum is looked at when the file is opened, by its writer; key and time at every
look-up.
"""

from __future__ import annotations

import struct
import zlib

KEY_BYTES = 48

ENTRY = struct.Struct(f"<4sIQQQ{KEY_BYTES}s")
"""Magic, CRC-32 of all behind it, wall-clock times in ns at which it was stored and is forgotten, stamp (grows with
every entry stored: the order in which they are evicted), key."""

_FIRST, _SUMMED = struct.Struct("<4sI"), struct.Struct(f"<QQQ{KEY_BYTES}s")
"""The same in two parts: the second one is summed up."""

MAGIC = b"mga1"
HEADER_BYTES = ENTRY.size
_SUMMED_FROM = _FIRST.size

unpack = ENTRY.unpack_from

time_and_key = struct.Struct(f"<Q8x{KEY_BYTES}s").unpack_from
"""All that a look-up has to know of the header, from ``TIME_AND_KEY_FROM`` on."""
TIME_AND_KEY_FROM = 16


def pack(key: bytes, value: bytes, stored_ns: int, expires_ns: int, stamp: int) -> bytes:
    summed = _SUMMED.pack(stored_ns, expires_ns, stamp, key)
    return b"".join((_FIRST.pack(MAGIC, zlib.crc32(value, zlib.crc32(summed))), summed, value))


def is_whole(key: bytes | memoryview, entry: bytes | memoryview) -> bool:
    """Whether this is what was stored under ``key``, to the last bit."""
    if len(entry) < HEADER_BYTES:
        return False
    magic, crc, _, _, _, own_key = unpack(entry)
    return bool(magic == MAGIC and own_key == key and zlib.crc32(memoryview(entry)[_SUMMED_FROM:]) == crc)


def index_rows(expires_ns: int, stamp: int) -> tuple[bytes, bytes]:
    """Keys of an entry's rows in the two indexes: by time of expiry, and by age."""
    age = stamp.to_bytes(8, "big")
    return expires_ns.to_bytes(8, "big") + age, age
