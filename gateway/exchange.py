"""One request and its answer, from the first byte read to the record written.

The object carries values forward through the phases; it decides nothing. The four small base classes are the seams
between the layers, so that server, phases and upstream need not know each other's modules.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from gateway.server.deadlines import Timed

if TYPE_CHECKING:
    from _speedups._health import Health
    from _speedups._stream import StreamScan, UsageScan
    from gateway.core import Core
    from gateway.errors import Response
    from gateway.principal import Principal
    from gateway.server.routes import RouteEntry
    from gateway.serving import Plan, Resolution, Target, View


class Caller(Timed):
    """The connection that waits for the answer."""

    def peer(self) -> str:
        """Address of the peer; never taken from a header."""
        raise NotImplementedError

    def answer(self, data: bytes) -> None:
        """Write ``data``; nothing happens once the caller is gone."""
        raise NotImplementedError

    def answered(self, x: Exchange, reusable: bool) -> None:
        """The answer is complete (``reusable``) or can't be completed: the connection is to be closed."""
        raise NotImplementedError

    def respond(self, x: Exchange, response: Response) -> None:
        """Write an answer of the gateway's own, whole."""
        raise NotImplementedError

    def hold_body(self) -> None:
        """Stop reading a request body that streams through: the provider is slow."""
        raise NotImplementedError

    def release_body(self) -> None:
        raise NotImplementedError


class Link(Timed):
    """The connection to a provider that carries an attempt."""

    def reused(self) -> bool:
        """Whether it has served an exchange before this one."""
        raise NotImplementedError

    def pause(self) -> None:
        """Stop reading the answer: the caller is slow."""
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def cancel(self) -> None:
        """Give the attempt up; the connection is closed, nobody is told."""
        raise NotImplementedError

    def send(self, x: Exchange, data: bytes, chunked_upload: bool) -> None:
        """Write a request whose head, and what there is of its body, is ``data``."""
        raise NotImplementedError

    def upload(self, data: bytes, last: bool) -> None:
        """More of a request body that is streamed through."""
        raise NotImplementedError

    def carry(self, x: Exchange) -> None:
        """What comes from now on is for ``x``, which takes the place of the exchange that was sent."""
        raise NotImplementedError


class Attempts:
    """Who is told how an attempt goes: ``gateway.phases.forward``."""

    def begin(self, x: Exchange) -> None:
        """Ask the first of ``x.targets``."""
        raise NotImplementedError

    def received(self, x: Exchange, link: Link, data: bytes, complete: bool) -> None:
        """Body bytes of the answer whose head stands in ``x``; the last ones when ``complete``."""
        raise NotImplementedError

    def broken(self, x: Exchange, link: Link, kind: int, message: str, answered: bool) -> None:
        """The connection failed before the answer was complete; ``answered``: some byte of it had come."""
        raise NotImplementedError

    def connected(self, x: Exchange, link: Link) -> None:
        """A connection that ``x`` has waited for is there."""
        raise NotImplementedError

    def unreachable(self, x: Exchange, kind: int, message: str) -> None:
        """The connection that ``x`` has waited for could not be made."""
        raise NotImplementedError

    def caller_gone(self, x: Exchange) -> None:
        """The caller closed its connection."""
        raise NotImplementedError

    def overdue(self, x: Exchange) -> None:
        """The time that ``x`` may take is over."""
        raise NotImplementedError

    def drain_cut(self, x: Exchange) -> None:
        """The worker's drain time is over."""
        raise NotImplementedError

    def memory_cut(self, x: Exchange) -> None:
        """The worker is short of memory, and this exchange is one of the largest."""
        raise NotImplementedError


class Audience:
    """Who else hears the answer to an exchange: ``gateway.cache.flight``. Told of what its caller is sent, before that
    is written."""

    def begun(self, x: Exchange, length: int) -> None:
        """The answer whose head stands in ``x`` begins; ``length``: of its body, -1: of a length not known yet."""
        raise NotImplementedError

    def told(self, data: bytes) -> None:
        """A part of its body, as it is before framing."""
        raise NotImplementedError

    def whole(self, x: Exchange, body: bytes) -> None:
        """A complete answer at once."""
        raise NotImplementedError

    def cut(self, message: str, event: bytes) -> None:
        """It breaks off; ``event`` says so in the stream's own dialect, empty: in that of OpenAI."""
        raise NotImplementedError

    def ending(self, x: Exchange) -> None:
        """The books of ``x`` are about to be closed; tokens and cost are known."""
        raise NotImplementedError

    def over(self, x: Exchange, outcome: int) -> None:
        """They are closed."""
        raise NotImplementedError

    def stays(self, x: Exchange) -> bool:
        """The caller of ``x`` has gone: whether the call goes on for others."""
        raise NotImplementedError

    def beside(self, other: Audience) -> Audience:
        """An audience that passes on to ``other`` what it is told."""
        raise NotImplementedError

    def hurried(self) -> bool:
        """Whether there are others whom a slow caller is not to keep waiting."""
        raise NotImplementedError


