"""A cache process beside a control process under test: what it runs, on a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from gateway.cache.answering import serve_questions
from gateway.cache.entry import Kept, pack
from gateway.cache.keeping import Keeping
from gateway.cache.scope import scope_of
from gateway.processes.paths import Paths
from gateway.snapshot.cache import Cache
from gateway.snapshot.model import id_hash
from providers.operations import Dialect, Operation

HOUR_NS = 3600 * 10**9


class CacheBeside:
    """Until it is closed."""

    def __init__(self, paths: Paths, settings: Cache) -> None:
        self.keeping = Keeping.open(paths, settings)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(paths.cache_socket, ready))
        self._thread.start()
        assert ready.wait(60)

    def _run(self, path: str, ready: threading.Event) -> None:
        async def serve() -> None:
            answering = await serve_questions(path, self.keeping.handlers())
            ready.set()
            await self._stop.wait()
            await answering.close()
            self.keeping.close()

        self._loop.run_until_complete(serve())
        self._loop.close()

    def count(self, **counts: int) -> None:
        """What a worker tells."""
        self._loop.call_soon_threadsafe(self.keeping.counts, [(counts,)])

    def put(self, level: int, owner: str, number: int, partition: bytes = b"") -> None:
        """Keep an answer of the virtual key, team or customer with this id."""
        key = scope_of(level, id_hash(owner), partition) + number.to_bytes(32, "big")
        kept = Kept(int(Dialect.OPENAI_CHAT), int(Operation.CHAT), False, time.time_ns(), 1, 1, 1, 1, b"", b"", b"{}")
        self.keeping.answers.put([(key, pack(kept), time.time_ns() + HOUR_NS)])

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = asyncio.run_coroutine_threadsafe(self.keeping.stats(), self._loop).result(60)
        return found

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
