"""The demo upstream on TCP in a process of its own, for tests of the command line."""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection

import uvloop

from gateway.demo.main import DemoServer


def serve(parent: Connection) -> None:
    """Send the port to the parent, serve until the parent's end of the pipe is closed."""

    async def inside() -> None:
        server = DemoServer()
        parent.send(await server.listen_tcp())
        done = asyncio.Event()
        asyncio.get_running_loop().add_reader(parent.fileno(), done.set)
        await done.wait()
        await server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(inside())
