"""Always, exactly once: post what was used, release what was held, write the record."""

from __future__ import annotations

import logging

from _speedups._bytes import monotonic_ns
from _speedups._health import GOOD, NEUTRAL, SICK
from gateway.exchange import Exchange
from gateway.phases.cost import reckon
from gateway.phases.intent import identify, withdraw
from gateway.phases.metering import known, post
from gateway.records import SCHEMA, Flags, Kind, Outcome, UsageSource
from gateway.routing import trail
from providers.operations import Operation

log = logging.getLogger("microgate")

MOST_MICROS = 0xFFFFFFFF
"""What the 32 bits of a record hold: 71 minutes."""
ATTEMPT = int(Kind.ATTEMPT)
EXCHANGE = int(Kind.EXCHANGE)
SHADOW = int(Kind.SHADOW)
SHADOWED = int(Flags.SHADOW)
EMBEDDING = int(Flags.EMBEDDING)
CLIENT_ABORT = int(Outcome.CLIENT_ABORT)
WELL = int(Outcome.OK)
WAS_GOOD = GOOD
SAID_OF = {
    Outcome.OK: GOOD,
    Outcome.UPSTREAM_ERROR: GOOD,
    Outcome.UNREACHABLE: SICK,
    Outcome.TRUNCATED: SICK,
    Outcome.FAILED_STREAM: SICK,
    Outcome.TIMEOUT: SICK,
}
VERDICTS = tuple(SAID_OF.get(Outcome(number), NEUTRAL) for number in range(len(Outcome)))
"""What an end says about the deployment that was asked last; others say nothing."""
FROM_PROVIDER = int(UsageSource.PROVIDER)
USAGE_HIDDEN = int(Flags.USAGE_HIDDEN)
PASSED_THROUGH = int(Flags.PASSTHROUGH)
PASSTHROUGH = int(Operation.PASSTHROUGH)


def settle(x: Exchange, outcome: int) -> None:
    """Close the books of ``x``; later calls do nothing."""
    if x.ended:
        return
    x.ended = True
    if x.alarm is not None:
        x.alarm.cancel()
        x.alarm = None
    core = x.core
    if x.running:
        core.in_flight -= 1
    if x.further:
        core.further -= 1
    if x.race is not None:
        x.race.stop()
        x.race = None
    if x.health is not None:
        release(x, VERDICTS[outcome])
    x.outcome = outcome
    x.done_ns = monotonic_ns()
    if x.slot:
        if core.admission.waiting and outcome == WELL and x.first_byte_ns:
            core.admission.answered(x.first_byte_ns - x.sent_ns)
        core.admission.leave(x.slot, x.principal)
        x.slot = 0
    reckon(x, outcome != WELL)
    if x.flight is not None:
        x.flight.ending(x)
    reserved = x.reservation >= 0 or x.there >= 0
    if reserved:
        # Killed behind the record and before the settlement, a crash posts what the record says.
        known(x)
    if x.usage_source == FROM_PROVIDER and x.target is not None and not x.multipart:
        x.target.habit.learn(len(x.body), x.prompt, x.completion)
    if x.hide_usage and x.usage_source == FROM_PROVIDER:
        x.flags |= USAGE_HIDDEN
    if x.operation == PASSTHROUGH:
        x.flags |= PASSED_THROUGH
    entry = x.route
    if entry is not None and entry.metered and core.ring is not None and not x.unrecorded:
        write(x, SHADOW if x.flags & SHADOWED else EXCHANGE)
    if reserved:
        post(x)
    if core.settled_hooks:
        tell(x)
    flight = x.flight
    if flight is not None:
        # By a name of its own: it lets go of ``x``, which may be the last that holds it.
        flight.over(x, outcome)


def tell(x: Exchange) -> None:
    """What hooks do with a request whose books are closed is no business of its caller's."""
    for hook in x.core.settled_hooks:
        try:
            hook(x)
        except Exception:
            log.exception("a hook failed behind request %s", x.request_id.decode())


