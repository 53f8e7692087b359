"""Embeddings of a configured provider, asked for from within a worker.

A call is an ``Exchange`` of the gateway's own in OpenAI's form, with a caller that collects the answer. It goes the way
of any request from ``route`` on: keys, health, retries, fallbacks, translation, record. It holds no slot and no
reservation, so no limit of a caller's counts it. Its record is of ``Kind.SHADOW`` with ``Flags.EMBEDDING``.

Imported when a semantic cache uses a provider.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from binascii import Error as NotBase64
from typing import TYPE_CHECKING, Any

import orjson

from _speedups._bytes import monotonic_ns
from gateway.cache.embedding.protocol import NotEmbedded, from_little_endian, unit_vector
from gateway.core import Core
from gateway.errors import Response
from gateway.exchange import Caller, Exchange
from gateway.phases.parse import parse
from gateway.phases.settle import settle
from gateway.records import ErrorKind, Flags, Outcome
from gateway.routing.arrange import arrange
from gateway.server.routes import find
from gateway.serving import Choice, Target, View
from providers.operations import Dialect, Operation

if TYPE_CHECKING:
    from gateway.principal import Principal

PATH = b"/v1/embeddings"
HEAD = b"POST /v1/embeddings HTTP/1.1\r\ncontent-type: application/json\r\n\r\n"
LONGEST_NS = 10_000_000_000
"""No request waits for so long; what comes later is of little use to the next."""
FLAGS = int(Flags.SHADOW | Flags.EMBEDDING)
EMBEDDINGS = int(Operation.EMBEDDINGS)
OPENAI = int(Dialect.OPENAI_CHAT)
IN_BASE64 = frozenset({"openai", "azure", "azure_deployments", "vllm"})
"""Vendors that document ``encoding_format: base64``: a third of the bytes, and read in a tenth of the time."""
AT_FAULT = frozenset({400, 413, 422})
"""Statuses by which a provider refuses a text."""
MOST_REASON = 200


class ProviderEmbedder:
    """A model of a provider (``provider/model``) or a route. One a worker; all methods run on its loop.

    ``dimension`` 0: what the first answer has. ``shorten``: the model is asked for vectors of this dimension.
    """

    def __init__(self, core: Core, model: str, dimension: int = 0, *, shorten: bool = False) -> None:
        self.core = core
        self.model = model
        self.dimension = dimension
        self.shorten = shorten and dimension > 0
        self.under_way: set[Exchange] = set()
        self._judged: View | None = None
        self._may_see: dict[int, bool] = {}
        """Ruleset index -> answer of ``may_see``, under the view above."""

    @property
    def name(self) -> str:
        return f"{self.model}@{self.dimension}" if self.shorten else self.model

    async def embed(self, texts: list[str], asked_by: Principal | None = None) -> list[bytes]:
        """As ``protocol.Embedder`` has it. Cancelled, it gives the call up."""
        core = self.core
        if core.draining:
            raise NotEmbedded("the worker is going")
        x = self.exchange(asked_by)
        collected = Collected(core.loop.create_future())
        x.caller = collected
        self.under_way.add(x)
        try:
            self.ask(x, texts)
            body = await collected.whole
        except asyncio.CancelledError:
            core.attempts.caller_gone(x)
            raise
        finally:
            self.under_way.discard(x)
            x.caller = None
        if collected.failure is not None:
            reason, text_at_fault = collected.failure
            raise NotEmbedded(reason, text_at_fault=text_at_fault)
        if x.sent_status != 200:
            raise refused(x.sent_status, body)
        vectors = vectors_in(body, len(texts))
        length = len(vectors[0]) // 4
        self.dimension = self.dimension or length
        if any(len(vector) != 4 * self.dimension for vector in vectors):
            raise NotEmbedded(f"a vector has {length} numbers, not {self.dimension}")
        return vectors

    def may_see(self, asked_by: Principal) -> bool:
        """Whether a key that is restricted to certain providers may reach all of those that can be asked. (Its models
        are those that it may ask for; this one is asked by the operator.)"""
        view = self.core.view
        if self._judged is not view:
            self._judged = view
            self._may_see = {}
        found = self._may_see.get(asked_by.ruleset)
        if found is None:
            allowed = view.rulesets[asked_by.ruleset].providers
            resolution = view.resolve(self.model, "") if allowed else None
            targets = resolution.primary + resolution.fallbacks if resolution is not None else []
            found = not allowed or all(target.upstream.name in allowed for target in targets)
            self._may_see[asked_by.ruleset] = found
        return found

    def cut_all(self) -> None:
        """The worker is going: nobody waits for them."""
        for x in list(self.under_way):
            self.core.attempts.let_go(x)
            x.error_kind = int(ErrorKind.DRAINING)
            settle(x, int(Outcome.DRAINED))
            if isinstance(x.caller, Collected):
                x.caller.fail("the worker is going")

    # --- the exchange

    def exchange(self, asked_by: Principal | None) -> Exchange:
        core = self.core
        now_ns = monotonic_ns()
        x = Exchange(None, core, now_ns)
        # An id of its own: the ledger tells rows apart by it, and the request has a row for itself.
        x.request_id = core.next_id()
        x.principal = asked_by
        x.method, x.path, x.head = b"POST", PATH, HEAD
        x.content_type, x.json_declared = b"application/json", True
        # What is collected ends with the connection: no chunks.
        x.http10 = True
        x.complete_ns = now_ns
        x.deadline_ns = now_ns + LONGEST_NS
        x.flags = FLAGS
        entry = x.route = find(PATH)
        if entry is not None:
            x.operation, x.dialect = entry.operation, entry.dialect
        return x

    def ask(self, x: Exchange, texts: list[str]) -> None:
        """Begin asking. Raises NotEmbedded when there is nobody to ask."""
        resolution = x.view.resolve(self.model, "")
        if resolution is None:
            raise NotEmbedded(f"no provider has the model '{self.model}'")
        choice = Choice(resolution.primary, resolution.fallbacks)
        said: dict[str, Any] = {"model": self.model, "input": texts}
        if self.shorten:
            said["dimensions"] = self.dimension
        if all(map(takes_base64, choice.targets)):
            said["encoding_format"] = "base64"
        x.body = orjson.dumps(said)
        x.body_length = len(x.body)
        refusal = parse(x)
        if refusal is not None:
            raise NotEmbedded(reason_in(refusal.body))
        x.resolution = resolution
        x.targets = choice.targets if choice.plain else arrange(x, resolution, choice)
        try:
            self.core.attempts.begin(x)
        except Exception as error:
            self.core.fault(x, error)


def takes_base64(target: Target) -> bool:
    plan = target.upstream.plans.get(EMBEDDINGS)
    return plan is not None and plan.dialect == OPENAI and target.upstream.spec.vendor in IN_BASE64


class Collected(Caller):
    """Whom an embedding answers: a future with the body, or with nothing and ``failure`` beside it. (An exception in
    the future would hold the frame that holds the future, and workers collect such circles only when they are idle.)"""

    def __init__(self, whole: asyncio.Future[bytes]) -> None:
        Caller.__init__(self)
        self.whole = whole
        self.pieces: list[bytes] = []
        self.failure: tuple[str, bool] | None = None
        """Why there is none, and whether the text is at fault."""

    def peer(self) -> str:
        return ""

    def expire(self, now_ns: int) -> None:
        """Its exchange has a deadline of its own."""

    def answer(self, data: bytes) -> None:
        self.pieces.append(data)

    def answered(self, x: Exchange, reusable: bool) -> None:
        if self.whole.done():
            return
        if x.outcome in WHOLE:
            self.whole.set_result(b"".join(self.pieces).partition(b"\r\n\r\n")[2])
        else:
            self.fail("the answer broke off")

    def respond(self, x: Exchange, response: Response) -> None:
        error = response.error
        if error is None:
            self.fail(f"status {response.status}")
        else:
            # Where a dialect has no place for what is asked, as for several texts at once.
            self.fail(error.message, text_at_fault=error.status in AT_FAULT)

    def fail(self, reason: str, *, text_at_fault: bool = False) -> None:
        if not self.whole.done():
            self.failure = reason, text_at_fault
            self.whole.set_result(b"")

    def hold_body(self) -> None:
        """Nothing streams through."""

    def release_body(self) -> None:
        """Nothing streams through."""


WHOLE = frozenset({int(Outcome.OK), int(Outcome.UPSTREAM_ERROR)})


def refused(status: int, body: bytes) -> NotEmbedded:
    return NotEmbedded(f"status {status}: {reason_in(body)}", text_at_fault=status in AT_FAULT)


def reason_in(body: bytes) -> str:
    """What an error in OpenAI's form says."""
    try:
        said = orjson.loads(body)["error"]["message"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "no reason is given"
    return str(said)[:MOST_REASON]


def vectors_in(body: bytes, count: int) -> list[bytes]:
    """The vectors of an answer in OpenAI's form, in the order of the texts. Raises NotEmbedded."""
    try:
        data = orjson.loads(body)["data"]
        rows = {row["index"]: row["embedding"] for row in data}
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise NotEmbedded("the answer is none with embeddings") from error
    if len(rows) != len(data) or rows.keys() != set(range(count)):
        raise NotEmbedded(f"the answer has {len(data)} vectors for {count} texts, or not theirs")
    return [vector_in(rows[index]) for index in range(count)]


def vector_in(value: object) -> bytes:
    if isinstance(value, str):
        try:
            data = b64decode(value, validate=True)
        except NotBase64 as error:
            raise NotEmbedded("a vector is not in base64") from error
        if not data or len(data) % 4:
            raise NotEmbedded("a vector holds no float32")
        return unit_vector(from_little_endian(data))
    if not isinstance(value, list):
        raise NotEmbedded("a vector is no list of numbers")
    return unit_vector(value)
