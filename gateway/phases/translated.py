"""An attempt and its answer where a ``Translation`` stands between caller and provider."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from _speedups._bytes import chunk, decimal, monotonic_ns
from _speedups._head import MEDIA_HTML, MEDIA_JSON
from gateway import forms, relay
from gateway.errors import GatewayError
from gateway.exchange import Exchange
from gateway.phases.metering import UNBOUNDED, delivered
from gateway.phases.sealing import as_named, sealing_of_messages
from gateway.phases.settle import settle
from gateway.phases.splice import splice, without_model
from gateway.phases.verdict import decode, error_kind_of, judged, last_head, unquoted, without_encoding
from gateway.records import ErrorKind, Outcome
from gateway.server import keepalive
from gateway.serving import Plan, Target
from gateway.translation import Translation
from providers.breakpoints import spliced
from providers.natives import NATIVES
from providers.neutral import STATUS, Malformed, Unsupported
from providers.operations import Dialect, Operation

if TYPE_CHECKING:
    from gateway.phases.ask import Asking
    from gateway.phases.forward import Forward

UNDECIDED = 0
HOLD = 1
PEEK = 2
RELAY = 3
HOLD_BYTES = 33_554_432
"""A whole answer is held to be translated; larger ones do not occur (pictures in base64 are the largest)."""
PEEK_BYTES = 16_384
PEEK_NS = 2_000_000_000
GUARDED_BYTES = 262_144
"""In place of ``PEEK_BYTES`` where another target can be asked if no content comes in time."""
JSON_TYPE = b"application/json"
FIELDS = {
    int(Dialect[dialect.upper()]): b"".join(f"{name}: {value}\r\n".encode() for name, value in native.fields)
    for dialect, native in NATIVES.items()
    if native.fields
}
"""Dialect -> the lines of header fields that a request has in any case."""
TYPE_AND_LENGTH = b"content-type: application/json\r\ncontent-length: "
ANTHROPIC = int(Dialect.ANTHROPIC)
CHAT = int(Operation.CHAT)
INVOKE = int(Operation.INVOKE)
COUNT_TOKENS = int(Operation.COUNT_TOKENS)
LAST_CHUNK = b"0\r\n\r\n"


def prepare(attempts: Asking, x: Exchange, target: Target, plan: Plan) -> bool:
    """Make the request ready for this target; False when the caller was told that it can't be."""
    if plan.operation == COUNT_TOKENS and "count_tokens" not in target.upstream.spec.dialects:
        attempts.give_up(x, unsupported(target, COUNT_TOKENS))
        return False
    if x.operation == INVOKE and plan.operation != INVOKE:
        wanted = forms.operation_of(x)
        found = target.upstream.plans.get(wanted)
        if found is None or (wanted == INVOKE and found.operation in forms.NUMBERS):
            attempts.give_up(x, unsupported(target, wanted))
            return False
        plan = x.plan = found
    translation = x.translation = forms.translation_for(x, plan)
    try:
        x.outgoing = translation.turn_to(x, target, plan)
    except Malformed as error:
        attempts.give_up(x, GatewayError("bad_request", str(error), param=error.member or None))
        return False
    except Unsupported as error:
        message = f"The provider '{target.upstream.name}' has no place for '{error.member}' and is told not to drop it."
        attempts.give_up(x, GatewayError("bad_request", message, param=error.member, code="unsupported_parameter"))
        return False
    return True


def unsupported(target: Target, operation: int) -> GatewayError:
    """Of a provider that is not asked for this operation, with those that it is asked for."""
    upstream = target.upstream
    offered = ", ".join(sorted(Operation(number).name.lower() for number in upstream.plans if number != operation))
    message = (
        f"The provider '{upstream.name}' does not offer {Operation(operation).name.lower()}; it offers: {offered}."
    )
    return GatewayError("unsupported_operation", message)


def wire(x: Exchange, target: Target, plan: Plan) -> bytes:
    """The request for the provider: head and body."""
    translation: Translation = x.translation
    upstream, core = target.upstream, x.core
    body = x.outgoing
    if body is None and plan.members:
        body = without_model(x, plan.members)
    elif body is None:
        parts = splice(x, target, plan)
        body = x.body if parts is None else b"".join(parts)
        if plan.dialect == ANTHROPIC and plan.operation == CHAT and upstream.spec.cache_breakpoints == "auto":
            body = spliced(body)
    path, query = translation.path_of(plan, x.stream)
    if path == plan.path:
        head = plan.head(x.key, target.model)
    else:
        head = upstream.head(b"POST", path.replace("{model}", quote(target.model, safe="")), x.key, query.encode())
    allowed = core.filter_for(plan.dialect if translation.same else 0)
    # Another request's head has been scanned since, when this one had to wait.
    scan = core.request_head
    fields = allowed.select(scan) if scan.head is x.head else allowed.copy(x.head)
    usual = FIELDS.get(plan.dialect)
    if usual is not None:
        # Only a caller of the same dialect can have sent them.
        fields += lacking(usual, fields.lower()) if translation.same else usual
    if upstream.forward_filter is not None:
        fields += upstream.forward_filter.copy(x.head)
    return b"".join((head, fields, TYPE_AND_LENGTH, decimal(len(body)), b"\r\n\r\n", body))


