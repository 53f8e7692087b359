"""Ask: one attempt after another until an answer begins, then hand over to the relay.

Everything here is told by the upstream connection's callbacks; nothing awaits. Until the first byte has gone to the
caller an attempt may be repeated elsewhere; after it, never (B3).
"""

from __future__ import annotations

import random
import zlib
from time import monotonic_ns

import orjson

from _speedups._scan import StreamScan, UsageScan, validate
from gateway import relay
from gateway.core import Core
from gateway.errors import GatewayError, refuse
from gateway.exchange import Attempts, Exchange, Link
from gateway.phases.route import relayed_path
from gateway.phases.settle import settle, write_attempt
from gateway.records import ErrorKind, Flags, Outcome
from gateway.serving import Plan, Target
from providers.operations import Operation

UNDECIDED = 0
HOLD = 1
PEEK = 2
RELAY = 3

HOLD_BYTES = 262_144
"""An answer up to this size is judged whole before a byte of it goes out, so that a broken one can be asked for again."""
PEEK_BYTES = 16_384
PEEK_NS = 2_000_000_000
"""A stream that has sent only comments for so long is let through: callers time out on silence."""

STRICT = frozenset(
    int(o)
    for o in (
        Operation.CHAT,
        Operation.COMPLETIONS,
        Operation.RESPONSES,
        Operation.EMBEDDINGS,
        Operation.MODERATIONS,
        Operation.IMAGE_GENERATION,
        Operation.IMAGE_EDIT,
        Operation.IMAGE_VARIATION,
    )
)
"""Operations whose good answers are JSON documents or event streams."""
ASKS_USAGE = frozenset((int(Operation.CHAT), int(Operation.COMPLETIONS)))
RELAYED = frozenset(
    int(o)
    for o in (Operation.PASSTHROUGH, Operation.FILES, Operation.BATCHES, Operation.RESPONSE_OBJECT, Operation.ADMIN)
)
"""Operations whose path and method go through as they came."""
KIND_CHAT = 1
KIND_RESPONSES = 2
KIND_TYPED = 3
STREAM_KINDS = {
    int(Operation.CHAT): KIND_CHAT,
    int(Operation.COMPLETIONS): KIND_CHAT,
    int(Operation.RESPONSES): KIND_RESPONSES,
    int(Operation.RESPONSE_OBJECT): KIND_RESPONSES,
    int(Operation.SPEECH): KIND_TYPED,
    int(Operation.TRANSCRIPTION): KIND_TYPED,
    int(Operation.IMAGE_GENERATION): KIND_TYPED,
    int(Operation.IMAGE_EDIT): KIND_TYPED,
}


def forward(x: Exchange) -> None:
    """Begin asking; the answer, or the failure, comes through ``Forward``."""
    x.core.attempts.begin(x)


