"""Nearest vectors by cosine in a file that one process writes and many read: every vector of a scope is compared.

The file is the compiled module's, with the same chains of scopes; the graph in it is left alone, and marked as no
longer whole, so that compiled processes compare whole scopes too until a compiled writer has linked it anew.
"""

from __future__ import annotations

import mmap
import os
from array import array
from collections import deque
from math import sqrt
from operator import mul
from typing import final

from _speedups._hnsw_file import (
    DEFAULT_EF,
    HEAD,
    PAGE,
    SEGMENT,
    W_CAPACITY,
    W_COUNT,
    W_ENTRY,
    W_GENERATION,
    W_IN_PROGRESS,
    W_LIVE,
    W_OPEN,
    W_WHOLE,
    IndexFull,
    UnusableIndex,
    grow,
    open_to_read,
    open_to_write,
    shape_of,
    this_boot,
)
from _speedups._hnsw_mapped import (
    ALIVE,
    BEFORE,
    EXPIRES,
    IDENTITY,
    IDENTITY_AT,
    LOSS,
    LOSS_AT,
    MEMBERS,
    NEXT,
    NEXT_SCOPE,
    SEQUENCE,
    Index,
    check_whole,
)

__all__ = ["DEFAULT_EF", "IndexFull", "IndexReader", "IndexWriter", "UnusableIndex"]


@final
class IndexReader(Index):
    def __init__(self, path: str, _kernels: int = 2) -> None:
        fd, shape = open_to_read(str(path))
        super().__init__(fd, str(path), shape, mmap.ACCESS_READ)

    def close(self) -> None:
        self._let_go()


