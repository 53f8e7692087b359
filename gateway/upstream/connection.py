"""One connection to a provider: a request out, an answer in, one at a time.

httptools judges the syntax of answers; the head is found and fed as one slice, its framing fields read by ``HeadScan``.
Whatever a provider sends that was not asked for ends the connection: no answer can meet another's request (B14).
"""

from __future__ import annotations

from typing import Any

import httptools

from _speedups._bytes import head_end, monotonic_ns, part
from gateway.core import Core
from gateway.exchange import Exchange
from gateway.records import ErrorKind
from gateway.upstream.sending import SendingHalf

IDLE = 0
HEAD = 1
BODY = 2
CLOSED = 3

BY_LENGTH = 0
BY_CHUNKS = 1
BY_CLOSE = 2
NO_BODY = 3

CR = 13
MAX_HEAD = 65536
"""Bytes of an answer's head; real ones take 1-3 KB."""
MAX_INTERIM = 16
"""1xx answers before the real one."""
HIGH_WATER = 65536
LOW_WATER = 16384


class Home:
    """Where a connection goes when its exchange is over: ``gateway.upstream.pool``."""

    def free(self, link: UpstreamConnection) -> None:
        """Ready for the next request."""
        raise NotImplementedError

    def lost(self, link: UpstreamConnection) -> None:
        """Closed."""
        raise NotImplementedError


