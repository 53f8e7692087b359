"""The generator's side of one keep-alive connection: a request out, an answer in, times taken."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

import httptools

from gateway.loadgen.report import LATE_US, Tally

if TYPE_CHECKING:
    from gateway.loadgen.generator import Generator


class Connection(asyncio.Protocol):
    """One request at a time. The generator hands it out from its pool and gets it back when the answer is whole."""

    __slots__ = (
        "_first_ns", "_generator", "_intended_ns", "_last_ns", "_now_ns", "_parser", "_reading_head", "_sent_ns",
        "_status", "_tally", "_transport", "closed",
    )  # fmt: skip

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._tally: Tally | None = None
        self._intended_ns = self._sent_ns = self._first_ns = self._last_ns = self._now_ns = 0
        self._status = 0
        self._reading_head = False
        self.closed = False

    def send(self, request: bytes, intended_ns: int, now_ns: int, tally: Tally) -> None:
        """Write a request that was meant to leave at ``intended_ns``."""
        self._tally = tally
        self._intended_ns = intended_ns
        self._sent_ns = now_ns
        self._first_ns = 0
        self._status = 0
        self._reading_head = True
        late = (now_ns - intended_ns) // 1000
        tally.sent += 1
        tally.late.record(late)
        if late > LATE_US:
            tally.late_count += 1
        cast(asyncio.Transport, self._transport).write(request)

    def give_up(self, reason: str) -> None:
        """Count the request under way as failed and drop the connection."""
        tally, self._tally = self._tally, None
        if tally is not None:
            tally.failures[reason] += 1
            self._generator.lost()
        self.abort()

    def abort(self) -> None:
        """Drop the connection."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports only look like one
        self._parser = httptools.HttpResponseParser(self)
        self._generator.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        # An answer without framing ends with the connection; llhttp has no call for that here, so it counts as cut.
        self.give_up("answer cut" if self._first_ns or not self._reading_head else "connection lost")
        self.closed = True
        self._transport = None
        self._parser = None
        self._generator.gone(self)

    def data_received(self, data: bytes) -> None:
        self._now_ns = time.monotonic_ns()
        if self._parser is None:
            return
        header = self._generator.header
        if header and self._reading_head:
            self._pick(data, header)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.give_up("not HTTP")

    def _pick(self, data: bytes, header: bytes) -> None:
        # The head of an answer arrives in one read on any network worth measuring; otherwise the value is left out.
        start = data.find(header)
        if start >= 0 and self._tally is not None:
            start += len(header)
            try:
                value = float(data[start : data.find(b"\r", start)])
            except ValueError:
                return
            self._tally.header.record(round(value * self._generator.header_us))

    # httptools

    def on_headers_complete(self) -> None:
        self._reading_head = False
        self._status = cast(httptools.HttpResponseParser, self._parser).get_status_code()

    def on_body(self, body: bytes) -> None:
        tally = self._tally
        if tally is None:
            return
        now = self._now_ns
        if not self._first_ns:
            self._first_ns = self._last_ns = now
            tally.first.record((now - self._intended_ns) // 1000)
        elif now != self._last_ns:
            tally.gap.record((now - self._last_ns) // 1000)
            self._last_ns = now
        tally.bytes_in += len(body)
        tally.chunks += 1

    def on_message_complete(self) -> None:
        tally, self._tally = self._tally, None
        if tally is None or self._parser is None:
            self.abort()
            return
        now = self._now_ns
        tally.statuses[self._status] += 1
        if 200 <= self._status < 300:
            tally.completed += 1
            tally.latency.record((now - self._intended_ns) // 1000)
            tally.service.record((now - self._sent_ns) // 1000)
        else:
            tally.failures[f"status {self._status}"] += 1
        self._generator.finished(self, reusable=self._parser.should_keep_alive())
