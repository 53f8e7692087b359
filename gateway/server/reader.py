"""Bytes to requests: one at a time, in exact slices, nothing of the next before the present one is answered.

httptools judges the syntax; it is fed a head to its end, then the body. What httptools leaves to its user is judged by
``HeadScan``. What follows a request waits, and reading pauses.
"""

from __future__ import annotations

from typing import Any

import httptools

from _speedups._bytes import find_byte, head_end, monotonic_ns, part
from _speedups._head import MEDIA_JSON, HeadScan
from gateway.core import Core
from gateway.errors import BY_STATUS, GatewayError, Response, refuse
from gateway.exchange import Caller, Exchange
from gateway.pipeline import admit_head, end_locally
from gateway.pipeline import run as run_phases
from gateway.server.body import BodyReader
from gateway.server.routes import BINARY, JSON, NO_BODY

IDLE = 0
HEAD = 1
BODY = 2
BUSY = 3
CLOSING = 4

SLASH = ord("/")
MARK = ord("?")
JSON_BODY = MEDIA_JSON
TAKES_NO_BODY = NO_BODY
TAKES_JSON = JSON
TAKES_BINARY = BINARY


class RequestReader(Caller):
    """The reading half of a caller's connection; ``ServerConnection`` adds answers and deadlines."""

    def __init__(self, core: Core) -> None:
        Caller.__init__(self)
        self.core = core
        self.transport: Any = None
        self.parser: Any = None
        self.state = IDLE
        self.address = b""
        self.made_ns = 0
        self.served = 0
        self.x: Exchange | None = None
        # Head
        self.partial: bytearray | None = None
        self.fed = 0
        self.head_done = False
        self.message_done = False
        self.upgrading = False
        """httptools has met a request for another protocol: whatever comes next is no request (reliability A5)."""
        self.head_started_ns = 0
        # Body
        self.body: BodyReader | None = None
        self.body_limit = 0
        self.body_started_ns = 0
        # What waits for the present request to be answered
        self.rest = b""
        self.consuming = False
        self.reading_paused = False
        self.writing_paused = False
        self.half_closed = False
        self.dropped = 0

    def on_headers_complete(self) -> None:
        self.head_done = True

    def on_message_complete(self) -> None:
        self.message_done = True

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
            end = head_end(data)
            if end > 4 and data[0] > 32:
                head = part(data, 0, end)
                if not self.feed(head):
                    return b""
                return self.head_complete(head, part(data, end, len(data)))
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
                more = bytes(partial[self.fed : core.header_bytes])
                if more and not self.feed(more):
                    return b""
                target = partial.find(b" ") + 1
                end = partial.find(b" ", target)
                if target and (end if end > 0 else len(partial)) - target > core.target_bytes:
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
        self.dropped = 0
        if not self.feed(more):
            return b""
        self.partial = None
        return self.head_complete(head, rest)

    def feed(self, data: bytes) -> bool:
        """Let httptools judge the next slice; False when the connection has been refused."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The declared body would be parsed as a request if it were fed (reliability A5).
            self.upgrading = True
        except httptools.HttpParserError:
            if self.partial is None and not self.head_done:
                # A head that came whole: its refusal depends on its method.
                self.partial = bytearray(data)
            self.reject("bad_request", "Malformed request.")
            return False
        return True

    def head_complete(self, head: bytes, rest: bytes) -> bytes:
        """A whole head has been accepted by httptools; returns the bytes that follow it."""
        core = self.core
        if not self.head_done:
            self.reject_head(head)
            return b""
        scan = core.request_head
        if not scan.request(head):
            self.reject(BY_STATUS.get(scan.error, "bad_request"), scan.why)
            return b""
        if scan.target_end - scan.target_start > core.target_bytes:
            self.reject("uri_too_long", f"The request target is longer than {core.target_bytes} bytes.")
            return b""
        if scan.fields > core.header_count:
            self.reject("headers_too_large", f"The request has more than {core.header_count} header fields.")
            return b""
        if len(head) > core.header_bytes:
            self.reject("headers_too_large", f"The request's head is larger than {core.header_bytes} bytes.")
            return b""
        if scan.upgrade is not None and not self.may_upgrade(scan):
            self.reject("bad_request", "Protocol upgrades are not offered here.")
            return b""
        x = Exchange(self, core, self.head_started_ns)
        x.head = head
        x.request_id = core.next_id()
        x.reused = self.served > 0
        x.client = self.address if core.forwarded is None else core.forwarded.client(self.address, scan)
        x.method = scan.method
        target = part(head, scan.target_start, scan.target_end)
        x.http10 = scan.http10
        x.keep_alive = scan.keep_alive
        if core.draining or self.head_started_ns - self.made_ns > core.keepalive_age_ns:
            x.keep_alive = False
        x.head_only = x.method == b"HEAD"
        self.x = x
        if target[0] != SLASH:
            path = absolute_path(target)
            if path is None:
                self.reject("bad_request", "The request target must be a path.")
                return b""
            target = path
        mark = find_byte(target, MARK)
        if mark < 0:
            x.path = target
        else:
            x.path = target[:mark]
            x.query = target[mark + 1 :]
        if scan.content_type is not None:
            x.content_type = scan.content_type
            x.json_declared = scan.media == JSON_BODY
        length = scan.content_length
        chunked = scan.transfer_encoding is not None
        expect = scan.expect
        coded = scan.content_encoding
        refusal = admit_head(x)
        if self.upgrading:
            x.keep_alive = False
            if refusal is None and (x.route is None or not x.route.websocket):
                self.reject("bad_request", "Protocol upgrades are not offered here.")
                return b""
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
        self.body = BodyReader(self.parser, -1 if chunked else length, self.body_limit)
        self.body_started_ns = monotonic_ns()
        self.arm_body(self.body_started_ns)
        if expect is not None and not rest and not x.http10:
            self.answer(b"HTTP/1.1 100 Continue\r\n\r\n")
        return rest

    def may_upgrade(self, scan: HeadScan) -> bool:
        """Whether a request with an Upgrade field can be looked at: without a body, and for a WebSocket if at all."""
        if scan.content_length > 0 or scan.transfer_encoding is not None:
            return False
        return not self.upgrading or (scan.upgrade is not None and scan.upgrade.lower() == b"websocket")

    def whole_body(self, x: Exchange, rest: bytes, length: int) -> bytes:
        """The common way: the body came with the head."""
        if length > 0:
            body = part(rest, 0, length)
            if not self.feed(body):
                return b""
            x.body = body
            rest = part(rest, length, len(rest))
        if not self.message_done:
            self.reject("bad_request", "Malformed request.")
            return b""
        self.run(x)
        return rest

    def size_body(self, x: Exchange, length: int, chunked: bool) -> Response | None:
        """Refuse what is larger than the route takes before a byte of it is read."""
        route = x.route
        kind = TAKES_NO_BODY if route is None else route.body
        limit = self.core.json_body_bytes if kind <= TAKES_JSON else self.core.binary_body_bytes
        self.body_limit = limit
        x.body_length = length if length >= 0 or chunked else 0
        if length > limit:
            error = GatewayError("too_large", f"The body is larger than the {limit} bytes accepted here.")
            return refuse(error, x.request_id.decode())
        if length < 0 and not chunked and kind in (TAKES_JSON, TAKES_BINARY) and x.method == b"POST":
            # What follows may well be the body whose length was left out: it is not read as a request.
            x.keep_alive = False
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
                end_locally(x, refusal)
                return rest[len(body) :]
        x.keep_alive = False
        self.state = BUSY
        end_locally(x, refusal)
        return b""

    def take_body(self, data: bytes) -> bytes:
        x = self.x
        body = self.body
        if x is None or body is None:
            return b""
        rest = body.take(data)
        if body.error:
            self.reject("bad_request", body.error)
        elif body.too_large:
            self.reject("too_large", f"The body is larger than the {self.body_limit} bytes accepted here.")
        elif body.done:
            self.body_complete(x, body)
        elif x.uploading:
            if x.link is not None and body.pieces:
                x.link.upload(body.collected(), False)
        elif body.data_bytes > self.core.binary_hold_bytes and x.route is not None and x.route.body > JSON:
            # Too large to hold: from here on it streams through.
            x.body = body.collected()
            x.uploading = True
            run_phases(x)
            if x.link is None and self.state == BODY:
                # It waits for a connection or a token; what comes next goes to that connection.
                self.hold_body()
        return rest if self.state != CLOSING else b""

    def body_complete(self, x: Exchange, body: BodyReader) -> None:
        self.body = None
        if not self.message_done:
            self.reject("bad_request", "Malformed request.")
        elif x.uploading:
            x.uploading = False
            self.state = BUSY
            x.complete_ns = monotonic_ns()
            if x.link is not None:
                x.link.upload(body.collected(), True)
            else:
                x.body += body.collected()
        else:
            x.body = body.collected()
            self.run(x)

    def run(self, x: Exchange) -> None:
        self.state = BUSY
        self.deadline_ns = 0
        run_phases(x)

    def reject(self, kind: str, message: str) -> None:
        """Refuse what can't be answered in order: one error, then the end of the connection (A4)."""
        raise NotImplementedError

    def reject_head(self, head: bytes) -> None:
        """Refuse what httptools does not take for a head; a client that speaks HTTP/2 is told to use HTTP/1.1."""
        raise NotImplementedError

    def arm_body(self, now_ns: int) -> None:
        """Set the next look at how fast the body arrives."""
        raise NotImplementedError


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
