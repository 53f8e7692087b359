"""The answer on its way back: bytes as they come, usage taken on the way by, and a truthful end."""

from __future__ import annotations

from _speedups._bytes import chunk, decimal, monotonic_ns
from gateway.exchange import Exchange
from gateway.phases.cost import field as cost_field
from gateway.phases.cost import reckon
from gateway.phases.metering import UNBOUNDED, delivered
from gateway.phases.settle import settle
from gateway.records import CacheVerdict, ErrorKind, Outcome
from gateway.routing import trail
from gateway.server import keepalive
from gateway.server.response import connection_field, status_line
from gateway.server.sse import error_event
from providers.operations import Operation

ADMIN = int(Operation.ADMIN)
OK = int(Outcome.OK)
UPSTREAM_ERROR = int(Outcome.UPSTREAM_ERROR)
CLEAN = 0
TRUNCATED = 1
LENGTH = b"content-length: "
CHUNKED = b"transfer-encoding: chunked\r\n"
REQUEST_ID = b"x-microgate-request-id: "
ATTEMPTS = b"x-microgate-attempts: "
OVERHEAD = b"x-microgate-overhead-us: "
LINE = b"\r\n"
LAST_CHUNK = b"0\r\n\r\n"
SPELLED = {
    CacheVerdict.BYPASS: b"bypass",
    CacheVerdict.MISS: b"miss",
    CacheVerdict.HIT: b"hit-exact",
    CacheVerdict.SIMILAR: b"hit-similar",
    CacheVerdict.SHARED: b"joined",
}
CACHE_FIELDS = tuple(
    b"x-microgate-cache: %b\r\n" % SPELLED[verdict] if verdict in SPELLED else b"" for verdict in CacheVerdict
)
"""The header line that tells a caller what the look-up said, by ``Exchange.cache_verdict``."""


def head_of(x: Exchange, length: int, body: bytes) -> bytes:
    """Head of the answer to the caller, and ``body`` behind it; ``length`` -1: sent in chunks, or to the close under
    HTTP/1.0."""
    core = x.core
    framing = b""
    if length >= 0:
        framing = b"".join((LENGTH, decimal(length), LINE))
    elif x.http10:
        x.keep_alive = False
    else:
        framing = CHUNKED
        x.chunked = True
    target = x.target
    labels = LINE if target is None else target.labels
    if x.cache_verdict:
        labels += CACHE_FIELDS[x.cache_verdict]
    if x.reckoned:
        labels += cost_field(x)
    if x.trail is not None:
        labels += trail.field(x)
    scan = core.answer_head
    # Another answer's head has been scanned since, when this one was held for its body.
    same = scan.head is x.answer_head
    passing = core.control_filter if x.operation == ADMIN else core.answer_filter
    return b"".join(
        (
            status_line(x.status),
            passing.select(scan) if same else passing.copy(x.answer_head),
            REQUEST_ID,
            x.request_id,
            labels,
            ATTEMPTS,
            decimal(x.attempt + x.hedges),
            LINE,
            OVERHEAD,
            decimal(x.overhead_us(monotonic_ns())),
            LINE,
            framing,
            connection_field(x.http10, x.keep_alive and not core.draining),
            LINE,
            body,
        )
    )


def whole(x: Exchange, body: bytes) -> None:
    """A complete answer: head and body in one write."""
    caller = x.caller
    x.sent_status = x.status
    x.head_sent = True
    reckon(x, False)
    if x.status == 204 or x.status == 304:
        data = head_of(x, 0, b"").replace(b"content-length: 0\r\n", b"")
    elif x.head_only:
        # The answer to HEAD states the length that GET would have (RFC 9110 9.3.2).
        data = head_of(x, x.answer_length if x.answer_length >= 0 else len(body), b"")
    else:
        data = head_of(x, len(body), body)
    if x.flight is not None:
        x.flight.whole(x, body)
    # Before the last byte goes out, here and below: whoever has an answer finds its record, whatever happens to us.
    settle(x, outcome_of(x))
    if caller is not None:
        caller.answer(data)
        caller.answered(x, True)


def opening(x: Exchange, length: int, data: bytes) -> bytes:
    """The head of an answer that is relayed as it comes, and its first bytes; ``length``: as for ``head_of``."""
    x.head_sent = True
    x.sent_status = x.status
    head = head_of(x, length, b"")
    if x.flight is not None:
        x.flight.begun(x, length)
        x.flight.told(data)
    return head + (chunk(data) if x.chunked else data)


def outcome_of(x: Exchange) -> int:
    return OK if x.status < 400 else UPSTREAM_ERROR


