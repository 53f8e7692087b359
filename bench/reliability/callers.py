"""Callers that keep asking at an even pace, and what happened to each request that failed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

import uvloop

from gateway.loadgen.answer import read_head

PATIENCE_S = 30.0
"""A request without an answer for this long has failed."""

MOST_RATE = 2000.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Times are seconds of time.monotonic()."""

    began: float
    ended: float
    asked_before: int
    """Requests answered on the same connection; 0: it was a fresh one."""
    why: str


class _Link(asyncio.Protocol):
    """One connection with at most one request on it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.asked = 0
        self._data = b""
        self._answer: asyncio.Future[tuple[int, bool]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._end(ConnectionResetError(str(exc or "closed without an answer")))

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, whole, body = self._data.partition(b"\r\n\r\n")
        if not whole:
            return
        status, length, keep = read_head(head.lower())
        if len(body) >= length:
            self._end((status, keep))

    def _end(self, outcome: tuple[int, bool] | Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is None or answer.done():
            return
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bool]]:
        """Status of the answer, and whether the connection may be used again."""
        assert self.transport is not None
        self._data = b""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer


class Callers:
    """``count`` callers together ask ``rate`` times a second (0: as fast as they are answered) until the block ends.

    Each keeps its connection, unless ``fresh``: then every request has one of its own. A caller who finds its
    connection closed before it asks makes another, as every client does; nobody asks twice. They run on a thread of
    their own.
    """

    def __init__(self, port: int, request: bytes, *, count: int = 64, rate: float = 0.0, fresh: bool = False) -> None:
        self.port = port
        self.answered = 0
        self.statuses: Counter[int] = Counter()
        self.failures: list[Failure] = []
        self.slowest_s = 0.0
        self.seconds = 0.0
        self._request = request
        self._count = count
        self._pause_s = count / rate if rate else 0.0
        self._fresh = fresh
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._all())
        self.seconds = time.monotonic() - began

    async def _all(self) -> None:
        await asyncio.gather(*(self._call(number) for number in range(self._count)))

    async def _call(self, number: int) -> None:
        due = time.monotonic() + self._pause_s * number / self._count
        link: _Link | None = None
        while not self._stopped.is_set():
            if self._pause_s:
                # A caller that was kept waiting does not catch up: its next request is due a whole pause later.
                await asyncio.sleep(due - time.monotonic())
                due = max(due + self._pause_s, time.monotonic())
            began = time.monotonic()
            asked = link.asked if link is not None and link.transport is not None else 0
            try:
                link = await asyncio.wait_for(self._ask(link), PATIENCE_S)
            except (OSError, TimeoutError, ValueError) as error:
                self.failures.append(Failure(began, time.monotonic(), asked, repr(error)))
                link = None
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        if link is not None and link.transport is not None:
            link.transport.abort()

    async def _ask(self, link: _Link | None) -> _Link | None:
        if link is None or link.transport is None:
            _, link = await asyncio.get_running_loop().create_connection(_Link, "127.0.0.1", self.port)
        status, keep = await link.ask(self._request)
        link.asked += 1
        self.statuses[status] += 1
        self.answered += status == 200
        if self._fresh or not keep:
            if link.transport is not None:
                link.transport.close()
            return None
        return link

    @property
    def per_second(self) -> float:
        """Answers a second, once the block has ended."""
        return self.answered / self.seconds


def load_rate(port: int, request: bytes) -> float:
    """L: half of what these callers get when they ask as fast as they can for two seconds, at most 2,000 a second."""
    with Callers(port, request) as callers:
        time.sleep(2)
    return round(min(MOST_RATE, callers.per_second / 2), 1)