def lacking(usual: bytes, fields: bytes) -> bytes:
    """Of the lines in ``usual`` those whose names are not in ``fields``, which are in small letters."""
    return b"".join([line for line in usual.splitlines(keepends=True) if line.partition(b":")[0] + b":" not in fields])


def object_fields(x: Exchange) -> bytes:
    """The caller's header fields for a provider of the same dialect that keeps the object asked for."""
    allowed = x.core.filter_for(x.dialect)
    scan = x.core.request_head
    fields = allowed.select(scan) if scan.head is x.head else allowed.copy(x.head)
    if x.content_type:
        fields += b"content-type: " + x.content_type + b"\r\n"
    usual = FIELDS.get(x.dialect)
    return fields if usual is None else fields + lacking(usual, fields.lower())


def received(attempts: Forward, x: Exchange, data: bytes, complete: bool) -> None:
    """A piece of the provider's answer, whose first one decides what it is."""
    translation: Translation = x.translation
    if x.mode == UNDECIDED:
        x.held, x.held_bytes = [], 0
        streams = x.stream and x.status < 300 and x.answer_media not in (MEDIA_JSON, MEDIA_HTML)
        x.mode = PEEK if streams and not x.answer_encoding else HOLD
        if x.mode == PEEK:
            translation.begin_stream(x)
        x.sealing = sealing_of_messages(x) if translation.same and x.status < 300 else None
    if x.sealing is not None and x.mode != HOLD:
        data = x.sealing.feed(data, complete)
    if x.mode == RELAY:
        piece(x, data, complete)
    elif x.mode == PEEK:
        peek(attempts, x, data, complete)
    else:
        hold(attempts, x, data, complete)


def hold(attempts: Forward, x: Exchange, data: bytes, complete: bool) -> None:
    held = x.held if x.held is not None else []
    held.append(data)
    x.held_bytes += len(data)
    if x.held_bytes > HOLD_BYTES:
        attempts.too_large(x, HOLD_BYTES)
    elif complete:
        x.held = None
        judge(attempts, x, b"".join(held))


def judge(attempts: Forward, x: Exchange, body: bytes) -> None:
    """A complete answer: translate it, or ask again."""
    translation: Translation = x.translation
    if x.answer_encoding and x.answer_encoding.lower() != b"identity":
        decoded = decode(x.answer_encoding, body)
        if decoded is None:
            attempts.failed(x, int(ErrorKind.PROTOCOL), "The provider's answer is not encoded as it says.", False)
            return
        body, x.answer_head = decoded, without_encoding(x.answer_head)
    if x.status >= 400:
        found = judged(x.status, x.answer_head, body)
        kind = error_kind_of(x.status, found.reason)
        attempts.put_away(x, x.status, found)
        if not attempts.again(x, x.status, kind, found):
            x.answer_head = last_head(x, x.status, x.answer_head, found.wait_s)
            refused(x, x.status, body, int(kind))
        return
    if x.status >= 300:
        attempts.failed(
            x, int(ErrorKind.PROTOCOL), "The provider answered with a redirect, which is not followed.", False
        )
        return
    try:
        out = translation.answer(x, body)
    except Malformed as error:
        attempts.failed(x, int(ErrorKind.PROTOCOL), f"The provider's answer can't be read: {error}", False)
        return
    if x.sealing is not None:
        out = x.sealing.whole(out)
    take_usage(x)
    if x.stream and not translation.same:
        x.answer_head = with_type(x.answer_head, x.status, translation.stream_type)
    elif x.answer_media != MEDIA_JSON:
        x.answer_head = with_type(x.answer_head, x.status, JSON_TYPE)
    relay.whole(x, out)


def refused(x: Exchange, status: int, body: bytes, kind: int) -> None:
    """The provider's error, in the caller's dialect, where it is final."""
    translation: Translation = x.translation
    x.error_kind = kind
    body, x.answer_head = unquoted(x, body), unquoted(x, x.answer_head)
    variant = x.plan is not None and bool(x.plan.members)
    if translation.same and x.answer_media == MEDIA_JSON and not translation.streaming and not variant:
        relay.whole(x, as_named(x.names, body) if x.names else body)
        return
    error = translation.error(status, x.answer_head, body)
    x.status = error.status
    head = last_head(x, error.status, with_type(x.answer_head, error.status, JSON_TYPE), translation.wait_s)
    for name, value in error.headers:
        if name != "retry-after":
            head = head[:-2] + f"{name}: {value}\r\n\r\n".encode("latin-1", "replace")
    x.answer_head = head
    relay.whole(x, error.body)


