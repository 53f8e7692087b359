"""The cache process as the control process asks it: what it keeps, what it has been good for, and to forget.

Each question has a connection of its own: they are a scrape, an operator's look and a command, and between them nothing
is held open to a process that may not be there.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from gateway.cache.asking import Asking, NotAnswered

CONNECT_S = 0.5
"""Nobody waits longer for a process of this machine to take a connection."""
ANSWER_S = 2.0
CLEAR_S = 30.0
"""A million answers are forgotten within that time."""
LOOK_S = 0.002


class Counts(msgspec.Struct, frozen=True):
    """What has happened, in all or on a day. Other counts of the cache process are left out."""

    hits: int = 0
    """Similar ones included."""
    similar: int = 0
    joined: int = 0
    misses: int = 0
    """Those who joined a request under way are not among them."""
    kept: int = 0
    saved_nanodollars: int = 0
    saved_us: int = 0
    would_hit: int = 0
    """Similar questions whose answer was not told: shadow mode, and audits."""

    @property
    def exact(self) -> int:
        return max(0, self.hits - self.similar)

    @property
    def lookups(self) -> int:
        return self.exact + self.similar + self.joined + self.misses


class StoreFigures(msgspec.Struct, frozen=True):
    """The store of the answers."""

    kind: str
    ok: bool
    problem: str
    notes: tuple[str, ...]
    bytes: int
    entries: int | None
    """None: the store does not know. Questions are among them."""
    max_bytes: int


class IndexFigures(msgspec.Struct, frozen=True):
    """The index of the vectors of one dimension."""

    ok: bool
    problem: str
    entries: int | None
    """None: the store does not know."""
    bytes: int
    notes: tuple[str, ...]


class ThresholdPoint(msgspec.Struct, frozen=True):
    """Of the questions whose neighbour was compared with a fresh answer: if every neighbour from this cosine on were
    told, so many would be hits, and so many of these wrong."""

    threshold: float
    plain_hits: int
    """Without the guard; so ``plain_wrong``."""
    plain_wrong: int
    hits: int
    """Those that the guard lets through; so ``wrong``."""
    wrong: int


class SemanticFigures(msgspec.Struct, frozen=True):
    """What is known of similar questions."""

    mode: str
    embedder: str
    problem: str
    """Why the embedder cannot be used; empty: it can."""
    indexes: dict[str, IndexFigures]
    """By the dimension of the vectors; one that nothing was kept in since the start is not among them."""
    lookups: int
    would_be_hits: int
    """Those that were told and those that were asked afresh instead."""
    audited: int
    """Would-be hits that were asked afresh and compared."""
    wrong: int
    """Of those: the answer would have been another one."""
    wrong_per_hit: float
    """Measured; 0 as well while nothing was audited."""
    wrong_per_hit_upper: float
    """It is no more with 95 % confidence (Clopper and Pearson); 1 while nothing was audited."""
    wrong_per_lookup_upper: float
    """The same of all look-ups: what verified mode bounds."""
    observations: int
    """What verified mode has learned from."""
    compared: int
    """What the curve was made from."""
    curve: tuple[ThresholdPoint, ...]


class Figures(msgspec.Struct, frozen=True):
    """What the cache process says of itself."""

    store: StoreFigures
    pid: int = 0
    lost: int = 0
    totals: Counts = Counts()
    days: dict[str, Counts] = {}
    semantic: SemanticFigures | None = None


class CacheProcess:
    """Asked over its socket. Everything raises NotAnswered when it is away, late or cannot."""

    def __init__(self, socket_path: str) -> None:
        self._path = socket_path

    async def figures(self) -> Figures:
        told = await self._ask("stats", wait_s=ANSWER_S)
        try:
            return msgspec.convert(told, Figures)
        except msgspec.ValidationError as error:
            # During an upgrade the one that runs may be of another version.
            raise NotAnswered(f"the cache process says what is not understood here: {error}") from None

    async def clear(self, scope: bytes = b"") -> int:
        """Forget the answers of a scope (16 bytes), or all; how many that were."""
        return int(await self._ask("clear", scope, wait_s=CLEAR_S))

    async def _ask(self, op: str, *args: Any, wait_s: float) -> Any:
        loop = asyncio.get_running_loop()
        asking = Asking(loop, self._path, wait_s)
        asking.start()
        try:
            end = loop.time() + CONNECT_S
            while not asking.connected:
                if loop.time() > end:
                    raise NotAnswered("the cache process is away")
                await asyncio.sleep(LOOK_S)
            return await asking.ask(op, *args)
        finally:
            await asking.close()
