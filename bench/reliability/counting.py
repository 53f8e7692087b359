"""A provider in this process that notes what reaches it, and when."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import uvloop

from bench import answer

_CHAT = answer.chat()
_HEAD = b"HTTP/1.1 %d x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that was whole. Seconds of time.monotonic()."""

    at: float
    sent: float
    """What its ``user`` says, where that is a number: when its caller sent it."""
    accepted: bool


class Counting:
    """Answers each request ``delay_s`` later, or at once with ``refusal`` where ``accepts`` says no."""

    def __init__(self, delay_s: float = 0.0, accepts: Callable[[], bool] = lambda: True) -> None:
        self.arrivals: list[Arrival] = []
        self.port = 0
        self.delay_s = delay_s
        self.refusal = 503
        self._accepts = accepts
        self._started = threading.Event()
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=4096, limit=1 << 21)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await stopped.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0])
                body = await reader.readexactly(length)
                accepted = self._accepts()
                self.arrivals.append(Arrival(time.monotonic(), _sent(body), accepted))
                if accepted:
                    if self.delay_s:
                        await asyncio.sleep(self.delay_s)
                    writer.write(_HEAD % (200, len(_CHAT), _CHAT))
                else:
                    writer.write(_HEAD % (self.refusal, 2, b"{}"))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()


def _sent(body: bytes) -> float:
    if len(body) > 65536:
        return 0.0
    asked: dict[str, Any] = json.loads(body)
    try:
        return float(asked.get("user", 0))
    except ValueError:
        return 0.0


class Bucket:
    """Accepts ``rate`` requests a second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._seen = time.monotonic()

    def __call__(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self._rate, self._tokens + (now - self._seen) * self._rate)
        self._seen = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
