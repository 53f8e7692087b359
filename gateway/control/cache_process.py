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


class Figures(msgspec.Struct, frozen=True):
    """What the cache process says of itself."""

    store: StoreFigures
    pid: int = 0
    lost: int = 0
    totals: Counts = Counts()
    days: dict[str, Counts] = {}
    semantic: dict[str, Any] | None = None


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
