"""Choosing whom to ask, asking, and asking again: targets, keys, waits, and the one write of a request."""

from __future__ import annotations

import logging
import random

from _speedups._bytes import decimal, monotonic_ns
from gateway.core import Core
from gateway.credentials.outcome import REASONS
from gateway.errors import GatewayError, refuse
from gateway.exchange import Attempts, Exchange, Link
from gateway.phases import translated
from gateway.phases.route import relayed_path
from gateway.phases.settle import write_attempt
from gateway.phases.splice import splice
from gateway.records import ErrorKind, Flags, Outcome
from gateway.serving import Target, Upstream
from providers.classify import Classified, Verdict
from providers.operations import Dialect, Operation

log = logging.getLogger("microgate")

UNDECIDED = 0
BYTES_PER_TOKEN_BITS = 2
POST = b"POST"
LENGTH = b"content-length: "
BLANK = b"\r\n\r\n"
FALLBACK = int(Flags.FALLBACK)
RETRIED = int(Flags.RETRIED)
REUSED = int(Flags.REUSED_CONNECTION)
ADMIN = int(Operation.ADMIN)
WAITING = -2
"""``KeyCredentials.choose``: its token is being fetched, and the request will ask again."""
ROTATE_KEY = int(Verdict.ROTATE_KEY)
LAST_OF_OPENAI = int(Dialect.OPENAI_COMPLETIONS)
"""Between these, bytes pass; their answers and streams are read by ``_speedups``."""
UNANSWERED = Classified(Verdict.RETRY, reason="unanswered")
"""Of an attempt that brought no answer."""

SHORT_REST_S = 1.0
"""Of a rate-limited key whose provider does not say for how long."""
LONGEST_REST_S = 600.0
"""Longer waits are looked at again: some limits are lifted early, and some providers name a day for everything."""
REFUSED_REST_S = 300.0
"""Of a key that is refused or has no credit. A refusal may be the provider's own trouble, or be mended there, so it is
not for good; until then one request in five minutes is asked twice."""


class Asking(Attempts):
    """The way towards the provider; ``gateway.phases.forward.Forward`` adds the way back."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.told: dict[int, int] = {}
        """Provider keys whose refusal was logged, and when."""

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
        why = ""
        ready_ns = -1
        targets = x.targets or []
        while x.target_index < len(targets):
            target = targets[x.target_index]
            upstream = target.upstream
            plan = upstream.plans.get(x.operation)
            if plan is not None and plan.operation != x.operation and x.route is not None and x.route.below:
                plan = None  # what stands below a path of one dialect has no counterpart in another
            if plan is None and not x.relayed:
                unsupported = target
                x.target_index += 1
                continue
            mask = target.mask & ~x.tried_keys
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
            if plan is not None and (plan.dialect != x.dialect or x.dialect > LAST_OF_OPENAI) and not x.relayed:
                if not translated.prepare(self, x, target, plan):
                    return
            elif x.translation is not None:
                x.translation = None
            pool = upstream.pool
            link = pool.take()
            if link is None:
                pool.wait(x)
            else:
                x.flags |= REUSED
                self.send(x, link)
            return
        if why:
            self.uncredentialed(x, why)
        else:
            self.nowhere(x, unsupported, ready_ns, now_ns)

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
        core = self.core
        target = x.target
        if target is not None and target.upstream.credentials is not None:
            data = target.upstream.credentials.signed(x.key, data)
        x.request_bytes = len(data)
        if x.reservation >= 0 and core.arena is not None:
            # What a crash would post from here on: the request has been paid for.
            core.arena.deliver(x.reservation, len(x.body) >> BYTES_PER_TOKEN_BITS, 0)
        link.send(x, data, chunked)

    def path_of(self, x: Exchange, target: Target) -> str:
        if x.operation == ADMIN:
            return x.path.decode("ascii")
        return relayed_path(x, target.upstream)

    def put_away(self, x: Exchange, status: int, found: Classified) -> None:
        """Keep others from a key that is limited or refused, whether or not this request is asked again.

        An only key is not put away: there is nothing better to ask. Nor is any for a refusal of a passed-through path,
        which the caller chose.
        """
        target = x.target
        if found.verdict < ROTATE_KEY or target is None or x.operation == ADMIN:
            return
        upstream = target.upstream
        now_ns = monotonic_ns()
        rest = 0.0
        if found.verdict == ROTATE_KEY:
            if found.reason == "rate_limit":
                rest = min(found.wait_s, LONGEST_REST_S) or SHORT_REST_S
        elif not x.relayed:
            rest = REFUSED_REST_S
            self.tell(upstream, x.key, status, found.reason, now_ns)
            if upstream.credentials is not None:
                upstream.credentials.refused(x.key)
        if rest and upstream.key_count > 1:
            upstream.keys.cool(x.key, now_ns + int(rest * 1e9))

    def tell(self, upstream: Upstream, key: int, status: int, reason: str, now_ns: int) -> None:
        """Say so, once in a while: every request of an only key is refused."""
        identity = upstream.key_hashes[key]
        if now_ns - self.told.get(identity, -1 << 62) < int(REFUSED_REST_S * 1e9):
            return
        self.told[identity] = now_ns
        name = f"{upstream.name}/{upstream.key_specs[key].name}"
        rests = f"; it rests for {REFUSED_REST_S:.0f} s" if upstream.key_count > 1 else ""
        log.warning("provider key %s is refused (status %d, %s)%s", name, status, reason, rests)

    def again(self, x: Exchange, status: int, kind: ErrorKind, found: Classified) -> bool:
        """Try elsewhere, or once more after a wait; False when this was the last attempt."""
        now_ns = monotonic_ns()
        if x.uploading or x.caller is None or x.attempt >= x.view.max_attempts or now_ns >= x.answer_deadline_ns:
            return False
        if x.relayed and x.method != b"GET":
            return False
        # The operator's list decides about providers in trouble and rate limits. What is refused for its key's sake
        # may go to another key or target in any case, what is the caller's own mistake nowhere else.
        if status and (found.verdict < ROTATE_KEY or status == 429) and status not in x.view.retry_statuses:
            return False
        delay = self.next_step(x, found)
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

    def next_step(self, x: Exchange, found: Classified) -> float:
        """Seconds to wait before the next attempt, whose target and keys it sets; -1 when there is nowhere to go."""
        target = x.target
        if target is None:
            return -1.0
        keys = target.upstream.keys
        now_ns = monotonic_ns()
        limited = found.verdict >= ROTATE_KEY
        mask = target.mask & ~x.tried_keys
        if target.upstream.credentials is not None:
            mask = target.upstream.credentials.hopeful(mask)
        if limited and mask and keys.choose(mask, now_ns) >= 0:
            return 0.0
        if x.targets is not None and x.target_index + 1 < len(x.targets):
            x.target_index += 1
            x.tried_keys = 0
            return 0.0
        if limited and found.reason != "rate_limit":
            return -1.0
        x.tried_keys = 0
        retry = x.view.snapshot.settings.retry
        cap: float = min(retry.backoff_max, retry.backoff_initial * 2.0 ** (x.attempt - 1))
        wait: float = found.wait_s
        # Keys that were put away are ready again by then, or the provider's own answer is better than a wait.
        ready_ns = keys.next_ready_ns(target.mask, now_ns)
        if ready_ns > now_ns:
            wait = max(wait, (ready_ns - now_ns) / 1e9)
        if wait > retry.backoff_max:
            return -1.0
        return max(random.random() * cap, wait, 0.001)

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