class UpstreamConnection(SendingHalf):
    """A buffered protocol under uvloop (``get_buffer``), a plain one under asyncio (``data_received``)."""

    def __init__(self, core: Core, home: Home) -> None:
        SendingHalf.__init__(self, core)
        self.home = home
        self.parser: Any = None
        self.counted = False
        self.idle_since_ns = 0
        self.extra = False
        self.framing = NO_BODY
        self.body_left = 0
        self.keep = False
        self.stays = False
        self.last_chunk = False
        self.pieces: list[bytes] = []

    # --- protocol callbacks

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        self.parser = httptools.HttpResponseParser(self)
        self.state = IDLE

    def get_buffer(self, hint: int) -> memoryview:
        return self.core.read_view

    def buffer_updated(self, count: int) -> None:
        self.data_received(bytes(self.core.read_view[:count]))

    def data_received(self, data: bytes) -> None:
        state = self.state
        if state == HEAD:
            self.take_head(data)
        elif state == BODY:
            self.take_body(data)
        elif state == IDLE:
            # Nobody asked: an answer to nothing, a late 408, a TLS alert in clear text.
            self.close()

    def eof_received(self) -> bool:
        if self.state == BODY and self.framing == BY_CLOSE and self.x is not None:
            x = self.x
            self.keep = False
            self.finish(x, b"")
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        state = self.state
        x = self.x
        self.state = CLOSED
        self.transport = None
        self.parser = None
        self.x = None
        self.core.wheel.set(self, 0)
        self.home.lost(self)
        if x is not None:
            x.link = None
            if state == BODY and self.framing == BY_CLOSE and exc is None:
                x.attempts.received(x, self, b"", True)
                return
            message = "The provider closed the connection before its answer was complete."
            x.attempts.broken(x, self, int(ErrorKind.RESET), message, state == BODY or bool(self.partial))

    # --- httptools callbacks

    def on_message_begin(self) -> None:
        if self.message_done:
            self.extra = True

    def on_headers_complete(self) -> None:
        self.head_done = True

    def on_chunk_header(self) -> None:
        self.last_chunk = True

    def on_body(self, body: bytes) -> None:
        self.last_chunk = False
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        self.message_done = True
        # httptools knows of more ways to say so than the Connection header, and forgets with the message's end.
        self.stays = self.parser.should_keep_alive()

    # --- deadline

    def expire(self, now_ns: int) -> None:
        x = self.x
        if x is None:
            self.close()
            return
        if self.reading_paused and now_ns < x.answer_deadline_ns:
            # The caller is the slow one; its own write time-out judges it. The total deadline still holds.
            self.core.wheel.set(self, x.answer_deadline_ns)
            return
        self.x = None
        x.link = None
        answered = self.state == BODY
        self.close()
        if now_ns >= x.answer_deadline_ns:
            kind, message = ErrorKind.TIMEOUT_TOTAL, "The provider did not finish within the total deadline."
        elif answered:
            kind, message = ErrorKind.TIMEOUT_IDLE, "The provider's stream stood still for too long."
        else:
            kind, message = ErrorKind.TIMEOUT_FIRST_BYTE, "The provider did not begin to answer in time."
        x.attempts.broken(x, self, int(kind), message, answered)

    # --- answers

    def take_head(self, data: bytes) -> None:
        x = self.x
        if x is None:
            self.close()
            return
        if not x.first_byte_ns:
            x.first_byte_ns = monotonic_ns()
        if self.partial:
            data = self.partial + data
        # An empty line before the status line is left from the answer before, as some servers end theirs.
        if data[0] == CR and data[:2] == b"\r\n":
            data = part(data, 2, len(data))
        end = head_end(data)
        if end < 0:
            if len(data) > MAX_HEAD:
                self.fail(x, "The provider's answer has too large a head.")
            elif data[:5] != b"HTTP/"[: len(data[:5])] and data != b"\r":
                self.fail(x, "The provider did not answer in HTTP.")
            else:
                self.partial = data
            return
        head = part(data, 0, end)
        if len(head) > MAX_HEAD:
            self.fail(x, "The provider's answer has too large a head.")
            return
        rest = part(data, end, len(data))
        parser = self.parser
        try:
            parser.feed_data(head)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.fail(x, "The provider's answer is not valid HTTP.")
            return
        status = parser.get_status_code()
        if not self.head_done or status < 100 or status > 999 or status == 101:
            self.fail(x, "The provider's answer is not valid HTTP.")
            return
        if status < 200:
            # An interim answer is skipped (RFC 9110 15.2).
            self.interim += 1
            if self.interim > MAX_INTERIM:
                self.fail(x, "The provider sent too many interim answers.")
                return
            self.head_done = False
            self.message_done = False
            self.partial = b""
            if rest:
                self.take_head(rest)
            return
        self.head_complete(x, head, rest, status)

    def head_complete(self, x: Exchange, head: bytes, rest: bytes, status: int) -> None:
        """A final head has been accepted by httptools: how its body is framed, and whether the connection lives on."""
        scan = self.core.answer_head
        if not scan.response(head):
            self.fail(x, "The provider's answer has contradictory framing.")
            return
        self.partial = b""
        self.state = BODY
        x.status = status
        x.answer_head = head
        x.answer_length = -1
        x.answer_type = scan.content_type or b""
        x.answer_encoding = scan.content_encoding or b""
        connection = scan.connection
        http10 = head[7] == 48
        if connection is None:
            self.keep = not http10
        else:
            lower = connection.lower()
            self.keep = b"close" not in lower and (not http10 or b"keep-alive" in lower)
        if not self.uploaded:
            # An answer before the request has been read: relayed, then the connection is closed (RFC 9112 9.5).
            self.keep = False
        if status == 204 or status == 304 or x.admin_method == b"HEAD":
            self.framing = NO_BODY
            x.answer_length = 0
            if rest or not self.message_done:
                self.keep = False
            self.finish(x, b"")
            return
        if scan.transfer_encoding is not None:
            self.framing = BY_CHUNKS
        elif scan.content_length >= 0:
            self.framing = BY_LENGTH
            self.body_left = scan.content_length
            x.answer_length = scan.content_length
            if self.body_left == 0:
                if rest or not self.message_done:
                    self.keep = False
                self.finish(x, b"")
                return
        else:
            self.framing = BY_CLOSE
            self.keep = False
        if rest:
            self.take_body(rest)
        else:
            self.core.wheel.set(self, self.body_deadline(x, monotonic_ns()))

    def body_deadline(self, x: Exchange, now_ns: int) -> int:
        limit = x.answer_deadline_ns
        target = x.target
        if target is not None and target.upstream.stream_idle_ns:
            idle = now_ns + target.upstream.stream_idle_ns
            if idle < limit or limit == 0:
                limit = idle
        return limit

    def take_body(self, data: bytes) -> None:
        x = self.x
        if x is None:
            self.close()
            return
        framing = self.framing
        if framing == BY_LENGTH:
            size = len(data)
            if size >= self.body_left:
                if size > self.body_left:
                    data = data[: self.body_left]
                    self.keep = False
                self.body_left = 0
                try:
                    self.parser.feed_data(data)
                except httptools.HttpParserError:
                    self.keep = False
                if not self.message_done:
                    self.keep = False
                self.pieces.clear()
                self.finish(x, data)
                return
            self.body_left -= size
            self.parser.feed_data(data)
            self.pieces.clear()
        elif framing == BY_CHUNKS:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserError:
                if not self.message_done and not self.last_chunk:
                    self.fail(x, "The provider's answer is not validly framed.")
                    return
                # Nothing follows a chunk's header at once but its data, or the trailers of the last one: the body is
                # here, and trailers are not relayed (httptools takes offence at a Content-Length among them).
                self.message_done = True
                self.extra = True
            pieces = self.pieces
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            if self.message_done:
                if self.extra:
                    self.keep = False
                self.finish(x, data)
                return
            if not data:
                return
        now_ns = monotonic_ns()
        self.core.wheel.set(self, self.body_deadline(x, now_ns))
        x.attempts.received(x, self, data, False)

    def finish(self, x: Exchange, data: bytes) -> None:
        """The answer is complete: the connection goes home before the answer goes on, so that the next request of the
        same caller finds it."""
        self.x = None
        x.link = None
        self.served += 1
        self.core.wheel.set(self, 0)
        if self.reading_paused:
            self.resume()
        if self.keep and self.stays and self.transport is not None and not self.transport.is_closing():
            self.state = IDLE
            self.home.free(self)
        else:
            self.close()
        x.attempts.received(x, self, data, True)

    def fail(self, x: Exchange, message: str) -> None:
        answered = self.state == BODY
        self.x = None
        x.link = None
        self.close()
        x.attempts.broken(x, self, int(ErrorKind.PROTOCOL), message, answered)
