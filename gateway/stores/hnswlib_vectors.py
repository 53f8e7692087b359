"""The semantic cache's index by hnswlib (``hnswlib:///path``, ``pip install 'microgate[hnswlib]'``): the yardstick of
our own, in the memory of the cache process. Workers cannot map it.

It is written to its file when it is closed, and at times between; a file that is damaged, or was made for something
else, is thrown away. Whoever is found has to be looked up anyway: what was removed since is found once more by a
process that was killed, and by nobody else.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import logging
import os
import threading
import time
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import msgspec
import numpy as np

from gateway.stores.protocols import StoreStatus, StoreUnavailable
from gateway.stores.vectors import Vectors, check

log = logging.getLogger("microgate.cache")

M = 16
EF_CONSTRUCTION = 128
EF_SEARCH = 100
"""As our own index has them."""

FEW = 2000
"""Vectors of a scope that are compared one by one: where few candidates are of the scope, the graph finds none."""

PARTS = 64
"""A full index forgets a 64th of what it has."""

SAVE_S = 600.0


class _Row(NamedTuple):
    scope: int
    key: int
    expires_ns: int


class _Saved(msgspec.Struct, array_like=True):
    """The file beside hnswlib's own, which verifies nothing."""

    dimensions: int
    most: int
    crc: int
    bytes: int
    rows: dict[int, _Row]


