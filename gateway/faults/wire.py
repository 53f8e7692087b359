"""The bytes of one answer on their way to the caller: slowed down, sliced, and ended where a fault says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Literal

from gateway.demo.connection import DemoConnection
from gateway.faults.schema import AnyFault, Bandwidth, Duplicate, LimitData, ResetPeer, Slicer

TICKS = 20
"""Writes a second of an answer with a bandwidth: fine enough to look like a slow line."""


class Stopped(Exception):
    """A fault has ended the connection."""


class Wire:
    """Writes for one call."""

    def __init__(self, connection: DemoConnection, faults: Sequence[AnyFault] = ()) -> None:
        self._connection = connection
        self._sent = 0
        self._stop: int | None = None
        self._how: Literal["close", "reset"] = "close"
        self._after_head: int | None = None
        self._size = 0
        self._pause = 0.0
        self._rate = 0
        self._due = 0.0
        self.kept: list[bytes] | None = None
        """All that was written, where it is to be said twice."""
        for fault in faults:
            if isinstance(fault, LimitData):
                self._stop_at(fault.size, "close")
            elif isinstance(fault, ResetPeer) and fault.at != "before_head":
                self._after_head = fault.body_bytes if fault.at == "body" else 0
            elif isinstance(fault, Slicer):
                self._size, self._pause = max(1, fault.size), fault.pause
            elif isinstance(fault, Bandwidth):
                self._rate = max(1, fault.rate)
            elif isinstance(fault, Duplicate):
                self.kept = []
        self._plain = not any(isinstance(fault, LimitData | ResetPeer | Slicer | Bandwidth) for fault in faults)

    def _stop_at(self, sent: int, how: Literal["close", "reset"]) -> None:
        if self._stop is None or sent < self._stop:
            self._stop, self._how = sent, how

    async def send(self, data: bytes, head_bytes: int = 0) -> None:
        """Write; the first ``head_bytes`` are the answer's head. Raises Disconnected when the caller has left, Stopped
        when a fault ends the connection here."""
        if self.kept is not None:
            self.kept.append(data)
        if self._plain:
            await self._connection.write(data)
            return
        if head_bytes and self._after_head is not None:
            self._stop_at(self._sent + head_bytes + self._after_head, "reset")
        left = None if self._stop is None else self._stop - self._sent
        if left is None or len(data) < left:
            self._sent += len(data)
            await self._slowly(data)
            return
        await self._slowly(data[:left])
        self.end(self._how)
        raise Stopped

    async def _slowly(self, data: bytes) -> None:
        size = self._size or len(data) or 1
        if self._rate:
            size = min(size, max(1, self._rate // TICKS))
        for start in range(0, len(data), size):
            if start and self._pause:
                await asyncio.sleep(self._pause)
            piece = data[start : start + size]
            if self._rate:
                # By the clock of the whole answer, so that late wake-ups do not make the line slower than it says. The
                # loop's own clock stands still within a turn.
                now = time.monotonic()
                self._due = max(self._due or now, now - 1 / TICKS) + len(piece) / self._rate
                await asyncio.sleep(self._due - now)
            await self._connection.write(piece)

    def end(self, how: Literal["close", "reset"]) -> None:
        """End the connection: once everything has left, or at once and with a reset."""
        if how == "reset":
            self._connection.reset()
        else:
            self._connection.close()
