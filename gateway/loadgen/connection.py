"""The generator's side of one keep-alive connection: a request out, an answer in, times marked."""

from __future__ import annotations

import asyncio
import os
from time import monotonic_ns
from typing import TYPE_CHECKING, cast

from _speedups._chunked import ChunkedBody
from gateway.loadgen.answer import CHUNKED, UNTIL_CLOSE, field, may_begin, read_head

if TYPE_CHECKING:
    from gateway.loadgen.generator import Generator

NOBODY = -1
"""Number of the request when there is none."""


class Connection(asyncio.Protocol):
    """One request at a time. The generator hands it out from its pool and gets it back when the answer is whole."""

    __slots__ = (
        "_chunks", "_descriptor", "_generator", "_in_body", "_keep", "_last_ns", "_left", "_marks", "_number",
        "_partial", "_transport", "closed", "idle_since_ns",
    )  # fmt: skip

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._marks = generator.marks
        self._transport: asyncio.Transport | None = None
        self._descriptor = -1
        self._number = NOBODY
        self._chunks: ChunkedBody | None = None
        self._partial = b""
        self._in_body = False
        self._keep = False
        self._left = 0
        """Bytes of the body still to come, CHUNKED or UNTIL_CLOSE."""
        self._last_ns = 0
        """When a piece of the body was read last; 0 before the first one."""
        self.closed = False
        self.idle_since_ns = 0

    def send(self, number: int, request: bytes) -> None:
        """Write the request with this number."""
        self._number = number
        self._in_body = False
        self._last_ns = 0
        if self._descriptor < 0:
            self._marks.sent[number] = monotonic_ns()
            cast(asyncio.Transport, self._transport).write(request)
            return
        # Past the transport, which would keep it until the loop's turn is over. Nothing can be waiting there: a
        # connection gets a request only when its last answer is whole.
        self._marks.sent[number] = monotonic_ns()
        try:
            written = os.write(self._descriptor, request)
        except BlockingIOError:
            written = 0
        except OSError:
            self.give_up("connection lost")
            return
        if written < len(request):
            cast(asyncio.Transport, self._transport).write(request[written:])

    def give_up(self, reason: str) -> None:
        """Count the request under way as failed and drop the connection."""
        number, self._number = self._number, NOBODY
        self.abort()
        if number != NOBODY:
            self._marks.failed(number, reason)
            self._generator.lost()

    def abort(self) -> None:
        """Drop the connection."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.idle_since_ns = monotonic_ns()
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports only look like one
        if transport.get_extra_info("ssl_object") is None:
            self._descriptor = transport.get_extra_info("socket").fileno()
        self._generator.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._transport = None
        if exc is None and self._in_body and self._left == UNTIL_CLOSE and self._number != NOBODY:
            self._end(monotonic_ns())
        else:
            self.give_up("answer cut" if self._in_body else "connection lost")
        self._generator.gone(self)

    def data_received(self, data: bytes) -> None:
        now = monotonic_ns()
        number = self._number
        if number == NOBODY:
            self.abort()
        elif self._in_body:
            self._take(data, number, now)
        else:
            self._take_head(data, number, now)

    def _take_head(self, data: bytes, number: int, now: int) -> None:
        if self._partial:
            data, self._partial = self._partial + data, b""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if may_begin(data):
                self._partial = data
            else:
                self.give_up("not HTTP")
            return
        lowered = data[:end].lower()
        try:
            status, self._left, self._keep = read_head(lowered)
        except ValueError:
            self.give_up("not HTTP")
            return
        rest = data[end + 4 :]
        if status < 200:
            if rest:
                self._take_head(rest, number, now)
            return
        marks, generator = self._marks, self._generator
        marks.statuses[number] = status
        if generator.header and number >= marks.first_measured:
            value = field(lowered, generator.header)
            if value is not None:
                generator.collect(value)
        self._in_body = True
        if self._left == CHUNKED:
            if self._chunks is None:
                self._chunks = ChunkedBody()
            else:
                self._chunks.reset()
        if rest:
            self._take(rest, number, now)
        elif not self._left:
            self._end(now)

    def _take(self, data: bytes, number: int, now: int) -> None:
        left = self._left
        whole = False
        if left >= 0:
            self._left = left = left - len(data)
            whole = left <= 0
            if left < 0:
                data = data[:left]
                self._keep = False
        elif left == CHUNKED:
            chunks = cast(ChunkedBody, self._chunks)
            data = chunks.feed(data)
            if chunks.broken:
                self.give_up("not HTTP")
                return
            whole = chunks.done
            if chunks.extra:
                self._keep = False
        if data:
            marks, last = self._marks, self._last_ns
            if not last:
                marks.first[number] = now
            if number >= marks.first_measured:
                marks.reads += 1
                marks.bytes_in += len(data)
                if last:
                    marks.gaps.append(now - last)
            self._last_ns = now
        if whole:
            self._end(now)

    def _end(self, now: int) -> None:
        self._marks.ended[self._number] = now
        self._number = NOBODY
        self._in_body = False
        self.idle_since_ns = now
        self._generator.finished(self, reusable=self._keep)
