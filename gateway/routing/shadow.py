"""Shadow targets: a share of a route's requests is sent to another model as well, and nobody is shown what it says.

A shadow is an ``Exchange`` of its own with a caller that hears nothing, begun when the caller's own request is under
way. It is one attempt: no limit of the caller's counts it, nothing is asked again, and it gives way wherever there is
little room. Its record (``Kind.SHADOW``) bears the id of the exchange that it copies.

Imported when a route has a shadow target.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

from _speedups._bytes import monotonic_ns
from _speedups._health import GOOD, OUT, SICK
from gateway.core import Core
from gateway.errors import Response
from gateway.exchange import Caller, Exchange
from gateway.phases.forward import Forward
from gateway.phases.hedge import REQUEST
from gateway.phases.settle import release, settle
from gateway.records import ErrorKind, Flags, Outcome
from gateway.serving import Target
from providers.classify import Classified, Verdict
from providers.operations import Operation

if TYPE_CHECKING:
    from gateway.serving import View
    from gateway.snapshot.model import Shadow

MOST_AT_ONCE = 64
"""Shadows under way in a worker. A shadow target that hangs holds no more than these."""
MOST_BYTES = 64 << 20
"""Bodies that they keep in memory, beyond the callers' own."""
COPIED = frozenset(
    map(int, (Operation.CHAT, Operation.RESPONSES, Operation.COMPLETIONS, Operation.INVOKE, Operation.EMBEDDINGS))
)
SHADOW = int(Flags.SHADOW)

log = logging.getLogger("microgate.shadow")


class Shadows:
    """Those of one route; in ``Resolution.shadows``."""

    def __init__(self, view: View, named: tuple[Shadow, ...]) -> None:
        self.targets = [
            (Target(view.upstreams[spec.provider], spec.model, 1.0), spec.share)
            for spec in named
            if spec.provider in view.upstreams
        ]

    def cast(self, x: Exchange) -> None:
        """Send the copies of ``x`` that the lot asks for; ``x`` is under way and never hears of them."""
        try:
            for place, (target, share) in enumerate(self.targets):
                if random.random() < share and may_be_copied(x, target):
                    Shadowing.of(x.core).start(x, target, place)
        except Exception:
            log.exception("a shadow of request %s failed", x.request_id.decode())


def may_be_copied(x: Exchange, target: Target) -> bool:
    """Whether the request makes sense elsewhere, and its virtual key may reach that provider."""
    if x.operation not in COPIED or x.method != b"POST" or x.uploading or x.relayed or x.multipart:
        return False
    # Objects that it names are known to one account; a pin says that no other provider is to see it.
    if x.stateful or x.names or x.pinned:
        return False
    if x.principal is None:
        return False
    providers = x.view.rulesets[x.principal.ruleset].providers
    return not providers or target.upstream.name in providers


class Shadowing(Forward):
    """Told of what happens to shadows. One a worker."""

    def __init__(self, core: Core) -> None:
        Forward.__init__(self, core)
        self.told = core.attempts.told
        self.under_way: set[Exchange] = set()
        self.bytes = 0
        self.uncounted: set[Exchange] = set()
        """Those whose attempt is not counted as under way at its provider, whose bound is for callers."""

    @staticmethod
    def of(core: Core) -> Shadowing:
        if core.shadows is None:
            core.shadows = Shadowing(core)
        found: Shadowing = core.shadows
        return found

    def start(self, x: Exchange, target: Target, place: int = 0) -> None:
        now_ns = monotonic_ns()
        if not self.room(target, len(x.body), now_ns):
            return
        copy = Exchange(Unheard(self), x.core, now_ns)
        for name in REQUEST:
            setattr(copy, name, getattr(x, name))
        copy.complete_ns = now_ns
        copy.answer_deadline_ns = now_ns + target.upstream.total_ns
        copy.deadline_ns = 0
        copy.reused = False
        copy.attempts = self
        copy.targets = [target]
        copy.regardless = False
        copy.flags = SHADOW
        # Several copies of a request are told apart by their attempt, in the ledger and by whoever reads the log.
        copy.attempt = place
        self.under_way.add(copy)
        self.bytes += len(copy.body)
        try:
            # Not begin(): its requests earn nothing for the retry budget, and are not hedged.
            self.ask(copy)
        except Exception as error:
            self.core.fault(copy, error)

    def room(self, target: Target, size: int, now_ns: int) -> bool:
        """Whether worker, provider and deployment have more than their callers need."""
        core, upstream = self.core, target.upstream
        if core.draining or not core.admission.has_time():
            return False
        if len(self.under_way) >= MOST_AT_ONCE or self.bytes + size > MOST_BYTES:
            return False
        # The other half of a bound belongs to callers, who are not kept from it by shadows either.
        there = sum(copy.target is not None and copy.target.upstream is upstream for copy in self.uncounted)
        if 2 * (upstream.in_flight + there + 1) > upstream.max_concurrency:
            return False
        pool = upstream.pool
        if pool.limit and 2 * (pool.open - len(pool.idle) + pool.dialing + 1) > pool.limit:
            return False
        return bool(target.health.state(now_ns) != OUT)

    # --- what is different from an attempt of a caller's

    def ask(self, x: Exchange) -> None:
        Forward.ask(self, x)
        if x.health is not None and x.target is not None:
            x.target.upstream.in_flight -= 1
            self.uncounted.add(x)

    def again(self, x: Exchange, status: int, kind: ErrorKind, found: Classified) -> bool:
        release(x, SICK if found.verdict == Verdict.RETRY else GOOD)
        return False

    def too_much(self, x: Exchange, target: Target) -> None:
        self.unsent(x)

    def nowhere(self, x: Exchange, unsupported: Target | None, ready_ns: int, now_ns: int) -> None:
        if unsupported is not None:
            Forward.nowhere(self, x, unsupported, ready_ns, now_ns)
        else:
            self.unsent(x)

    def unsent(self, x: Exchange) -> None:
        """The provider has no room for it after all: as if the lot had not asked for it."""
        x.ended = True
        self.over(x)

    def over(self, x: Exchange) -> None:
        if x in self.under_way:
            self.under_way.remove(x)
            self.bytes -= len(x.body)
        if x in self.uncounted:
            self.uncounted.remove(x)
            if x.target is not None:
                # The end of the attempt has taken it off.
                x.target.upstream.in_flight += 1
        x.caller = None

    def cut_all(self) -> None:
        """The worker is going: nobody waits for them."""
        for x in list(self.under_way):
            waiting, x.waiting = x.waiting, None
            if waiting is not None:
                waiting.forget(x) if hasattr(waiting, "forget") else waiting.cancel()
            if x.link is not None:
                x.link.cancel()
            x.error_kind = int(ErrorKind.DRAINING)
            settle(x, int(Outcome.DRAINED))
            self.over(x)


class Unheard(Caller):
    """Whom a shadow answers: nobody."""

    def __init__(self, shadowing: Shadowing) -> None:
        Caller.__init__(self)
        self.shadowing = shadowing

    def peer(self) -> str:
        return ""

    def expire(self, now_ns: int) -> None:
        """No deadline concerns nobody."""

    def answer(self, data: bytes) -> None:
        """What it says is read and forgotten."""

    def answered(self, x: Exchange, reusable: bool) -> None:
        self.shadowing.over(x)

    def respond(self, x: Exchange, response: Response) -> None:
        self.shadowing.over(x)

    def hold_body(self) -> None:
        """Nothing streams through."""

    def release_body(self) -> None:
        """Nothing streams through."""
