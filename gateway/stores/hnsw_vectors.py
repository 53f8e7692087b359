"""The semantic cache's index in a file of this host (``hnsw:///path``): the cache process writes it through this store,
workers read the same file (``_speedups._hnsw.IndexReader``).

A file that cannot be used is thrown away and begun anew: it is a cache.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from _speedups import _hnsw
from gateway.stores.protocols import StoreStatus, StoreUnavailable
from gateway.stores.vectors import Vectors, check

log = logging.getLogger("microgate.cache")

_LAST_S = (1 << 32) - 1


class HnswVectors:
    """``VectorStore`` over one file. Calls may come from any thread. Times are whole seconds, rounded down."""

    def __init__(
        self, path: str, dimensions: int, most: int, kind: str = "float32", *, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """Raises StoreUnavailable when another process writes it, ValueError for what no index can be; whatever else is
        wrong is tried again by the next call."""
        self.path = path
        self.dimensions = dimensions
        self._most = most
        self._kind = kind
        self._clock = clock
        self._lock = threading.RLock()
        self._index: _hnsw.IndexWriter | None = None
        self._problem = ""
        self._soonest_s = _LAST_S
        """Nothing ends before."""
        try:
            self._index = self._open()
        except OSError as error:
            if isinstance(error, BlockingIOError):
                raise StoreUnavailable("vector index: another process writes it") from error
            self._note(error)

    def _open(self) -> _hnsw.IndexWriter:
        os.makedirs(os.path.dirname(self.path) or ".", mode=0o700, exist_ok=True)
        try:
            index = _hnsw.IndexWriter(self.path, self.dimensions, self._kind, most=self._most)
        except _hnsw.UnusableIndex as error:
            log.warning("vector index: %s; it is thrown away and begun anew", error)
            # Whoever has mapped the old one keeps it until they look (IndexReader.replaced).
            os.unlink(self.path)
            index = _hnsw.IndexWriter(self.path, self.dimensions, self._kind, most=self._most)
        self._soonest_s = 0 if len(index) else _LAST_S
        return index

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[_hnsw.IndexWriter]:
        """The open index, for one call at a time; errors of the disk as StoreUnavailable."""
        with self._lock:
            try:
                if self._index is None:
                    self._index = self._open()
                yield self._index
            except OSError as error:
                self._note(error)
                raise StoreUnavailable(f"vector index: {self._problem}") from error
            self._problem = ""

    def _note(self, error: OSError) -> None:
        problem = _in_words(error)
        if problem != self._problem:
            log.error("vector index: %s", problem)
        self._problem = problem

    def _now_s(self) -> int:
        return self._clock() // 1_000_000_000

    # -- VectorStore

    def put(self, vectors: Vectors) -> None:
        for _, _, vector, _ in vectors:
            check(vector, self.dimensions)
        with self._guarded() as index:
            for scope, key, vector, expires_ns in vectors:
                expires_s = min(expires_ns // 1_000_000_000, _LAST_S)
                if expires_s <= self._now_s():
                    index.remove(key)
                    continue
                try:
                    self._soonest_s = min(self._soonest_s, expires_s)
                    index.put(scope, key, vector, expires_s)
                except _hnsw.IndexFull:
                    if self._make_room(index, expires_s):
                        index.put(scope, key, vector, expires_s)
                    else:
                        index.remove(key)

    def _make_room(self, index: _hnsw.IndexWriter, until_s: int) -> bool:
        """Forget what ends soonest. False when all that is there ends later than ``until_s``."""
        horizon_s, step_s = max(self._now_s(), self._soonest_s), 1
        while True:
            self._soonest_s = horizon_s = min(horizon_s, until_s)
            # One look at every slot: longer steps where nothing is found.
            if index.expire(horizon_s):
                return True
            if horizon_s == until_s:
                return False
            horizon_s, step_s = horizon_s + step_s, 2 * step_s

    def nearest(self, scope: int, vector: bytes, most: int) -> list[tuple[int, float]]:
        check(vector, self.dimensions)
        with self._guarded() as index:
            return index.nearest(scope, vector, most)

    def remove(self, keys: Iterable[int]) -> int:
        with self._guarded() as index:
            # What is over is there no more, even if nobody has looked yet.
            index.expire(self._now_s())
            return sum(map(index.remove, keys))

    def clear(self) -> None:
        with self._guarded() as index:
            index.clear()
            self._soonest_s = _LAST_S

    def maintain(self) -> None:
        with self._guarded() as index:
            if index.replaced():
                log.warning("vector index: its file is gone; a new one is begun")
                self._index = None
                index.close()
                index = self._index = self._open()
            index.expire(self._now_s())

    def status(self) -> StoreStatus:
        try:
            with self._guarded() as index:
                stats = index.stats()
        except StoreUnavailable as error:
            return StoreStatus(False, str(error))
        notes = (f"{stats['vectors']} of {stats['most']} vectors",)
        return StoreStatus(True, notes=notes, bytes=stats["bytes"], entries=stats["vectors"])

    def close(self) -> None:
        """Everything is on the disk afterwards, so that it outlives a restart of the machine."""
        with self._lock:
            index, self._index = self._index, None
            if index is not None:
                try:
                    index.close()
                except OSError as error:
                    log.warning("vector index: %s; it is looked through when it is opened", _in_words(error))


def _in_words(error: OSError) -> str:
    """What is wrong, without a path."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"the disk is full ({os.strerror(error.errno)})"
    return error.strerror or type(error).__name__
