"""When an attempt failed: whether to ask again, where, and when."""

from __future__ import annotations

import logging
import random
from typing import Any

from _speedups._bytes import monotonic_ns
from _speedups._health import GOOD, OUT, RESTORED, SICK, WELL
from gateway.core import Core
from gateway.errors import NOT_AGAIN, GatewayError, refuse
from gateway.exchange import Attempts, Exchange
from gateway.phases.settle import release, write_attempt
from gateway.records import ErrorKind, Flags, Outcome
from gateway.routing import trail
from gateway.routing.budget import RetryBudget
from gateway.serving import Target, Upstream
from providers.classify import Classified, Verdict
from providers.operations import Operation

log = logging.getLogger("microgate")

UNDECIDED = 0
RETRIED = int(Flags.RETRIED)
ADMIN = int(Operation.ADMIN)
IN_TROUBLE = int(Verdict.RETRY)
ROTATE_KEY = int(Verdict.ROTATE_KEY)
WAS_GOOD = GOOD
WAS_SICK = SICK
IS_WELL = WELL
IS_OUT = OUT
UNANSWERED = Classified(Verdict.RETRY, reason="unanswered")
"""Of an attempt that brought no answer."""

OVER = frozenset((ErrorKind.TIMEOUT_TOTAL,))
"""The whole time that a request may take has passed: its caller's SDK is not to begin it once more."""

SHORT_REST_S = 1.0
"""Of a rate-limited key whose provider does not say for how long."""
LONGEST_REST_S = 600.0
"""Longer waits are looked at again: some limits are lifted early, and some providers name a day for everything."""
REFUSED_REST_S = 300.0
"""Of a key that is refused or has no credit. A refusal may be the provider's own trouble, or be mended there, so it is
not for good; until then one request in five minutes is asked twice."""


class Retrying(Attempts):
    """What follows a failed attempt; ``gateway.phases.ask.Asking`` makes attempts."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.budget = RetryBudget()
        self.told: dict[int, int] = {}
        """Provider keys whose refusal was logged, and when."""
        self.second: Any = None
        """``gateway.phases.hedge.Second``, once something was hedged."""

    def ask(self, x: Exchange) -> None:
        """Make an attempt at the first of ``x.targets`` from ``x.target_index`` on that can be asked."""
        raise NotImplementedError

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
        release(x, WAS_SICK if found.verdict == IN_TROUBLE else WAS_GOOD)
        outcome = int(Outcome.UPSTREAM_ERROR if status else Outcome.UNREACHABLE)
        if x.race is not None and found.verdict >= IN_TROUBLE and x.race.failed(outcome, int(kind)):
            return True
        now_ns = monotonic_ns()
        if x.uploading or x.caller is None:
            return False
        if x.target is not None and x.target.upstream is self.core.control:
            # Whoever asks control learns at once that it is away; the waits that an operator sets are for providers.
            return False
        if x.attempt >= x.view.max_attempts or now_ns >= x.answer_deadline_ns:
            if found.verdict >= IN_TROUBLE:
                trail.stopped(x, "attempts" if x.attempt >= x.view.max_attempts else "deadline")
            return False
        if x.relayed and x.method != b"GET":
            return False
        # The operator's list decides about providers in trouble and rate limits. What is refused for its key's sake
        # may go to another key or target in any case, what is the caller's own mistake nowhere else.
        if status and (found.verdict < ROTATE_KEY or status == 429) and status not in x.view.retry_statuses:
            return False
        delay = self.next_step(x, found)
        if delay < 0 or now_ns + int(delay * 1e9) >= x.answer_deadline_ns:
            trail.stopped(x, "nowhere" if delay < 0 else "deadline")
            return False
        write_attempt(x, outcome, int(kind))
        x.attempt += x.hedges
        x.hedges = 0
        self.repeats(x)
        x.mode = UNDECIDED
        x.status = 0
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

    def repeats(self, x: Exchange) -> None:
        """Count a further attempt."""
        self.budget.spend()
        if not x.further:
            x.further = True
            self.core.further += 1
        x.flags |= RETRIED

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
        retry = x.view.snapshot.settings.retry
        other = self.other_target(x, now_ns)
        if other is not None:
            if not other.health.proven() and not self.affordable(x, retry.budget, now_ns):
                trail.stopped(x, "budget")
                return -1.0
            x.target_index += 1
            x.tried_keys = 0
            return 0.0
        if limited and found.reason != "rate_limit":
            return -1.0
        if not x.regardless and target.health.state(now_ns) != IS_WELL:
            return -1.0
        if not self.affordable(x, retry.budget, now_ns):
            trail.stopped(x, "budget")
            return -1.0
        x.tried_keys = 0
        cap: float = min(retry.backoff_max, retry.backoff_initial * 2.0 ** (x.attempt - 1))
        wait: float = found.wait_s
        # Keys that were put away are ready again by then, or the provider's own answer is better than a wait.
        ready_ns = keys.next_ready_ns(target.mask, now_ns)
        if ready_ns > now_ns:
            wait = max(wait, (ready_ns - now_ns) / 1e9)
        if wait > retry.backoff_max:
            return -1.0
        return max(random.random() * cap, wait, 0.001)

    def other_target(self, x: Exchange, now_ns: int) -> Target | None:
        """The next target that may be asked."""
        targets = x.targets or []
        for index in range(x.target_index + 1, len(targets)):
            target: Target = targets[index]
            if x.regardless or target.health.state(now_ns) != IS_OUT:
                return target
        return None

    def guarded(self, x: Exchange) -> bool:
        """Whether a stream that has brought no content yet is to be held back for the sake of another target.

        What is shown of it would end that chance; without one there is nothing to hold it back for.
        """
        target = x.target
        if target is None or not target.upstream.first_token_ns or x.attempt >= x.view.max_attempts:
            return False
        return self.other_target(x, monotonic_ns()) is not None

    def affordable(self, x: Exchange, share: float, now_ns: int) -> bool:
        """Whether the retry budget has an attempt left for a deployment in trouble."""
        core = self.core
        return self.budget.allows(share, core.in_flight, core.further - x.further, now_ns)

    def changed(self, target: Target, change: int) -> None:
        """A deployment was ejected or is back: say so."""
        name = f"{target.upstream.name}/{target.model}"
        if change == RESTORED:
            log.warning("deployment %s answers again", name)
            return
        failures, ejections, left_ns = target.health.figures(monotonic_ns())
        log.warning(
            "deployment %s is left out for %.0f s (%d failures in a row, ejection %d)",
            name,
            left_ns / 1e9,
            failures,
            ejections,
        )

    def wake(self, x: Exchange) -> None:
        x.waiting = None
        if x.ended:
            return
        try:
            self.ask(x)
        except Exception as error:
            self.core.fault(x, error)

    def give_up(self, x: Exchange, error: GatewayError) -> None:
        if x.joining is not None and x.joining.resumed:
            x.joining.over(x, int(error.record), error.message)
            return
        response = refuse(error, x.request_id.decode())
        if error.source == "provider" and error.status in (502, 504) and (x.attempt > 1 or error.record in OVER):
            response.headers += NOT_AGAIN
        self.core.end_locally(x, response)
