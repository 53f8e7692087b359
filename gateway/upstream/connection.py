"""One connection to a provider: a request out, an answer in, one at a time.

``HeadScan`` judges an answer's head, ``ChunkedBody`` the framing of one that comes in chunks; both refuse whatever two
readers could understand differently (RFC 9112 sections 2.2, 5 and 6.3).
Whatever a provider sends that was not asked for ends the connection: no answer can meet another's request (B14).
"""

from __future__ import annotations

from typing import Any

from _speedups._bytes import head_end, monotonic_ns, part, taken
from _speedups._chunked import ChunkedBody
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

UNDECIDED = 0
PEEK = 2
"""``Exchange.mode`` of an answer of which the caller has seen nothing and which may be a stream."""

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

    def answered_first(self, link: UpstreamConnection) -> None:
        """Its first answer is complete."""
        raise NotImplementedError

    def lost(self, link: UpstreamConnection) -> None:
        """Closed."""
        raise NotImplementedError


class UpstreamConnection(SendingHalf):
    """A buffered protocol under uvloop (``get_buffer``), a plain one under asyncio (``data_received``)."""

    def __init__(self, core: Core, home: Home) -> None:
        SendingHalf.__init__(self, core)
        self.home = home
        self.counted = False
        self.framing = NO_BODY
        self.body_left = 0
        self.chunks: ChunkedBody | None = None
        self.keep = False

    # --- protocol callbacks

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        self.state = IDLE

    def get_buffer(self, hint: int) -> memoryview:
        return self.core.read_view

    def buffer_updated(self, count: int) -> None:
        self.data_received(taken(self.core.read_buffer, count))

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
        self.closing = True
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        state = self.state
        x = self.x
        self.state = CLOSED
        self.transport = None
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
        elif 0 < self.token_due_ns(x) <= now_ns:
            kind, message = ErrorKind.TIMEOUT_FIRST_TOKEN, "The provider's stream had no content in time."
        elif answered:
            kind, message = ErrorKind.TIMEOUT_IDLE, "The provider's answer stood still for too long."
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
        scan = self.core.answer_head
        if not scan.response(head):
            self.fail(x, f"The provider's answer is not valid HTTP: {scan.why}.")
            return
        status = scan.status
        rest = part(data, end, len(data))
        if status < 200:
            # An interim answer is skipped (RFC 9110 15.2). A switch of protocols was not asked for.
            self.interim += 1
            if status == 101:
                self.fail(x, "The provider's answer is not valid HTTP.")
            elif self.interim > MAX_INTERIM:
                self.fail(x, "The provider sent too many interim answers.")
            else:
                self.partial = b""
                if rest:
                    self.take_head(rest)
            return
        self.head_complete(x, head, rest, status)

    def head_complete(self, x: Exchange, head: bytes, rest: bytes, status: int) -> None:
        """A final head has been accepted: how its body is framed, and whether the connection lives on."""
        scan = self.core.answer_head
        self.partial = b""
        self.state = BODY
        x.status = status
        x.answer_head = head
        x.answer_length = -1
        x.answer_media = scan.media
        x.answer_encoding = b"" if scan.content_encoding is None else scan.content_encoding
        # An answer before the request has been read is relayed, then the connection is closed (RFC 9112 9.5).
        self.keep = scan.keep_alive and self.uploaded
        if status == 204 or status == 304 or x.admin_method == b"HEAD":
            self.framing = NO_BODY
            x.answer_length = 0
            if rest:
                self.keep = False
            self.finish(x, b"")
        elif scan.transfer_encoding is not None:
            self.framing = BY_CHUNKS
            if self.chunks is None:
                self.chunks = ChunkedBody()
            else:
                self.chunks.reset()
            self.begin_body(x, rest)
        elif scan.content_length >= 0:
            self.framing = BY_LENGTH
            self.body_left = scan.content_length
            x.answer_length = scan.content_length
            if self.body_left == 0:
                if rest:
                    self.keep = False
                self.finish(x, b"")
            else:
                self.begin_body(x, rest)
        else:
            self.framing = BY_CLOSE
            self.keep = False
            self.begin_body(x, rest)

    def begin_body(self, x: Exchange, rest: bytes) -> None:
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
        token = self.token_due_ns(x)
        return token if token and (token < limit or limit == 0) else limit

    def token_due_ns(self, x: Exchange) -> int:
        """By when the first content of a stream that has shown nothing yet is to come; 0: at any time."""
        target = x.target
        if target is None or not target.upstream.first_token_ns or not x.stream:
            return 0
        return x.sent_ns + target.upstream.first_token_ns if x.mode == UNDECIDED or x.mode == PEEK else 0

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
                    data = part(data, 0, self.body_left)
                    self.keep = False
                self.body_left = 0
                self.finish(x, data)
                return
            self.body_left -= size
        elif framing == BY_CHUNKS:
            chunks = self.chunks
            if chunks is None:
                return
            data = chunks.feed(data)
            if chunks.done:
                if chunks.extra:
                    self.keep = False
                self.finish(x, data)
                return
            if chunks.broken:
                if data:
                    x.attempts.received(x, self, data, False)
                # Whoever was told of the data may have given the attempt up.
                if self.x is x:
                    self.fail(x, "The provider's answer is not validly framed.")
                return
            if not data:
                return
        now_ns = monotonic_ns()
        due = self.token_due_ns(x)
        self.core.wheel.set(self, self.body_deadline(x, now_ns))
        x.attempts.received(x, self, data, False)
        if due and self.x is x and not self.token_due_ns(x):
            self.core.wheel.set(self, self.body_deadline(x, now_ns))

    def finish(self, x: Exchange, data: bytes) -> None:
        """The answer is complete: the connection goes home before the answer goes on, so that the next request of the
        same caller finds it."""
        self.x = None
        x.link = None
        self.served += 1
        if self.served == 1:
            self.home.answered_first(self)
        self.deadline_ns = 0
        if self.reading_paused:
            self.resume()
        if self.keep and self.transport is not None and not self.closing:
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
