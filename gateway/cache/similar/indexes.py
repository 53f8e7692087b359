"""The index files of similar questions, as a worker reads them: one for each embedder and dimension."""

from __future__ import annotations

import hashlib
import logging
import os

from _speedups._hnsw import IndexReader
from gateway.snapshot.cache import Semantic

log = logging.getLogger("microgate.cache")

FLOAT_BYTES = 4


def index_path(directory: str, settings: Semantic, dimension: int) -> str:
    """Vectors of different embedders, or kept differently, are never compared."""
    identity = f"{settings.embedder}\0{dimension}\0{settings.vectors}".encode()
    return os.path.join(directory, f"{hashlib.sha256(identity).hexdigest()[:16]}.hnsw")


class Indexes:
    """Opened when they are there; a file that is not usable is as good as none: the cache process makes a new one."""

    def __init__(self, directory: str, settings: Semantic) -> None:
        self.directory = directory
        self.settings = settings
        self.readers: dict[int, IndexReader] = {}
        """By dimension."""

    def nearest(self, scope: int, vector: bytes, most: int) -> list[tuple[int, float]]:
        """(id, cosine), the nearest first."""
        dimension = len(vector) // FLOAT_BYTES
        found = self.readers.get(dimension) or self.open(dimension)
        if found is None:
            return []
        try:
            return found.nearest(scope, vector, most)
        except (OSError, ValueError) as error:
            log.warning("the index of similar questions is read no more until it is made anew: %s", error)
            self.readers.pop(dimension).close()
            return []

    def open(self, dimension: int) -> IndexReader | None:
        try:
            found = self.readers[dimension] = IndexReader(index_path(self.directory, self.settings, dimension))
        except (OSError, ValueError):
            return None
        return found

    def refresh(self) -> None:
        """Leave files that the cache process has made anew; at the cost of a stat each."""
        for dimension, reader in list(self.readers.items()):
            if reader.replaced():
                reader.close()
                del self.readers[dimension]

    def close(self) -> None:
        for reader in self.readers.values():
            reader.close()
        self.readers.clear()
