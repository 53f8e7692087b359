"""The half of a provider's connection that sends: requests, uploads that stream through, and the brakes."""

from __future__ import annotations

from typing import Any

from _speedups._bytes import chunk, monotonic_ns
from gateway.core import Core
from gateway.exchange import Exchange, Link

IDLE = 0
HEAD = 1
BODY = 2
CLOSED = 3


class SendingHalf(Link):
    """``UpstreamConnection`` adds the answers."""

    def __init__(self, core: Core) -> None:
        Link.__init__(self)
        self.core = core
        self.transport: Any = None
        self.x: Exchange | None = None
        self.state = CLOSED
        self.served = 0
        # What is known of the answer, as far as a new request starts it afresh
        self.partial = b""
        self.interim = 0
        self.closing = False
        # Request
        self.upload_chunked = False
        self.uploaded = True
        self.paused_for_upload = False
        self.reading_paused = False

    def pause_writing(self) -> None:
        if self.x is not None and self.x.uploading:
            self.paused_for_upload = True
            caller = self.x.caller
            if caller is not None:
                caller.hold_body()

    def resume_writing(self) -> None:
        if self.paused_for_upload:
            self.paused_for_upload = False
            if self.x is not None and self.x.caller is not None:
                self.x.caller.release_body()

    def send(self, x: Exchange, data: bytes, chunked_upload: bool) -> None:
        """Write a request whose head (and what there is of its body) is ``data``."""
        self.x = x
        x.link = self
        self.state = HEAD
        self.partial = b""
        self.interim = 0
        self.uploaded = not x.uploading
        self.upload_chunked = chunked_upload
        self.transport.write(data)
        x.sent_ns = monotonic_ns()
        if x.uploading and x.caller is not None:
            x.caller.release_body()
        target = x.target
        limit = x.answer_deadline_ns
        if target is not None and self.uploaded:
            wait = target.upstream.first_byte_ns
            token = target.upstream.first_token_ns
            if token and x.stream and (token < wait or wait == 0):
                wait = token
            first = x.sent_ns + wait
            if wait and (first < limit or limit == 0):
                limit = first
        self.core.wheel.set(self, limit)

    def carry(self, x: Exchange) -> None:
        self.x = x
        x.link = self

    def upload(self, data: bytes, last: bool) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self.upload_chunked:
            framed = chunk(data)
            data = framed + b"0\r\n\r\n" if last else framed
        if data:
            transport.write(data)
        x = self.x
        if last and x is not None:
            self.uploaded = True
            x.sent_ns = monotonic_ns()
            if x.target is not None and x.target.upstream.first_byte_ns and self.state == HEAD:
                first = x.sent_ns + x.target.upstream.first_byte_ns
                self.core.wheel.set(self, first if first < x.answer_deadline_ns else x.answer_deadline_ns)

    def pause(self) -> None:
        if not self.reading_paused and self.transport is not None:
            self.reading_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.reading_paused:
            self.reading_paused = False
            if self.transport is not None:
                self.transport.resume_reading()

    def reused(self) -> bool:
        return self.served > 0

    def cancel(self) -> None:
        x = self.x
        if x is not None:
            x.link = None
            self.x = None
        self.close()

    def close(self) -> None:
        if self.state != CLOSED:
            self.state = CLOSED
            if self.transport is not None:
                self.transport.abort()
