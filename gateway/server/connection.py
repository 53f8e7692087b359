"""One caller's connection: requests in (``reader``), answers out, in order, within bounds of size and time."""

from __future__ import annotations

import random
from typing import Any

import httptools

from _speedups._bytes import monotonic_ns
from _speedups._head import MEDIA_EVENTS
from gateway import pipeline
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.server import keepalive
from gateway.server.forwarded import packed
from gateway.server.reader import RequestReader
from gateway.server.response import connection_field, status_line
from providers.operations import Operation

IDLE = 0
HEAD = 1
BODY = 2
BUSY = 3
CLOSING = 4
ADMIN = int(Operation.ADMIN)
EVENTS = MEDIA_EVENTS

LINGER_NS = 500_000_000
"""After a refusal the rest of what the caller sends is read and dropped for so long, lest a reset eat the answer."""
LINGER_BYTES = 1 << 20
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\n"
"""How a client begins that takes it for granted that HTTP/2 is spoken (RFC 9113 3.4), up to its empty line."""
HTTP2_REFUSAL = (
    b"\0\0\0\x04\0\0\0\0\0"  # SETTINGS, none: a server's first frame (RFC 9113 3.4)
    b"\0\0\x20\x07\0\0\0\0\0"  # GOAWAY: no stream was taken up, HTTP_1_1_REQUIRED (7)
    b"\0\0\0\0\0\0\0\x0d"
    b"HTTP/1.1 is spoken here."
)
HIGH_WATER = 65536
LOW_WATER = 16384


MOST_AHEAD = 0.2


def ahead_ns(age_ns: int) -> int:
    """By how much a connection is taken for older than it is: up to a fifth of the longest age, by lot, so that those
    which were made together are not given up together."""
    return int(random.random() * MOST_AHEAD * age_ns) if age_ns > 0 else 0


