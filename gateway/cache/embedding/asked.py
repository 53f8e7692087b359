"""A local model serves all workers from the cache process: who is asked there, and how workers ask.

The answer to ``embed`` is [name, dimension, vectors], so that a worker knows whose vectors it has, whatever the cache
process has been started with meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from gateway.cache.asking import Asking, NotAnswered
from gateway.cache.embedding.protocol import NotEmbedded

if TYPE_CHECKING:
    from gateway.cache.embedding.local import LocalModel
    from gateway.principal import Principal

EMBED = "embed"
TIMEOUT_S = 10.0
"""No request waits for so long; a vector that comes in time for the next one is worth it."""
MOST_WAITING = 64
"""Calls of workers behind the one that is being computed; beyond these the processor does not keep up."""


class AskedEmbedder:
    """A worker's end; an ``Embedder``."""

    def __init__(self, asking: Asking, name: str) -> None:
        self.asking = asking
        self.name = name
        """As configured until the model has answered, which then says its own."""
        self.dimension = 0

    async def embed(self, texts: list[str], asked_by: Principal | None = None) -> list[bytes]:
        """As ``protocol.Embedder`` has it; it costs nobody money, so ``asked_by`` is told to nobody."""
        try:
            name, dimension, vectors = await self.asking.ask(EMBED, texts, timeout=TIMEOUT_S)
        except NotAnswered as error:
            raise NotEmbedded(str(error)) from error
        if not all(vectors):
            raise NotEmbedded("the model has no vector for this text", text_at_fault=True)
        self.name, self.dimension = name, dimension
        return list(vectors)

    def may_see(self, asked_by: Principal) -> bool:
        """No text leaves the machine."""
        return True

    def cut_all(self) -> None:
        """A question that nobody waits for any more ends by itself."""


class Host:
    """The cache process's end: one thread computes, in the order of the calls."""

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedding")
        self._waiting = 0

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """For ``answering.serve_questions``."""
        return {EMBED: self.embed}

    async def embed(self, texts: list[str]) -> tuple[str, int, list[bytes]]:
        """Raises NotAnswered when more is asked than can be computed."""
        if self._waiting >= MOST_WAITING:
            raise NotAnswered("the local model does not keep up")
        self._waiting += 1
        try:
            vectors = await asyncio.get_running_loop().run_in_executor(self._thread, self.model.vectors, texts)
        finally:
            self._waiting -= 1
        return self.model.name, self.model.dimension, vectors

    def close(self) -> None:
        """Waits for the call that is being computed; those behind it are given up."""
        self._thread.shutdown(cancel_futures=True)
