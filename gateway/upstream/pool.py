"""Connections of one provider in one worker: taken last in, first out, so that few stay warm and the rest age away."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from _speedups._bytes import monotonic_ns
from gateway.core import Core
from gateway.exchange import Exchange
from gateway.records import ErrorKind
from gateway.upstream.connection import Home, UpstreamConnection
from gateway.upstream.dial import Dialer, DialError
from gateway.upstream.origin import Origin
from gateway.upstream.tls import remember_session

IDLE_NS = 55_000_000_000
"""Most providers and load balancers close idle connections after 60 s or more; ours go first, so that fewer requests
meet a connection that is being closed."""

WARM = 64
"""Idle connections kept that long: most loads come back to fewer."""

SURPLUS_NS = 15_000_000_000
"""Those beyond go sooner, so that the memory of a burst can be given back within a minute."""

DIAL_ERRORS = {
    "refused": ErrorKind.CONNECT,
    "timeout": ErrorKind.TIMEOUT_CONNECT,
    "dns": ErrorKind.DNS,
    "tls": ErrorKind.TLS,
    "proxy": ErrorKind.CONNECT,
    "forbidden": ErrorKind.CONNECT,
}


class Pool(Home):
    """Idle connections, connections on the way, and requests that wait for either."""

    def __init__(self, core: Core, origin: Origin, dialer: Dialer, limit: int) -> None:
        self.core = core
        self.origin = origin
        self.encrypted = origin.scheme == "https"
        self.dialer = dialer
        self.limit = limit
        """Most connections at a time; 0: no limit of its own."""
        self.idle: list[UpstreamConnection] = []
        self.waiting: deque[Exchange] = deque()
        self.wanting_new: deque[Exchange] = deque()
        """Those that only a connection which has served nobody yet will do for."""
        self.open = 0
        self.dead = 0
        self.forgotten = 0
        self.dialing = 0
        self.retired = False
        self.tasks: set[asyncio.Task[None]] = set()

    def take(self) -> UpstreamConnection | None:
        """A connection ready to be written to, or None."""
        idle = self.idle
        while idle:
            link = idle.pop()
            if link.transport is not None and not link.closing:
                return link
        return None

    def wait(self, x: Exchange, fresh: bool = False) -> None:
        """Let ``x`` have the next connection, or the next newly made one (``fresh``): ``Forward.connected`` or
        ``Forward.unreachable`` will be told."""
        x.waiting = self
        if fresh:
            self.wanting_new.append(x)
            if self.full() and self.idle:
                self.idle.pop().close()
        else:
            self.waiting.append(x)
        self.dial_more()

    def full(self) -> bool:
        return self.limit != 0 and self.open + self.dialing >= self.limit

    def forget(self, x: Exchange) -> None:
        """``x`` no longer waits (its caller has gone); its place in the queue is passed over when it comes up."""
        x.waiting = None
        self.forgotten += 1

    def wanted(self) -> int:
        """Connections that somebody still waits for."""
        return len(self.waiting) + len(self.wanting_new) - self.forgotten

    def next_waiting(self, fresh: bool) -> Exchange | None:
        """Who is served next, by a newly made connection if ``fresh``."""
        waiting = self.wanting_new if fresh and self.wanting_new else self.waiting
        while waiting:
            x = waiting.popleft()
            if x.waiting is self:
                x.waiting = None
                return x
            self.forgotten -= 1
            if not waiting:
                waiting = self.waiting
        return None

    def dial_more(self) -> None:
        if self.dialing < self.wanted() and not self.full():
            self.dial()

    def dial(self) -> None:
        self.dialing += 1
        task = self.core.loop.create_task(self.connect())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def connect(self) -> None:
        link = UpstreamConnection(self.core, self)
        try:
            await self.dialer.dial(self.origin, lambda: link)
        except DialError as error:
            self.dialing -= 1
            self.unreachable(int(DIAL_ERRORS[error.kind]), str(error))
            return
        except BaseException:
            self.dialing -= 1
            raise
        self.dialing -= 1
        if link.transport is None:
            self.unreachable(int(ErrorKind.RESET), "the connection was closed at once")
            return
        self.open += 1
        link.counted = True
        self.free(link)

    def unreachable(self, kind: int, message: str) -> None:
        """A dial failed: it fails the request that has waited longest; others have their own dials under way."""
        if self.dialing < self.wanted():
            x = self.next_waiting(True)
            if x is not None:
                x.attempts.unreachable(x, kind, message)
            self.dial_more()

    def answered_first(self, link: UpstreamConnection) -> None:
        # Not before: TLS 1.3 sends its tickets behind the handshake.
        if self.encrypted and link.transport is not None:
            remember_session(link.transport, self.origin.server_name)

    def free(self, link: UpstreamConnection) -> None:
        if self.waiting or self.wanting_new:
            x = self.next_waiting(link.served == 0)
            if x is not None:
                x.attempts.connected(x, link)
                return
        if self.retired or self.core.draining or (self.wanting_new and self.full()):
            # In the last case its place is given to the new one that somebody waits for.
            link.close()
            return
        self.core.wheel.set(link, monotonic_ns() + (IDLE_NS if len(self.idle) < WARM else SURPLUS_NS))
        self.idle.append(link)

    def lost(self, link: UpstreamConnection) -> None:
        if not link.counted:
            return
        link.counted = False
        self.open -= 1
        # Searching the list for each of thousands of closing connections would be quadratic: they are left in it, and
        # taken out together. The last few go as well: each may be all that keeps a megabyte of the allocator's.
        self.dead += 1
        if (self.dead > 32 and self.dead * 2 > len(self.idle)) or self.dead >= len(self.idle):
            self.idle = [kept for kept in self.idle if kept.transport is not None]
            self.dead = 0
        self.dial_more()

    def retire(self) -> None:
        """The provider is gone from the configuration: idle connections close now, busy ones after their exchange."""
        self.retired = True
        idle, self.idle = self.idle, []
        for link in idle:
            link.close()

    async def close(self) -> None:
        """End of the worker: give everything up."""
        self.retire()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def gauges(self) -> dict[str, Any]:
        return {
            "idle": len(self.idle),
            "open": self.open,
            "dialing": self.dialing,
            "waiting": self.wanted(),
        }
