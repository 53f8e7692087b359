"""A vector index as Python reads it: nodes, chains of scopes, cosines. What the pure twin's reader and writer share."""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from array import array
from heapq import nlargest
from operator import mul
from typing import Any, Final

from _speedups._hnsw_file import (
    DEFAULT_EF,
    HEAD,
    PAGE,
    SEGMENT,
    W_CAPACITY,
    W_COUNT,
    W_GENERATION,
    W_LIVE,
    Shape,
    is_at,
)

# Words of 4 bytes in a node's head; scope and key are 8 bytes at 8 and 16.
SEQUENCE, ALIVE, EXPIRES, NEXT, BEFORE, NEXT_SCOPE, MEMBERS = 0, 1, 6, 9, 10, 11, 12
IDENTITY: Final = struct.Struct("<QQ")
LOSS: Final = struct.Struct("<ff")
IDENTITY_AT, LOSS_AT = 8, 28
MASK: Final = (1 << 64) - 1


def hash_of(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31


def check_whole(value: int, bits: int) -> None:
    if not 0 <= value < 1 << bits:
        raise OverflowError(f"{value}: must be an unsigned integer of {bits} bits")


class Index:
    """A mapped file, mapped again when it has grown."""

    kernels = "python"

    def __init__(self, fd: int, path: str, shape: Shape, access: int) -> None:
        self._fd, self._shape, self._access = fd, shape, access
        self.path, self.compared = path, 0
        self._lock = threading.Lock()
        self._mapping: mmap.mmap | None = None
        self._map(os.fstat(fd).st_size)

    def _map(self, size: int) -> None:
        self._release()
        self._mapping = mmap.mmap(self._fd, size, access=self._access)
        self._bytes = memoryview(self._mapping)
        whole = self._bytes[: size // 8 * 8]
        self._words, self._short = whole.cast("Q"), whole.cast("I")
        whole.release()

    def _release(self) -> None:
        if self._mapping is not None:
            for view in (self._words, self._short, self._bytes):
                view.release()
            self._mapping.close()
            self._mapping = None

    def _enter(self) -> None:
        if self._mapping is None:
            raise ValueError("the index is closed")
        needed = self._shape.bytes_of(self._words[W_CAPACITY] // SEGMENT)
        if needed > len(self._bytes):
            self._map(needed)

    def _node(self, slot: int) -> int:
        """Where a slot's head is, in bytes."""
        shape = self._shape
        return shape.segments_at + slot // SEGMENT * shape.segment_bytes + slot % SEGMENT * shape.node_stride

    def _vector(self, slot: int) -> int:
        shape = self._shape
        start = shape.segments_at + slot // SEGMENT * shape.segment_bytes + SEGMENT * shape.node_stride
        return start + slot % SEGMENT * shape.vector_stride

    def _bucket(self, scope: int) -> int:
        """Which short word has the first scope of its bucket."""
        return PAGE // 4 + (hash_of(scope) & self._shape.buckets - 1)

    def _get(self, link: int, word: int) -> int:
        return self._short[self._node(link - 1) // 4 + word]

    def _set(self, link: int, word: int, value: int) -> None:
        self._short[self._node(link - 1) // 4 + word] = value

    def _identity(self, link: int) -> tuple[int, int]:
        """Scope and key."""
        scope, key = IDENTITY.unpack_from(self._bytes, self._node(link - 1) + IDENTITY_AT)
        return scope, key

    def _head_of(self, scope: int) -> int:
        count, link = self._words[W_COUNT], self._short[self._bucket(scope)]
        for _ in range(count + 1):
            if not 0 < link <= count:
                break
            if self._identity(link)[0] == scope:
                return link
            link = self._get(link, NEXT_SCOPE)
        return 0

    def _as_vector(self, vector: Any) -> array[float]:
        raw = bytes(vector)
        if len(raw) != 4 * self._shape.dim:
            raise ValueError(f"a vector of {len(raw)} bytes: must be {self._shape.dim} float32")
        values = array("f", raw)
        if not 0.998 <= sum(map(mul, values, values)) <= 1.002:
            raise ValueError("a vector must have length 1")
        return values

    def _cosine(self, slot: int, query: array[float]) -> float:
        if self._shape.vector_stride:
            at = self._vector(slot)
            stored = array("f", bytes(self._bytes[at : at + 4 * self._shape.dim]))
            return float(sum(map(mul, stored, query)))
        at = self._node(slot) + HEAD
        (scale,) = struct.unpack_from("<f", self._bytes, self._node(slot) + LOSS_AT)
        code = bytes(self._bytes[at : at + self._shape.dim])
        return float((sum(map(mul, code, query)) - 128 * sum(query)) * scale)

    def _hit(self, link: int, scope: int, now_s: int, query: array[float]) -> tuple[int, float] | None:
        """Key and cosine of a slot that is alive and did not change meanwhile."""
        sequence, alive, expires_s = (self._get(link, word) for word in (SEQUENCE, ALIVE, EXPIRES))
        found, key = self._identity(link)
        if sequence & 1 or not alive or found != scope or 0 < expires_s <= now_s:
            return None
        cosine = self._cosine(link - 1, query)
        # No unit vector: damaged.
        if self._get(link, SEQUENCE) != sequence or not -1.01 < cosine < 1.01:
            return None
        return key, max(-1.0, min(1.0, cosine))

    def nearest(self, scope: int, vector: bytes, most: int, ef: int = DEFAULT_EF) -> list[tuple[int, float]]:
        check_whole(scope, 64)
        if not 1 <= most <= 4096 or not 0 <= ef <= 65536:
            raise ValueError("most must be 1 to 4096, ef at most 65536")
        query, now_s = self._as_vector(vector), int(time.time())
        with self._lock:
            self._enter()
            found: dict[int, float] = {}
            compared = 0
            count, link = self._words[W_COUNT], self._head_of(scope)
            for _ in range(count):
                if not 0 < link <= count or self._identity(link)[0] != scope:
                    break
                following, compared = self._get(link, NEXT), compared + 1
                if hit := self._hit(link, scope, now_s, query):
                    found.setdefault(*hit)
                link = following
            self.compared = compared
        return nlargest(most, found.items(), key=lambda hit: hit[1])

    def __len__(self) -> int:
        with self._lock:
            self._enter()
            return self._words[W_LIVE]

    def stats(self) -> dict[str, int]:
        with self._lock:
            self._enter()
            words = self._words
            return {
                "vectors": words[W_LIVE],
                "tombstones": words[W_COUNT] - words[W_LIVE],
                "capacity": words[W_CAPACITY],
                "most": self._shape.most,
                "generation": words[W_GENERATION],
                "bytes": self._shape.bytes_of(words[W_CAPACITY] // SEGMENT),
            }

    def replaced(self) -> bool:
        return not is_at(self._fd, self.path)

    def _let_go(self) -> None:
        with self._lock:
            self._release()
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
