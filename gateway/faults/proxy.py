"""The fault proxy inside a running loop: its upstreams and its control API."""

from __future__ import annotations

import asyncio
import random

from gateway.demo.connection import DemoConnection
from gateway.faults.control import Control
from gateway.faults.schema import Setup
from gateway.faults.upstream import Upstream


class FaultProxy:
    """All that a ``Setup`` names. For one loop."""

    def __init__(self, setup: Setup) -> None:
        dice = random.Random(setup.seed)
        self.upstreams = {
            name: Upstream(name, entry, setup.id_headers, dice) for name, entry in setup.upstreams.items()
        }
        self._control_port = setup.control
        self._control = Control(self.upstreams)
        self._control_connections: set[DemoConnection] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when a port is taken."""
        try:
            for upstream in self.upstreams.values():
                await upstream.start()
            if self._control_port is not None:
                self._server = await asyncio.get_running_loop().create_server(
                    lambda: DemoConnection(self._control.handle, self._control_connections),
                    "127.0.0.1",
                    self._control_port,
                )
        except OSError:
            await self.close()
            raise

    @property
    def control_url(self) -> str:
        """Of the control API; empty when there is none."""
        if self._server is None:
            return ""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening and abort everything that is open."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._control_connections):
            connection.abort()
        for upstream in self.upstreams.values():
            await upstream.close()
        if self._server is not None:
            await self._server.wait_closed()
