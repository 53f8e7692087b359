"""Ask: one attempt after another until an answer begins, then hand over to the relay.

Everything here is told by the upstream connection's callbacks; nothing awaits. Until the first byte has gone to the
caller an attempt may be repeated elsewhere; after it, never (B3).
"""

from __future__ import annotations

from _speedups._bytes import monotonic_ns
from _speedups._head import MEDIA_EVENTS, MEDIA_HTML, MEDIA_JSON, MEDIA_NONE
from _speedups._health import NEUTRAL
from _speedups._stream import StreamScan, UsageScan
from gateway.cache.joined import cut_short
from gateway.errors import GatewayError
from gateway.exchange import Exchange, Link
from gateway.phases import translated
from gateway.phases.ask import Asking
from gateway.phases.retry import UNANSWERED
from gateway.phases.sealing import as_named, sealing_of
from gateway.phases.service_tier import listening
from gateway.phases.settle import release, settle
from gateway.phases.verdict import (
    STREAM_KINDS,
    decode,
    error_kind_of,
    judged,
    last_head,
    status_in,
    unquoted,
    without_encoding,
)
from gateway.records import CacheVerdict, ErrorKind, Flags, Outcome
from gateway.relay import begin as relay_begin
from gateway.relay import cut as relay_cut
from gateway.relay import piece as relay_piece
from gateway.relay import whole as relay_whole
from gateway.routing.deadline import overdue
from providers.operations import Operation

EVENTS = MEDIA_EVENTS
HTML = MEDIA_HTML
JSON_BODY = MEDIA_JSON
UNSTATED = MEDIA_NONE
UNDECIDED = 0
HOLD = 1
PEEK = 2
RELAY = 3
RESPONSES, ADMIN = int(Operation.RESPONSES), int(Operation.ADMIN)
TIMEOUT_TOTAL = int(ErrorKind.TIMEOUT_TOTAL)
SHARED = int(CacheVerdict.SHARED)

HOLD_BYTES = 262_144
"""An answer up to this size is judged whole before a byte of it goes out, so a broken one can be asked for again."""
PEEK_BYTES = 16_384
PEEK_NS = 2_000_000_000
"""A stream that has sent only comments for so long is let through: callers time out on silence. Not where its first
content is due by a certain time and another target can be asked instead (``Retrying.guarded``)."""
UNANSWERED_IN_TIME = frozenset(
    int(kind)
    for kind in (
        ErrorKind.TIMEOUT_CONNECT,
        ErrorKind.TIMEOUT_FIRST_BYTE,
        ErrorKind.TIMEOUT_FIRST_TOKEN,
        ErrorKind.TIMEOUT_IDLE,
    )
)


def forward(x: Exchange) -> None:
    """Begin asking; the answer, or the failure, comes through ``Forward``."""
    x.attempts.begin(x)


