"""A worker's look for similar questions: embed the last turn, find its neighbours, check them, decide.

Nothing here runs for a request whose exact answer is known. What waits (a vector that is not known yet, a store that
only the cache process reaches) is awaited; the rest takes some tens of microseconds.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from gateway.cache.answers import Answers
from gateway.cache.asked import asked_with
from gateway.cache.asking import NotAnswered
from gateway.cache.ready import ready
from gateway.cache.similar import record as records
from gateway.cache.similar.guard import BadFeatures, Features, agree, evidence, features
from gateway.cache.similar.record import SCOPE_BYTES, Record, pool_key
from gateway.cache.similar.turns import Rules, last_turn
from gateway.cache.similar.verified import FRESH, Budget, EntryState, Policy, Pool, decide
from gateway.cache.wish import WRITE
from gateway.errors import UNDER_WAY
from gateway.exchange import Exchange
from gateway.records import CacheVerdict
from providers.operations import Operation

if TYPE_CHECKING:
    from gateway.cache.embedding.batching import Embedding
    from gateway.errors import Response
    from gateway.snapshot.cache import Semantic

SIMILAR = int(CacheVerdict.SIMILAR)
GENERATED = frozenset(map(int, (Operation.CHAT, Operation.RESPONSES, Operation.COMPLETIONS)))
MOST_CANDIDATES = 4
"""Neighbours that are looked at; the guard may turn some of them away."""
ASK_S = 0.2
CURIOUS = 0.15
"""So far below the threshold it is still found out whether answers would have been right: the curve shows it."""


class Candidate(NamedTuple):
    """A question that was asked before."""

    record: Record
    cosine: float
    differs: str
    """What the guard has against it; empty: nothing."""
    score: float
    """What verified mode takes for similarity."""


class Explored(NamedTuple):
    """A neighbour whose answer was not taken: the fresh one tells whether it would have been right."""

    id: int
    cosine: float
    score: float
    answer_key: bytes
    would_hit: bool
    """It was near enough, and only asked afresh: in shadow mode, or to see how often it is wrong."""
    differs: str
    claim: float
    """What verified mode took the chance of a right answer for; negative: it did not ask."""


class Question:
    """What is asked, taken apart; ``Exchange.question`` while its answer is awaited."""

    __slots__ = ("explored", "features", "rest", "scope", "text", "vector")

    def __init__(self, scope: bytes, rest: bytes, text: str) -> None:
        self.scope = scope
        self.rest = rest
        self.text = text
        self.vector = b""
        """Empty: not known."""
        self.features: Features | None = None
        self.explored: Explored | None = None

    def answered(self, cache: Answers, key: bytes, created_ns: int, expires_ns: int) -> None:
        """The answer is kept: so is the question, once it has a vector."""
        if not self.vector:
            return
        if self.features is None:
            self.features = features(self.text)
        number = records.id_of(self.scope, self.rest, self.text)
        packed = records.pack(
            Record(number, created_ns, self.rest, key, self.text, self.features.to_bytes(), self.vector)
        )
        cache.asking.tell("question", self.scope, packed, expires_ns, self.explored)


class Similar:
    """One a worker; ``index`` has ``nearest(scope, vector, most)`` where the worker reads the index itself."""

    def __init__(self, cache: Answers, settings: Semantic, embedding: Embedding, indexes: Any) -> None:
        self.cache = cache
        self.settings = settings
        self.embedding = embedding
        self.indexes = indexes
        """``gateway.cache.similar.indexes.Indexes``; None where the cache process is asked."""
        self.rules = Rules(max_turns=settings.max_turns)
        self.policy = Policy(bound=settings.error_bound)
        self.pool = Pool()
        """What is known of all entries together; read again every second, in verified mode."""
        self.budget = Budget()
        self.random = random.Random()
        self.counts: dict[str, int] = {}
        self.apart = b"similar\0" + settings.embedder.encode()
        """What keeps questions of different embedders apart, and what was learned of them."""
        self.pool_key = pool_key(settings.embedder)
        self.tending: asyncio.Task[None] | None = None

    def look(self, x: Exchange, key: bytes, policy: int) -> Awaitable[Response | None] | None:
        """None where similar questions are not looked for; else what the phase comes to, to be awaited."""
        question = self.question_of(x, key)
        return None if question is None else self.search(x, key, policy, question)

    def question_of(self, x: Exchange, key: bytes) -> Question | None:
        """What is asked; None where similar questions are not looked for."""
        principal = x.principal
        if x.operation not in GENERATED or principal is None:
            return None
        try:
            body = orjson.loads(x.body)
        except orjson.JSONDecodeError:
            return None
        found = last_turn(x.dialect, body, self.rules)
        if found is None:
            return None
        rest = asked_with(x, orjson.dumps(found.rest), self.cache.prefix_of(x, principal) + self.apart)
        if rest is None:
            return None
        return Question(key[:SCOPE_BYTES], rest, found.text)

    async def explain(self, x: Exchange, key: bytes, mine: bool) -> dict[str, Any]:
        """What ``look`` would come to; ``mine``: nobody shares the answers with the caller's virtual key."""
        from gateway.cache.similar.explain import explain

        return await explain(self, x, key, mine)

    async def search(self, x: Exchange, key: bytes, policy: int, question: Question) -> Response | None:
        asked = self.embedding.vector_of(question.text, x.principal)
        vector = asked if asked is None or isinstance(asked, bytes) else await asked
        if gone(x):
            return None
        if vector is None:
            self.count("unembedded")
            return self.cache.take_off(x, key, policy)
        self.count("looked")
        question.vector = vector
        question.features = features(question.text)
        for candidate in await self.candidates(question):
            if gone(x):
                return None
            if await self.taken(x, question, candidate):
                return UNDER_WAY
            if question.explored is not None:
                break
        if gone(x):
            return None
        if policy & WRITE:
            x.question = question
        return self.cache.take_off(x, key, policy)

    async def candidates(self, question: Question) -> list[Candidate]:
        """Neighbours of the question that are what they claim to be, the nearest first; those that the guard has
        nothing against before the others."""
        scope64 = records.index_scope(question.scope, question.rest)
        if self.indexes is None:
            try:
                near = await self.cache.asking.ask("nearest", scope64, question.vector, MOST_CANDIDATES, timeout=ASK_S)
            except NotAnswered:
                self.count("unasked")
                return []
        else:
            near = self.indexes.nearest(scope64, question.vector, MOST_CANDIDATES)
        found = []
        for number, _ in near:
            data = await self.read(records.question_key(question.scope, number))
            kept = None if data is None else records.unpack(data)
            if kept is None or kept.id != number or kept.rest != question.rest:
                continue
            if len(kept.vector) != len(question.vector):
                continue
            found.append(self.compared(kept, question))
        return sorted(found, key=lambda each: (each.differs != "", -each.cosine))

    def compared(self, kept: Record, question: Question) -> Candidate:
        near = records.cosine(kept.vector, question.vector)
        if question.features is None:
            return Candidate(kept, near, "unread", 0.0)
        try:
            theirs = Features.from_bytes(kept.features)
        except BadFeatures:
            return Candidate(kept, near, "version", 0.0)
        differs = agree(theirs, question.features) if self.settings.guard else ""
        return Candidate(kept, near, differs, evidence(theirs, question.features, near))

    async def read(self, key: bytes) -> bytes | None:
        """An entry of the answer store."""
        if self.cache.reader is not None:
            found: bytes | None = self.cache.reader.get(key)
            return found
        try:
            found = await self.cache.asking.ask("get", key, timeout=ASK_S)
        except NotAnswered:
            found = None
        return found

    async def taken(self, x: Exchange, question: Question, candidate: Candidate) -> bool:
        """Whether ``x`` was told the answer of this neighbour; else ``question.explored`` may say what is learned."""
        near, differs = candidate.cosine, candidate.differs
        kept, settings = candidate.record, self.settings
        claim = -1.0
        if settings.mode == "verified":
            if differs:
                return False
            state = await self.state_of(question.scope, kept.id)
            decision = decide(state, candidate.score, self.policy, self.random.random(), self.pool, self.budget)
            claim = decision.claim
            would = decision.action == "exploit"
        else:
            would = near >= settings.threshold and not differs
        if would and settings.mode != "shadow" and self.random.random() >= settings.audit:
            if await self.told(x, kept, near):
                return True
            would = False
        if would:
            self.count("would_hit")
        if settings.mode == "verified" or near >= settings.threshold - CURIOUS:
            question.explored = Explored(kept.id, near, candidate.score, kept.answer_key, would, differs, claim)
        return False

    async def state_of(self, scope: bytes, number: int) -> EntryState:
        """What was learned of an entry's answer."""
        data = await self.read(records.learned_key(scope, number))
        try:
            return EntryState.from_bytes(data) if data else FRESH
        except ValueError:
            return FRESH

    async def told(self, x: Exchange, kept: Record, near: float) -> bool:
        data = await self.read(kept.answer_key)
        answer = None if data is None else ready(data)
        if answer is None or x.ended:
            return False
        if not self.cache.tell(x, answer, SIMILAR, b"x-microgate-cache-similarity: %.4f\r\n" % near):
            return False
        self.count("similar")
        return True

    async def refresh(self) -> None:
        """Once a second: files that were made anew, and what was learned meanwhile."""
        if self.indexes is not None:
            self.indexes.refresh()
        if self.settings.mode != "verified":
            return
        data = await self.read(self.pool_key)
        try:
            if data:
                self.pool = Pool.from_bytes(data)
        except ValueError:
            # Of another version: what was learned begins anew.
            self.pool = Pool()

    def tend(self) -> None:
        if self.tending is None or self.tending.done():
            self.tending = self.cache.core.loop.create_task(self.refresh())

    def count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def counted(self) -> dict[str, int]:
        """What has happened since the last time."""
        counts, self.counts = self.counts, {}
        return counts

    async def close(self) -> None:
        if self.tending is not None:
            self.tending.cancel()
        await self.embedding.close()
        if self.indexes is not None:
            self.indexes.close()


def gone(x: Exchange) -> bool:
    """Whether its caller, or its time, has gone while something was awaited."""
    return x.ended
