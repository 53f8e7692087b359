"""A provider is asked for a WebSocket: one request on a connection of its own, and what is answered."""

from __future__ import annotations

from typing import Any, Protocol

from _speedups._bytes import head_end, monotonic_ns
from _speedups._chunked import ChunkedBody
from _speedups._head import HeadScan
from gateway.core import Core
from gateway.realtime.handshake import fault_in, protocols_of
from gateway.records import ErrorKind
from gateway.server.deadlines import Timed
from gateway.upstream.connection import UpstreamConnection

MAX_HEAD = 65536
MAX_INTERIM = 16
MAX_REFUSAL = 262_144
"""Bytes of a refusal's body; longer ones are pages that nobody reads."""
ANSWER_NS = 30_000_000_000
"""For the answer where the provider has no time-out of its own: nothing has to be generated for it."""
UNDECIDED, BY_LENGTH, BY_CHUNKS, BY_CLOSE, OVER = range(5)


class Asked(Protocol):
    """Who is told of the answer: ``gateway.realtime.opening.Opening``."""

    def accepted(self, upgrade: Upgrade, protocol: str) -> None:
        """The transport is paused, and the upgrade's until it is taken."""

    def refused(self, upgrade: Upgrade, status: int, head: bytes, body: bytes) -> None: ...

    def no_answer(self, upgrade: Upgrade, kind: int, message: str) -> None: ...


class Upgrade(Timed):
    """Takes a new connection away from its pool, which goes on counting it until ``give_back``."""

    def __init__(
        self, core: Core, asked: Asked, link: UpstreamConnection, key: bytes, offered: tuple[str, ...]
    ) -> None:
        Timed.__init__(self)
        self.core = core
        self.asked: Asked | None = asked
        self.link: UpstreamConnection | None = link
        self.transport: Any = link.transport
        self.key = key
        self.offered = offered
        self.data = b""
        self.interim = 0
        self.state = UNDECIDED
        self.status = 0
        self.head = b""
        self.left = 0
        self.chunks = ChunkedBody()
        self.body = bytearray()
        link.transport = None
        transport = self.transport
        transport.pause_reading()
        transport.set_protocol(self)

    def ask(self, request: bytes, wait_ns: int) -> None:
        self.transport.write(request)
        self.core.wheel.set(self, monotonic_ns() + (wait_ns or ANSWER_NS))
        self.transport.resume_reading()

    def take(self) -> tuple[Any, bytes]:
        """The transport, and what came behind the answer's head: both are the caller's from here on."""
        transport, self.transport = self.transport, None
        data, self.data = self.data, b""
        self.asked = None
        return transport, data

    def give_back(self) -> None:
        """The connection is closed, or about to be: its place in the pool is free again."""
        link, self.link = self.link, None
        if link is not None:
            link.home.lost(link)

    def cancel(self) -> None:
        """Nobody waits any more."""
        self.asked = None
        self.end()

    def end(self) -> None:
        self.state = OVER
        self.core.wheel.set(self, 0)
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.abort()
        self.give_back()

    def expire(self, now_ns: int) -> None:
        self.fail(int(ErrorKind.TIMEOUT_FIRST_BYTE), "The provider did not answer the WebSocket's handshake in time.")

    def fail(self, kind: int, message: str) -> None:
        asked, self.asked = self.asked, None
        self.end()
        if asked is not None:
            asked.no_answer(self, kind, message)

    # --- protocol callbacks

    def connection_made(self, transport: Any) -> None:
        """Never: the transport was made for another protocol."""

    def pause_writing(self) -> None:
        """A head is written at once, whatever the socket has room for."""

    def resume_writing(self) -> None:
        """Nothing waits."""

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        self.transport = None
        if self.state == BY_CLOSE and exc is None:
            self.refuse()
        else:
            message = "The provider closed the connection before it had answered the WebSocket's handshake."
            self.fail(int(ErrorKind.RESET), message)

    def data_received(self, data: bytes) -> None:
        if self.state == OVER or self.asked is None:
            return
        if self.state != UNDECIDED:
            self.take_body(data)
            return
        self.data += data
        while self.undecided() and (end := head_end(self.data)) > 0:
            head, self.data = self.data[:end], self.data[end:]
            self.take_head(head)
        if self.undecided() and len(self.data) > MAX_HEAD:
            self.fail(int(ErrorKind.PROTOCOL), "The provider's answer has too large a head.")

    def undecided(self) -> bool:
        return self.state == UNDECIDED and self.asked is not None

    def take_head(self, head: bytes) -> None:
        scan = HeadScan()
        if not scan.response(head):
            self.fail(int(ErrorKind.PROTOCOL), "The provider's answer is not validly framed.")
        elif scan.status == 101:
            fault = fault_in(head, scan, self.key, self.offered)
            if fault:
                self.fail(int(ErrorKind.PROTOCOL), f"The provider {fault}.")
                return
            self.state = OVER
            self.core.wheel.set(self, 0)
            self.transport.pause_reading()
            asked, self.asked = self.asked, None
            if asked is not None:
                asked.accepted(self, next(iter(protocols_of(head)), ""))
        elif scan.status < 200:
            self.interim += 1
            if self.interim > MAX_INTERIM:
                self.fail(int(ErrorKind.PROTOCOL), "The provider sends interim answers without end.")
        else:
            self.status = scan.status
            self.head = head
            self.left = max(scan.content_length, 0)
            if scan.transfer_encoding is not None:
                self.state = BY_CHUNKS
            elif scan.content_length >= 0 or scan.status in (204, 304):
                self.state = BY_LENGTH
            else:
                self.state = BY_CLOSE
            data, self.data = self.data, b""
            self.take_body(data)

    def take_body(self, data: bytes) -> None:
        complete = False
        if self.state == BY_CHUNKS:
            data = self.chunks.feed(data)
            if self.chunks.broken:
                self.fail(int(ErrorKind.PROTOCOL), "The provider's answer is not validly framed.")
                return
            complete = self.chunks.done
        elif self.state == BY_LENGTH:
            data = data[: self.left]
            self.left -= len(data)
            complete = self.left == 0
        self.body += data
        if complete or len(self.body) > MAX_REFUSAL:
            self.refuse()

    def refuse(self) -> None:
        asked, self.asked = self.asked, None
        self.end()
        if asked is not None:
            asked.refused(self, self.status, self.head, bytes(self.body))
