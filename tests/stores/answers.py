"""Keys and answers of the exact cache, for tests of its stores."""

from __future__ import annotations

import hashlib
import time

SCOPE, OTHER_SCOPE = b"\x01" * 16, b"\x02" * 16
HOUR_NS = 3600 * 10**9


def key(number: int, scope: bytes = SCOPE) -> bytes:
    return scope + hashlib.sha256(number.to_bytes(8, "big")).digest()


def answer(number: int, size: int = 1000) -> bytes:
    """Another for each number, incompressible."""
    return hashlib.shake_128(number.to_bytes(8, "big")).digest(size)


def later(ns: int = HOUR_NS) -> int:
    return time.time_ns() + ns


def row(number: int, size: int = 1000, scope: bytes = SCOPE) -> tuple[bytes, bytes, int]:
    return key(number, scope), answer(number, size), later()
