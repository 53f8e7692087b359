"""One caller's connection: bytes to requests, answers to bytes, in order, within bounds.

httptools judges the syntax; it is fed exact slices (a head to its end, then the body), so that nothing of a following
request is looked at before the present one is answered. What httptools leaves to its user is judged by ``HeadScan``.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import Any

import httptools

from gateway import pipeline
from gateway.core import Core
from gateway.errors import BY_STATUS, GatewayError, Response, refuse
from gateway.exchange import Caller, Exchange
from gateway.server.response import connection_field, status_line
from gateway.server.routes import BINARY, JSON, NO_BODY

IDLE = 0
HEAD = 1
BODY = 2
BUSY = 3
CLOSING = 4

LENGTH = 0
CHUNK_LINE = 1
CHUNK_DATA = 2
CHUNK_END = 3
TRAILER = 4

CHUNK_OVERHEAD = 16384
"""Framing bytes beyond an eighth of the data after which a chunked body is an attack (A11; Go CVE-2023-39326)."""
LINGER_NS = 500_000_000
"""After a refusal the rest of what the caller sends is read and dropped for so long, lest a reset eat the answer."""
LINGER_BYTES = 1 << 20
HIGH_WATER = 65536
LOW_WATER = 16384


class ServerConnection(Caller):
    """An ``asyncio.Protocol`` in all but name: compiled classes can't inherit from it."""

    def __init__(self, core: Core) -> None:
        Caller.__init__(self)
        self.core = core
        self.transport: Any = None
        self.parser: Any = None
        self.state = IDLE
        self.made_ns = 0
        self.served = 0
        self.x: Exchange | None = None
        # Head
        self.partial: bytearray | None = None
        self.fed = 0
        self.head_done = False
        self.message_done = False
        self.head_started_ns = 0
        # Body
        self.framing = LENGTH
        self.body_left = 0
        self.body_limit = 0
        self.body_parts: list[bytes] = []
        self.body_bytes = 0
        self.body_started_ns = 0
        self.raw_bytes = 0
        self.line = b""
        # What waits for the present request to be answered
        self.rest = b""
        self.consuming = False
        self.reading_paused = False
        self.writing_paused = False
        self.half_closed = False
        self.dropped = 0

    # --- protocol callbacks

    def connection_made(self, transport: Any) -> None:
        core = self.core
        self.transport = transport
        self.made_ns = monotonic_ns()
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

    def data_received(self, data: bytes) -> None:
        if self.state == CLOSING:
            self.dropped += len(data)
            if self.dropped > LINGER_BYTES:
                self.transport.abort()
            return
        if self.rest:
            data = self.rest + data
            self.rest = b""
        self.consume(data)

    def eof_received(self) -> bool:
        """A caller that has finished sending still gets its answer (RFC 9112 9.6); one in the middle of a request is cut."""
        self.half_closed = True
        if self.state == BUSY:
            return True
        if self.state == BODY and self.x is not None and self.x.uploading:
            self.core.attempts.caller_gone(self.x)
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
        self.body_parts = []
        x = self.x
        if x is not None:
            self.x = None
            if not x.ended:
                self.core.attempts.caller_gone(x)
            x.caller = None

    def pause_writing(self) -> None:
        self.writing_paused = True
        self.core.wheel.set(self, monotonic_ns() + self.core.write_timeout_ns)
        x = self.x
        if x is not None:
            x.caller_paused = True
            if x.link is not None:
                x.link.pause()

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self.state == BUSY:
            self.core.wheel.set(self, 0)
        x = self.x
        if x is not None:
            x.caller_paused = False
            if x.link is not None:
                x.link.resume()
        elif self.state == IDLE:
            self.core.wheel.set(self, monotonic_ns() + self.core.keepalive_ns)
            self.go_on()

    # --- httptools callbacks

    def on_headers_complete(self) -> None:
        self.head_done = True

    def on_message_complete(self) -> None:
        self.message_done = True

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
        elif self.state == CLOSING:
            self.transport.abort()
        elif self.state == IDLE:
            self.transport.close()

    def check_body_rate(self, now_ns: int) -> None:
        core = self.core
        spent = now_ns - self.body_started_ns
        if spent >= core.body_timeout_ns:
            self.reject("request_timeout", "The request's body did not arrive in time.")
        elif spent > core.body_grace_ns and (
            self.body_bytes < (spent - core.body_grace_ns) // 1_000_000_000 * core.body_min_rate
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

    # --- bytes to requests

    def consume(self, data: bytes) -> None:
        """Take requests from ``data`` until one is under way; the rest is kept, and reading pauses."""
        self.consuming = True
        while data:
            if self.state == BUSY or (self.writing_paused and self.state == IDLE):
                self.rest = data
                self.pause_reading()
                break
            if self.state == CLOSING:
                break
            data = self.take_body(data) if self.state == BODY else self.take_head(data)
        self.consuming = False

    def go_on(self) -> None:
        """The connection is free again: take up what has waited."""
        if self.reading_paused:
            self.reading_paused = False
            if self.transport is not None:
                self.transport.resume_reading()
        if self.rest and not self.consuming:
            data = self.rest
            self.rest = b""
            self.consume(data)
        if self.half_closed and self.state == IDLE and not self.rest and self.transport is not None:
            self.transport.close()

    def pause_reading(self) -> None:
        if not self.reading_paused and self.transport is not None:
            self.reading_paused = True
            self.transport.pause_reading()

    def take_head(self, data: bytes) -> bytes:
        core = self.core
        if self.state == IDLE:
            self.state = HEAD
            self.fed = 0
            self.head_done = False
            self.message_done = False
            self.head_started_ns = monotonic_ns()
        partial = self.partial
        if partial is None:
            end = data.find(b"\r\n\r\n")
            if end > 0 and data[0] > 32:
                head = data[: end + 4]
                if not self.feed(head):
                    return b""
                return self.head_complete(head, data[end + 4 :])
            partial = self.partial = bytearray()
            core.wheel.set(self, self.head_started_ns + core.header_timeout_ns)
        partial += data
        # One empty line before a request line is ignored (RFC 9112 2.2).
        while self.fed == 0 and partial[:2] == b"\r\n":
            del partial[:2]
            self.dropped += 1
            if self.dropped > 2:
                self.reject("bad_request", "Empty lines where a request was expected.")
                return b""
        if not partial or (self.fed == 0 and partial == b"\r"):
            return b""
        end = partial.find(b"\r\n\r\n", max(0, self.fed - 3))
        if end < 0:
            if len(partial) > core.header_bytes:
                line = partial.find(b"\r\n")
                if line < 0 or line > core.target_bytes + 64:
                    self.reject("uri_too_long", "The request line is too long.")
                else:
                    self.reject("headers_too_large", "The request's head is too large.")
                return b""
            more = bytes(partial[self.fed :])
            self.fed = len(partial)
            if self.feed(more) and self.head_done:
                self.reject("bad_request", "Malformed request head.")
            return b""
        head = bytes(partial[: end + 4])
        rest = bytes(partial[end + 4 :])
        more = head[self.fed :]
        self.partial = None
        self.dropped = 0
        if not self.feed(more):
            return b""
        return self.head_complete(head, rest)

    def feed(self, data: bytes) -> bool:
        """Let httptools judge the next slice; False when the connection has been refused."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The declared body would be parsed as a request if it were fed (reliability A5).
            self.reject("bad_request", "Protocol upgrades are not offered here.")
            return False
        except httptools.HttpParserError:
            self.reject("bad_request", "Malformed request.")
            return False
        return True

    def head_complete(self, head: bytes, rest: bytes) -> bytes:
        """A whole head has been accepted by httptools; returns the bytes that follow it."""
        core = self.core
        if not self.head_done:
            self.reject("bad_request", "Malformed request head.")
            return b""
        scan = core.request_head
        if not scan.request(head):
            self.reject(BY_STATUS.get(scan.error, "bad_request"), scan.why)
            return b""
        if scan.upgrade is not None and (scan.content_length > 0 or scan.transfer_encoding is not None):
            self.reject("bad_request", "Protocol upgrades are not offered here.")
            return b""
        x = Exchange(self, core, self.head_started_ns)
        x.head = head
        x.request_id = core.next_id()
        x.reused = self.served > 0
        space = head.find(b" ")
        end = head.find(b" ", space + 1)
        x.method = head[:space]
        target = head[space + 1 : end]
        x.http10 = head[end + 8] == 48
        connection = scan.connection
        if connection is None:
            x.keep_alive = not x.http10
        else:
            tokens = [token.strip() for token in connection.lower().split(b",")]
            x.keep_alive = b"close" not in tokens and (not x.http10 or b"keep-alive" in tokens)
        if core.draining or self.head_started_ns - self.made_ns > core.keepalive_age_ns:
            x.keep_alive = False
        x.head_only = x.method == b"HEAD"
        self.x = x
        if target[:1] != b"/":
            path = absolute_path(target)
            if path is None:
                self.reject("bad_request", "The request target must be a path.")
                return b""
            target = path
        mark = target.find(b"?")
        if mark < 0:
            x.path = target
        else:
            x.path = target[:mark]
            x.query = target[mark + 1 :]
        x.content_type = scan.content_type or b""
        length = scan.content_length
        chunked = scan.transfer_encoding is not None
        expect = scan.expect
        coded = scan.content_encoding
        refusal = pipeline.open(x)
        if refusal is None and coded is not None and coded.lower() != b"identity":
            refusal = refuse(
                GatewayError("unsupported_media", "Compressed request bodies are not accepted."), x.request_id.decode()
            )
        if refusal is None and expect is not None and expect.lower() != b"100-continue":
            refusal = refuse(GatewayError("expectation_failed", "Unknown expectation."), x.request_id.decode())
        if refusal is None:
            refusal = self.size_body(x, length, chunked)
        if refusal is not None:
            return self.turn_away(x, refusal, rest, length, chunked)
        if not chunked and length <= len(rest):
            return self.whole_body(x, rest, length)
        self.state = BODY
        self.body_parts = []
        self.body_bytes = 0
        self.raw_bytes = 0
        self.line = b""
        self.framing = CHUNK_LINE if chunked else LENGTH
        self.body_left = length
        self.body_started_ns = monotonic_ns()
        self.arm_body(self.body_started_ns)
        if expect is not None and not rest and not x.http10:
            self.answer(b"HTTP/1.1 100 Continue\r\n\r\n")
        return rest

    def whole_body(self, x: Exchange, rest: bytes, length: int) -> bytes:
        """The common way: the body came with the head."""
        if length > 0:
            body = rest[:length] if len(rest) != length else rest
            if not self.feed(body):
                return b""
            x.body = body
            rest = rest[length:]
        if not self.message_done:
            self.reject("bad_request", "Malformed request.")
            return b""
        self.run(x)
        return rest

    def size_body(self, x: Exchange, length: int, chunked: bool) -> Response | None:
        """Refuse what is larger than the route takes before a byte of it is read."""
        route = x.route
        kind = NO_BODY if route is None else route.body
        limit = self.core.json_body_bytes if kind <= JSON else self.core.binary_body_bytes
        self.body_limit = limit
        x.body_length = length if length >= 0 or chunked else 0
        if length > limit:
            error = GatewayError("too_large", f"The body is larger than the {limit} bytes accepted here.")
            return refuse(error, x.request_id.decode())
        if kind in (JSON, BINARY) and not chunked and length < 0 and x.method == b"POST":
            return refuse(GatewayError("length_required", "A body is required."), x.request_id.decode())
        return None

    def turn_away(self, x: Exchange, refusal: Response, rest: bytes, length: int, chunked: bool) -> bytes:
        """Refused at its head: the connection lives on only when the body is already here to be skipped."""
        if not chunked and length <= len(rest):
            body = rest[:length] if length > 0 else b""
            if body and not self.feed(body):
                return b""
            if self.message_done:
                self.state = BUSY
                pipeline.end_locally(x, refusal)
                return rest[len(body) :]
        x.keep_alive = False
        self.state = BUSY
        pipeline.end_locally(x, refusal)
        return b""

    def take_body(self, data: bytes) -> bytes:
        x = self.x
        if x is None:
            return b""
        if self.framing == LENGTH:
            piece = data[: self.body_left] if len(data) > self.body_left else data
            if not self.feed(piece):
                return b""
            self.body_left -= len(piece)
            rest = data[len(piece) :]
            self.body_piece(x, piece)
            if self.body_left == 0 and self.state == BODY:
                self.body_complete(x)
            return rest
        return self.take_chunks(x, data)

    def take_chunks(self, x: Exchange, data: bytes) -> bytes:
        """RFC 9112 7.1. Each line and each chunk's data are fed as slices of their own, so the end of the message is the
        end of a slice; httptools judges them, this only finds the borders."""
        self.raw_bytes += len(data)
        if self.line:
            data = self.line + data
            self.line = b""
        at = 0
        size = len(data)
        while at < size:
            if self.framing == CHUNK_DATA:
                stop = at + self.body_left if self.body_left < size - at else size
                piece = data[at:stop]
                if not self.feed(piece):
                    return b""
                self.body_left -= stop - at
                at = stop
                self.body_piece(x, piece)
                if self.state != BODY:
                    return b""
                if self.body_left == 0:
                    self.framing = CHUNK_END
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                if size - at > CHUNK_OVERHEAD:
                    self.reject("bad_request", "Chunk framing takes more room than the data.")
                    return b""
                self.line = data[at:]
                if b"\n" in self.line or (b"\r" in self.line[:-1]):
                    self.reject("bad_request", "Malformed chunk.")
                    return b""
                break
            line = data[at : end + 2]
            at = end + 2
            if not self.feed(line):
                return b""
            if self.framing == CHUNK_LINE:
                semicolon = line.find(b";")
                self.body_left = int(line[:semicolon] if semicolon >= 0 else line, 16)
                self.framing = CHUNK_DATA if self.body_left else TRAILER
            elif self.framing == CHUNK_END:
                self.framing = CHUNK_LINE
            elif self.message_done:
                self.body_complete(x)
                return data[at:]
        if self.raw_bytes - self.body_bytes > CHUNK_OVERHEAD + self.body_bytes // 8:
            self.reject("bad_request", "Chunk framing takes more room than the data.")
        return b""

    def body_piece(self, x: Exchange, piece: bytes) -> None:
        self.body_bytes += len(piece)
        if self.body_bytes > self.body_limit:
            self.reject("too_large", f"The body is larger than the {self.body_limit} bytes accepted here.")
        elif x.uploading:
            if x.link is not None:
                x.link.upload(piece, False)
        else:
            self.body_parts.append(piece)
            held = self.core.binary_hold_bytes
            if self.body_bytes > held and x.route is not None and x.route.body > JSON and self.body_left != 0:
                # Too large to hold: from here on it streams through.
                x.body = b"".join(self.body_parts)
                self.body_parts = []
                x.uploading = True
                pipeline.run(x)

    def body_complete(self, x: Exchange) -> None:
        if not self.message_done:
            self.reject("bad_request", "Malformed request.")
            return
        if x.uploading:
            x.uploading = False
            self.state = BUSY
            x.complete_ns = monotonic_ns()
            if x.link is not None:
                x.link.upload(b"", True)
            return
        x.body = b"".join(self.body_parts) if len(self.body_parts) != 1 else self.body_parts[0]
        self.body_parts = []
        self.run(x)

    def run(self, x: Exchange) -> None:
        self.state = BUSY
        if self.deadline_ns:
            self.core.wheel.set(self, 0)
        pipeline.run(x)

    # --- answers to bytes

    def answer(self, data: bytes) -> None:
        transport = self.transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

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
        self.core.wheel.set(self, monotonic_ns() + (self.core.write_timeout_ns if self.writing_paused else self.core.keepalive_ns))
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

    def close_if_idle(self) -> None:
        if self.state == IDLE and self.transport is not None:
            self.transport.close()

    def cut_off(self) -> None:
        """The worker is going: an exchange still under way ends with an error, then the connection closes."""
        x = self.x
        if x is not None and not x.ended:
            self.core.attempts.drain_cut(x)
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
            self.core.attempts.caller_gone(x)
        if x is not None and not x.ended:
            x.keep_alive = False
            self.state = BUSY
            pipeline.end_locally(x, refuse(GatewayError(kind, message), x.request_id.decode()))
            return
        if self.transport is not None:
            response = refuse(GatewayError(kind, message), "")
            self.answer(self.head_of(response.status, response, b"", False, False))
        self.x = None
        self.linger()

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


def absolute_path(target: bytes) -> bytes | None:
    """The path of an absolute-form target (RFC 9112 3.2.2); None for any other form than http and https."""
    lower = target[:8].lower()
    start = 7 if lower.startswith(b"http://") else 8 if lower.startswith(b"https://") else 0
    if not start:
        return None
    slash = target.find(b"/", start)
    if slash < 0:
        return b"/"
    authority = target[start:slash]
    if not authority or b"@" in authority or b"?" in authority or b"#" in authority:
        return None
    return target[slash:]