def release(x: Exchange, verdict: int) -> None:
    """The attempt that is under way, if one is, has ended: its deployment's health learns how."""
    health = x.health
    target = x.target
    if health is None or target is None:
        return
    x.health = None
    upstream = target.upstream
    upstream.in_flight -= 1
    now_ns = monotonic_ns()
    if verdict == WAS_GOOD and x.first_byte_ns and x.status < 400:
        health.took(x.first_byte_ns - x.sent_ns, now_ns)
    change = health.ended(now_ns, x.asked_ns, verdict)
    if change:
        x.core.attempts.changed(target, change)


def write_attempt(x: Exchange, outcome: int, error_kind: int) -> None:
    """The record of an attempt that another one follows; the last attempt stands in the exchange's own record."""
    trail.attempted(x, outcome, error_kind)
    if x.core.ring is None or x.route is None or not x.route.metered:
        return
    kept = x.outcome, x.error_kind, x.flags
    x.outcome = outcome
    x.error_kind = error_kind
    x.done_ns = monotonic_ns()
    if x.joining is None or (not x.response_bytes and not x.joining.resumed):
        # A provider may charge for an answer that nobody was shown.
        reckon(x, True)
    write(x, ATTEMPT)
    x.outcome, x.error_kind, x.flags = kept
    x.spent += x.cost
    withdraw(x)
    # Until the next one begins there is nothing to reckon.
    x.reckoned = True
    x.prompt = x.completion = -1
    x.usage_source = 0
    x.cost = 0


def write(x: Exchange, kind: int) -> None:
    core = x.core
    r = core.record
    r.clear()
    r.kind = kind
    r.schema = SCHEMA
    identify(x, r, x.done_ns)
    r.snapshot = x.view.version
    r.client = x.client
    if x.target is not None:
        plan = x.plan
        if plan is not None:
            r.target_dialect = plan.dialect
    r.status = x.sent_status if kind == EXCHANGE else x.status
    # A copy's number tells it from the request's other copies; it is sent once.
    r.attempts = 1 if kind == SHADOW and not x.flags & EMBEDDING else x.attempt + x.hedges
    if x.translation is not None:
        r.dropped = x.translation.dropped
    r.outcome = x.outcome
    r.error_kind = x.error_kind
    r.usage_source = x.usage_source
    r.cache_verdict = x.cache_verdict
    r.prompt_tokens = max(x.prompt, 0)
    r.completion_tokens = max(x.completion, 0)
    r.cost_nanodollars = x.cost
    if x.usage_source == FROM_PROVIDER:
        write_details(x)
    if x.trail is not None and kind != ATTEMPT:
        r.receipt = trail.compact(x)
    write_times(x)
    r.request_bytes = x.request_bytes or len(x.body)
    r.response_bytes = x.response_bytes
    r.chunks = x.chunks
    if core.ring is not None:
        core.ring.push(r)


def write_details(x: Exchange) -> None:
    """The kinds of tokens that the provider told apart."""
    usage = x.usage
    r = x.core.record
    if usage is None:
        return
    r.cached_tokens = max(usage.cached, 0)
    r.cache_write_tokens = max(usage.cache_write, 0)
    r.reasoning_tokens = max(usage.reasoning, 0)
    r.audio_in_tokens = max(usage.audio_in, 0)
    r.audio_out_tokens = max(usage.audio_out, 0)


def write_times(x: Exchange) -> None:
    """Durations: the gateway's own (P2 in full), waiting, the provider's, to the first byte."""
    r = x.core.record
    r.total_us = micros(x.done_ns - x.started_ns)
    r.queue_us = micros(x.dial_ns)
    if x.sent_ns:
        own = x.sent_ns - x.complete_ns - x.dial_ns
        if x.last_byte_ns:
            own += x.done_ns - x.last_byte_ns
            r.upstream_us = micros(x.last_byte_ns - x.sent_ns)
        if own > 0:
            r.gateway_us = micros(own)
        if x.first_byte_ns:
            r.ttft_us = micros(x.first_byte_ns - x.sent_ns)
    elif x.complete_ns:
        r.gateway_us = micros(x.done_ns - x.complete_ns)


def micros(ns: int) -> int:
    """Nanoseconds to microseconds, as far as a record can hold them."""
    us = ns // 1000
    return 0 if us < 0 else us if us < MOST_MICROS else MOST_MICROS
