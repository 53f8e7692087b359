"""Reading the request log: on threads of its own, which give way to whatever else the machine has to do.

A look-up through ten million rows is work for seconds; it must neither keep this process's loop waiting nor take
processor time from requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.control.snippets import snippet
from gateway.records import Kind
from gateway.stores.contents import StoredContent
from gateway.stores.log_query import LogQuery, Term
from gateway.stores.protocols import LogPage, LogRow, LogStore

THREADS = 2
"""Look-ups at a time; further ones wait."""

NICENESS = 10
"""Of those threads: a tenth of the share of a thread that serves."""

FIND_S = 1.5
"""How long one request is looked for."""

MOST_ROWS = 1000
"""Attempts of one request that are shown."""

MOST_SNIPPETS = 100
"""Of a page."""

EXCHANGE = int(Kind.EXCHANGE)

T = TypeVar("T")


class LogReading:
    """Over a log store. All are coroutines of control's loop, and raise what the store raises."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self.exports = 0
        """Files under way (``log_export.py``)."""
        # Threads are started when there is work for them.
        self._threads = ThreadPoolExecutor(THREADS, "log-reading", initializer=give_way)

    async def run(self, work: Callable[[], T]) -> T:
        """``work`` on one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def page(self, query: LogQuery) -> LogPage:
        return await self.run(lambda: self._store.page(query))

    async def snippets(self, rows: Sequence[LogRow], search: tuple[Term, ...]) -> list[list[tuple[str, bool]]]:
        """Of what was said in the first of ``rows``, around what was searched: (text, whether it is that)."""
        return await self.run(lambda: [self._snippet(row, search) for row in rows[:MOST_SNIPPETS]])

    def _snippet(self, row: LogRow, search: tuple[Term, ...]) -> list[tuple[str, bool]]:
        content = self._store.content(row.request_id, row.started_us)
        if content is None:
            return []
        return snippet(content.request, search) or snippet(content.response, search)

    async def find(self, request_id: bytes) -> tuple[list[LogRow], StoredContent | None]:
        """All rows of one request, newest first, and what was said; empty: there are none, or none was found in
        time."""
        return await self.run(lambda: self._find(request_id))

    def _find(self, request_id: bytes) -> tuple[list[LogRow], StoredContent | None]:
        rows: list[LogRow] = []
        cursor: str | None = None
        end = time.monotonic() + FIND_S
        while time.monotonic() < end and len(rows) < MOST_ROWS:
            page = self._store.page(LogQuery(request_id=request_id, kind=None, limit=MOST_ROWS, cursor=cursor))
            rows += page.rows
            cursor = page.next
            if cursor is None:
                break
        exchange = next((row for row in rows if row.kind == EXCHANGE), None)
        return rows, None if exchange is None else self._store.content(request_id, exchange.started_us)

    def close(self) -> None:
        """What is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def give_way(niceness: int = NICENESS) -> None:
    """This thread, to whoever else wants the processor."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
