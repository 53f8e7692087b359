"""What a request is foreseen to take, what it has taken so far, and what it took: its reservations, first to last.

There is one reservation at the limits of the key, its team and its customer (``Exchange.reservation``), made by
``admit``; one at the key's limits at the provider that is asked (``Exchange.there``), made with each attempt; and where
an answer grows beyond what was foreseen, further ones for what is to come (``Exchange.grants``).
"""

from __future__ import annotations

import logging

from _speedups._bucket import GAUGE, MONEY, REQUESTS, ROLLING, USD, ArenaWorker, LimitSet
from _speedups._bytes import monotonic_ns
from gateway.exchange import Exchange
from gateway.phases.cost import price_of
from gateway.principal import Principal
from gateway.records import CacheVerdict, Flags, UsageSource
from gateway.serving import Target
from providers.operations import Operation

log = logging.getLogger("microgate")

BYTES_PER_TOKEN_BITS = 2
DEFAULT_OUTPUT_TOKENS = 1024
UNBOUNDED = 1 << 62
"""Granted to an answer that need not be watched: its request bounds it, or nobody counts its tokens."""
STEP_TOKENS = 16
"""The least that is reserved further; at first as much as was there."""
GRACE_NS = 30_000_000_000
"""A reservation outlives its request's deadline by so much before it is settled for it."""
SHADOW = int(Flags.SHADOW)
MISS = int(CacheVerdict.MISS)
FROM_CACHE = int(UsageSource.CACHE)
COUNT_TOKENS = int(Operation.COUNT_TOKENS)
NO_WORDS = frozenset((int(Operation.EMBEDDINGS), int(Operation.RERANK), int(Operation.MODERATIONS)))
"""Their answers have no tokens."""
POST = b"POST"
NO_LIMITS = LimitSet(())
"""What is reserved at none of them is a call that is known of if its worker dies."""


def read_kinds(principal: Principal, arena: ArenaWorker) -> None:
    """Learn what the key's limits count; once, since another kind of limit is another slot."""
    principal.read = True
    tokens: list[int] = []
    for slot in principal.slots:
        kind, unit = arena.about(slot)[:2]
        if kind == MONEY or (kind == ROLLING and unit == USD):
            principal.budgeted = True
        if kind != GAUGE and (kind == MONEY or unit != REQUESTS) and slot in principal.general:
            tokens.append(slot)
    if tokens:
        principal.growing = LimitSet(tokens)


def foresee(x: Exchange) -> int:
    """Set ``x.foreseen`` to the tokens that the request is likely to have; returns those that its answer may have."""
    x.foreseen = 0
    if x.operation == COUNT_TOKENS or (x.relayed and x.method != POST) or (x.route is not None and x.route.stateful):
        return 0
    habit = None
    if x.targets:
        target = x.targets[0]
        habit = target.habit
    if not x.uploading and not x.multipart:
        x.foreseen = len(x.body) >> BYTES_PER_TOKEN_BITS if habit is None else habit.prompt(len(x.body))
    if x.operation in NO_WORDS:
        return 0
    if x.max_tokens >= 0:
        return x.max_tokens
    return DEFAULT_OUTPUT_TOKENS if habit is None else habit.completion()


def foreseen_cost(x: Exchange, principal: Principal, output: int) -> int:
    """Nano-dollars at the dearest of the targets; -1 where a price is unknown and the key is to be refused for it."""
    targets = x.targets
    if not targets or x.foreseen + output == 0:
        return 0
    most, now_ns = 0, monotonic_ns()
    for target in targets:
        money = target.price.foresee(principal.id_hash, x.foreseen, output, now_ns)
        if money < 0:
            return -1
        most = max(most, money)
    return most


def until(x: Exchange, now_ns: int) -> int:
    """When the reservation expires if nobody settles it; 0: never, of a session, which always ends its books."""
    if x.route is None or x.route.websocket:
        return 0
    total_ns = 600_000_000_000
    if x.targets:
        target = x.targets[0]
        total_ns = target.upstream.total_ns
    return (x.complete_ns or now_ns) + total_ns + GRACE_NS


def reserve_there(x: Exchange, target: Target, now_ns: int) -> int:
    """Reserve at the key's limits at this target's provider: 0, or what ``ArenaWorker.reserve`` says of a refusal."""
    principal = x.principal
    arena = x.core.arena
    if principal is None or principal.there is None or arena is None or x.flags & SHADOW:
        return 0
    if x.there >= 0:
        # The attempt before came to nothing; it was made all the same.
        finish(arena, x.there, 1, 0, 0, now_ns, 0)
        x.there = -1
    limits = principal.there.get(target.upstream.name)
    if limits is None:
        return 0
    output = foresee(x)
    money = 0
    if principal.budgeted and x.foreseen + output:
        money = target.price.foresee(principal.id_hash, x.foreseen, output, now_ns)
        if money < 0:
            return -1
    handle = arena.reserve(limits, 1, x.foreseen + output, money, now_ns, output, until(x, now_ns))
    if handle < 0:
        return handle
    x.there = handle
    return 0


