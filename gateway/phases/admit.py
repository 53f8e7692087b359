"""May they: every limit of the key, its team and its customer at once, all or none, before anything is spent."""

from __future__ import annotations

from _speedups._bytes import monotonic_ns
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.phases.metering import UNBOUNDED, foresee, foreseen_cost, read_kinds, until


def admit(x: Exchange) -> Response | None:
    """Reserve at every limit; ``x.reservation`` is settled exactly once, in ``settle``."""
    principal = x.principal
    if principal is None or (principal.limit_count == 0 and principal.there is None):
        return None
    arena = x.core.arena
    if arena is None:
        return None
    if not principal.read:
        read_kinds(principal, arena)
    if principal.budgeted and x.view.snapshot.unknown_before_us:
        return unknown(x)
    output = foresee(x)
    x.granted = output if x.max_tokens < 0 and principal.growing is not None else UNBOUNDED
    if principal.limit_count == 0:
        return None
    money = 0
    if principal.budgeted:
        money = foreseen_cost(x, principal, output)
        if money < 0:
            return unpriced(x)
    tokens = x.foreseen + output
    now_ns = monotonic_ns()
    handle = arena.reserve(principal.limits, 1, tokens, money, now_ns, output, until(x, now_ns))
    if handle < 0:
        # Who lost the processor behind the reading of the clock was judged by a time that other workers have passed.
        now_ns = monotonic_ns()
        handle = arena.reserve(principal.limits, 1, tokens, money, now_ns, output, until(x, now_ns))
    if handle >= 0:
        x.reservation = handle
        return None
    if handle == -1000:
        error = GatewayError(
            "overloaded", "Too many requests are under way.", source="gateway", retry=True, retry_after=1
        )
        return refuse(error, x.request_id.decode())
    from gateway.phases.refusing import used_up

    error = used_up(x, arena, principal.limits, principal.general, -1 - handle, now_ns)
    return refuse(error, x.request_id.decode())


def unpriced(x: Exchange) -> Response:
    """Nobody knows what it would cost, and the key has a budget."""
    from gateway.phases.refusing import unknown_price

    return refuse(unknown_price(x), x.request_id.decode())


def unknown(x: Exchange) -> Response:
    """Nobody can say yet what was spent before the start, and the key has a budget."""
    message = "What has been spent of this key's budgets is not known yet: their ledger cannot be read."
    error = GatewayError("overloaded", message, source="gateway", retry=True, retry_after=1)
    return refuse(error, x.request_id.decode())
