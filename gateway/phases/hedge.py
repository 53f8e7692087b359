"""A second attempt beside the first, when the first byte takes longer than it nearly always does (Dean and Barroso,
"The Tail at Scale").

The second attempt is an ``Exchange`` of its own, a *twin* without a caller. Whoever brings a good first byte wins: the
other one's connection is closed at once and its attempt recorded. When the twin wins, or when the first attempt fails
while the twin is under way, the twin's state moves into the caller's exchange, and everything goes on as if there had
been no other. Nothing is hedged once a byte of an answer has come, and nothing that uploads, is stateful or is passed
through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from _speedups._bytes import monotonic_ns
from _speedups._health import GOOD, NEUTRAL, SICK
from gateway.core import Core
from gateway.errors import GatewayError
from gateway.exchange import Exchange, Link
from gateway.phases.forward import Forward
from gateway.phases.intent import intend
from gateway.phases.metering import delivered, give_back, reserve_beside
from gateway.phases.settle import release, write_attempt
from gateway.phases.verdict import error_kind_of, judged
from gateway.records import ErrorKind, Flags, Outcome
from gateway.routing import trail
from gateway.routing.quantile import Quantile
from gateway.serving import Target
from providers.classify import Verdict

if TYPE_CHECKING:
    from gateway.snapshot.model import Hedge

USUAL_SHARE = 0.97
"""The learned delay is what so many first bytes do not take longer than, so that 3 % of the calls are hedged."""
MOST_SLOW = 0.1
"""When more than that share is slower than a delay that the operator gave, the provider is slow, not the call."""
MOST_SAVED = 10.0
"""Hedges that a quiet time allows at once."""
SHORTEST_NS = 1_000_000
UNDECIDED = 0

REQUEST = (
    "view", "complete_ns", "method", "path", "query", "head", "body", "body_length", "content_type", "json_declared",
    "client", "http10", "reused", "route", "operation", "dialect", "relayed", "request_id", "principal",
    "model", "model_start", "model_end", "stream", "include_usage", "options_start", "options_end", "close", "empty",
    "max_tokens", "multipart", "resolution", "session", "deadline_ns", "answer_deadline_ns",
)  # fmt: skip
"""What a twin has in common with the exchange that it stands in for."""
ATTEMPT = (
    "target", "plan", "key", "tried_keys", "attempt", "health", "link", "hide_usage", "usage_spliced", "admin_method",
    "translation", "outgoing", "status", "answer_head", "answer_length", "answer_type", "answer_media",
    "answer_encoding", "asked_ns", "sent_ns", "first_byte_ns", "last_byte_ns", "request_bytes", "repeated",
)  # fmt: skip
"""What moves into that exchange when the twin takes its place."""


class Hedging:
    """What is known of one route's first bytes, and how many hedges may be made. One a worker and route."""

    def __init__(self, rules: Hedge) -> None:
        self.rules = rules
        self.usual = Quantile(USUAL_SHARE)
        self.saved = MOST_SAVED / 2

    def delay_ns(self) -> int:
        """When the next call is hedged, counted from the request's writing; 0: not at all."""
        if not self.rules.after:
            return max(self.usual.value_ns(), SHORTEST_NS) if self.usual.value_ns() else 0
        after_ns = int(self.rules.after * 1e9)
        return 0 if self.usual.share_above(after_ns) > MOST_SLOW else after_ns

    def asked(self) -> None:
        self.saved = min(self.saved + self.rules.share, MOST_SAVED)

    def spend(self) -> bool:
        if self.saved < 1.0:
            return False
        self.saved -= 1.0
        return True


class Race:
    """Of one exchange whose route hedges, from its first attempt to the first byte of an answer."""

    def __init__(self, x: Exchange, hedging: Hedging) -> None:
        self.x = x
        self.hedging = hedging
        self.twin: Exchange | None = None
        delay_ns = hedging.delay_ns()
        self.timer: Any = x.core.loop.call_later(delay_ns / 1e9, self.fire) if delay_ns else None

    def fire(self) -> None:
        """The first attempt takes long: make the second."""
        self.timer = None
        x = self.x
        if x.ended or x.race is not self or x.first_byte_ns:
            return
        try:
            if self.hedging.spend():
                Second.of(x.core).start(self)
        except Exception as error:
            x.core.fault(x, error)

    # --- told by the first attempt

    def answered(self) -> None:
        """A byte of an answer has come: the first attempt has won."""
        x = self.x
        x.race = None
        self.stop()
        if x.status < 400:
            self.hedging.usual.add(x.first_byte_ns - x.sent_ns)

    def failed(self, outcome: int, error_kind: int) -> bool:
        """The first attempt has failed; whether the twin, which is under way, takes its place."""
        x, twin = self.x, self.twin
        if twin is None or twin.link is None:
            x.race = None
            self.stop()
            return False
        write_attempt(x, outcome, error_kind)
        self.give_place(twin)
        return True

    def stop(self) -> None:
        """No second attempt is wanted any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        twin, self.twin = self.twin, None
        if twin is not None:
            self.x.hedges += cancel(twin)
            self.x.spent += twin.spent

    # --- told by the second

    def won(self, twin: Exchange) -> None:
        """The twin's answer has begun, and is good."""
        x = self.x
        now_ns = monotonic_ns()
        if x.sent_ns:
            # At least that long: without it the learned delay would know of no slow calls.
            self.hedging.usual.add(now_ns - x.sent_ns)
        self.hedging.usual.add(twin.first_byte_ns - twin.sent_ns)
        cancel(x)
        self.give_place(twin)

    def lost(self, twin: Exchange, outcome: int, error_kind: int, verdict: int) -> None:
        """The twin has failed, the first attempt goes on."""
        self.twin = None
        self.x.hedges += over(twin, outcome, error_kind, verdict)
        self.x.spent += twin.spent

    def give_place(self, twin: Exchange) -> None:
        x = self.x
        x.race = None
        self.twin = None
        for name in ATTEMPT:
            setattr(x, name, getattr(twin, name))
        x.flags |= twin.flags
        trail.chosen(x, "hedge")
        x.mode = UNDECIDED
        x.held = None
        x.scan = None
        x.usage = None
        x.response_bytes = 0
        x.reckoned = False
        twin.link = None
        twin.race = None
        twin.health = None
        if twin.reservation >= 0:
            x.spent += twin.spent
            intend(x)
            delivered(x, 0)
            give_back(twin)
        link = x.link
        if link is not None:
            link.carry(x)
        target = x.target
        targets = x.targets or []
        x.target_index = next((i for i, each in enumerate(targets) if each is target), x.target_index)


