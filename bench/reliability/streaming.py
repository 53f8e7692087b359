"""Callers of streams, and the gateway before a provider that does what they say."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from bench.load import nginx, subject
from bench.load.process import Process, free_port, wait_for_port
from bench.load.subject import Subject
from gateway.loadgen import message
from gateway.processes.paths import Paths
from gateway.records import Kind
from gateway.stores.protocols import LogQuery, LogRow
from gateway.stores.urls import open_log

Script = Sequence[Sequence[Any]]
"""What the provider is to do: ``bench.reliability.scripted``."""
Result = TypeVar("Result")


@dataclass(slots=True)
class World:
    """A gateway and its provider."""

    gateway: Subject
    provider: Process
    provider_port: int
    data: Path

    def raw(self, script: Script | None, model: str = "bench") -> bytes:
        """A streamed chat request that makes the provider follow ``script``."""
        asked: dict[str, Any] = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        if script is not None:
            asked["user"] = json.dumps(script)
        host = f"127.0.0.1:{self.gateway.port}"
        return message.request(host, "/v1/chat/completions", self.gateway.key, json.dumps(asked).encode())

    def closed(self) -> list[float]:
        """When the provider's held connections were closed, since this was asked last."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.provider_port}/closed", timeout=30) as answer:
            found: list[float] = json.load(answer)
        return found

    def metrics_status(self) -> int:
        """Status of /metrics; 0 for one that is an error."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.gateway.port}/metrics", timeout=10) as answer:
                return int(answer.status)
        except OSError:
            return 0

    def worker_rss(self) -> int:
        """Bytes of memory of all workers."""
        shot = self.gateway.snapshot()
        roles = self.gateway.roles(shot)
        return sum(member.rss for pid, member in shot.members.items() if roles[pid] == "worker")

    def rows(self) -> list[LogRow]:
        """End the gateway, and read what it has recorded of streams."""
        end = time.monotonic() + 30
        while self.metrics_status() != 200 and time.monotonic() < end:
            time.sleep(0.05)  # control, which keeps the log, starts once workers listen
        self.gateway.stop()
        log = open_log(f"sqlite:///{Paths(str(self.data)).log_dir}")
        found: list[LogRow] = []
        cursor = None
        try:
            while True:
                page = log.page(LogQuery(kind=int(Kind.EXCHANGE), limit=1000, cursor=cursor))
                found += [row for row in page.rows if row.stream]
                cursor = page.next
                if cursor is None:
                    return found
        finally:
            log.close()


@contextmanager
def world(**options: Any) -> Iterator[World]:
    """Both, started; the spare provider of the route ``rescued`` is the same one, which has no script for it."""
    with tempfile.TemporaryDirectory(prefix="microgate-bench-") as name:
        directory = Path(name)
        port = free_port()
        provider = Process("provider", [sys.executable, "-m", "bench.reliability.scripted", str(port)], directory)
        with provider:
            wait_for_port(port, provider)
            upstream = nginx.Upstream(provider, port, port, directory)
            place = directory / "gateway"
            gateway = subject.microgate(place, upstream, config="streams.yaml", **options)
            try:
                yield World(gateway, provider, port, place / "data")
            finally:
                gateway.stop()


@dataclass(slots=True)
class Got:
    """A streamed answer as it was read."""

    status: int = 0
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False
    """It had its last chunk, or its length."""


async def read(port: int, raw: bytes, seen: Callable[[bytes], object] | None = None) -> Got:
    """Ask once and read to the end; ``seen`` is told of every piece of the body. Raises nothing when it is cut."""
    got = Got()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        writer.write(raw)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        got.status = int(head[9:12])
        if b"content-length:" in head:
            got.body += await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
            got.complete = True
            return got
        while size := int(await reader.readuntil(b"\r\n"), 16):
            data = (await reader.readexactly(size + 2))[:-2]
            got.body += data
            if seen is not None:
                seen(data)
        await reader.readexactly(2)
        got.complete = True
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
    return got


def run(main: Awaitable[Result]) -> Result:
    """Run a coroutine on a loop of its own."""

    async def whole() -> Result:
        return await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(whole())


async def all_of(count: int, at_once: int, one: Callable[[int], Awaitable[Result]]) -> list[Result]:
    """``one(0)`` to ``one(count - 1)``, so many of them at a time."""
    gate = asyncio.Semaphore(at_once)

    async def gated(number: int) -> Result:
        async with gate:
            return await one(number)

    return list(await asyncio.gather(*(gated(number) for number in range(count))))