class Exchange:
    """One request; see the table in ARCHITECTURE.md for who fills which part."""

    def __init__(self, caller: Caller | None, core: Core, started_ns: int) -> None:
        self.caller = caller
        self.core = core
        self.view: View = core.view
        self.attempts: Attempts = core.attempts
        # What arrived
        self.started_ns = started_ns
        self.complete_ns = 0
        self.method = b""
        self.path = b""
        self.query = b""
        self.head = b""
        self.body: bytes = b""
        self.body_length = -1
        self.uploading = False
        self.content_type = b""
        self.json_declared = False
        self.client = b""
        self.http10 = False
        self.keep_alive = True
        self.head_only = False
        self.reused = False
        self.route: RouteEntry | None = None
        self.operation: int = 0
        self.dialect: int = 0
        self.relayed = False
        self.request_id = b""
        # Who asks, and for what
        self.principal: Principal | None = None
        self.model: str = ""
        self.model_start = -1
        self.model_end = -1
        self.stream: bool = False
        self.include_usage = -1
        self.options_start = -1
        self.options_end = -1
        self.fallbacks_start = -1
        self.fallbacks_end = -1
        self.named = False
        """It names fallbacks of its own."""
        self.close = -1
        self.empty = False
        self.max_tokens: int = -1
        self.multipart = False
        self.stateful = False
        self.reservation = -1
        """Handles of the arena: ``gateway.phases.metering``."""
        self.there = -1
        self.grants: list[int] | None = None
        self.foreseen = 0
        """Tokens that the request probably has."""
        self.granted = 0
        """Tokens of output that are reserved."""
        self.closing: Any = None
        """Of a stream that ends when its budget does: ``gateway.phases.closing.Closing``."""
        # Is the answer known
        self.cache_verdict = 0
        """``gateway.records.CacheVerdict``."""
        self.flight: Audience | None = None
        """Of an exchange whose answer others hear, or that is to be kept."""
        # Where to
        self.names: dict[str, str] | None = None
        """Objects at the provider that the request names: its own ids -> the caller's."""
        self.resolution: Resolution | None = None
        self.targets: list[Target] | None = None
        self.target_index = 0
        self.regardless = True
        """Targets are tried whether or not they are out: there is no choice."""
        self.session = b""
        """``x-microgate-session``: what requests that belong together have in common."""
        self.pinned = b""
        """``x-microgate-provider``: NAME or NAME/KEY of the only provider to ask."""
        self.question: Any = None
        """Of a request whose answer similar questions may get: ``gateway.cache.similar.lookup.Question``."""
        self.wish: Any = None
        """What it says about the cache: ``gateway.cache.wish.Wish``."""
        self.deadline_ns = 0
        """The caller's own (``x-microgate-timeout``); 0: none."""
        self.alarm: Any = None
        """A timer for its end: ``gateway.routing.deadline``."""
        self.health: Health | None = None
        """Of the deployment that is being asked; None between attempts."""
        self.race: Any = None
        """Until the first byte of an answer, where the route hedges: ``gateway.phases.hedge.Race``."""
        self.joining: Any = None
        """Where the route continues streams that break off: ``gateway.phases.continuing.Continuing``."""
        self.trail: Any = None
        """``gateway.routing.trail.Trail``, where more happens than that the first target answers, or a caller asks."""
        self.hedges = 0
        """Second attempts that came to nothing."""
        self.further = False
        """At an attempt that the retry budget counts as under way."""
        self.target: Target | None = None
        self.plan: Plan | None = None
        self.key = -1
        self.tried_keys = 0
        self.chain: bytes | None = None
        """Digests of the prompt's prefixes: ``gateway.routing.warmest``."""
        self.attempt = 0
        self.repeated = False
        self.link: Link | None = None
        self.hide_usage = False
        self.usage_spliced = False
        self.waiting: Any = None
        self.admin_method = b""
        self.translation: Any = None
        """Where the dialects of caller and provider are not one of OpenAI's both: ``gateway.translation``."""
        self.outgoing: bytes | None = None
        """The body that the translation made for the present target."""
        # The answer
        self.status = 0
        self.answer_head = b""
        self.answer_length = -1
        self.answer_type = b""
        self.answer_media = 0
        self.answer_encoding = b""
        self.sealing: Any = None
        """How ids in the answer are sealed: ``gateway.phases.sealing``."""
        self.head_sent = False
        self.chunked = False
        self.mode = 0
        self.held: list[bytes] | None = None
        self.held_bytes = 0
        self.scan: StreamScan | None = None
        self.usage: UsageScan | None = None
        self.caller_paused = False
        self.commented = False
        """The stream may be sent comments while its provider is silent: ``gateway.server.keepalive``."""
        self.between = False
        """What the caller was sent last ends an event of its stream; known where ``commented``."""
        self.chunks_seen = 0
        # The trail
        self.running = False
        self.slot = 0
        """Whether it has, or waits for, one of the worker's places: ``gateway.overload.admission``."""
        self.unrecorded = False
        """One of many that were turned away: counted, not recorded."""
        self.ended = False
        self.asked_ns = 0
        self.sent_ns = 0
        self.first_byte_ns = 0
        self.last_byte_ns = 0
        self.done_ns = 0
        self.queued_ns = 0
        """Since when it waits for a slot."""
        self.dial_ns = 0
        self.request_bytes = 0
        self.response_bytes = 0
        self.chunks = 0
        self.sent_status = 0
        self.reckoned = False
        """What follows is filled in: ``gateway.phases.cost``."""
        self.prompt = -1
        self.completion = -1
        self.usage_source = 0
        self.cost = 0
        """Of its last attempt, in nano-dollars."""
        self.spent = 0
        """Of those before."""
        self.outcome = 0
        self.error_kind = 0
        self.flags = 0
        self.answer_deadline_ns = 0

    def overhead_us(self, now_ns: int) -> int:
        """The gateway's own time so far, in microseconds: request complete -> written upstream, and since the answer's
        last byte (or head) came."""
        own = self.sent_ns - self.complete_ns - self.dial_ns
        if self.last_byte_ns:
            own += now_ns - self.last_byte_ns
        return own // 1000 if own > 0 else 0


def now() -> int:
    """CLOCK_MONOTONIC in nanoseconds, the clock of every deadline and duration."""
    return monotonic_ns()