def cancel(x: Exchange) -> bool:
    """Give up the attempt of ``x`` in favour of the other one; whether there was one."""
    waiting, x.waiting = x.waiting, None
    if waiting is not None:
        waiting.forget(x) if hasattr(waiting, "forget") else waiting.cancel()
    if x.link is not None:
        x.link.cancel()
        x.link = None
    if x.health is not None and x.sent_ns:
        now_ns = monotonic_ns()
        x.health.took(now_ns - x.sent_ns, now_ns)
    return over(x, int(Outcome.CANCELLED), int(ErrorKind.NONE), NEUTRAL)


def over(x: Exchange, outcome: int, error_kind: int, verdict: int) -> bool:
    """An attempt that another one stands beside has ended: health and log learn of it; whether there was one."""
    asked = x.health is not None
    release(x, verdict)
    if asked:
        write_attempt(x, outcome, error_kind)
    if x.caller is None:
        # The request's own money is what it has spent so far, and this.
        give_back(x)
    return asked


class Second(Forward):
    """Told of what happens to twins. One a worker."""

    def __init__(self, core: Core) -> None:
        Forward.__init__(self, core)
        self.told = core.attempts.told
        self.budget = core.attempts.budget

    @staticmethod
    def of(core: Core) -> Second:
        attempts = core.attempts
        if attempts.second is None:
            attempts.second = Second(core)
        second: Second = attempts.second
        return second

    def start(self, race: Race) -> None:
        x = race.x
        targets = where(x)
        if not targets:
            return
        twin = Exchange(None, x.core, x.started_ns)
        # Its books are not closed: it is an attempt, not a request.
        twin.ended = True
        for name in REQUEST:
            setattr(twin, name, getattr(x, name))
        twin.attempts = self
        twin.race = race
        twin.targets = targets
        twin.regardless = x.regardless
        twin.attempt = x.attempt
        twin.tried_keys = x.tried_keys if targets[0] is x.target and more_keys(x) else 0
        twin.flags = int(Flags.HEDGED)
        if not reserve_beside(x, twin, targets[0], monotonic_ns()):
            return
        race.twin = twin
        self.ask(twin)

    def received(self, twin: Exchange, link: Link | None, data: bytes, complete: bool) -> None:
        race = twin.race
        try:
            if race is None or race.twin is not twin:
                return
            twin.response_bytes += len(data)
            if twin.status < 400:
                x = race.x
                race.won(twin)
                x.attempts.received(x, link, data, complete)
                return
            found = judged(twin.status, twin.answer_head, data)
            self.put_away(twin, twin.status, found)
            if twin.link is not None:
                twin.link.cancel()
                twin.link = None
            kind = int(error_kind_of(twin.status, found.reason))
            verdict = SICK if found.verdict == Verdict.RETRY else GOOD
            race.lost(twin, int(Outcome.UPSTREAM_ERROR), kind, verdict)
        except Exception as error:
            self.core.fault(twin if race is None else race.x, error)

    def broken(self, twin: Exchange, link: Link, kind: int, message: str, answered: bool) -> None:
        self.unreachable(twin, kind, message)

    def unreachable(self, twin: Exchange, kind: int, message: str) -> None:
        race = twin.race
        if race is not None and race.twin is twin:
            late = kind == int(ErrorKind.TIMEOUT_TOTAL) and twin.deadline_ns == twin.answer_deadline_ns
            race.lost(twin, int(Outcome.UNREACHABLE), kind, NEUTRAL if late else SICK)

    def give_up(self, twin: Exchange, error: GatewayError) -> None:
        race = twin.race
        if race is not None and race.twin is twin:
            race.lost(twin, int(Outcome.REFUSED), int(error.record), NEUTRAL)


def more_keys(x: Exchange) -> bool:
    """Whether the first attempt's provider has a key that has not been tried."""
    target = x.target
    return target is not None and target.mask & ~x.tried_keys != 0


def where(x: Exchange) -> list[Target]:
    """Targets of a second attempt: those behind the first one's, then its own."""
    target = x.target
    if target is None:
        return []
    return [*(x.targets or [])[x.target_index + 1 :], target]


def race_of(x: Exchange) -> Race | None:
    """The race of an exchange whose first attempt has just begun; None where nothing is hedged."""
    resolution = x.resolution
    if resolution is None or resolution.route is None or x.relayed or x.uploading or x.stateful or x.ended:
        return None
    if x.route is None or x.route.websocket:
        return None
    if x.principal is not None and x.principal.there is not None:
        # What it reserves at a provider belongs to one attempt.
        return None
    rules = resolution.route.hedge
    if rules is None:
        return None
    kept = x.core.hedgings
    hedging = kept.get(resolution.route.id)
    if hedging is None or hedging.rules != rules:
        hedging = kept[resolution.route.id] = Hedging(rules)
    hedging.asked()
    return Race(x, hedging)
