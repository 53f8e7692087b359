"""What the cache process does for similar questions: it keeps them, finds their neighbours where workers cannot, embeds
with a local model, and learns from answers that were asked afresh."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gateway.cache.asking import NotAnswered
from gateway.cache.entry import unpack as unpack_answer
from gateway.cache.similar import record as records
from gateway.cache.similar.indexes import FLOAT_BYTES, index_path
from gateway.cache.similar.judge import LexicalJudge
from gateway.cache.similar.learning import Learning
from gateway.cache.similar.record import SCOPE_BYTES, Record
from gateway.cache.similar.told import text_of
from gateway.snapshot.cache import LOCAL, Semantic
from gateway.stores.protocols import StoreUnavailable, VectorStore
from gateway.stores.urls import UnknownStore, open_vectors

if TYPE_CHECKING:
    from gateway.cache.embedding.asked import Host
    from gateway.cache.keeping import Keeping

log = logging.getLogger("microgate.cache")

Told = tuple[bytes, bytes, int, tuple[int, float, float, bytes, bool, str, float] | None]
"""Scope, record, when it is forgotten, and the neighbour whose answer was not taken."""


class Meanings:
    """Beside ``Keeping``, whose answers it reads and whose thread it writes on."""

    def __init__(self, keeping: Keeping, settings: Semantic) -> None:
        self.keeping = keeping
        self.settings = settings
        self.directory = os.path.join(keeping.paths.cache_dir, "vectors")
        self.stores: dict[int, VectorStore] = {}
        """By dimension."""
        self._opening = threading.Lock()
        self.learning = Learning(keeping.answers, settings, os.path.join(keeping.paths.cache_dir, "learned"))
        self.judge = LexicalJudge()
        self.host: Host | None = None
        """Of a local model."""
        self.problem = ""

    @classmethod
    def open(cls, keeping: Keeping, settings: Semantic) -> Meanings:
        """Raises OSError. A local model that cannot be read is said in the log and in ``stats``: nothing similar is
        found then, and everything else goes on."""
        made = cls(keeping, settings)
        os.makedirs(made.directory, mode=0o700, exist_ok=True)
        if settings.embedder.startswith(LOCAL):
            from gateway.cache.embedding.asked import Host
            from gateway.cache.embedding.local import LocalModel
            from gateway.cache.embedding.model_directory import ModelError

            try:
                # An absolute path stays what it is.
                path = os.path.join(keeping.paths.models_dir, settings.embedder.removeprefix(LOCAL))
                made.host = Host(LocalModel.open(path))
            except (ModelError, ImportError) as error:
                made.problem = f"the embedding model cannot be used: {error}"
                log.error("%s", made.problem)  # noqa: TRY400 - a sentence for the operator
        return made

    def follow(self, settings: Semantic) -> None:
        """Another mode, threshold or bound: what is kept stays where it is."""
        self.settings = self.learning.settings = settings

    def handlers(self) -> dict[str, Callable[..., Any]]:
        found: dict[str, Callable[..., Any]] = {"question": self.told, "nearest": self.nearest, "embed": self.no_model}
        return found if self.host is None else found | self.host.handlers()

    # --- asked

    def no_model(self, texts: list[str]) -> None:
        raise NotAnswered(self.problem or "no local model is configured")

    async def nearest(self, scope: int, vector: bytes, most: int) -> list[tuple[int, float]]:
        """For workers that cannot read the index themselves."""
        try:
            return await asyncio.to_thread(self._nearest, scope, vector, most)
        except StoreUnavailable as error:
            raise NotAnswered(str(error)) from error

    def _nearest(self, scope: int, vector: bytes, most: int) -> list[tuple[int, float]]:
        return self.store(len(vector) // FLOAT_BYTES).nearest(scope, vector, most)

    def store(self, dimension: int) -> VectorStore:
        """Raises StoreUnavailable."""
        with self._opening:
            found = self.stores.get(dimension)
            if found is None:
                settings = self.settings
                try:
                    found = open_vectors(self._url(dimension), dimension, settings.max_vectors, settings.vectors)
                except (UnknownStore, ValueError) as error:
                    raise StoreUnavailable(str(error)) from error
                self.stores[dimension] = found
        return found

    def _url(self, dimension: int) -> str:
        store, path = self.settings.store, quote(index_path(self.directory, self.settings, dimension))
        if not store:
            return f"hnsw:///{path}"
        # An index of this host lies beside the others, unless the URL says where.
        return f"hnswlib:///{path}lib" if store.rstrip("/") == "hnswlib:" else store

    # --- told

    async def told(self, batch: Sequence[Told]) -> None:
        """Questions whose answers were just kept."""
        await self.keeping.write(self._take, batch)

    def _take(self, batch: Sequence[Told]) -> None:
        """On the writing thread, behind the answers themselves."""
        entries: list[tuple[bytes, bytes, int]] = []
        vectors: dict[int, list[tuple[int, int, bytes, int]]] = {}
        for scope, packed, expires_ns, explored in batch:
            record = records.unpack(packed)
            if record is None or len(scope) != SCOPE_BYTES:
                continue
            if explored is not None and self._learned(scope, record, explored, expires_ns):
                # The neighbour answers it as well: one question of a kind is enough.
                continue
            entries.append((records.question_key(scope, record.id), packed, expires_ns))
            dimension = len(record.vector) // FLOAT_BYTES
            row = (records.index_scope(scope, record.rest), record.id, record.vector, expires_ns)
            vectors.setdefault(dimension, []).append(row)
        if entries:
            # Entries first: what the index finds is there then.
            self.keeping.answers.put(entries)
        for dimension, rows in vectors.items():
            self.store(dimension).put(rows)

    def _learned(self, scope: bytes, record: Record, explored: Sequence[Any], expires_ns: int) -> bool:
        """Whether the neighbour's answer would have been right, which is noted."""
        number, near, score, key, would_hit, differs, claim = explored
        old, new = self.keeping.answers.get(key), self.keeping.answers.get(record.answer_key)
        kept_old = None if old is None else unpack_answer(old)
        kept_new = None if new is None else unpack_answer(new)
        if kept_old is None or kept_new is None:
            return False
        right = self.judge(record.text, text_of(kept_old), text_of(kept_new)).same
        self.learning.note(scope, number, near, score, differs, right, would_hit, claim, expires_ns)
        return right and not differs

    # --- figures

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "mode": self.settings.mode,
            "embedder": self.settings.embedder,
            "problem": self.problem,
            "indexes": {},
            **self.learning.stats(),
        }
        for dimension, store in list(self.stores.items()):
            status = store.status()
            found["indexes"][str(dimension)] = {
                "ok": status.ok,
                "problem": status.problem,
                "entries": status.entries,
                "bytes": status.bytes,
                "notes": list(status.notes),
            }
        return found

    def clear(self) -> None:
        for store in self.stores.values():
            store.clear()
        for name in os.listdir(self.directory):
            path = os.path.join(self.directory, name)
            if path not in {index_path(self.directory, self.settings, dimension) for dimension in self.stores}:
                with contextlib.suppress(OSError):
                    os.unlink(path)

    def maintain(self) -> None:
        for store in self.stores.values():
            store.maintain()
        self.learning.save()

    def close(self) -> None:
        if self.host is not None:
            self.host.close()
        for store in self.stores.values():
            store.close()
        self.learning.save()