class Forward(Attempts):
    """All attempts of one worker. Methods are called from connection callbacks and never raise into them."""

    def __init__(self, core: Core) -> None:
        self.core = core

    # --- towards the provider

    def begin(self, x: Exchange) -> None:
        if not x.targets:
            self.give_up(x, GatewayError("forbidden", "No provider this key may use serves this model."))
            return
        total = x.targets[0].upstream.total_ns
        x.answer_deadline_ns = (x.complete_ns or x.started_ns) + total
        self.ask(x)

    def ask(self, x: Exchange) -> None:
        """Choose a target and a key, and send; or wait for a connection."""
        now_ns = monotonic_ns()
        unsupported: Target | None = None
        ready_ns = -1
        while x.target_index < len(x.targets):
            target = x.targets[x.target_index]
            upstream = target.upstream
            plan = upstream.plans.get(x.operation)
            if plan is None and x.operation not in RELAYED:
                unsupported = target
                x.target_index += 1
                continue
            mask = target.mask & ~x.tried_keys
            key = upstream.keys.choose(mask, now_ns)
            if key < 0:
                ready = upstream.keys.next_ready_ns(target.mask, now_ns)
                if ready >= 0 and (ready_ns < 0 or ready < ready_ns):
                    ready_ns = ready
                x.target_index += 1
                x.tried_keys = 0
                continue
            if x.target_index > 0:
                x.flags |= int(Flags.FALLBACK)
            x.target = target
            x.plan = plan
            x.key = key
            x.tried_keys |= 1 << key
            x.attempt += 1
            x.asked_ns = now_ns
            link = upstream.pool.take()
            if link is None:
                upstream.pool.wait(x)
            else:
                x.flags |= int(Flags.REUSED_CONNECTION)
                self.send(x, link)
            return
        self.nowhere(x, unsupported, ready_ns, now_ns)

    def nowhere(self, x: Exchange, unsupported: Target | None, ready_ns: int, now_ns: int) -> None:
        """No target is left: say which of the reasons it was."""
        if unsupported is not None:
            name = unsupported.upstream.name
            offered = ", ".join(sorted(Operation(o).name.lower() for o in unsupported.upstream.plans))
            self.give_up(
                x,
                GatewayError(
                    "unsupported_operation",
                    f"The provider '{name}' does not offer {Operation(x.operation).name.lower()}; it offers: {offered}.",
                ),
            )
        elif ready_ns >= 0:
            error = GatewayError(
                "rate_limited",
                "Every key of the provider is waiting for its rate limit.",
                source="provider",
                retry=True,
                retry_after=(ready_ns - now_ns) / 1e9,
                record=ErrorKind.NO_KEY,
            )
            self.give_up(x, error)
        else:
            message = "No key of the provider is usable for this model."
            self.give_up(x, GatewayError("overloaded", message, source="provider", record=ErrorKind.NO_KEY))

    def connected(self, x: Exchange, link: Link) -> None:
        try:
            x.dial_ns += monotonic_ns() - x.asked_ns
            self.send(x, link)
        except Exception as error:
            self.core.fault(x, error)

    def send(self, x: Exchange, link: Link) -> None:
        """One write: head, and body with the model (and at most one further member) spliced in."""
        target = x.target
        if target is None:
            return
        upstream = target.upstream
        plan = x.plan
        x.mode = UNDECIDED
        if plan is not None and x.operation not in RELAYED:
            head = plan.head(x.key, target.model)
            x.admin_method = b"POST"
        else:
            path = self.path_of(x, target)
            head = upstream.head(x.method, path, x.key, x.query)
            x.admin_method = x.method
        if plan is not None and not x.multipart and not x.json_declared and x.operation not in RELAYED:
            # What was read as JSON is sent as JSON, whatever curl's default says of it.
            fields = self.core.bare_filter.copy(x.head) + b"content-type: application/json\r\n"
        else:
            fields = self.core.request_filter.copy(x.head)
        extra = upstream.forward_filter
        if extra is not None:
            fields += extra.copy(x.head)
        parts = self.edited(x, target, plan)
        chunked = False
        if parts is None:
            body = x.body
            length = len(body)
            if x.uploading:
                chunked = x.body_length < 0
                length = x.body_length
            if chunked:
                framed = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
                data = b"%b%btransfer-encoding: chunked\r\n\r\n%b" % (head, fields, framed)
            elif length or x.admin_method == b"POST" or x.admin_method == b"PUT":
                data = b"%b%bcontent-length: %d\r\n\r\n%b" % (head, fields, length, body)
            else:
                data = b"%b%b\r\n" % (head, fields)
        else:
            size = 0
            for part in parts:
                size += len(part)
            length = size
            if x.uploading:
                chunked = x.body_length < 0
                length = x.body_length + size - len(x.body)
            if chunked:
                body = b"".join(parts)
                data = b"%b%btransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (head, fields, len(body), body)
            else:
                parts.insert(0, b"%b%bcontent-length: %d\r\n\r\n" % (head, fields, length))
                data = b"".join(parts)
        x.request_bytes = len(data)
        link.send(x, data, chunked)

    def path_of(self, x: Exchange, target: Target) -> str:
        if x.operation == int(Operation.ADMIN):
            return x.path.decode("ascii")
        return relayed_path(x, target.upstream)

    def edited(self, x: Exchange, target: Target, plan: Plan | None) -> list[bytes] | None:
        """The body in pieces with what differs for this target put in; None: the body as it stands."""
        if plan is None or x.operation in RELAYED:
            return None
        body = x.body
        start = x.model_start
        if x.multipart:
            if start < 0 or x.model == target.model:
                return None
            return [body[:start], target.model_bytes, body[x.model_end :]]
        tail = b""
        options = b""
        if x.stream and target.upstream.ask_usage and x.include_usage != 1 and x.operation in ASKS_USAGE and x.close >= 0:
            x.hide_usage = True
            x.flags |= int(Flags.STREAM_OPTIONS_ADDED)
            if x.options_start < 0:
                tail = b'"stream_options":{"include_usage":true}'
            else:
                options = with_usage(body[x.options_start : x.options_end])
        if start < 0 and x.close >= 0 and "{model}" not in plan.path and target.model:
            # The model stood in the path (Azure's form) and this target reads it from the body.
            tail = b'"model":' + target.model_json + (b"," + tail if tail else b"")
        same = start < 0 or body[start : x.model_end] == target.model_json
        if same and not tail and not options:
            return None
        parts = []
        at = 0
        if not same and options and x.options_start < start:
            parts += [body[:x.options_start], options]
            at = x.options_end
            options = b""
        if not same:
            parts += [body[at:start], target.model_json]
            at = x.model_end
        if options:
            parts += [body[at : x.options_start], options]
            at = x.options_end
        if tail:
            parts += [body[at : x.close], tail if x.empty else b"," + tail]
            at = x.close
        parts.append(body[at:])
        return parts

    # --- from the provider

    def received(self, x: Exchange, link: Link | None, data: bytes, complete: bool) -> None:
        try:
            x.response_bytes += len(data)
            if complete:
                x.last_byte_ns = monotonic_ns()
            mode = x.mode
            if mode == RELAY:
                relay.piece(x, data, complete)
                return
            if mode == UNDECIDED:
                mode = self.decide(x)
            if mode == RELAY:
                relay.piece(x, data, complete)
            elif mode == PEEK:
                self.peek(x, data, complete)
            else:
                self.hold(x, data, complete)
        except Exception as error:
            self.core.fault(x, error)

    def decide(self, x: Exchange) -> int:
        """From the head alone: judge it whole, look at its first event, or let it through."""
        kind = x.answer_type
        semicolon = kind.find(b";")
        if semicolon >= 0:
            kind = kind[:semicolon]
        kind = kind.strip().lower()
        status = x.status
        x.held = []
        x.held_bytes = 0
        if status < 300 and kind == b"text/event-stream" and not x.answer_encoding:
            x.scan = StreamScan(STREAM_KINDS.get(x.operation, 0), x.hide_usage)
            x.usage = x.scan.usage
            x.mode = PEEK if x.operation not in RELAYED else RELAY
            return x.mode
        x.scan = None
        if status < 300 and (x.operation in RELAYED or (kind != b"text/html" and x.operation not in STRICT and kind)):
            x.usage = UsageScan() if kind == b"application/json" else None
            large = x.answer_length < 0 or x.answer_length > HOLD_BYTES
            x.mode = RELAY if large or kind != b"application/json" else HOLD
            return x.mode
        if status < 300 and x.answer_length > HOLD_BYTES and kind == b"application/json" and not x.answer_encoding:
            x.usage = UsageScan()
            x.mode = RELAY
            return RELAY
        x.usage = UsageScan()
        x.mode = HOLD
        return HOLD

    def hold(self, x: Exchange, data: bytes, complete: bool) -> None:
        if complete:
            if x.held:
                x.held.append(data)
                data = b"".join(x.held)
                x.held = []
            self.judge(x, data)
            return
        x.held.append(data)
        x.held_bytes += len(data)
        if x.held_bytes > HOLD_BYTES:
            if x.status >= 300 or x.answer_encoding:
                if x.link is not None:
                    x.link.cancel()
                self.failed(x, int(ErrorKind.ANSWER_TOO_LARGE), "The provider's answer is too large to be judged.", False)
                return
            data = b"".join(x.held)
            x.held = []
            x.mode = RELAY
            relay.piece(x, data, False)

    def judge(self, x: Exchange, body: bytes) -> None:
        """A complete answer: relay it, or ask again."""
        status = x.status
        if x.answer_encoding and x.answer_encoding.lower() != b"identity" and x.operation not in RELAYED:
            decoded = decode(x.answer_encoding, body)
            if decoded is None:
                self.failed(x, int(ErrorKind.PROTOCOL), "The provider's answer is not encoded as it says.", False)
                return
            body = decoded
            x.answer_head = without_encoding(x.answer_head)
        if status >= 400:
            if status in x.view.retry_statuses and self.again(x, status, error_kind_of(status), body):
                return
            x.error_kind = int(error_kind_of(status))
            if body[:1] == b"<" or x.answer_type[:9].lower() == b"text/html":
                # Error pages name addresses of machines; the caller's SDK could not read them either.
                message = f"The provider answered {status} with a page that is no API answer."
                error = GatewayError("upstream", message, source="provider")
                body = error.body(x.request_id.decode())
                x.answer_head = b"HTTP/1.1 502 \r\ncontent-type: application/json\r\n\r\n"
                x.answer_length = -1
        elif status >= 300 and x.operation not in RELAYED:
            self.failed(x, int(ErrorKind.PROTOCOL), "The provider answered with a redirect, which is not followed.", False)
            return
        elif x.operation not in RELAYED:
            html = x.answer_type[:9].lower() == b"text/html"
            if html or (x.operation in STRICT and not validate(body)):
                self.failed(x, int(ErrorKind.PROTOCOL), "The provider's answer is not valid JSON.", False)
                return
        if x.usage is not None and body and status < 400:
            x.usage.parse(body)
        relay.whole(x, body)

    def peek(self, x: Exchange, data: bytes, complete: bool) -> None:
        """A stream is let through at its first event; one that begins with an error has not begun."""
        scan = x.scan
        if scan is None:
            return
        out = scan.feed(data) if data else b""
        if complete:
            out = out + scan.flush()
        x.held.append(out)
        x.held_bytes += len(data)
        if scan.failed and scan.content_events == 0:
            if x.link is not None:
                x.link.cancel()
            self.refused_in_stream(x, scan.error_event)
            return
        begun = scan.events > 0 or scan.done or scan.malformed
        if complete and not begun:
            self.failed(x, int(ErrorKind.PROTOCOL), "The provider's stream held no event.", False)
            return
        if begun or x.held_bytes > PEEK_BYTES or monotonic_ns() - x.first_byte_ns > PEEK_NS:
            out = x.held[0] if len(x.held) == 1 else b"".join(x.held)
            x.held = []
            x.mode = RELAY
            relay.begin(x, out, complete)

    def refused_in_stream(self, x: Exchange, event: bytes) -> None:
        """An error where the first token should have been: an ordinary failed attempt (C5)."""
        status, body = status_in(event)
        if status in x.view.retry_statuses and self.again(x, status, ErrorKind.STREAM_ERROR, body):
            return
        x.scan = None
        x.status = status
        x.answer_head = b"HTTP/1.1 %d \r\ncontent-type: application/json\r\n\r\n" % status
        x.error_kind = int(ErrorKind.STREAM_ERROR)
        relay.whole(x, body)

    # --- when it goes wrong

    def broken(self, x: Exchange, link: Link, kind: int, message: str, answered: bool) -> None:
        try:
            if x.ended:
                return
            x.last_byte_ns = monotonic_ns()
            if x.mode == RELAY:
                relay.cut(x, kind, message)
                return
            stale = kind == int(ErrorKind.RESET) and not answered and link.reused() and not x.repeated
            if stale and not x.uploading and x.target is not None:
                # The provider closed the idle connection just as it was taken: asked once more, on a new one (B2).
                x.repeated = True
                x.flags |= int(Flags.RETRIED)
                x.asked_ns = monotonic_ns()
                x.target.upstream.pool.wait(x)
                return
            self.failed(x, kind, message, answered)
        except Exception as error:
            self.core.fault(x, error)

    def unreachable(self, x: Exchange, kind: int, message: str) -> None:
        try:
            self.failed(x, kind, f"The provider can't be reached: {message}.", False)
        except Exception as error:
            self.core.fault(x, error)

    def failed(self, x: Exchange, kind: int, message: str, answered: bool) -> None:
        """An attempt that brought no usable answer."""
        x.mode = UNDECIDED
        x.held = []
        x.scan = None
        total = kind == int(ErrorKind.TIMEOUT_TOTAL)
        if not total and self.again(x, 0, ErrorKind(kind), b""):
            return
        timed_out = total or kind in (int(ErrorKind.TIMEOUT_FIRST_BYTE), int(ErrorKind.TIMEOUT_CONNECT))
        error = GatewayError(
            "upstream_timeout" if timed_out else "upstream", message, source="provider", retry=True, record=ErrorKind(kind)
        )
        x.usage = None
        self.give_up(x, error)

    def again(self, x: Exchange, status: int, kind: ErrorKind, body: bytes) -> bool:
        """Try elsewhere, or once more after a wait; False when this was the last attempt."""
        now_ns = monotonic_ns()
        if x.uploading or x.caller is None or x.attempt >= x.view.max_attempts or now_ns >= x.answer_deadline_ns:
            return False
        if x.operation in RELAYED and x.method != b"GET":
            return False
        if status == 429 and b"insufficient_quota" in body:
            return False
        delay = self.next_step(x, status)
        if delay < 0 or now_ns + int(delay * 1e9) >= x.answer_deadline_ns:
            return False
        write_attempt(x, int(Outcome.UPSTREAM_ERROR if status else Outcome.UNREACHABLE), int(kind))
        x.flags |= int(Flags.RETRIED)
        x.mode = UNDECIDED
        x.held = []
        x.scan = None
        x.usage = None
        x.first_byte_ns = 0
        x.last_byte_ns = 0
        x.response_bytes = 0
        if delay == 0:
            self.ask(x)
        else:
            x.dial_ns += int(delay * 1e9)
            x.waiting = self.core.loop.call_later(delay, self.wake, x)
        return True

    def next_step(self, x: Exchange, status: int) -> float:
        """Seconds to wait before the next attempt, whose target and keys it sets; -1 when there is nowhere to go."""
        target = x.target
        if target is None:
            return -1.0
        upstream = target.upstream
        now_ns = monotonic_ns()
        others = target.mask & ~x.tried_keys
        retry = x.view.snapshot.settings.retry
        if status == 429:
            wait = relay.retry_after(x.answer_head)
            if upstream.key_count > 1:
                cool = wait if 0 < wait < 60.0 else 1.0
                upstream.keys.cool(x.key, now_ns + int(cool * 1e9))
            if upstream.keys.choose(others, now_ns) >= 0:
                return 0.0
        if x.target_index + 1 < len(x.targets):
            x.target_index += 1
            x.tried_keys = 0
            return 0.0
        x.tried_keys = 0
        cap = min(retry.backoff_max, retry.backoff_initial * 2 ** (x.attempt - 1))
        delay = random.random() * cap
        if status == 429 or status == 503:
            wait = relay.retry_after(x.answer_head)
            if wait > retry.backoff_max:
                return -1.0
            delay = max(delay, wait)
        return max(delay, 0.001)

    def wake(self, x: Exchange) -> None:
        x.waiting = None
        if x.ended:
            return
        try:
            self.ask(x)
        except Exception as error:
            self.core.fault(x, error)

    def give_up(self, x: Exchange, error: GatewayError) -> None:
        self.core.end_locally(x, refuse(error, x.request_id.decode()))

    def caller_gone(self, x: Exchange) -> None:
        """Stop paying: the attempt is cancelled and what was delivered is posted (C7)."""
        if x.ended:
            return
        try:
            waiting = x.waiting
            if waiting is not None:
                x.waiting = None
                if hasattr(waiting, "forget"):
                    waiting.forget(x)
                else:
                    waiting.cancel()
            if x.link is not None:
                x.link.cancel()
            x.error_kind = int(ErrorKind.CLIENT_GONE)
            settle(x, int(Outcome.CLIENT_ABORT))
        except Exception as error:
            self.core.fault(x, error)


    def drain_cut(self, x: Exchange) -> None:
        link = x.link
        if link is not None:
            link.cancel()
        message = "The gateway is restarting."
        if x.head_sent:
            relay.cut(x, int(ErrorKind.DRAINING), message)
        else:
            error = GatewayError("overloaded", message, source="gateway", retry=True, record=ErrorKind.DRAINING)
            self.give_up(x, error)