class Forward(Asking):
    """All attempts of one worker. Methods are called from connection callbacks and never raise into them."""

    def received(self, x: Exchange, link: Link | None, data: bytes, complete: bool) -> None:
        try:
            x.response_bytes += len(data)
            if complete:
                x.last_byte_ns = monotonic_ns()
            if x.answer_media == JSON_BODY:
                limit = self.core.response_json_bytes
                if x.response_bytes > limit or x.answer_length > limit:
                    self.too_large(x, limit)
                    return
            if x.race is not None and x.status < 400:
                x.race.answered()
            if x.joining is not None:
                x.joining.received(self, x, data, complete)
                return
            self.take(x, data, complete)
        except Exception as error:
            self.core.fault(x, error)

    def take(self, x: Exchange, data: bytes, complete: bool) -> None:
        """A piece of an answer, by what has been decided about it."""
        if x.translation is not None:
            translated.received(self, x, data, complete)
            return
        mode = x.mode
        if mode == RELAY and x.sealing is None:
            relay_piece(x, data, complete)
            return
        if mode == UNDECIDED:
            mode = self.decide(x)
        if x.sealing is not None and mode != HOLD:
            data = x.sealing.feed(data, complete)
        if mode == RELAY:
            relay_piece(x, data, complete)
        elif mode == PEEK:
            self.peek(x, data, complete)
        else:
            self.hold(x, data, complete)

    def decide(self, x: Exchange) -> int:
        """From the head alone: judge it whole, look at its first event, or let it through."""
        media = x.answer_media
        entry = x.route
        x.held = None
        x.held_bytes = 0
        x.scan = None
        x.usage = None
        x.mode = HOLD
        x.sealing = None
        if x.status >= 300 or entry is None:
            return HOLD
        if entry.stateful or x.operation == RESPONSES:
            x.sealing = sealing_of(x)
        target = x.target
        if target is not None and target.price.tiered:
            x.sealing = listening(x, media)
        if media == EVENTS and not x.answer_encoding and x.operation != ADMIN:
            x.scan = StreamScan(STREAM_KINDS.get(x.operation, 0), x.hide_usage)
            x.usage = x.scan.usage
            x.mode = RELAY if entry.relayed else PEEK
        elif x.sealing is not None:
            return HOLD
        elif entry.relayed or (not entry.strict and media != HTML and media != UNSTATED):
            if media != JSON_BODY:
                x.mode = RELAY
            elif x.answer_length < 0 or x.answer_length > HOLD_BYTES:
                x.usage = UsageScan()
                x.mode = RELAY
        elif x.answer_length > HOLD_BYTES and media == JSON_BODY and not x.answer_encoding:
            x.usage = UsageScan()
            x.mode = RELAY
        return x.mode

    def too_large(self, x: Exchange, limit: int) -> None:
        """Nobody asked for that much: the end, and no further attempt, which would bring as much (B22)."""
        if x.link is not None:
            x.link.cancel()
        message = f"The provider's answer is larger than the {limit} bytes accepted here."
        if x.head_sent:
            self.cut(x, int(ErrorKind.ANSWER_TOO_LARGE), message)
            return
        x.held = None
        x.usage = None
        self.give_up(x, GatewayError("upstream", message, source="provider", record=ErrorKind.ANSWER_TOO_LARGE))

    def hold(self, x: Exchange, data: bytes, complete: bool) -> None:
        if complete:
            if x.held is not None:
                x.held.append(data)
                data = b"".join(x.held)
                x.held = None
            self.judge(x, data)
            return
        if x.held is None:
            x.held = []
        x.held.append(data)
        x.held_bytes += len(data)
        if x.held_bytes > HOLD_BYTES and (x.sealing is None or x.answer_media != JSON_BODY):
            if x.sealing is not None or x.status >= 300 or x.answer_encoding:
                if x.link is not None:
                    x.link.cancel()
                self.failed(
                    x, int(ErrorKind.ANSWER_TOO_LARGE), "The provider's answer is too large to be judged.", False
                )
                return
            data = b"".join(x.held)
            x.held = None
            x.usage = UsageScan()
            x.mode = RELAY
            relay_piece(x, data, False)

    def judge(self, x: Exchange, body: bytes) -> None:
        """A complete answer: relay it, or ask again."""
        status = x.status
        if x.answer_encoding and (not x.relayed or x.sealing is not None) and x.answer_encoding.lower() != b"identity":
            decoded = decode(x.answer_encoding, body)
            if decoded is None:
                self.failed(x, int(ErrorKind.PROTOCOL), "The provider's answer is not encoded as it says.", False)
                return
            body = decoded
            x.answer_head = without_encoding(x.answer_head)
        if status >= 400:
            found = judged(status, x.answer_head, body)
            kind = error_kind_of(status, found.reason)
            self.put_away(x, status, found)
            if self.again(x, status, kind, found):
                return
            x.error_kind = int(kind)
            x.answer_head = unquoted(x, last_head(x, status, x.answer_head, found.wait_s))
            body = unquoted(x, body)
            if x.names:
                body = as_named(x.names, body)
            if (body[:1] == b"<" or x.answer_media == HTML) and x.operation != ADMIN:
                # Error pages name addresses of machines; the caller's SDK could not read them either.
                message = f"The provider answered {status} with a page that is no API answer."
                error = GatewayError("upstream", message, source="provider")
                body = error.body(x.request_id.decode())
                head = b"HTTP/1.1 %d \r\ncontent-type: application/json\r\n\r\n" % status
                x.answer_head = last_head(x, status, head, 0.0)
                x.answer_length = -1
        elif status >= 300 and not x.relayed:
            self.failed(
                x, int(ErrorKind.PROTOCOL), "The provider answered with a redirect, which is not followed.", False
            )
            return
        else:
            # Scratch of the worker's: nobody looks at it any more when `relay_whole` has settled.
            usage = x.usage = self.core.usage
            usage.reset()
            valid = usage.judge(body)
            entry = x.route
            strict = entry is not None and entry.strict
            if not x.relayed and (x.answer_media == HTML or (strict and not valid)):
                x.usage = None
                self.failed(x, int(ErrorKind.PROTOCOL), "The provider's answer is not valid JSON.", False)
                return
            if x.sealing is not None:
                body = x.sealing.whole(body)
        relay_whole(x, body)

    def peek(self, x: Exchange, data: bytes, complete: bool) -> None:
        """A stream is let through at its first event; one that begins with an error has not begun."""
        scan = x.scan
        if scan is None:
            return
        out = scan.feed(data) if data else b""
        if complete:
            out = out + scan.flush()
        if x.held is None:
            x.held = []
        x.held.append(out)
        x.held_bytes += len(data)
        if scan.failed and scan.content_events == 0:
            if x.link is not None:
                x.link.cancel()
            self.refused_in_stream(x, scan.error_event)
            return
        if scan.garbled:
            if x.link is not None:
                x.link.cancel()
            self.failed(x, int(ErrorKind.PROTOCOL), "The provider's stream does not begin with valid JSON.", False)
            return
        most = PEEK_BYTES
        begun = scan.events > 0 or scan.done or scan.malformed
        guarded = self.guarded(x)
        if guarded:
            most = HOLD_BYTES
            begun = scan.content_events > 0 or scan.finished or scan.done or scan.malformed
        if complete and not begun:
            self.failed(x, int(ErrorKind.PROTOCOL), "The provider's stream held no event.", False)
            return
        if begun or x.held_bytes > most or (not guarded and monotonic_ns() - x.first_byte_ns > PEEK_NS):
            out = x.held[0] if len(x.held) == 1 else b"".join(x.held)
            x.held = None
            x.mode = RELAY
            relay_begin(x, out, complete)

    def refused_in_stream(self, x: Exchange, event: bytes) -> None:
        """An error where the first token should have been: an ordinary failed attempt (C5)."""
        status, body = status_in(event)
        found = judged(status, x.answer_head, body)
        self.put_away(x, status, found)
        if self.again(x, status, ErrorKind.STREAM_ERROR, found):
            return
        x.scan = None
        x.status = status
        head = b"HTTP/1.1 %d \r\ncontent-type: application/json\r\n\r\n" % status
        x.answer_head = last_head(x, status, head, found.wait_s)
        x.error_kind = int(ErrorKind.STREAM_ERROR)
        relay_whole(x, unquoted(x, body))

    # --- when it goes wrong

    def broken(self, x: Exchange, link: Link, kind: int, message: str, answered: bool) -> None:
        try:
            if x.ended:
                return
            x.last_byte_ns = monotonic_ns()
            if kind == TIMEOUT_TOTAL and x.deadline_ns == x.answer_deadline_ns:
                self.overdue(x)
                return
            if x.mode == RELAY:
                self.cut(x, kind, message)
                return
            stale = kind == int(ErrorKind.RESET) and not answered and link.reused() and not x.repeated
            if stale and not x.uploading and x.target is not None:
                # The provider closed the idle connection just as it was taken: asked once more, on a new one (B2).
                x.repeated = True
                x.flags |= int(Flags.RETRIED)
                x.asked_ns = monotonic_ns()
                x.target.upstream.pool.wait(x, True)
                return
            self.failed(x, kind, message, answered)
        except Exception as error:
            self.core.fault(x, error)

    def cut(self, x: Exchange, kind: int, message: str) -> None:
        if x.cache_verdict == SHARED:
            cut_short(x, kind, message)
        elif x.translation is not None:
            translated.cut(x, kind, message)
        else:
            relay_cut(x, kind, message)

    def unreachable(self, x: Exchange, kind: int, message: str) -> None:
        try:
            self.failed(x, kind, f"The provider can't be reached: {message}.", False)
        except Exception as error:
            self.core.fault(x, error)

    def failed(self, x: Exchange, kind: int, message: str, answered: bool) -> None:
        """An attempt that brought no usable answer."""
        x.mode = UNDECIDED
        x.held = None
        total = kind == TIMEOUT_TOTAL
        if not total and self.again(x, 0, ErrorKind(kind), UNANSWERED):
            return
        timed_out = total or kind in UNANSWERED_IN_TIME
        error = GatewayError(
            "upstream_timeout" if timed_out else "upstream",
            message,
            source="provider",
            retry=True,
            record=ErrorKind(kind),
        )
        x.usage = None
        self.give_up(x, error)

    def caller_gone(self, x: Exchange) -> None:
        """Stop paying: the attempt is cancelled and what was delivered is posted (C7)."""
        if x.ended or (x.flight is not None and x.flight.stays(x)):
            return
        try:
            self.let_go(x)
            x.error_kind = int(ErrorKind.CLIENT_GONE)
            settle(x, int(Outcome.CLIENT_ABORT))
        except Exception as error:
            self.core.fault(x, error)

    def let_go(self, x: Exchange) -> None:
        """Wait for nothing any more."""
        waiting = x.waiting
        if waiting is not None:
            x.waiting = None
            if hasattr(waiting, "forget"):
                waiting.forget(x)
            else:
                waiting.cancel()
        if x.link is not None:
            x.link.cancel()

    def overdue(self, x: Exchange) -> None:
        """Nobody waits for an answer any more: which says how long the caller waits, and nothing of the deployment."""
        if x.ended:
            return
        try:
            self.let_go(x)
            release(x, NEUTRAL)
            error = overdue(x)
            if x.head_sent:
                self.cut(x, int(error.record), error.message)
            else:
                x.held = None
                x.usage = None
                self.give_up(x, error)
        except Exception as error:
            self.core.fault(x, error)

    def drain_cut(self, x: Exchange) -> None:
        self.break_off(x, ErrorKind.DRAINING, "The gateway is restarting.")

    def memory_cut(self, x: Exchange) -> None:
        self.break_off(x, ErrorKind.OVERLOADED, "The gateway is short of memory.")

    def break_off(self, x: Exchange, kind: ErrorKind, message: str) -> None:
        """End ``x`` for a reason of the gateway's own, with an error where one can be told."""
        link = x.link
        if link is not None:
            link.cancel()
        if x.head_sent:
            self.cut(x, int(kind), message)
        else:
            error = GatewayError("overloaded", message, source="gateway", retry=True, record=kind)
            self.give_up(x, error)