def piece(x: Exchange, data: bytes, complete: bool) -> None:
    """Part of an answer that is relayed as it comes."""
    scan = x.scan
    verdict = CLEAN
    if scan is not None:
        if data:
            data = scan.feed(data)
        if (x.reservation >= 0 or x.there >= 0) and not goes_on(x, scan.content_events, data, complete):
            return
        if complete:
            tail = scan.flush()
            if tail:
                data = data + tail
            verdict = scan.verdict()
    elif x.usage is not None:
        x.usage.feed(data)
    out = data
    if not x.head_sent:
        out = opening(x, x.answer_length if scan is None else -1, data)
        if scan is not None:
            keepalive.watch(x, data)
    else:
        if x.commented:
            keepalive.note(x, data)
        if x.chunked and data:
            out = chunk(data)
        if x.flight is not None:
            x.flight.told(data)
    caller = x.caller
    if complete and verdict == TRUNCATED:
        if caller is not None and out:
            caller.answer(out)
        cut(x, int(ErrorKind.RESET), "The provider ended the stream before its end.")
        return
    if complete and x.chunked:
        out += LAST_CHUNK
    if out:
        x.chunks += 1
    if complete:
        settle(x, outcome_of(x) if scan is None or not scan.failed else int(Outcome.FAILED_STREAM))
    if caller is not None:
        if out:
            caller.answer(out)
        if complete:
            caller.answered(x, True)


def goes_on(x: Exchange, events: int, data: bytes, complete: bool) -> bool:
    """Note what has been delivered so far, which is what a crash would post; False when the answer was ended here."""
    if not delivered(x, events) and not complete and x.head_sent:
        return not ended_early(x, data)
    if x.closing is not None:
        x.closing.take(data)
    return True


def ended_early(x: Exchange, data: bytes) -> bool:
    """Its budget has ended before the answer; True when the caller has been told, so that nothing more goes out."""
    if x.closing is None:
        if x.link is not None:
            x.link.cancel()
        cut(x, int(ErrorKind.BUDGET), "The budget of this key has ended.")
        return True
    from gateway.phases.closing import end

    return end(x, data)


def cut(x: Exchange, kind: int, message: str) -> None:
    """The answer broke off after its head was sent: say so in the stream, and never end it cleanly.

    Behind the stream's own last event nothing is missing: then it does end cleanly.
    """
    caller = x.caller
    scan = x.scan
    tail = b"" if scan is None else scan.flush()
    if scan is not None and scan.done:
        if x.flight is not None:
            x.flight.told(tail)
        out = b"%x\r\n%b\r\n" % (len(tail), tail) if x.chunked and tail else tail
        settle(x, int(Outcome.FAILED_STREAM) if scan.failed else outcome_of(x))
        if caller is not None:
            caller.answer(out + b"0\r\n\r\n" if x.chunked else out)
            caller.answered(x, True)
        return
    if x.joining is not None and x.joining.resume(x, kind):
        return
    if x.flight is not None:
        x.flight.cut(message, b"")
    x.error_kind = kind
    timed_out = kind in (ErrorKind.TIMEOUT_IDLE, ErrorKind.TIMEOUT_TOTAL)
    outcome = Outcome.TIMEOUT if timed_out else Outcome.TRUNCATED
    if kind == ErrorKind.DRAINING:
        outcome = Outcome.DRAINED
    settle(x, int(outcome))
    if caller is not None and scan is not None:
        event = error_event(x.dialect, message, x.request_id.decode())
        caller.answer(chunk(event) if x.chunked else event)
    if caller is not None:
        caller.answered(x, False)


def begin(x: Exchange, data: bytes, complete: bool) -> None:
    """The first bytes of a stream, already scanned while they were held."""
    scan = x.scan
    caller = x.caller
    out = opening(x, -1, data)
    x.chunks += 1
    if not complete:
        if x.reservation >= 0 and x.granted != UNBOUNDED:
            from gateway.phases.closing import listen

            listen(x, data)
        if caller is not None:
            caller.answer(out)
        keepalive.watch(x, data)
        return
    verdict = CLEAN if scan is None else scan.verdict()
    if verdict == TRUNCATED:
        if caller is not None:
            caller.answer(out)
        cut(x, int(ErrorKind.RESET), "The provider ended the stream before its end.")
        return
    settle(x, outcome_of(x) if scan is None or not scan.failed else int(Outcome.FAILED_STREAM))
    if caller is not None:
        caller.answer(out + b"0\r\n\r\n" if x.chunked else out)
        caller.answered(x, True)