class ServerConnection(RequestReader):
    """An ``asyncio.Protocol`` in all but name: compiled classes can't inherit from it."""

    # --- protocol callbacks

    def connection_made(self, transport: Any) -> None:
        core = self.core
        self.transport = transport
        self.made_ns = monotonic_ns()
        self.address = packed(self.peer())
        if len(core.connections) >= core.max_connections:
            core.refused_connections += 1
            error = GatewayError("overloaded", "Too many connections.", source="gateway", retry=True, retry_after=1)
            transport.write(self.head_of(503, refuse(error, ""), b"", False, False))
            transport.close()
            self.state = CLOSING
            return
        core.connections.add(self)
        transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        self.parser = httptools.HttpRequestParser(self)
        core.wheel.set(self, self.made_ns + core.header_timeout_ns)
        self.made_ns -= ahead_ns(core.keepalive_age_ns)

    def data_received(self, data: bytes) -> None:
        if self.state == CLOSING:
            self.dropped += len(data)
            if self.dropped > LINGER_BYTES:
                self.transport.abort()
            return
        core = self.core
        core.intake -= len(data)
        if self.rest:
            data = self.rest + data
            self.rest = b""
        self.consume(data)
        if core.intake < 0:
            core.measure()

    def eof_received(self) -> bool:
        """A caller that has finished sending still gets its answer (RFC 9112 9.6); half a request is refused."""
        self.half_closed = True
        if self.state == BUSY:
            # Whoever can't send frames any more has no use for a WebSocket.
            return not self.upgrading
        if self.state == BODY and self.x is not None and self.x.uploading:
            self.x.attempts.caller_gone(self.x)
        elif self.state in (HEAD, BODY):
            self.reject("bad_request", "The connection was closed inside a request.")
            return True
        return self.state == CLOSING

    def connection_lost(self, exc: BaseException | None) -> None:
        self.core.connections.discard(self)
        self.core.wheel.set(self, 0)
        self.transport = None
        self.parser = None
        self.state = CLOSING
        self.partial = None
        self.rest = b""
        self.body = None
        x = self.x
        if x is not None:
            self.x = None
            if not x.ended:
                x.attempts.caller_gone(x)
            # Where others hear its answer, it goes on, with somebody else in this place.
            if x.caller is self:
                x.caller = None

    def pause_writing(self) -> None:
        self.writing_paused = True
        self.core.wheel.set(self, monotonic_ns() + self.core.write_timeout_ns)
        x = self.x
        if x is not None:
            x.caller_paused = True
            if x.link is not None and (x.flight is None or not x.flight.hurried()):
                x.link.pause()

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self.state == BUSY:
            self.core.wheel.set(self, 0)
        x = self.x
        if x is not None:
            x.caller_paused = False
            if x.commented:
                keepalive.beat(x, monotonic_ns())
            if x.link is not None:
                x.link.resume()
        elif self.state == IDLE:
            self.core.wheel.set(self, monotonic_ns() + self.core.keepalive_ns)
            self.go_on()

    # --- deadlines

    def expire(self, now_ns: int) -> None:
        if self.transport is None:
            return
        if self.writing_paused:
            # The caller has not drained its share of the socket's buffer within the write time-out.
            self.transport.abort()
        elif self.state == HEAD:
            self.reject("request_timeout", "The request's head did not arrive in time.")
        elif self.state == BODY:
            self.check_body_rate(now_ns)
        elif self.state == BUSY:
            if self.x is not None:
                keepalive.beat(self.x, now_ns)
        elif self.state == CLOSING:
            self.transport.abort()
        elif self.state == IDLE:
            self.transport.close()

    def check_body_rate(self, now_ns: int) -> None:
        core = self.core
        if self.reading_paused:
            # It is not the caller who keeps the rest waiting.
            self.body_started_ns = now_ns
        spent = now_ns - self.body_started_ns
        if spent >= core.body_timeout_ns:
            self.reject("request_timeout", "The request's body did not arrive in time.")
        elif spent > core.body_grace_ns and (
            (0 if self.body is None else self.body.data_bytes)
            < (spent - core.body_grace_ns) // 1_000_000_000 * core.body_min_rate
        ):
            self.reject("request_timeout", "The request's body arrives too slowly.")
        else:
            self.arm_body(now_ns)

    def arm_body(self, now_ns: int) -> None:
        core = self.core
        spent = now_ns - self.body_started_ns
        step = core.body_grace_ns - spent if spent < core.body_grace_ns else 1_000_000_000
        left = core.body_timeout_ns - spent
        core.wheel.set(self, now_ns + (step if step < left else left) + 1)

    # --- answers to bytes

    def answer(self, data: bytes) -> None:
        transport = self.transport
        if transport is not None:
            try:
                transport.write(data)
            except RuntimeError:
                # The transport has been closed under us; connection_lost is on its way.
                return

    def answered(self, x: Exchange, reusable: bool) -> None:
        if self.x is not x:
            return
        self.x = None
        self.served += 1
        transport = self.transport
        if transport is None:
            return
        x.caller = None
        if not reusable:
            # Cut short: the missing end of the message must not look like one.
            self.state = CLOSING
            self.core.wheel.set(self, monotonic_ns() + LINGER_NS)
            transport.close()
            return
        if self.state == BODY or not x.keep_alive or self.core.draining:
            self.linger()
            return
        self.state = IDLE
        self.dropped = 0
        wait_ns = self.core.write_timeout_ns if self.writing_paused else self.core.keepalive_ns
        self.core.wheel.set(self, (x.done_ns or monotonic_ns()) + wait_ns)
        if not self.consuming:
            self.go_on()

    def head_of(self, status: int, response: Response, request_id: bytes, http10: bool, keep_alive: bool) -> bytes:
        return b"%bcontent-type: %b\r\n%b%b%bcontent-length: %d\r\n\r\n%b" % (
            status_line(status),
            response.content_type,
            b"x-microgate-request-id: " + request_id + b"\r\n" if request_id else b"",
            response.headers,
            connection_field(http10, keep_alive),
            len(response.body),
            response.body,
        )

    def respond(self, x: Exchange, response: Response) -> None:
        """An answer of our own: one write, then the next request or the end."""
        data = self.head_of(response.status, response, x.request_id, x.http10, x.keep_alive)
        if x.head_only and response.body:
            data = data[: -len(response.body)]
        self.answer(data)
        self.answered(x, True)

    def hand_over(self) -> tuple[Any, bytes]:
        """Another protocol speaks from here on: its transport, and what has come behind the request."""
        transport, rest = self.transport, self.rest
        self.core.connections.discard(self)
        self.core.wheel.set(self, 0)
        self.transport = None
        self.parser = None
        self.state = CLOSING
        self.rest = b""
        self.x = None
        return transport, rest

    def close_if_idle(self) -> None:
        x = self.x
        if self.state == IDLE and self.transport is not None:
            self.transport.close()
        elif x is not None and x.head_sent and x.operation == ADMIN and x.answer_media == EVENTS:
            # Somebody watches, for hours perhaps, and comes back elsewhere.
            self.cut_off()

    def cut_off(self) -> None:
        """The worker is going: an exchange still under way ends with an error, then the connection closes."""
        x = self.x
        if x is not None and not x.ended:
            x.attempts.drain_cut(x)
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def peer(self) -> str:
        address = None if self.transport is None else self.transport.get_extra_info("peername")
        return str(address[0]) if isinstance(address, tuple) else "" if address is None else "unix"

    def hold_body(self) -> None:
        self.pause_reading()

    def release_body(self) -> None:
        if self.reading_paused and self.transport is not None:
            self.reading_paused = False
            self.transport.resume_reading()

    def reject(self, kind: str, message: str) -> None:
        """Refuse what can't be answered in order: one error, then the end of the connection (A4)."""
        if self.state == CLOSING:
            return
        x = self.x
        if x is not None and x.uploading:
            # The answer's place is the upstream's; a request cut in the middle can only be dropped.
            x.attempts.caller_gone(x)
        if x is not None and not x.ended:
            x.keep_alive = False
            self.state = BUSY
            pipeline.end_locally(x, refuse(GatewayError(kind, message), x.request_id.decode()))
            return
        if self.transport is not None:
            response = refuse(GatewayError(kind, message), "")
            data = self.head_of(response.status, response, b"", False, False)
            # The answer to HEAD never has a body (RFC 9110 9.3.2).
            self.answer(data[: -len(response.body)] if self.asked_head() else data)
        self.x = None
        self.linger()

    def reject_head(self, head: bytes) -> None:
        if head != HTTP2_PREFACE:
            self.reject("bad_request", "Malformed request head.")
            return
        if self.transport is not None:
            self.answer(HTTP2_REFUSAL)
        self.linger()

    def asked_head(self) -> bool:
        """Whether the request to be refused is a HEAD, which its first bytes say until httptools has its whole head."""
        if not self.head_done:
            return self.partial is not None and self.partial[:5] == b"HEAD "
        return self.parser is not None and self.parser.get_method() == b"HEAD"

    def linger(self) -> None:
        """Say that nothing more comes, and read on for a moment so that the answer is not lost to a reset."""
        self.state = CLOSING
        self.rest = b""
        self.partial = None
        self.dropped = 0
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self.half_closed or not transport.can_write_eof():
            transport.close()
            return
        transport.write_eof()
        if self.reading_paused:
            self.reading_paused = False
            transport.resume_reading()
        self.core.wheel.set(self, monotonic_ns() + LINGER_NS)