class HnswlibVectors:
    """``VectorStore`` in memory. Calls may come from any thread."""

    def __init__(
        self, path: str, dimensions: int, most: int, kind: str = "float32", *, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """``kind`` is float32 whatever is asked for."""
        del kind
        self._hnswlib: Any = import_module("hnswlib")
        self.path = path
        self.dimensions = dimensions
        self._most = most
        self._clock = clock
        self._lock = threading.RLock()
        self._changed = False
        self._saved_s = time.monotonic()
        self._problem = ""
        self._begin_anew()
        if os.path.exists(path):
            try:
                self._load()
            except (OSError, ValueError, RuntimeError, msgspec.MsgspecError) as error:
                log.warning("vector index: %s cannot be used (%s); it is begun anew", path, error)
                self._begin_anew()

    def _begin_anew(self) -> None:
        self._index = self._hnswlib.Index(space="ip", dim=self.dimensions)
        # A slot that is free again is used again: labels are never.
        self._index.init_index(self._most, EF_CONSTRUCTION, M, allow_replace_deleted=True)
        self._index.set_ef(EF_SEARCH)
        self._label = 0
        self._rows: dict[int, _Row] = {}
        self._labels: dict[int, int] = {}
        self._scopes: dict[int, set[int]] = {}

    # -- VectorStore

    def put(self, vectors: Vectors) -> None:
        for _, _, vector, _ in vectors:
            check(vector, self.dimensions)
        now_ns = self._clock()
        with self._lock:
            for scope, key, vector, expires_ns in vectors:
                self._forget(key)
                if expires_ns <= now_ns:
                    continue
                if len(self._rows) >= self._most:
                    self._make_room(now_ns)
                self._label += 1
                data = np.frombuffer(vector, np.float32).reshape(1, -1)
                self._index.add_items(data, [self._label], num_threads=1, replace_deleted=True)
                self._keep(self._label, _Row(scope, key, expires_ns))

    def _keep(self, label: int, row: _Row) -> None:
        self._rows[label] = row
        self._labels[row.key] = label
        self._scopes.setdefault(row.scope, set()).add(label)
        self._changed = True

    def _forget(self, key: int) -> _Row | None:
        label = self._labels.pop(key, None)
        if label is None:
            return None
        row = self._rows.pop(label)
        members = self._scopes[row.scope]
        members.remove(label)
        if not members:
            del self._scopes[row.scope]
        self._index.mark_deleted(label)
        self._changed = True
        return row

    def _make_room(self, now_ns: int) -> None:
        if not self._forget_expired(now_ns):
            for _, key in heapq.nsmallest(
                max(1, self._most // PARTS), ((row.expires_ns, row.key) for row in self._rows.values())
            ):
                self._forget(key)

    def _forget_expired(self, now_ns: int) -> int:
        over = [row.key for row in self._rows.values() if row.expires_ns <= now_ns]
        for key in over:
            self._forget(key)
        return len(over)

    def nearest(self, scope: int, vector: bytes, most: int) -> list[tuple[int, float]]:
        check(vector, self.dimensions)
        asked = np.frombuffer(vector, np.float32)
        now_ns = self._clock()
        with self._lock:
            members = self._scopes.get(scope, set())
            found: list[tuple[int, float]] = []
            if len(members) > FEW:
                found = self._searched(members, asked, most)
            if len(found) < min(most, len(members)):
                found = self._compared(sorted(members), asked)
            rows = [(self._rows[label], cosine) for label, cosine in found]
        return [(row.key, cosine) for row, cosine in rows if row.expires_ns > now_ns][:most]

    def _searched(self, members: set[int], asked: Any, most: int) -> list[tuple[int, float]]:
        # It refuses to answer at all where it finds fewer.
        with contextlib.suppress(RuntimeError):
            labels, distances = self._index.knn_query(
                asked, k=min(2 * most, len(members)), num_threads=1, filter=members.__contains__
            )
            return [(int(label), 1.0 - float(each)) for label, each in zip(labels[0], distances[0], strict=True)]
        return []

    def _compared(self, members: list[int], asked: Any) -> list[tuple[int, float]]:
        if not members:
            return []
        cosines = np.asarray(self._index.get_items(members, return_type="numpy"), np.float32) @ asked
        return [(members[at], float(cosines[at])) for at in np.argsort(-cosines, kind="stable")]

    def remove(self, keys: Iterable[int]) -> int:
        now_ns = self._clock()
        with self._lock:
            return sum(row.expires_ns > now_ns for key in keys if (row := self._forget(key)) is not None)

    def clear(self) -> None:
        with self._lock:
            self._begin_anew()
            self._changed = True

    def maintain(self) -> None:
        """Raises StoreUnavailable when it cannot be written; what is in memory stays."""
        with self._lock:
            self._forget_expired(self._clock())
            if self._changed and time.monotonic() - self._saved_s > SAVE_S:
                self._save()

    def status(self) -> StoreStatus:
        with self._lock:
            size = int(self._index.index_file_size()) if self._rows else 0
            notes = (f"{len(self._rows)} of {self._most} vectors",)
            return StoreStatus(not self._problem, self._problem, notes, size, entries=len(self._rows))

    def close(self) -> None:
        with self._lock:
            if self._changed:
                with contextlib.suppress(StoreUnavailable):
                    self._save()

    # -- the file

    def _save(self) -> None:
        """hnswlib's own file, then the one that says what it holds."""
        self._saved_s = time.monotonic()
        try:
            os.makedirs(os.path.dirname(self.path) or ".", mode=0o700, exist_ok=True)
            graph = f"{self.path}.graph"
            self._index.save_index(graph)
            crc, size = _sum(graph)
            saved = _Saved(self.dimensions, self._most, crc, size, self._rows)
            body = msgspec.msgpack.encode(saved)
            with _owned(self.path + ".new") as file:
                file.write(zlib.crc32(body).to_bytes(4, "little") + body)
            os.replace(self.path + ".new", self.path)
        except (OSError, RuntimeError) as error:
            code = error.errno if isinstance(error, OSError) else None
            full = code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            self._problem = f"it cannot be written ({'the disk is full' if full else type(error).__name__})"
            log.error("vector index: %s", self._problem)  # noqa: TRY400 - the cause is in the line
            raise StoreUnavailable(f"vector index: {self._problem}") from error
        self._changed, self._problem = False, ""

    def _load(self) -> None:
        with open(self.path, "rb") as file:
            crc, body = file.read(4), file.read()
        if zlib.crc32(body).to_bytes(4, "little") != crc:
            raise ValueError("its checksum is wrong")
        saved = msgspec.msgpack.decode(body, type=_Saved)
        if (saved.dimensions, saved.most) != (self.dimensions, self._most):
            raise ValueError("it was made for another number of dimensions or of vectors")
        # Read through before hnswlib believes what is in it.
        if _sum(f"{self.path}.graph") != (saved.crc, saved.bytes):
            raise ValueError("its graph is damaged, or older or younger than what it holds")
        self._index = self._hnswlib.Index(space="ip", dim=self.dimensions)
        self._index.load_index(f"{self.path}.graph", max_elements=self._most, allow_replace_deleted=True)
        self._index.set_ef(EF_SEARCH)
        for label, row in saved.rows.items():
            self._keep(label, row)
        self._label = max(map(int, self._index.get_ids_list()), default=0)
        self._changed = False


@contextlib.contextmanager
def _owned(path: str) -> Iterator[Any]:
    """A file for its owner only, which is on the disk when the block ends."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _sum(path: str) -> tuple[int, int]:
    """CRC-32 and size of a file."""
    crc = size = 0
    buffer = memoryview(array("B", bytes(1 << 20)))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            crc, size = zlib.crc32(buffer[:count], crc), size + count
    return crc, size
