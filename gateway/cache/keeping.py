"""What the cache process keeps, and what workers and control ask of it."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from gateway.cache.asking import NotAnswered
from gateway.cache.figures import Figures
from gateway.processes.paths import Paths
from gateway.snapshot.cache import Cache
from gateway.stores.protocols import AnswerStore, StoreUnavailable
from gateway.stores.urls import open_answers

log = logging.getLogger("microgate.cache")

TOLD_S = 60.0
"""A store that takes nothing is complained about this often."""


class Keeping:
    """The stores of one life of the process. Handlers run on the loop, stores on threads: writes on one, in order."""

    def __init__(self, paths: Paths, settings: Cache, answers: AnswerStore, figures: Figures) -> None:
        self.paths = paths
        self.settings = settings
        self.answers = answers
        self.figures = figures
        self.writer = ThreadPoolExecutor(1, "cache-writer")
        self.meanings: Any = None
        """``gateway.cache.similar.keeping.Meanings``, where similar questions are looked up."""
        self.lost = 0
        """Answers that the store did not take."""
        self._complained = 0.0

    @classmethod
    def open(cls, paths: Paths, settings: Cache) -> Keeping:
        """Raises StoreUnavailable, UnknownStore, OSError, ValueError."""
        os.makedirs(paths.cache_dir, mode=0o700, exist_ok=True)
        url = settings.store or f"lmdb:///{quote(paths.answers_dir)}"
        made = cls(paths, settings, open_answers(url, settings.max_size), Figures(paths.cache_dir))
        if settings.semantic is not None:
            from gateway.cache.similar.keeping import Meanings

            made.meanings = Meanings.open(made, settings.semantic)
        return made

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """By name. What is told comes in batches: lists of arguments."""
        found: dict[str, Callable[..., Any]] = {
            "put": self.put,
            "get": self.get,
            "counts": self.counts,
            "clear": self.clear,
            "remove": self.remove,
            "stats": self.stats,
        }
        return found if self.meanings is None else found | self.meanings.handlers()

    def follow(self, settings: Cache) -> None:
        """What is kept in the same stores is judged by these from now on."""
        self.settings = settings
        if self.meanings is not None:
            self.meanings.follow(settings.semantic)

    async def put(self, batch: Sequence[tuple[bytes, bytes, int]]) -> None:
        """Told: answers to keep."""
        await self.write(self.answers.put, batch)

    async def write(self, call: Callable[..., Any], batch: Sequence[Any]) -> None:
        """Have a store take ``batch``. What it cannot take is lost, which concerns no request."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self.writer, call, batch)
        except StoreUnavailable as error:
            self.lost += len(batch)
            now = time.monotonic()
            if now - self._complained > TOLD_S:
                self._complained = now
                log.warning("answers are not kept: %s", error)

    async def get(self, key: bytes) -> bytes | None:
        """Asked by workers that cannot read the store themselves."""
        try:
            return await asyncio.to_thread(self.answers.get, key)
        except StoreUnavailable as error:
            raise NotAnswered(str(error)) from error

    def counts(self, batch: Sequence[tuple[dict[str, int]]]) -> None:
        """Told: what has happened in a worker since the last time."""
        for (counts,) in batch:
            self.figures.add(counts)
            if self.meanings is not None:
                self.meanings.learning.counted(counts)

    async def clear(self, scope: bytes = b"") -> int:
        """Forget the answers of a scope, or all, and what is known of similar questions with them."""
        return int(await self.asked(self._clear, scope))

    def _clear(self, scope: bytes) -> int:
        gone = self.answers.clear(scope)
        if self.meanings is not None and not scope:
            self.meanings.clear()
        return gone

    async def remove(self, keys: list[bytes]) -> int:
        return int(await self.asked(self.answers.remove, keys))

    async def asked(self, call: Callable[..., Any], *args: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.writer, call, *args)
        except StoreUnavailable as error:
            raise NotAnswered(str(error)) from error

    async def stats(self) -> dict[str, Any]:
        """What is kept, and what it has been good for."""
        status = await asyncio.to_thread(self.answers.status)
        found: dict[str, Any] = {
            "store": {
                "kind": self.settings.store.partition(":")[0] or "lmdb",
                "ok": status.ok,
                "problem": status.problem,
                "notes": list(status.notes),
                "bytes": status.bytes,
                "entries": status.entries,
                "max_bytes": self.settings.max_size,
            },
            "pid": os.getpid(),
            "lost": self.lost,
            "totals": self.figures.totals,
            "days": self.figures.days,
        }
        if self.meanings is not None:
            found["semantic"] = await asyncio.to_thread(self.meanings.stats)
        return found

    def maintain(self) -> None:
        """Once a minute, on a thread."""
        try:
            self.answers.maintain()
            if self.meanings is not None:
                self.meanings.maintain()
        except StoreUnavailable as error:
            log.warning("maintenance of the cache: %s", error)
        self.figures.save()

    def close(self) -> None:
        self.writer.shutdown()
        if self.meanings is not None:
            self.meanings.close()
        self.answers.close()
        self.figures.save()
