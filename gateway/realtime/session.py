"""One realtime session: two WebSockets, what passes between them, how it ends, and its books."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any

from _speedups._bytes import monotonic_ns
from _speedups._stream import UsageScan
from gateway.core import Core
from gateway.errors import Response
from gateway.exchange import Exchange
from gateway.phases.metering import delivered
from gateway.phases.settle import settle
from gateway.realtime.books import Books
from gateway.realtime.handshake import accepted
from gateway.realtime.side import NO_STATUS, Side
from gateway.realtime.upgrade import Upgrade
from gateway.records import ErrorKind, Outcome
from gateway.server.deadlines import Timed
from gateway.snapshot.model import ServerLimits
from providers.realtime import Form

if TYPE_CHECKING:
    from gateway.realtime.opening import Opening

TICK_NS = 1_000_000_000
PING_NS = 30_000_000_000
"""Silence after which an end is asked whether it is still there."""
DEAD_NS = 90_000_000_000
"""Silence after which it is not."""
SETUP_NS = 30_000_000_000
"""For a first message that has to name the model."""

GOING_AWAY, PROTOCOL, POLICY, INTERNAL, RESTART, LATER = 1001, 1002, 1008, 1011, 1012, 1013
CLEAN = (1000, GOING_AWAY, NO_STATUS)


class Session(Timed):
    """Lives as long as either WebSocket; its books are closed as soon as it begins to end."""

    def __init__(self, core: Core, x: Exchange, opening: Opening, form: Form, credential: bytes) -> None:
        Timed.__init__(self)
        limits: ServerLimits = x.view.snapshot.settings.limits
        self.core = core
        self.x: Exchange | None = x
        self.opening: Opening | None = opening
        self.form = form
        self.credential = credential
        self.limit = limits.websocket_message_bytes
        self.idle_ns = int(limits.websocket_idle_timeout * 1e9)
        self.longest_ns = int(limits.websocket_session_timeout * 1e9)
        self.caller: Side | None = None
        self.upstream: Side | None = None
        self.upgrade: Upgrade | None = None
        self.model = ""
        self.upstream_model = ""
        self.over = False
        self.leaving = False
        self.started_ns = self.active_ns = monotonic_ns()

    # --- beginning

    def open_caller(self, key: bytes, protocol: str) -> None:
        """Accept the caller's handshake and take its connection."""
        x = self.x
        connection: Any = None if x is None else x.caller
        if x is None or connection is None:
            return
        half_closed = connection.half_closed
        transport, early = connection.hand_over()
        if transport is None:
            return
        labels = b"" if x.target is None else x.target.labels[2:]
        fields = b"x-microgate-request-id: " + x.request_id + b"\r\n" + labels
        transport.write(accepted(key, protocol, fields))
        x.sent_status = 101
        x.head_sent = True
        x.translation = Books(self.form)
        caller = self.caller = Side(self.core, self, False, self.limit)
        x.caller = caller
        self.core.connections.add(caller)
        self.core.wheel.set(self, monotonic_ns() + TICK_NS)
        caller.take_over(transport, early)
        if half_closed:
            # Whoever can't answer a Close has gone.
            caller.abort()

    def open_upstream(self, upgrade: Upgrade, first: bytes = b"") -> None:
        """Take the provider's connection; ``first`` is the message that the caller has sent already."""
        x = self.x
        if x is None or self.over or self.caller is None:
            upgrade.cancel()
            return
        self.upgrade = upgrade
        self.model = x.model
        self.upstream_model = "" if x.target is None else x.target.model
        transport, early = upgrade.take()
        self.active_ns = monotonic_ns()
        upstream = self.upstream = Side(self.core, self, True, self.limit)
        upstream.take_over(transport, early)
        if first:
            upstream.deliver(first, True)
        self.caller.read()

    # --- what passes

    def message(self, side: Side, data: bytes, text: bool) -> None:
        x = self.x
        if x is None or self.over:
            return
        self.active_ns = monotonic_ns()
        if side is self.caller:
            self.from_caller(x, side, data, text)
        else:
            self.from_provider(x, data, text)

    def from_caller(self, x: Exchange, caller: Side, data: bytes, text: bool) -> None:
        x.request_bytes += len(data)
        if self.upstream is None:
            if self.opening is not None:
                self.opening.named(x, self, data)
            return
        judged = self.form.judge(data, self.model, self.upstream_model, self.may_use)
        if not judged.refusal:
            self.upstream.deliver(judged.data, text)
            return
        event = self.form.error(judged, "model_not_allowed" if judged.param else "invalid_event")
        if event:
            caller.deliver(event, True)
        else:
            self.end(Outcome.REFUSED, ErrorKind.FORBIDDEN)
            self.shut(POLICY, judged.refusal, GOING_AWAY, "The caller broke the rules of its session.")

    def from_provider(self, x: Exchange, data: bytes, text: bool) -> None:
        x.response_bytes += len(data)
        x.chunks += 1
        if self.form.listen(data) and (x.reservation >= 0 or x.there >= 0) and self.core.arena is not None:
            usage = self.form.usage
            x.foreseen = usage.input_tokens
            # What a crash would post.
            if not delivered(x, usage.output_tokens) and not x.ended:
                self.end(Outcome.REFUSED, ErrorKind.BUDGET)
                self.shut(
                    POLICY, "The budget of this key has ended.", GOING_AWAY, "The budget of its caller has ended."
                )
                return
        if self.caller is not None:
            self.caller.deliver(data, text)
        if self.leaving and not self.form.answering:
            self.restart()

    def may_use(self, model: str) -> bool:
        """Whether the key may use another model of the session's provider beside the session's own."""
        x = self.x
        if x is None or x.principal is None or x.target is None:
            return False
        for name in (model, f"{x.target.upstream.name}/{model}"):
            resolution = x.view.resolve(name, x.target.upstream.name)
            if resolution is not None and x.view.choice(x.principal.ruleset, resolution) is not None:
                return True
        return False

    def held(self, side: Side) -> bool:
        if side is self.upstream:
            return self.caller is not None and bool(self.caller.queue)
        if self.upstream is None:
            # The first message names the model; the second waits until there is a provider for it.
            return self.opening is None or self.opening.busy
        return bool(self.upstream.queue)

    def drained(self, side: Side) -> None:
        other = self.upstream if side is self.caller else self.caller
        if other is not None:
            other.read()
        side.brake()

    # --- endings

    def end(self, outcome: Outcome, kind: ErrorKind = ErrorKind.NONE) -> None:
        """Close the books, once; what follows concerns the connections only."""
        x = self.x
        if x is None or self.over:
            return
        self.over = True
        x.error_kind = int(kind)
        x.last_byte_ns = monotonic_ns()
        told = x.translation.usage_json() if isinstance(x.translation, Books) else b""
        if told:
            x.usage = UsageScan()
            x.usage.judge(told)
        settle(x, int(outcome))

    def shut(self, code: int, reason: str, upstream_code: int = 0, upstream_reason: str = "") -> None:
        """Send both ends a Close; the provider gets the same unless told otherwise."""
        if self.caller is not None:
            self.caller.close(code, reason)
        if self.upstream is not None:
            self.upstream.close(upstream_code or code, upstream_reason or reason)
        elif self.opening is not None:
            self.opening.cancel()

    def closed(self, side: Side, code: int, reason: str) -> None:
        if side is self.caller:
            self.end(Outcome.OK)
            if self.upstream is not None:
                self.upstream.close(code, reason)
            elif self.opening is not None:
                self.opening.cancel()
            return
        if code in CLEAN:
            self.end(Outcome.OK)
        else:
            self.end(Outcome.FAILED_STREAM, ErrorKind.STREAM_ERROR)
        if self.caller is not None:
            self.caller.close(code, reason)

    def broke(self, side: Side, code: int, reason: str) -> None:
        if side is self.caller:
            kind = ErrorKind.TOO_LARGE if code == 1009 else ErrorKind.BAD_REQUEST
            self.end(Outcome.REFUSED, kind)
            self.shut(code, reason, GOING_AWAY, "The caller broke the WebSocket protocol.")
        else:
            kind = ErrorKind.ANSWER_TOO_LARGE if code == 1009 else ErrorKind.PROTOCOL
            self.end(Outcome.TRUNCATED, kind)
            what = "sent too large a message" if code == 1009 else "broke the WebSocket protocol"
            self.shut(INTERNAL, f"The provider {what}.", code, reason)

    def lost(self, side: Side) -> None:
        """Neither end is told of a clean close that there was none of."""
        if side is self.caller:
            self.caller = None
            if not self.over and self.upstream is None and self.x is not None:
                self.over = True
                self.x.attempts.caller_gone(self.x)
            self.end(Outcome.CLIENT_ABORT, ErrorKind.CLIENT_GONE)
            self.shut(0, "", GOING_AWAY, "The caller's connection was lost.")
        else:
            self.upstream = None
            if self.upgrade is not None:
                self.upgrade.give_back()
                self.upgrade = None
            self.end(Outcome.TRUNCATED, ErrorKind.RESET)
            self.shut(INTERNAL, "The connection to the provider was lost.")
        if self.caller is None and self.upstream is None:
            self.forget()

    def forget(self) -> None:
        """Nothing is left: no object may keep another one."""
        self.core.wheel.set(self, 0)
        opening, self.opening = self.opening, None
        if opening is not None:
            opening.session = None
        x, self.x = self.x, None
        if x is not None:
            x.caller = None
            x.translation = None
            x.attempts = self.core.attempts

    def failed(self, error: Exception) -> None:
        x = self.x
        if x is not None:
            self.over = True
            self.core.fault(x, error)
        self.shut(INTERNAL, "The gateway failed on this session.")

    def refused(self, response: Response) -> None:
        """What would have been an answer of HTTP before the caller was accepted; the books are closed."""
        self.over = True
        error = response.error
        code = POLICY if response.status < 500 else INTERNAL
        if response.status in (429, 503):
            code = LATER
        self.shut(code, "The session was refused." if error is None else error.message)

    def drain(self, now: bool) -> None:
        """An answer under way may be finished, as long as there is time."""
        self.leaving = True
        if now or not self.form.answering:
            self.restart()

    def restart(self) -> None:
        self.end(Outcome.DRAINED, ErrorKind.DRAINING)
        self.shut(RESTART, "The gateway is restarting.", GOING_AWAY)

    # --- time

    def expire(self, now_ns: int) -> None:
        try:
            self.look(now_ns)
        except Exception as error:
            self.failed(error)
        if self.x is not None:
            self.core.wheel.set(self, now_ns + TICK_NS)

    def look(self, now_ns: int) -> None:
        for side in (self.caller, self.upstream):
            if side is None:
                continue
            if side.overdue(now_ns):
                side.abort()
            elif not side.closing:
                self.look_at(side, now_ns)
        if self.over:
            return
        if self.upstream is None and now_ns - self.started_ns > SETUP_NS and self.opening is not None:
            if not self.opening.busy:
                self.end(Outcome.TIMEOUT, ErrorKind.TIMEOUT_BODY)
                self.shut(POLICY, "The first message did not come in time.")
        elif self.idle_ns and now_ns - self.active_ns > self.idle_ns:
            self.end(Outcome.TIMEOUT, ErrorKind.TIMEOUT_IDLE)
            self.shut(GOING_AWAY, f"No message for {self.idle_ns // 1_000_000_000} s.")
        elif self.longest_ns and now_ns - self.started_ns > self.longest_ns:
            self.end(Outcome.TIMEOUT, ErrorKind.TIMEOUT_TOTAL)
            self.shut(GOING_AWAY, f"A session lasts for {self.longest_ns // 1_000_000_000} s at most.")
        elif not self.still_known():
            self.end(Outcome.REFUSED, ErrorKind.UNAUTHENTICATED)
            self.shut(POLICY, "The key is switched off or has expired.", GOING_AWAY, "The session's caller is gone.")

    def look_at(self, side: Side, now_ns: int) -> None:
        """Whether this end takes what is sent, and is there at all."""
        if side.writing_paused and now_ns - side.paused_ns > self.core.write_timeout_ns:
            if side is self.caller:
                self.end(Outcome.CLIENT_ABORT, ErrorKind.TIMEOUT_WRITE)
                self.shut(POLICY, "Nothing is read.", GOING_AWAY, "The caller does not read.")
            else:
                self.end(Outcome.TRUNCATED, ErrorKind.TIMEOUT_IDLE)
                self.shut(INTERNAL, "The provider does not read.")
            side.abort()
            return
        if side.reading_paused:
            side.heard_ns = now_ns
        elif now_ns - side.heard_ns > DEAD_NS:
            side.abort()
        elif now_ns - max(side.heard_ns, side.asked_ns) > PING_NS:
            side.asked_ns = now_ns
            side.ping()

    def still_known(self) -> bool:
        principal = self.core.principal_of(self.credential)
        return principal is not None and (principal.expires_s == 0 or time() < principal.expires_s)