def peek(attempts: Forward, x: Exchange, data: bytes, complete: bool) -> None:
    """A stream is let through at its first content; one that begins with an error has not begun."""
    translation: Translation = x.translation
    held = x.held if x.held is not None else []
    held.append(translation.feed(data, complete))
    x.held = held
    x.held_bytes += len(data)
    fault = translation.fault
    if fault is not None and not translation.begun:
        if x.link is not None:
            x.link.cancel()
        status = fault.status or STATUS[fault.kind]
        error = translation.target.encode_fault(fault)
        found = judged(status, x.answer_head, error.body)
        attempts.put_away(x, status, found)
        if not attempts.again(x, status, ErrorKind.STREAM_ERROR, found):
            x.scan = None
            refused(x, status, error.body, int(ErrorKind.STREAM_ERROR))
        return
    if complete and not translation.begun:
        attempts.failed(x, int(ErrorKind.PROTOCOL), "The provider's stream held no event.", False)
        return
    guarded = attempts.guarded(x)
    most = GUARDED_BYTES if guarded else PEEK_BYTES
    waits = guarded or monotonic_ns() - x.first_byte_ns <= PEEK_NS
    if translation.begun or x.held_bytes > most or not waits:
        out = b"".join(held)
        x.held = None
        x.mode = RELAY
        if translation.stream_type:
            x.answer_head = with_type(x.answer_head, x.status, translation.stream_type)
        x.head_sent = True
        x.sent_status = x.status
        head = relay.head_of(x, -1, b"")
        if x.flight is not None:
            x.flight.begun(x, -1)
        keepalive.watch(x, out)
        if x.reservation >= 0 and x.granted != UNBOUNDED and translation.same:
            from gateway.phases.closing import listen

            listen(x, b"")
        send(x, head, out, complete)


def piece(x: Exchange, data: bytes, complete: bool) -> None:
    send(x, b"", x.translation.feed(data, complete), complete)


def send(x: Exchange, head: bytes, out: bytes, complete: bool) -> None:
    """Write what there is for the caller, and the end when it is one."""
    translation: Translation = x.translation
    core, caller = x.core, x.caller
    if (x.reservation >= 0 or x.there >= 0) and core.arena is not None:
        usage = translation.usage
        # Some say with every event how much it has been so far.
        so_far = max(translation.contents, usage.output_tokens if usage is not None else 0)
        if not delivered(x, so_far) and not complete and not head and translation.streaming:
            if over_early(x, out):
                return
        elif x.closing is not None:
            x.closing.take(out)
    ended = translation.done or translation.fault is not None
    out = translation.framed(out, complete and ended)
    if out:
        x.chunks += 1
    if x.flight is not None:
        x.flight.told(out)
    if x.commented:
        keepalive.note(x, out)
    framed = head + (chunk(out) if x.chunked and out else out)
    if complete and not ended:
        if caller is not None and framed:
            caller.answer(framed)
        cut(x, int(ErrorKind.RESET), "The provider ended the stream before its end.")
        return
    if complete:
        take_usage(x)
        settle(x, int(Outcome.FAILED_STREAM) if translation.fault is not None else relay.outcome_of(x))
        if x.chunked:
            framed += LAST_CHUNK
    if caller is not None:
        if framed:
            caller.answer(framed)
        if complete:
            caller.answered(x, True)


def over_early(x: Exchange, out: bytes) -> bool:
    """The budget has ended before the stream; True when the caller has been told."""
    if x.closing is None and x.translation.same:
        if x.link is not None:
            x.link.cancel()
        cut(x, int(ErrorKind.BUDGET), "The budget of this key has ended.")
        return True
    from gateway.phases.closing import end

    return end(x, out)


def cut(x: Exchange, kind: int, message: str) -> None:
    """The answer broke off after its head was sent: say so, and never end it cleanly. Behind the stream's own last
    event nothing is missing."""
    translation: Translation = x.translation
    if translation.done and not x.ended:
        send(x, b"", b"", True)
        return
    if x.joining is not None and x.joining.resume(x, kind):
        return
    take_usage(x)
    x.error_kind = kind
    timed_out = kind in (int(ErrorKind.TIMEOUT_IDLE), int(ErrorKind.TIMEOUT_TOTAL))
    outcome = Outcome.TIMEOUT if timed_out else Outcome.TRUNCATED
    if kind == int(ErrorKind.DRAINING):
        outcome = Outcome.DRAINED
    event = translation.cut(message, timed_out)
    if x.flight is not None:
        x.flight.cut(message, event)
    settle(x, int(outcome))
    caller = x.caller
    if caller is not None:
        if event:
            caller.answer(chunk(event) if x.chunked else event)
        caller.answered(x, False)


def take_usage(x: Exchange) -> None:
    """Put the usage that was said where the books look for it."""
    told = x.translation.usage_json()
    if told:
        usage = x.usage = x.core.usage
        usage.reset()
        usage.judge(told)


def with_type(head: bytes, status: int, content_type: bytes) -> bytes:
    """The provider's head with the status and content type that the caller gets."""
    lines = head.split(b"\r\n")
    kept = [
        line for line in lines[1:] if line and not line.lower().startswith((b"content-type:", b"content-encoding:"))
    ]
    return b"\r\n".join((b"HTTP/1.1 %d " % status, *kept, b"content-type: " + content_type, b"", b""))
