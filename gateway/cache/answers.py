"""A worker's cache: is the answer to a request known, and what becomes of one that was not.

An exact answer stands under 48 bytes: whose it is (16) and what was asked (32). Both are compared whole by the store,
so nobody is ever told what was said to somebody outside the scope.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from _speedups._bytes import decimal, realtime_ns
from gateway.cache.asked import asked, canonical_for
from gateway.cache.entry import packed_as
from gateway.cache.flight import Flights
from gateway.cache.leads import fingerprint_of
from gateway.cache.ready import Again, Ready, head_for, ready
from gateway.cache.scope import ALL, CUSTOMER, KEY, TEAM, scope_of
from gateway.cache.wish import LEVELS, READ, SCOPE, WRITE
from gateway.errors import UNDER_WAY, GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.phases.settle import settle
from gateway.principal import Principal
from gateway.records import CacheVerdict, Outcome, UsageSource
from gateway.relay import CACHE_FIELDS
from gateway.routing import trail
from gateway.server.response import connection_field
from providers.operations import Dialect

if TYPE_CHECKING:
    from gateway.cache.asking import Asking
    from gateway.core import Core
    from gateway.snapshot.cache import Cache

BYPASS = int(CacheVerdict.BYPASS)
MISS = int(CacheVerdict.MISS)
HIT = int(CacheVerdict.HIT)
CACHED = int(Outcome.CACHED)
FROM_CACHE = int(UsageSource.CACHE)
POLICIES = {"off": 0, "read": READ, "write": WRITE, "on": READ | WRITE}
NO_ANSWER = b""
AGE = b"x-microgate-attempts: 0\r\nx-microgate-cost: 0\r\nage: "
LINE = b"\r\n"
REQUEST_ID = b"x-microgate-request-id: "
ASK_S = 0.25
"""For another store to answer; what takes longer is a miss."""
GATHER_S = 0.05
BATCH_BYTES = 128 << 10
"""Of what is to be kept: so much is handed over at once, or what has come within that time."""
AGAIN_BODY_BYTES = 16 << 10
MOST_AGAIN = 1024
"""Bodies that are remembered with their answers, in a worker."""
LAST_OF_OPENAI = int(Dialect.OPENAI_COMPLETIONS)
READY_BYTES = 16 << 20
"""Of answers that are held ready, in a worker."""


class Answers:
    """One a worker, for as long as the cache's settings stay as they are."""

    def __init__(self, core: Core, settings: Cache, reader: Any, asking: Asking) -> None:
        self.core = core
        self.settings = settings
        self.reader = reader
        """``get(key) -> bytes | None`` of the file; None where the cache process asks another store."""
        self.asking = asking
        self.flights: Flights = core.flights
        self.level = LEVELS.index(settings.scope.encode())
        self.ttl_ns = int(settings.ttl * 1e9)
        self.most_bytes = settings.max_entry
        self.coalesce = settings.coalesce
        self.cross = settings.cross_dialect
        self.similar: Any = None
        """``gateway.cache.similar.lookup.Similar``, where similar questions are looked up."""
        self.policies: dict[int, int] = {}
        """Ruleset index -> what its keys may do; filled by ``adopted``."""
        self.batch: list[tuple[bytes, bytes, int]] = []
        """What is to be kept and is not handed over yet."""
        self.batch_bytes = 0
        self.again: dict[bytes, Again] = {}
        """By the bytes of the body."""
        self.ready: dict[bytes, Ready] = {}
        self.ready_bytes = 0
        self.hits = 0
        self.joined = 0
        self.misses = 0
        self.kept = 0
        self.saved_nanodollars = 0
        self.saved_us = 0

    def adopted(self) -> None:
        """A new version of the configuration: rule sets may say something else."""
        self.policies = {index: POLICIES[rules.cache] for index, rules in enumerate(self.core.view.rulesets)}

    def look(self, x: Exchange) -> Response | Awaitable[Response | None] | None:
        """The phase: an answer; ``UNDER_WAY`` when somebody else's is awaited; None to ask a provider."""
        wish = x.wish
        if wish is not None and wish.explain:
            from gateway.cache.explain import explain

            return explain(self, x)
        principal = x.principal
        again = self.again.get(x.body) if len(x.body) <= AGAIN_BODY_BYTES else None
        if again is not None and self.is_that(x, again) and self.tell(x, again.found, HIT, b""):
            return UNDER_WAY
        if principal is None or canonical_for(x.dialect, x.operation) is None:
            return None
        policy = self.policies.get(principal.ruleset, 0)
        if wish is not None:
            policy &= wish.policy
            if wish.level > self.level:
                return self.too_wide(x)
        if not policy:
            x.cache_verdict = BYPASS
            return None
        key = self.key_of(x, principal)
        if key is None:
            x.cache_verdict = BYPASS
            return None
        if policy & READ:
            if self.reader is None:
                return self.ask_store(x, key, policy)
            found = self.known(key)
            if found is not None and self.tell(x, found, HIT, b""):
                self.remember(x, found)
                return UNDER_WAY
        return self.missed(x, key, policy)

    def is_that(self, x: Exchange, again: Again) -> bool:
        """Whether ``x``, whose body is the same to the byte, asks what was asked before."""
        return (
            x.principal is again.principal
            and x.route is again.route
            and x.view is again.view
            and x.wish is None
            and not x.named
            and not x.pinned
        )

    def remember(self, x: Exchange, found: Ready) -> None:
        """For the rest of this second the same bytes get ``found`` without a look at what they mean. Only in dialects
        in which nothing but the body says what is asked, and where a name leads to the same targets for every body."""
        resolution = x.resolution
        if x.dialect > LAST_OF_OPENAI or self.cross or x.wish is not None or x.named or x.pinned or resolution is None:
            return
        if len(x.body) > AGAIN_BODY_BYTES or len(self.again) >= MOST_AGAIN or x.principal is None:
            return
        choice = x.view.choice(x.principal.ruleset, resolution)
        if choice is not None and not choice.conditional:
            self.again[x.body] = Again(x.principal, x.route, x.view, found)

    def missed(self, x: Exchange, key: bytes, policy: int) -> Response | Awaitable[Response | None] | None:
        """Not among the exact answers: similar ones, or equal requests under way."""
        if self.similar is not None and policy & READ:
            found = self.similar.look(x, key, policy)
            if found is not None:
                awaitable: Awaitable[Response | None] = found
                return awaitable
        return self.take_off(x, key, policy)

    def take_off(self, x: Exchange, key: bytes, policy: int) -> Response | None:
        """Join an equal request that is under way, or be the one that others join."""
        x.cache_verdict = MISS
        share = self.coalesce and policy & READ != 0 and x.deadline_ns == 0
        keep = policy & WRITE != 0
        if (share or keep) and self.flights.enter(x, key, share, keep):
            self.joined += 1
            return UNDER_WAY
        self.misses += 1
        return None

    async def ask_store(self, x: Exchange, key: bytes, policy: int) -> Response | None:
        """The same for a store that only the cache process reaches."""
        found: bytes | None = None
        try:
            found = await self.asking.ask("get", key, timeout=ASK_S)
        except Exception:
            # Away, or too slow: it is a miss, and the cache process says why.
            found = None
        if x.ended:
            return None
        entry = ready(found) if found else None
        if entry is not None and self.tell(x, entry, HIT, b""):
            return UNDER_WAY
        result = self.missed(x, key, policy)
        if result is None or isinstance(result, Response):
            return result
        return await result

    # --- keys

    def key_of(self, x: Exchange, principal: Principal) -> bytes | None:
        """Whose, and what; None where the body cannot be told from others."""
        if self.cross:
            from gateway.cache.neutral import neutral_digest

            digest = neutral_digest(x, self.prefix_of(x, principal))
        else:
            digest = asked(x, self.prefix_of(x, principal))
        return None if digest is None else self.scope_of(x, principal) + digest

    def scope_of(self, x: Exchange, principal: Principal) -> bytes:
        """16 bytes: whose answers these are."""
        wish = x.wish
        if wish is not None and (wish.level >= 0 or wish.partition):
            level = self.level if wish.level < 0 else wish.level
            return scope_bytes(level, principal, wish.partition)
        found = principal.cache_scope
        if not found:
            found = principal.cache_scope = scope_bytes(self.level, principal, b"")
        return found

    def prefix_of(self, x: Exchange, principal: Principal) -> bytes:
        """What changes the answer and is not in the body: where it leads, and how the caller asks."""
        view = x.view
        choice = view.choice(principal.ruleset, x.resolution) if x.resolution is not None else None
        if choice is None or choice.conditional or x.pinned or x.named:
            targets = fingerprint_of(x.targets or (), x.resolution)
        else:
            if not choice.fingerprint:
                choice.fingerprint = fingerprint_of(choice.targets, x.resolution)
            targets = choice.fingerprint
        return targets + x.pinned if x.pinned else targets

    # --- hits

    def known(self, key: bytes) -> Ready | None:
        """The answer under ``key``, ready to be told. What was looked up within the last second is not looked up
        again: most hits are those of a few questions."""
        found = self.ready.get(key)
        if found is None:
            data = self.reader.get(key)
            if data is None:
                return None
            found = ready(data)
            if found is None:
                return None
            if self.ready_bytes > READY_BYTES:
                self.forget()
            self.ready[key] = found
            self.ready_bytes += len(found.body)
        return found

    def forget(self) -> None:
        """Look everything up anew."""
        self.ready = {}
        self.ready_bytes = 0
        self.again = {}

    def tell(self, x: Exchange, found: Ready, verdict: int, more: bytes) -> bool:
        """Answer ``x`` with what is kept, ``more`` in its head; False where that is too old, or cannot be told."""
        age_ns = realtime_ns() - found.created_ns
        if age_ns < 0:
            age_ns = 0
        wish = x.wish
        if wish is not None and wish.ttl_ns and age_ns > wish.ttl_ns:
            return False
        head, body = found.head, found.body
        if self.cross:
            from gateway.cache.crossing import told

            retold = told(x, found)
            if retold is None:
                return False
            if retold.content_type:
                body = retold.body
                head = head_for(retold.content_type.encode(), found.labels, len(body))
        elif found.dialect != x.dialect or found.streamed != x.stream:
            return False
        self.hits += 1
        self.saved_nanodollars += found.cost_nanodollars
        self.saved_us += found.took_us
        x.cache_verdict = verdict
        x.prompt, x.completion = found.prompt, found.completion
        x.usage_source = FROM_CACHE
        x.cost = 0
        x.reckoned = True
        x.sent_status = 200
        x.head_sent = True
        x.response_bytes = len(body)
        if x.flight is not None:
            x.answer_head = head
            x.flight.whole(x, body)
        if x.trail is not None:
            more += trail.field(x)
        data = b"".join(
            (
                head,
                CACHE_FIELDS[verdict],
                AGE,
                decimal(age_ns // 1_000_000_000),
                LINE,
                more,
                REQUEST_ID,
                x.request_id,
                LINE,
                connection_field(x.http10, x.keep_alive and not self.core.draining),
                LINE,
                body,
            )
        )
        settle(x, CACHED)
        caller = x.caller
        if caller is not None:
            caller.answer(data)
            caller.answered(x, True)
        return True

    def too_wide(self, x: Exchange) -> Response:
        message = f"Answers are shared here by {LEVELS[self.level].decode()} at most."
        error = GatewayError("bad_request", message, param=SCOPE.decode())
        return refuse(error, x.request_id.decode())

    # --- answers to keep

    def keep(self, x: Exchange, key: bytes, content_type: bytes, body: bytes, streamed: bool) -> None:
        """A whole, good answer to ``x``: to the cache process, which keeps it. Told by ``Flights``."""
        wish = x.wish
        ttl_ns = self.ttl_ns
        if wish is not None and wish.ttl_ns and wish.ttl_ns < ttl_ns:
            ttl_ns = wish.ttl_ns
        now_ns = realtime_ns()
        target = x.target
        took_ns = x.last_byte_ns - x.sent_ns
        took_us = took_ns // 1000 if took_ns > 0 else 0
        labels = NO_ANSWER if target is None else target.labels[2:]
        cost, until_ns = x.cost + x.spent, now_ns + ttl_ns
        figures = now_ns, cost, took_us, x.prompt, x.completion
        form = 1 if streamed else 0
        if self.cross:
            from gateway.cache.crossing import bits_of

            form = bits_of(x, streamed)
        packed = packed_as(x.dialect, x.operation, form, figures, content_type, labels, body)
        self.kept += 1
        if not self.batch:
            self.core.loop.call_later(GATHER_S, self.hand_over)
        self.batch.append((key, packed, until_ns))
        self.batch_bytes += len(packed)
        if self.batch_bytes >= BATCH_BYTES:
            self.hand_over()
        if x.question is not None:
            # Behind its answer, which is to be there first.
            self.hand_over()
            x.question.answered(self, key, now_ns, until_ns)

    def hand_over(self) -> None:
        """To the cache process, all at once: each for itself would cost several times as much."""
        if self.batch:
            batch, self.batch, self.batch_bytes = self.batch, [], 0
            self.asking.tell_all("put", batch)
            self.asking.flush()

    def tend(self) -> None:
        """Once a second."""
        self.forget()
        if self.reader is not None:
            self.reader.refresh()
        counts = self.counted()
        if self.similar is not None:
            counts |= self.similar.counted()
            self.similar.tend()
        if any(counts.values()):
            self.asking.tell("counts", counts)

    async def close(self) -> None:
        """Hand over what is kept already."""
        self.hand_over()
        self.tend()
        if self.similar is not None:
            await self.similar.close()
        await self.asking.close()
        if self.reader is not None:
            self.reader.close()

    def counted(self) -> dict[str, int]:
        """What has happened since the last time."""
        counts = {
            "hits": self.hits,
            "joined": self.joined,
            "misses": self.misses,
            "kept": self.kept,
            "saved_nanodollars": self.saved_nanodollars,
            "saved_us": self.saved_us,
        }
        self.hits = self.joined = self.misses = self.kept = 0
        self.saved_nanodollars = self.saved_us = 0
        return counts


def scope_bytes(level: int, principal: Principal, partition: bytes) -> bytes:
    """Keys without a team share with nobody where teams do, and likewise for customers."""
    if level == ALL:
        return scope_of(ALL, 0, partition)
    if level == CUSTOMER and principal.customer:
        return scope_of(CUSTOMER, principal.customer, partition)
    if level == TEAM and principal.team:
        return scope_of(TEAM, principal.team, partition)
    return scope_of(KEY, principal.id_hash, partition)
