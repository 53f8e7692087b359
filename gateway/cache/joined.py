"""A request that has joined an equal one under way: its place in that one's answer, and its ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from _speedups._bytes import chunk, monotonic_ns
from gateway.exchange import Caller, Exchange, Link
from gateway.phases.settle import settle
from gateway.records import CacheVerdict, ErrorKind, Outcome, UsageSource
from gateway.server.sse import error_event
from gateway.translation import Translation
from providers.operations import Dialect

if TYPE_CHECKING:
    from gateway.errors import Response

MISS = int(CacheVerdict.MISS)
SHARED = int(CacheVerdict.SHARED)
FROM_CACHE = int(UsageSource.CACHE)
OUTCOMES = {
    ErrorKind.TIMEOUT_IDLE: Outcome.TIMEOUT,
    ErrorKind.TIMEOUT_TOTAL: Outcome.TIMEOUT,
    ErrorKind.DRAINING: Outcome.DRAINED,
}
LAST_OF_OPENAI = int(Dialect.OPENAI_COMPLETIONS)


class Following(Link):
    """What a request that has joined has in place of a connection to a provider: where it is in the answer."""

    def __init__(self, flight: Any, x: Exchange) -> None:
        Link.__init__(self)
        self.flight = flight
        self.x: Exchange | None = x
        self.at = 0
        """Number of the next part."""
        self.paused = False
        self.queued = False

    def reused(self) -> bool:
        return False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            self.flight.enqueue(self)

    def cancel(self) -> None:
        self.flight.leave(self)

    def expire(self, now_ns: int) -> None:
        x = self.x
        if x is not None:
            x.attempts.overdue(x)


class Gone(Caller):
    """In the place of a leader's caller that has gone away while others listen."""

    def peer(self) -> str:
        return ""

    def expire(self, now_ns: int) -> None:
        """Nobody is kept waiting."""

    def answer(self, data: bytes) -> None:
        """Nobody hears it."""

    def answered(self, x: Exchange, reusable: bool) -> None:
        x.caller = None

    def respond(self, x: Exchange, response: Response) -> None:
        x.caller = None

    def hold_body(self) -> None:
        """Nothing streams through."""

    def release_body(self) -> None:
        """Nothing streams through."""


def begin(x: Exchange) -> None:
    """Ask a provider for ``x``, which has waited for somebody else's answer."""
    if x.ended:
        return
    try:
        x.attempts.begin(x)
    except Exception as error:
        x.core.fault(x, error)


def joined(x: Exchange, flight: Any) -> Following:
    """``x`` hears the answer of ``flight`` and asks nobody: it costs nothing, whatever comes of that."""
    x.cache_verdict = SHARED
    x.usage_source = FROM_CACHE
    x.reckoned = True
    x.sent_ns = monotonic_ns()
    if x.targets:
        x.answer_deadline_ns = (x.complete_ns or x.started_ns) + x.targets[0].upstream.total_ns
    following = Following(flight, x)
    x.link = following
    x.core.wheel.set(following, x.answer_deadline_ns)
    return following


def ordinary(x: Exchange) -> Exchange:
    """``x`` as if it had joined nobody."""
    x.cache_verdict = MISS
    x.usage_source = 0
    x.reckoned = False
    x.sent_ns = 0
    return x


def cut_short(x: Exchange, kind: int, message: str) -> None:
    """A joined request is ended for its own sake, after its head was sent."""
    cut(x, int(OUTCOMES.get(ErrorKind(kind), Outcome.TRUNCATED)), kind, message, b"")


def cut(x: Exchange, outcome: int, kind: int, message: str, event: bytes) -> None:
    """Say in the stream of a joined request that it breaks off; ``event``: how, where that is known."""
    x.error_kind = kind
    streams = x.stream and x.answer_length < 0
    if streams and not event:
        event = event_of(x, message, outcome == Outcome.TIMEOUT)
    settle(x, outcome)
    caller = x.caller
    if caller is None:
        return
    if streams:
        caller.answer(chunk(event) if x.chunked else event)
    caller.answered(x, False)


def event_of(x: Exchange, message: str, timed_out: bool) -> bytes:
    """The event that tells the caller of ``x`` that its stream has broken off."""
    if x.dialect <= LAST_OF_OPENAI:
        return error_event(x.dialect, message, x.request_id.decode())
    translation = Translation(x)
    translation.frame(x)
    event: bytes = translation.cut(message, timed_out)
    if translation.array is not None and x.response_bytes:
        # The array has begun.
        event = b",\r\n" + event[1:]
    return event
