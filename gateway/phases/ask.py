"""Choosing whom to ask, asking, and asking again: targets, keys, waits, and the one write of a request."""

from __future__ import annotations

import random

from _speedups._bytes import decimal, monotonic_ns
from gateway import relay
from gateway.core import Core
from gateway.errors import GatewayError, refuse
from gateway.exchange import Attempts, Exchange, Link
from gateway.phases.route import relayed_path
from gateway.phases.settle import write_attempt
from gateway.phases.splice import splice
from gateway.records import ErrorKind, Flags, Outcome
from gateway.serving import Target
from providers.operations import Operation

UNDECIDED = 0
BYTES_PER_TOKEN_BITS = 2
POST = b"POST"
LENGTH = b"content-length: "
BLANK = b"\r\n\r\n"
FALLBACK = int(Flags.FALLBACK)
RETRIED = int(Flags.RETRIED)
REUSED = int(Flags.REUSED_CONNECTION)
ADMIN = int(Operation.ADMIN)


class Asking(Attempts):
    """The way towards the provider; ``gateway.phases.forward.Forward`` adds the way back."""

    def __init__(self, core: Core) -> None:
        self.core = core

    def begin(self, x: Exchange) -> None:
        if not x.targets:
            self.give_up(x, GatewayError("forbidden", "No provider this key may use serves this model."))
            return
        first = x.targets[0]
        x.answer_deadline_ns = (x.complete_ns or x.started_ns) + first.upstream.total_ns
        self.ask(x)

    def ask(self, x: Exchange) -> None:
        """Choose a target and a key, and send; or wait for a connection."""
        now_ns = monotonic_ns()
        unsupported: Target | None = None
        ready_ns = -1
        targets = x.targets or []
        while x.target_index < len(targets):
            target = targets[x.target_index]
            upstream = target.upstream
            plan = upstream.plans.get(x.operation)
            if plan is None and not x.relayed:
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
                x.flags |= FALLBACK
            x.target = target
            x.plan = plan
            x.key = key
            x.tried_keys |= 1 << key
            x.attempt += 1
            x.asked_ns = now_ns
            pool = upstream.pool
            link = pool.take()
            if link is None:
                pool.wait(x)
            else:
                x.flags |= REUSED
                self.send(x, link)
            return
        self.nowhere(x, unsupported, ready_ns, now_ns)

    def nowhere(self, x: Exchange, unsupported: Target | None, ready_ns: int, now_ns: int) -> None:
        """No target is left: say which of the reasons it was."""
        if unsupported is not None:
            name = unsupported.upstream.name
            wanted = Operation(x.operation).name.lower()
            offered = ", ".join(sorted(Operation(o).name.lower() for o in unsupported.upstream.plans))
            self.give_up(
                x,
                GatewayError(
                    "unsupported_operation",
                    f"The provider '{name}' does not offer {wanted}; it offers: {offered}.",
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
        if plan is not None and not x.relayed:
            entry = x.route
            if entry is None or not entry.below:
                head = plan.head(x.key, target.model)
            else:
                head = upstream.head(b"POST", plan.path + entry.below, x.key)
            x.admin_method = POST
        else:
            path = self.path_of(x, target)
            head = upstream.head(x.method, path, x.key, x.query)
            x.admin_method = x.method
        core = self.core
        scan = core.request_head
        allowed = core.request_filter
        # What was read as JSON is sent as JSON, whatever curl's default says of it.
        as_json = plan is not None and not x.multipart and not x.json_declared and not x.relayed
        if as_json:
            allowed = core.bare_filter
        # Another request's head has been scanned since, when this one had to wait.
        fields = allowed.select(scan) if scan.head is x.head else allowed.copy(x.head)
        if as_json:
            fields += b"content-type: application/json\r\n"
        extra = upstream.forward_filter
        if extra is not None:
            fields += extra.copy(x.head)
        parts = splice(x, target, plan)
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
                data = b"".join((head, fields, LENGTH, decimal(length), BLANK, body))
            else:
                data = b"%b%b\r\n" % (head, fields)
        else:
            size = 0
            for piece in parts:
                size += len(piece)
            length = size
            if x.uploading:
                chunked = x.body_length < 0
                length = x.body_length + size - len(x.body)
            if chunked:
                body = b"".join(parts)
                data = b"%b%btransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (head, fields, len(body), body)
            elif len(parts) == 3:
                data = b"".join((head, fields, LENGTH, decimal(length), BLANK, parts[0], parts[1], parts[2]))
            else:
                data = b"".join((head, fields, LENGTH, decimal(length), BLANK, *parts))
        x.request_bytes = len(data)
        if x.reservation >= 0 and core.arena is not None:
            # What a crash would post from here on: the request has been paid for.
            core.arena.deliver(x.reservation, len(x.body) >> BYTES_PER_TOKEN_BITS, 0)
        link.send(x, data, chunked)

    def path_of(self, x: Exchange, target: Target) -> str:
        if x.operation == ADMIN:
            return x.path.decode("ascii")
        return relayed_path(x, target.upstream)

    def again(self, x: Exchange, status: int, kind: ErrorKind, body: bytes) -> bool:
        """Try elsewhere, or once more after a wait; False when this was the last attempt."""
        now_ns = monotonic_ns()
        if x.uploading or x.caller is None or x.attempt >= x.view.max_attempts or now_ns >= x.answer_deadline_ns:
            return False
        if x.relayed and x.method != b"GET":
            return False
        if status == 429 and b"insufficient_quota" in body:
            return False
        delay = self.next_step(x, status)
        if delay < 0 or now_ns + int(delay * 1e9) >= x.answer_deadline_ns:
            return False
        write_attempt(x, int(Outcome.UPSTREAM_ERROR if status else Outcome.UNREACHABLE), int(kind))
        x.flags |= RETRIED
        x.mode = UNDECIDED
        x.held = None
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
        if x.targets is not None and x.target_index + 1 < len(x.targets):
            x.target_index += 1
            x.tried_keys = 0
            return 0.0
        x.tried_keys = 0
        cap: float = min(retry.backoff_max, retry.backoff_initial * 2.0 ** (x.attempt - 1))
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