@final
class IndexWriter(Index):
    def __init__(
        self,
        path: str,
        dim: int,
        kind: str = "float32",
        m: int = 16,
        ef_construction: int = 128,
        most: int = 1_000_000,
    ) -> None:
        shape = shape_of(dim, kind, m, ef_construction, most)
        super().__init__(open_to_write(str(path), shape), str(path), shape, mmap.ACCESS_WRITE)
        self._marked = False
        self._slots: dict[int, int] = {}
        self._dead: deque[int] = deque()
        self._recover()

    def _recover(self) -> None:
        words = self._words
        changed = words[W_IN_PROGRESS]
        for link in range(1, words[W_COUNT] + 1):
            if self._get(link, SEQUENCE) & 1:
                self._set(link, ALIVE, 0)
                self._set(link, SEQUENCE, self._get(link, SEQUENCE) + 1 & 0xFFFFFFFF)
            if self._get(link, ALIVE):
                self._slots[self._identity(link)[1]] = link
            else:
                self._dead.append(link)
        words[W_LIVE] = len(self._slots)
        if changed:
            words[W_WHOLE] = 0
            self._rebuild_scopes()
        words[W_IN_PROGRESS] = 0

    def _rebuild_scopes(self) -> None:
        self._forget_scopes()
        for link in range(1, self._words[W_COUNT] + 1):
            for word in (NEXT, BEFORE, NEXT_SCOPE, MEMBERS):
                self._set(link, word, 0)
        for link in self._slots.values():
            self._join_scope(link)

    def _forget_scopes(self) -> None:
        self._bytes[PAGE : PAGE + 4 * self._shape.buckets] = bytes(4 * self._shape.buckets)

    def _join_scope(self, link: int) -> None:
        scope = self._identity(link)[0]
        head = self._head_of(scope)
        self._set(link, BEFORE, head)
        if head:
            second = self._get(head, NEXT)
            self._set(link, NEXT, second)
            if second:
                self._set(second, BEFORE, link)
            self._set(head, NEXT, link)
            self._set(head, MEMBERS, self._get(head, MEMBERS) + 1)
        else:
            bucket = self._bucket(scope)
            self._set(link, NEXT, 0)
            self._set(link, MEMBERS, 1)
            self._set(link, NEXT_SCOPE, self._short[bucket])
            self._short[bucket] = link

    def _leave_scope(self, link: int) -> None:
        scope = self._identity(link)[0]
        head, following = self._head_of(scope), self._get(link, NEXT)
        if head != link:
            before = self._get(link, BEFORE)
            self._set(before, NEXT, following)
            if following:
                self._set(following, BEFORE, before)
            self._set(head, MEMBERS, self._get(head, MEMBERS) - 1)
            return
        heir = self._get(link, NEXT_SCOPE)
        if following:
            self._set(following, MEMBERS, self._get(link, MEMBERS) - 1)
            self._set(following, NEXT_SCOPE, heir)
            self._set(following, BEFORE, 0)
            heir = following
        place = self._bucket(scope)
        while self._short[place] != link:
            place = self._node(self._short[place] - 1) // 4 + NEXT_SCOPE
        self._short[place] = heir

    def _mark(self) -> None:
        """Before the first change: should the machine go down now, the file says that it was being written."""
        if not self._marked:
            self._words[W_OPEN] = this_boot()
            os.fdatasync(self._fd)
            self._marked = True

    def _take_slot(self) -> int:
        words, shape = self._words, self._shape
        if words[W_LIVE] >= shape.most:
            raise IndexFull(f"{self.path}: {shape.most} vectors are alive")
        if len(self._dead) > 64 and len(self._dead) > words[W_COUNT] // 8:
            return self._dead.popleft()
        if words[W_COUNT] == words[W_CAPACITY] and words[W_CAPACITY] < shape.most_segments * SEGMENT:
            try:
                capacity = grow(self._fd, shape, words[W_CAPACITY])
                self._map(shape.bytes_of(capacity // SEGMENT))
                self._words[W_CAPACITY] = capacity
            except OSError:
                if not self._dead:
                    raise
        if self._words[W_COUNT] < self._words[W_CAPACITY]:
            return self._words[W_COUNT] + 1
        return self._dead.popleft()

    def _fill(self, link: int, scope: int, key: int, values: array[float], expires_s: int) -> None:
        node, dim = self._node(link - 1), self._shape.dim
        step = 127.0 / max(map(abs, values))
        code = [round(value * step) for value in values]
        unit = 1.0 / sqrt(sum(map(mul, code, code)))
        lost = sqrt(sum((value - part * unit) ** 2 for value, part in zip(values, code, strict=True)))
        IDENTITY.pack_into(self._bytes, node + IDENTITY_AT, scope, key)
        self._set(link, EXPIRES, expires_s)
        LOSS.pack_into(self._bytes, node + LOSS_AT, unit, lost)
        stored = bytes(part + 128 for part in code).ljust(self._shape.code_bytes, b"\x80")
        self._bytes[node + HEAD : node + HEAD + len(stored)] = stored
        if self._shape.vector_stride:
            at = self._vector(link - 1)
            self._bytes[at : at + 4 * dim] = values.tobytes()

    def put(self, scope: int, key: int, vector: bytes, expires_s: int = 0) -> int:
        for value, bits in (scope, 64), (key, 64), (expires_s, 32):
            check_whole(value, bits)
        values = self._as_vector(vector)
        with self._lock:
            self._enter()
            self._drop(key)
            self._mark()
            link = self._take_slot()
            words = self._words
            words[W_WHOLE] = 0
            words[W_IN_PROGRESS] = link
            self._set(link, SEQUENCE, self._get(link, SEQUENCE) | 1)
            self._fill(link, scope, key, values, expires_s)
            self._set(link, ALIVE, 1)
            self._set(link, SEQUENCE, self._get(link, SEQUENCE) + 1 & 0xFFFFFFFF)
            if link > words[W_COUNT]:
                words[W_COUNT] = link
            self._join_scope(link)
            words[W_LIVE] += 1
            words[W_IN_PROGRESS] = 0
            self._slots[key] = link
        return link - 1

    def _drop(self, key: int) -> bool:
        link = self._slots.pop(key, 0)
        if not link:
            return False
        self._mark()
        self._words[W_IN_PROGRESS] = link
        self._set(link, ALIVE, 0)
        self._leave_scope(link)
        self._words[W_LIVE] -= 1
        self._words[W_IN_PROGRESS] = 0
        self._dead.append(link)
        return True

    def remove(self, key: int) -> bool:
        check_whole(key, 64)
        with self._lock:
            self._enter()
            return self._drop(key)

    def expire(self, now_s: int) -> int:
        check_whole(now_s, 32)
        with self._lock:
            self._enter()
            links = sorted(link for link in self._slots.values() if 0 < self._get(link, EXPIRES) <= now_s)
            return sum(self._drop(self._identity(link)[1]) for link in links)

    def clear(self) -> None:
        with self._lock:
            self._enter()
            self._mark()
            words = self._words
            words[W_IN_PROGRESS] = 1
            for link in range(1, words[W_COUNT] + 1):
                self._set(link, ALIVE, 0)
                self._set(link, SEQUENCE, self._get(link, SEQUENCE) + 2 & 0xFFFFFFFF)
            words[W_ENTRY] = 0
            self._forget_scopes()
            words[W_LIVE] = words[W_COUNT] = 0
            words[W_GENERATION] += 1
            words[W_WHOLE] = 1
            words[W_IN_PROGRESS] = 0
            self._slots.clear()
            self._dead.clear()

    def flush(self) -> None:
        with self._lock:
            self._enter()
            os.fsync(self._fd)
            self._words[W_OPEN] = 0
            os.fsync(self._fd)
            self._marked = False

    def close(self) -> None:
        if self._mapping is not None:
            self.flush()
        self._let_go()