def error_kind_of(status: int) -> ErrorKind:
    """What a provider's status says about the attempt."""
    if status == 429:
        return ErrorKind.UPSTREAM_RATE_LIMITED
    if status == 402:
        return ErrorKind.UPSTREAM_QUOTA
    if status in (401, 403):
        return ErrorKind.UPSTREAM_AUTH
    if status == 404:
        return ErrorKind.UPSTREAM_NOT_FOUND
    if status in (503, 529):
        return ErrorKind.UPSTREAM_OVERLOADED
    return ErrorKind.UPSTREAM_SERVER if status >= 500 else ErrorKind.UPSTREAM_BAD_REQUEST


def with_usage(options: bytes) -> bytes:
    """``stream_options`` of the caller with ``include_usage`` set."""
    value = orjson.loads(options)
    if not isinstance(value, dict):
        value = {}
    value["include_usage"] = True
    return orjson.dumps(value)


def decode(encoding: bytes, body: bytes) -> bytes | None:
    """``body`` without its gzip or deflate coding, which was not asked for; None when it is not what it says."""
    name = encoding.lower()
    if name not in (b"gzip", b"x-gzip", b"deflate"):
        return None
    inflater = zlib.decompressobj(47 if name != b"deflate" else 15)
    try:
        out = inflater.decompress(body, 64 << 20)
    except zlib.error:
        return None
    return out if inflater.eof else None


def without_encoding(head: bytes) -> bytes:
    lines = head.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(b"content-encoding:"))


def status_in(event: bytes) -> tuple[int, bytes]:
    """HTTP status and body for an error event that came before any token."""
    try:
        value = orjson.loads(event)
    except orjson.JSONDecodeError:
        value = {}
    error = value.get("error") if isinstance(value, dict) else None
    status = 502
    for source in (error, value):
        if isinstance(source, dict):
            for name in ("code", "status", "status_code"):
                number = source.get(name)
                if isinstance(number, str) and number.isdigit():
                    number = int(number)
                if isinstance(number, int) and 400 <= number <= 599:
                    status = number
                    break
    return status, event

