"""Choosing whom to ask, and asking: targets, keys, and the one write of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _speedups._bytes import decimal, monotonic_ns
from _speedups._head import HeaderFilter
from _speedups._health import DUE, WELL
from gateway.credentials.outcome import REASONS
from gateway.errors import GatewayError
from gateway.exchange import Exchange, Link
from gateway.phases import translated
from gateway.phases.intent import intend
from gateway.phases.metering import delivered, reserve_there
from gateway.phases.retry import Retrying
from gateway.phases.route import relayed_path
from gateway.phases.splice import splice
from gateway.records import ErrorKind, Flags
from gateway.routing import receipt, trail
from gateway.routing.deadline import set_alarm, with_time_left
from gateway.routing.warmest import preferred, sent
from gateway.server.forwarded import known_source, packed, spelled
from gateway.serving import Plan, Target
from providers.operations import Dialect, Operation

if TYPE_CHECKING:
    from gateway.upstream.pool import Pool

UNDECIDED = 0
POST = b"POST"
LENGTH = b"content-length: "
BLANK = b"\r\n\r\n"
FALLBACK = int(Flags.FALLBACK)
REUSED = int(Flags.REUSED_CONNECTION)
ADMIN = int(Operation.ADMIN)
WAITING = -2
"""``KeyCredentials.choose``: its token is being fetched, and the request will ask again."""
LAST_OF_OPENAI = int(Dialect.OPENAI_COMPLETIONS)
"""Between these, bytes pass; their answers and streams are read by ``_speedups``."""
ENCODINGS = HeaderFilter((b"accept-encoding",), keep=True)
IS_WELL = WELL
IS_DUE = DUE


class Asking(Retrying):
    """The way towards the provider; ``gateway.phases.forward.Forward`` adds the way back."""

    def begin(self, x: Exchange) -> None:
        if not x.targets:
            self.give_up(x, GatewayError("forbidden", "No provider this key may use serves this model."))
            return
        first = x.targets[0]
        x.answer_deadline_ns = (x.complete_ns or x.started_ns) + first.upstream.total_ns
        if x.deadline_ns and x.deadline_ns < x.answer_deadline_ns:
            x.answer_deadline_ns = x.deadline_ns
            if monotonic_ns() >= x.deadline_ns:
                self.overdue(x)
                return
            set_alarm(x, x.deadline_ns)
        self.budget.asked(x.complete_ns)
        resolution = x.resolution
        if resolution is not None and resolution.continues:
            from gateway.phases.continuing import joining_of

            x.joining = joining_of(x)
        self.ask(x)
        if resolution is not None and resolution.hedged:
            from gateway.phases.hedge import race_of

            x.race = race_of(x)

    def ask(self, x: Exchange) -> None:
        """Choose a target and a key, and send; or wait for a connection."""
        now_ns = monotonic_ns()
        unsupported: Target | None = None
        why = ""
        full: Target | None = None
        used_up: tuple[Target, int, int] | None = None
        ready_ns = -1
        targets = x.targets or []
        while x.target_index < len(targets):
            target = targets[x.target_index]
            upstream = target.upstream
            if not x.regardless and not self.fit(x, target, now_ns):
                trail.passed(x, target, receipt.EJECTED)
                x.target_index += 1
                x.tried_keys = 0
                continue
            if upstream.in_flight >= upstream.max_concurrency or (
                upstream.throttles and target.health.throttled(now_ns)
            ):
                full = target
                busy = upstream.in_flight >= upstream.max_concurrency
                trail.passed(x, target, receipt.FULL if busy else receipt.THROTTLED)
                x.target_index += 1
                x.tried_keys = 0
                continue
            plan = upstream.plans.get(x.operation)
            if plan is not None and plan.operation != x.operation and x.route is not None and x.route.below:
                plan = None  # what stands below a path of one dialect has no counterpart in another
            if plan is None and not x.relayed:
                unsupported = target
                trail.passed(x, target, receipt.UNABLE)
                x.target_index += 1
                continue
            mask = target.mask & ~x.tried_keys
            if x.session or upstream.affinity is not None:
                mask = preferred(x, target, mask, now_ns)
            if upstream.credentials is None:
                key = upstream.keys.choose(mask, now_ns)
            else:
                key = upstream.credentials.choose(x, mask, now_ns)
                if key == WAITING:
                    return
                if key >= 0 and x.uploading and upstream.credentials.signs(key):
                    # The signature is over the whole body.
                    self.give_up(x, GatewayError("too_large", "A body this long can't be signed for the provider."))
                    return
            if key < 0:
                if upstream.credentials is not None:
                    why = why or upstream.credentials.why(target.mask)
                ready = upstream.keys.next_ready_ns(target.mask, now_ns)
                if ready >= 0 and (ready_ns < 0 or ready < ready_ns):
                    ready_ns = ready
                lacking = receipt.NO_TOKEN if why and upstream.credentials is not None else receipt.NO_KEY
                trail.passed(x, target, receipt.RESTING if ready >= 0 else lacking)
                x.target_index += 1
                x.tried_keys = 0
                continue
            refusal = reserve_there(x, target, now_ns)
            if refusal < 0:
                used_up = used_up or (target, refusal, now_ns)
                trail.passed(x, target, receipt.LIMITED)
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
            x.reckoned = False
            x.asked_ns = now_ns
            x.health = target.health
            x.health.began(now_ns)
            upstream.in_flight += 1
            if not self.prepared(x, target, plan):
                return
            pool = upstream.pool
            link = pool.take()
            if link is None:
                self.wait(x, pool)
            else:
                x.flags |= REUSED
                self.send(x, link)
            return
        if used_up is not None:
            self.spent(x, *used_up)
        elif why:
            self.uncredentialed(x, why)
        elif full is not None:
            self.too_much(x, full)
        else:
            self.nowhere(x, unsupported, ready_ns, now_ns)

    def prepared(self, x: Exchange, target: Target, plan: Plan | None) -> bool:
        """Put the request into the target's dialect where it is not the caller's; False when that was the end."""
        if plan is not None and x.joining is not None and x.joining.resumed:
            return bool(x.joining.prepare(self, x, target, plan))
        if plan is not None and (plan.dialect != x.dialect or x.dialect > LAST_OF_OPENAI) and not x.relayed:
            return translated.prepare(self, x, target, plan)
        if x.translation is not None:
            x.translation = None
        return True

    def wait(self, x: Exchange, pool: Pool) -> None:
        """Have ``x`` told of the next connection."""
        pool.wait(x)
        if x.alarm is None and not x.ended and pool.full():
            # Others may keep their connections for longer than this request may take.
            set_alarm(x, x.answer_deadline_ns)

    def fit(self, x: Exchange, target: Target, now_ns: int) -> bool:
        """Whether a target among several is to be asked: it is well, or its probe is due and this request has it."""
        state = target.health.state(now_ns)
        if state == IS_WELL:
            return True
        if state != IS_DUE or not target.health.probe(now_ns):
            return False
        trail.chosen(x, "probe")
        return True

    def too_much(self, x: Exchange, target: Target) -> None:
        """The last target that could be asked has as much to do as it may have, or refuses most of what it is sent."""
        upstream = target.upstream
        if upstream.in_flight >= upstream.max_concurrency:
            message = f"The provider '{upstream.name}' has as many requests under way as it may have."
        else:
            message = f"The provider '{upstream.name}' refuses most requests at present; this one was not sent."
        error = GatewayError(
            "overloaded", message, source="gateway", retry=True, retry_after=1, record=ErrorKind.OVERLOADED
        )
        self.give_up(x, error)

    def spent(self, x: Exchange, target: Target, refusal: int, now_ns: int) -> None:
        """The key's own limits at every provider that could be asked are used up."""
        from gateway.phases.refusing import used_up_there

        self.give_up(x, used_up_there(x, target, -1 - refusal, now_ns))

    def uncredentialed(self, x: Exchange, why: str) -> None:
        """No key can be sent with: its token could not be had, or not in time."""
        message = f"No access token for the provider: {REASONS.get(why, why)}."
        record = ErrorKind.CREDENTIAL
        self.give_up(x, GatewayError("upstream", message, source="provider", retry=True, record=record))

    def nowhere(self, x: Exchange, unsupported: Target | None, ready_ns: int, now_ns: int) -> None:
        """No target is left: say which of the reasons it was."""
        if unsupported is not None:
            self.give_up(x, translated.unsupported(unsupported, x.operation))
        elif ready_ns >= 0:
            error = GatewayError(
                "rate_limited",
                "Every key of the provider rests, after a rate limit or a refusal.",
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
            if x.alarm is not None and x.deadline_ns != x.answer_deadline_ns:
                x.alarm.cancel()
                x.alarm = None
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
        if x.translation is not None and plan is not None:
            x.admin_method = POST
            self.write(x, link, translated.wire(x, target, plan), False)
            return
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
        if x.relayed and x.dialect > LAST_OF_OPENAI:
            fields = translated.object_fields(x)
        else:
            fields = allowed.select(scan) if scan.head is x.head else allowed.copy(x.head)
        if as_json:
            fields += b"content-type: application/json\r\n"
        extra = upstream.forward_filter
        if extra is not None:
            fields += extra.copy(x.head)
        if x.operation == ADMIN:
            fields += told_to_control(x)
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
        self.write(x, link, data, chunked)

    def write(self, x: Exchange, link: Link, data: bytes, chunked: bool) -> None:
        target = x.target
        if x.deadline_ns and target is not None and target.upstream.told_time:
            data = with_time_left(data, x)
        if target is not None and target.upstream.credentials is not None:
            data = target.upstream.credentials.signed(x.key, data)
        if target is not None and target.upstream.affinity is not None:
            sent(x, target.upstream)
        x.request_bytes = len(data)
        if x.reservation >= 0 or x.there >= 0:
            # What a crash would charge from here on, and to whom: the provider may have been asked.
            intend(x)
            if x.joining is None or not x.joining.resumed:
                delivered(x, 0)
        link.send(x, data, chunked)

    def path_of(self, x: Exchange, target: Target) -> str:
        if x.operation == ADMIN:
            return x.path.decode("ascii")
        return relayed_path(x, target.upstream)


def told_to_control(x: Exchange) -> bytes:
    """Who asks: control itself sees this worker alone. A caller's own field of this name stays here, like all of them
    that begin so. And which encodings the caller takes: control has its pages compressed."""
    peer = packed(x.caller.peer()) if x.caller is not None else b""
    source = f"x-microgate-source: {spelled(known_source(x.client, peer, x.head, x.core.forwarded))}\r\n"
    return source.encode() + ENCODINGS.copy(x.head)
