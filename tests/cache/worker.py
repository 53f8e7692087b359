"""What serves in a worker, in the test's own process: a core with providers, and the records that it writes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from _speedups._bucket import Arena, RingReader, RingWriter
from gateway.config.loader import loads
from gateway.control.trail import WIDTH
from gateway.core import Core
from gateway.processes.context import WorkerContext
from gateway.processes.paths import Paths
from gateway.runtime import Runtime
from gateway.snapshot.build import build
from gateway.stores.protocols import LogRow

PEPPER = b"p" * 32


class Worker:
    """One that nobody has started: no socket, no supervisor."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.paths = Paths(str(folder))
        self.paths.runtime_dir = str(folder / "run")
        self.paths.arena = str(folder / "run" / "arena")
        os.mkdir(self.paths.runtime_dir)
        self.arena = Arena.create(self.paths.arena, workers=1, capacity=256, reservations=64, boot_id=b"b" * 16)
        files = str(folder / "ring"), str(folder / "spill")
        self.ring = RingWriter(files[0], 0, 1, files[1])
        self.reader = RingReader(*files)
        context = WorkerContext(0, 1, [], self.paths, "127.0.0.1", 0, os.getpid())
        self.runtime = Runtime(context, asyncio.get_running_loop(), self.arena.worker(0), self.ring)
        loaded = loads(json.dumps(config), "f.json", {}).config
        self.snapshot = build(
            loaded, pepper=PEPPER, paths=self.paths, arena=self.arena, version=1, created_ns=1
        ).snapshot
        self.runtime.adopt(self.snapshot)

    @property
    def core(self) -> Core:
        assert self.runtime.core is not None
        return self.runtime.core

    def records(self) -> list[LogRow]:
        """Those that came since this was asked last."""
        values = self.reader.read(1000)
        self.reader.commit()
        return [LogRow(*values[at : at + WIDTH]) for at in range(0, len(values), WIDTH)]

    async def close(self) -> None:
        for pool in list(self.runtime.pools.values()):
            await pool.close()
        self.runtime.close()
        # Connections are told by the loop that they are lost.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.core.adopt(self.core.view, None)
        if self.runtime.table is not None:
            self.runtime.table.close()
        self.reader.close()
        self.ring.close()
        self.arena.close()


@contextlib.asynccontextmanager
async def serving(folder: Path, config: dict[str, Any]) -> AsyncIterator[Worker]:
    folder.mkdir()
    made = Worker(folder, config)
    try:
        yield made
    finally:
        await made.close()
