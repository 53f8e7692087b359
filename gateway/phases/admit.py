"""May they: every limit of the principal at once, all or none, before anything is spent."""

from __future__ import annotations

from _speedups._bytes import monotonic_ns
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.records import ErrorKind

BYTES_PER_TOKEN_BITS = 2
"""English text in the tokenizers in use averages about four bytes a token; part of the estimate only."""
DEFAULT_OUTPUT_TOKENS = 1024


def estimate(x: Exchange) -> int:
    """Tokens this request may take: its body by size, and the output it allows itself."""
    output = x.max_tokens
    if output < 0:
        output = DEFAULT_OUTPUT_TOKENS
    return (len(x.body) >> BYTES_PER_TOKEN_BITS) + output


def admit(x: Exchange) -> Response | None:
    """Reserve at every limit; ``x.reservation`` is settled exactly once, in ``settle``."""
    principal = x.principal
    if principal is None or principal.limit_count == 0:
        return None
    arena = x.core.arena
    if arena is None:
        return None
    now_ns = monotonic_ns()
    handle = arena.reserve(principal.limits, 1, estimate(x), 0, now_ns)
    if handle < 0:
        # Who lost the processor behind the reading of the clock was judged by a time that other workers have passed.
        now_ns = monotonic_ns()
        handle = arena.reserve(principal.limits, 1, estimate(x), 0, now_ns)
    if handle >= 0:
        x.reservation = handle
        return None
    if handle == -1000:
        error = GatewayError(
            "overloaded", "Too many requests are under way.", source="gateway", retry=True, retry_after=1
        )
        return refuse(error, x.request_id.decode())
    which = -1 - handle
    wait_ns = arena.retry_after_ns(principal.limits, which, now_ns)
    limit, remaining, reset_ns = arena.state_of(principal.limits, which, now_ns)
    concurrent = wait_ns == 0
    if concurrent:
        message = f"This key may have {limit} requests under way at a time."
    else:
        message = f"This key's limit of {limit} is used up; it resets in {max(1, -(-reset_ns // 1_000_000_000))} s."
    error = GatewayError(
        "rate_limited",
        message,
        retry=True,
        retry_after=1.0 if concurrent else wait_ns / 1e9,
        record=ErrorKind.CONCURRENCY if concurrent else ErrorKind.RATE_LIMITED,
    )
    response = refuse(error, x.request_id.decode())
    response.headers += b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\n" % (
        limit,
        max(0, remaining),
    )
    if not concurrent:
        response.headers += b"x-ratelimit-reset-requests: %.3fs\r\n" % (reset_ns / 1e9)
    return response
