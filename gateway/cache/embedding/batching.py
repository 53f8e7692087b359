"""In front of an embedder, in each worker: texts that are asked for at about the same time go in one call, equal ones
once, and nobody waits for longer than the limit.

Whoever asks too late in vain goes on without a vector; when it comes, it is kept for the next. An embedder that fails
is left alone for a while, and one that is always late is asked without being waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, cast

from gateway.cache.embedding.protocol import Embedder, NotEmbedded

if TYPE_CHECKING:
    from gateway.principal import Principal

TIMEOUT_S = 0.3
GATHER_S = 0.002
"""While a call is under way, further texts are gathered for so long; the first call goes out in the same turn of the
loop."""
MOST_TEXTS = 16
MOST_NUMBERS = 16_384
"""In a call: 16 texts to vectors of 1,024 numbers, 5 of 3,072. Taking in so many holds up the loop for 2 to 4 ms
[measured: 110 to 240 ns a number, from base64 or JSON to unit length]."""
MOST_CALL_BYTES = 256 << 10
MOST_TEXT_BYTES = 32 << 10
"""About 8,000 tokens, which is what embedding models read; of longer texts they see the beginning, at best."""
MOST_CALLS = 4
"""Under way at a time, in a worker."""
MOST_WAITING = 256
"""Texts that wait for a call; beyond these the embedder does not keep up."""
KEPT_BYTES = 16 << 20
"""Vectors kept: about 10,000 of 384 numbers, 2,500 of 1,536."""
ENTRY_BYTES = 200
"""What a kept vector takes beside its numbers."""
FAILURES = 5
"""In a row, until the embedder is left alone."""
REST_S = 5.0
REST_MOST_S = 300.0

log = logging.getLogger("microgate.cache")


class _Text:
    """One that is asked for, and who waits for it."""

    __slots__ = ("asked_by", "digest", "size", "text", "waiting")

    def __init__(self, text: str, digest: bytes, size: int, asked_by: Principal | None) -> None:
        self.text = text
        self.digest = digest
        self.size = size
        self.asked_by = asked_by
        self.waiting: list[asyncio.Future[bytes | None]] = []

    def answer(self, vector: bytes | None) -> bool:
        """Whether anybody still waited."""
        waiting, self.waiting = self.waiting, []
        heard = False
        for future in waiting:
            if not future.done():
                future.set_result(vector)
                heard = True
        return heard


class Embedding:
    """Vectors of texts, for one worker. Everything runs on ``loop``."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        embedder: Embedder,
        timeout: float = TIMEOUT_S,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self.embedder = embedder
        self.timeout = timeout
        """Seconds that a request waits for a vector."""
        self.kept_bytes = kept_bytes
        self._loop = loop
        self._gathered: dict[bytes, _Text] = {}
        self._gathered_bytes = 0
        self._sent: dict[bytes, _Text] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Handle | None = None
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        """Digest of a text -> its vector; empty: it is refused."""
        self._kept_size = 0
        self._failed_in_row = 0
        self._late_in_row = 0
        self._rests_until = 0.0
        self._rest = REST_S
        self._closed = False
        self.asked = 0
        self.hits = 0
        """Answered from what is kept."""
        self.joined = 0
        """Equal to one under way."""
        self.texts = 0
        """Sent to the embedder, in ``calls``."""
        self.calls = 0
        self.late = 0
        """Requests that went on without a vector when their time was over."""
        self.unasked = 0
        """Requests that did not wait: the embedder rests, does not keep up, may not see the text or cannot embed it."""
        self.failed = 0
        """Calls that brought nothing."""

    @property
    def most_texts(self) -> int:
        """Of a call."""
        return max(1, min(MOST_TEXTS, MOST_NUMBERS // (self.embedder.dimension or 1)))

    @property
    def resting(self) -> bool:
        """Whether the embedder is left alone, after failures."""
        return self._failed_in_row >= FAILURES and self._loop.time() < self._rests_until

    @property
    def impatient(self) -> bool:
        """Whether nobody waits for it, as it is always late."""
        return self._late_in_row >= FAILURES

    def vector_of(
        self, text: str, asked_by: Principal | None = None, timeout: float | None = None
    ) -> bytes | asyncio.Future[bytes | None] | None:
        """The vector of ``text``, None when there is none to be had, or what to await for either: it takes ``timeout``
        (the embedding's own) seconds at most, raises nothing, and may be cancelled without harm to others."""
        self.asked += 1
        if asked_by is not None and not self.embedder.may_see(asked_by):
            self.unasked += 1
            return None
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = b""
        if not 0 < len(data) <= MOST_TEXT_BYTES:
            self.unasked += 1
            return None
        digest = blake2b(data, digest_size=24).digest()
        kept = self._kept.get(digest)
        if kept is not None:
            self._kept.move_to_end(digest)
            self.hits += 1
            return kept or None
        found = self._sent.get(digest) or self._gathered.get(digest)
        if found is None:
            found = self._gather(text, digest, len(data), asked_by)
            if found is None:
                self.unasked += 1
                return None
        else:
            self.joined += 1
        if self.impatient:
            self.unasked += 1
            return None
        future = self._loop.create_future()
        found.waiting.append(future)
        timer = self._loop.call_later(self.timeout if timeout is None else timeout, self._late, future)
        future.add_done_callback(lambda _: timer.cancel())
        return future

    def cut_all(self) -> None:
        """The worker is going: nobody waits any more, and nothing more is asked."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.embedder.cut_all()
        for task in self._calls:
            task.cancel()
        for found in (*self._gathered.values(), *self._sent.values()):
            found.answer(None)
        self._gathered.clear()
        self._gathered_bytes = 0

    async def close(self) -> None:
        self.cut_all()
        await asyncio.gather(*self._calls, return_exceptions=True)

    # --- towards the embedder

    def _gather(self, text: str, digest: bytes, size: int, asked_by: Principal | None) -> _Text | None:
        if self._closed or len(self._gathered) >= MOST_WAITING:
            return None
        if self._failed_in_row >= FAILURES and (self._calls or self._gathered or self.resting):
            # It rests, or the one call is under way that finds out whether it is well again.
            return None
        made = self._gathered[digest] = _Text(text, digest, size, asked_by)
        self._gathered_bytes += size
        if len(self._gathered) >= self.most_texts or self._gathered_bytes >= MOST_CALL_BYTES:
            self._send()
        elif self._timer is None:
            self._timer = (
                self._loop.call_later(GATHER_S, self._send) if self._calls else self._loop.call_soon(self._send)
            )
        return made

    def _send(self) -> None:
        """Begin as many calls as there may be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        most = self.most_texts
        while self._gathered and len(self._calls) < MOST_CALLS:
            batch: list[_Text] = []
            size = 0
            for found in self._gathered.values():
                if batch and (len(batch) >= most or size + found.size > MOST_CALL_BYTES):
                    break
                batch.append(found)
                size += found.size
            for found in batch:
                del self._gathered[found.digest]
                self._sent[found.digest] = found
            self._gathered_bytes -= size
            task = self._loop.create_task(self._call(batch))
            self._calls.add(task)
            task.add_done_callback(self._called)

    def _called(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        if self._gathered and not self._closed:
            self._send()

    async def _call(self, batch: list[_Text]) -> None:
        began = self._loop.time()
        try:
            await self._embed(batch)
        except NotEmbedded as error:
            if not error.text_at_fault:
                self._failure(error.reason)
            elif len(batch) == 1:
                self._keep(batch[0].digest, b"")
            else:
                # One of them is at fault, and the others are not to go without for its sake.
                await self._one_by_one(batch)
        except Exception:
            log.exception("an embedder failed")
            self._failure("a fault of the gateway's own")
        else:
            late = self._loop.time() - began > self.timeout
            self._late_in_row = self._late_in_row + 1 if late else 0
        finally:
            # Before anybody hears of it, and asks again.
            self._calls.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            for found in batch:
                self._sent.pop(found.digest, None)
                found.answer(None)

    async def _one_by_one(self, batch: list[_Text]) -> None:
        for found in batch:
            try:
                await self._embed([found])
            except NotEmbedded as error:
                if not error.text_at_fault:
                    self._failure(error.reason)
                    return
                self._keep(found.digest, b"")
                found.answer(None)

    async def _embed(self, batch: list[_Text]) -> None:
        self.calls += 1
        self.texts += len(batch)
        vectors = await self.embedder.embed([found.text for found in batch], batch[0].asked_by)
        if len(vectors) != len(batch):
            raise NotEmbedded(f"{len(vectors)} vectors for {len(batch)} texts")
        self._failed_in_row = 0
        self._rest = REST_S
        for found, vector in zip(batch, vectors, strict=True):
            self._keep(found.digest, vector)
            found.answer(vector)

    def _failure(self, reason: str) -> None:
        self.failed += 1
        self._failed_in_row += 1
        if self._failed_in_row < FAILURES or self.resting:
            return
        for found in self._gathered.values():
            found.answer(None)
        self._gathered.clear()
        self._gathered_bytes = 0
        self._rests_until = self._loop.time() + self._rest
        log.warning(
            "%s gives no embeddings (%s); it is left alone for %.0f s, and no request waits for it",
            self.embedder.name,
            reason,
            self._rest,
        )
        self._rest = min(REST_MOST_S, 2 * self._rest)

    # --- towards those who ask

    def _late(self, future: asyncio.Future[bytes | None]) -> None:
        if not future.done():
            self.late += 1
            future.set_result(None)

    def _keep(self, digest: bytes, vector: bytes) -> None:
        size = ENTRY_BYTES + len(vector)
        if size > self.kept_bytes:
            return
        previous = self._kept.pop(digest, None)
        if previous is not None:
            self._kept_size -= ENTRY_BYTES + len(previous)
        self._kept[digest] = vector
        self._kept_size += size
        while self._kept_size > self.kept_bytes:
            self._kept_size -= ENTRY_BYTES + len(self._kept.popitem(last=False)[1])