def reserve_beside(x: Exchange, twin: Exchange, target: Target, now_ns: int) -> bool:
    """Reserve for a second attempt beside that of ``x``, at what counts tokens and money: it is the same request. False
    when there is no room for it."""
    principal = x.principal
    arena = x.core.arena
    if principal is None or arena is None or x.reservation < 0:
        return True
    output = foresee(twin)
    money = 0
    if principal.budgeted and twin.foreseen + output:
        money = target.price.foresee(principal.id_hash, twin.foreseen, output, now_ns)
        if money < 0:
            return False
    limits = principal.growing or NO_LIMITS
    handle = arena.reserve(limits, 0, twin.foreseen + output, money, now_ns, output, until(x, now_ns))
    if handle < 0:
        return False
    twin.reservation = handle
    twin.granted = UNBOUNDED
    return True


def give_back(x: Exchange) -> None:
    """A second attempt is over, or is the only one now: what was reserved for it is free. What it cost is among what
    its request has spent."""
    arena = x.core.arena
    if x.reservation >= 0 and arena is not None:
        finish(arena, x.reservation, 0, 0, 0, monotonic_ns(), 0)
        x.reservation = -1


def delivered(x: Exchange, output: int) -> bool:
    """So much of an answer has come: what a crash would post. False when there is no room for more of it."""
    principal = x.principal
    arena = x.core.arena
    if principal is None or arena is None:
        return True
    usage = x.usage
    if usage is not None and usage.found and usage.completion > output:
        output = usage.completion
    money = 0
    if principal.budgeted and x.target is not None:
        money = price_of(x, x.target).at(monotonic_ns()).cost(x.foreseen, output)
    if x.there >= 0:
        arena.deliver(x.there, x.foreseen + output, money, output)
    if x.reservation < 0:
        return True
    arena.deliver(x.reservation, x.foreseen + output, money + x.spent, output)
    if output <= x.granted:
        return True
    return grow(x, principal, arena, output)


def grow(x: Exchange, principal: Principal, arena: ArenaWorker, output: int) -> bool:
    """Reserve more for an answer that is longer than foreseen; False when some limit has no room for it."""
    limits = principal.growing
    if limits is None:
        return True
    now_ns = monotonic_ns()
    least = max(STEP_TOKENS, output - x.granted)
    step = max(least, x.granted)
    while True:
        money = 0
        if principal.budgeted and x.target is not None:
            rates = price_of(x, x.target).at(now_ns)
            money = rates.cost(x.foreseen, x.granted + step) - rates.cost(x.foreseen, x.granted)
        handle = arena.reserve(limits, 0, step, money, now_ns, step, until(x, now_ns))
        if handle >= 0:
            if x.grants is None:
                x.grants = []
            x.grants.append(handle)
            x.granted += step
            return True
        if step <= least:
            return False
        # What is left of a budget is used to its end.
        step = max(least, step >> 1)


def known(x: Exchange) -> None:
    """What the request took is known: a crash would post just that."""
    arena = x.core.arena
    if arena is None or not x.attempt:
        return
    output = x.completion if x.completion > 0 else 0
    tokens = output + (x.prompt if x.prompt > 0 else 0)
    try:
        if x.there >= 0:
            arena.deliver(x.there, tokens, x.cost, output)
        if x.reservation >= 0:
            arena.deliver(x.reservation, tokens, x.cost + x.spent, output)
    except ValueError:
        # It has expired, which ``post`` says.
        return


def post(x: Exchange) -> None:
    """Settle every reservation of ``x`` with what it took. Called once, when the books are closed."""
    arena = x.core.arena
    if arena is None:
        return
    output = tokens = 0
    if x.usage_source != FROM_CACHE:
        output = x.completion if x.completion > 0 else 0
        tokens = output + (x.prompt if x.prompt > 0 else 0)
    # An answer that was known, or that another request had asked for, is one of the requests that a caller may make.
    requests = 1 if x.attempt or x.cache_verdict > MISS else 0
    if x.reservation >= 0:
        finish(arena, x.reservation, requests, tokens, x.cost + x.spent, x.done_ns, output)
        x.reservation = -1
    if x.there >= 0:
        post_there(x)
    if x.grants is not None:
        for handle in x.grants:
            finish(arena, handle, 0, 0, 0, x.done_ns, 0)
        x.grants = None


def post_there(x: Exchange) -> None:
    """Settle what is reserved at the provider of the last attempt with what that took."""
    arena = x.core.arena
    if arena is None:
        return
    output = x.completion if x.completion > 0 else 0
    tokens = output + (x.prompt if x.prompt > 0 else 0)
    finish(arena, x.there, 1 if x.attempt else 0, tokens, x.cost, x.done_ns, output)
    x.there = -1


def finish(arena: ArenaWorker, handle: int, requests: int, tokens: int, money: int, now_ns: int, output: int) -> None:
    try:
        arena.settle(handle, requests, tokens, money, now_ns, output)
    except ValueError:
        log.warning("a reservation had expired when its request ended: what came after that is not counted")
