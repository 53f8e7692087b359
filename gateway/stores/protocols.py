"""What the gateway asks of its durable stores; which program keeps the bytes is the URL's business
(``stores/urls.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from gateway.stores.contents import StoredContent
from gateway.stores.entities import AuditPage, Change, Credential, Entity, EntityPage
from gateway.stores.ledger import LedgerRow, Spent, Usage, UsageQuery
from gateway.stores.log_query import LogQuery


class LogRow(NamedTuple):
    """One row of the request log, in the order of its columns: the record's own fields in the record's own order, as
    ``RingReader.read`` gives them (``_speedups/_ring.pyi`` says what each means).

    Ids are the 64-bit hashes of stable ids as *signed* integers (SQL has no others).
    """

    slot: int
    """Worker whose ring the record came from; with ``epoch`` and ``sequence`` the record's unique key."""
    epoch: int
    sequence: int
    started_us: int
    """Wall clock."""
    snapshot: int
    virtual_key: int
    provider: int
    provider_key: int
    route: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    audio_in_tokens: int
    audio_out_tokens: int
    cost_nanodollars: int
    queue_us: int
    gateway_us: int
    upstream_us: int
    ttft_us: int
    total_us: int
    request_bytes: int
    response_bytes: int
    chunks: int
    flags: int
    kind: int
    operation: int
    dialect: int
    target_dialect: int
    status: int
    attempt: int
    attempts: int
    stream: int
    outcome: int
    error_kind: int
    usage_source: int
    cache_verdict: int
    request_id: bytes
    model: str
    target_model: str
    dropped: str | None
    """Empty or None when there is none; so is ``receipt``."""
    receipt: str | None
    client: bytes | None = None
    """The caller's address, 16 bytes; None in rows of a program that did not record it."""
    team: int = 0
    """Of the virtual key when it asked, as is ``customer``; 0: none."""
    customer: int = 0


Positions: TypeAlias = Mapping[tuple[int, int], tuple[int, int]]
"""(slot, 1 for its spill file and 0 for its ring) -> (epoch, sequence) of the last record from there."""


class LogPage(msgspec.Struct, frozen=True):
    """Some rows, and where to go on."""

    rows: list[LogRow]
    next: str | None
    """None: there are no older rows. A page may be short, even empty, and still have a next one: a look-up that would
    take long is answered in parts."""


class StoreStatus(msgspec.Struct, frozen=True):
    """How a store is doing, for readiness and metrics."""

    ok: bool
    problem: str = ""
    notes: tuple[str, ...] = ()
    bytes: int = 0
    segments: int = 0
    entries: int | None = None
    """Of the caches: answers or vectors, those that are over and not yet forgotten included; a server may count what
    others keep in it. None: this store does not know, or has none."""


class LogLimits(msgspec.Struct, frozen=True):
    """How much of the log is kept, and when a further file is begun within the hour. Where a server keeps it, its age
    alone counts."""

    max_age_s: float = 30 * 86400.0
    max_bytes: int = 10 << 30
    segment_bytes: int = 1 << 30
    content_max_age_s: float = 30 * 86400.0
    content_max_bytes: int = 10 << 30


class StoreUnavailable(Exception):
    """The store cannot take or give anything now (disk full, locked, I/O error); the same call may succeed later."""


class StoreReadOnly(StoreUnavailable):
    """It can be read and not changed: a file or disk that may not be written, a server that is a standby."""


class LogStore(Protocol):
    """The request log. One process appends, from one thread; ``page`` may be called from any thread."""

    limits: LogLimits
    """May be replaced at any time; ``maintain`` goes by them."""

    def append(self, rows: Iterable[Sequence[object]], positions: Positions) -> int:
        """Store rows and the ring positions that they reach in one transaction, all or nothing; returns how many rows
        that were. An item of ``rows`` is the values of one row or of several, one behind the other; ``positions`` is
        looked at once ``rows`` is at its end. Raises StoreUnavailable."""

    def settle(self) -> None:
        """Nothing comes for the moment: put on the disk what may not be there yet. Raises StoreUnavailable."""

    def positions(self) -> Positions:
        """How far the rings are stored: whoever reads on from there stores each record once. Raises
        StoreUnavailable."""

    def page(self, query: LogQuery) -> LogPage:
        """Raises ValueError for a cursor that is none, StoreUnavailable."""

    def mark(self) -> str:
        """Tells the rows that are stored from those that are not yet; empty: none is. Raises StoreUnavailable."""

    def between(self, after: str, until: str, most: int) -> tuple[list[Sequence[object]], str]:
        """At most ``most`` of this gateway's rows behind the mark ``after``, up to ``until``, oldest first, and the
        mark behind them: ``until`` when there are no more. Raises ValueError for what is no mark, StoreUnavailable."""

    def keep_contents(self, contents: Iterable[StoredContent]) -> int:
        """Store what was said, each once by the request's id; how many were new. From one thread. Raises
        StoreUnavailable: then all of them may be given again."""

    def content(self, request_id: bytes, started_us: int) -> StoredContent | None:
        """What was said in a request that began then, without its words. Raises StoreUnavailable."""

    def maintain(self) -> None:
        """Whatever takes long and can wait: index what is closed, drop what is too old. Not on the thread that
        appends."""

    def status(self) -> StoreStatus: ...
    def close(self) -> None: ...


class NotFound(LookupError):
    """There is no such entity or credential."""


class NameTaken(ValueError):
    """Another entity of this kind has the name."""


class Conflict(Exception):
    """Somebody else has changed the entity meanwhile; ``current`` is its version now."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the entity has version {current} by now")
        self.current = current


class ConfigStore(Protocol):
    """Entities that were made through the API, with stable ids and versions; the audit of their changes; what operators
    present. Calls may come from any thread and wait for the disk: never on a loop. All raise StoreUnavailable."""

    def create(
        self, kind: str, name: str, body: bytes, change: Change, *, entity_id: str = "", known_by_name: bool = False
    ) -> Entity:
        """A new entity of version 1, and its audit row. ``entity_id``: one that was made before (``new_id``), because
        something is sealed for it. ``known_by_name``: whoever asks for it says its name, not its id, so its version is
        one that no entity of that name ever had. Raises NameTaken."""

    def update(
        self, kind: str, entity_id: str, body: bytes, expected_version: int, change: Change, *, name: str | None = None
    ) -> Entity:
        """The entity as changed, with the next version. Raises Conflict when ``expected_version`` is not the current
        one, NotFound, NameTaken (for a new ``name``)."""

    def delete(self, kind: str, entity_id: str, expected_version: int, change: Change) -> None:
        """Raises Conflict, NotFound."""

    def get(self, kind: str, entity_id: str) -> Entity:
        """Raises NotFound."""

    def by_name(self, kind: str, name: str) -> Entity:
        """Raises NotFound."""

    def page(
        self,
        kind: str,
        *,
        order: Literal["name", "id"] = "name",
        after: str | None = None,
        limit: int = 50,
        search: str = "",
    ) -> EntityPage:
        """Those of a kind whose names have ``search`` in them, in any case, in the order of their names or ids, behind
        the name or id ``after``."""

    def every(self, kinds: Iterable[str]) -> tuple[int, list[Entity]]:
        """The revision, and all entities of these kinds as they are at it, oldest first."""

    def revision(self) -> int:
        """Grows with every change of any entity, whoever makes it: what is built from entities is out of date when it
        has changed."""

    def note(self, change: Change, kind: str, entity_id: str, name: str) -> None:
        """An audit row for what is no change of an entity: a login, say."""

    def audit(
        self,
        *,
        entity_id: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        actor: str | None = None,
        kind: str | None = None,
        action: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> AuditPage:
        """Newest first; ``after`` is ``AuditPage.next`` of the page before."""

    def admit(self, credential: Credential) -> None:
        """Keep one. Raises NameTaken when its digest or id is there already."""

    def credential(self, digest: bytes) -> Credential:
        """Raises NotFound for one that is unknown, revoked or expired."""

    def credentials(self, *, kind: str, owner: str | None = None) -> list[Credential]:
        """All of a kind that have not expired, oldest first."""

    def use(self, digest: bytes, expires_us: int | None = None) -> None:
        """It was presented now, and from now on expires at ``expires_us``; nothing for one that is unknown."""

    def revoke(self, *, credential_id: str | None = None, owner: str | None = None, kind: str | None = None) -> int:
        """Forget those that all given terms apply to; how many that were. Raises ValueError without any."""

    def forget_expired(self) -> int:
        """Remove credentials that have expired; how many."""


class LedgerStore(Protocol):
    """What every attempt cost. Rows are durable when ``post`` returns; none is ever changed. One thread posts; any may
    ask. All raise StoreUnavailable."""

    def post(self, rows: Sequence[LedgerRow]) -> int:
        """Store rows in one transaction; a row whose (request id, attempt, line) is there already is left out, so that
        whoever does not know what became of a call repeats it. How many were new."""

    def usage(self, query: UsageQuery) -> list[Usage]:
        """Sums, in the order of ``query.by``."""

    def sum_up(self) -> bool:
        """Add up by day what many rows have come to that were posted since the last time, so that ``usage`` need not
        read them; what it says is the same. False: too few wait."""

    def spent(self, base_ns: int, part_ns: int = 1 << 62, until_us: int | None = None) -> list[Spent]:
        """What each virtual key has used since ``base_ns`` (wall clock), in parts of ``part_ns``, by requests that
        began before ``until_us``; shadows left out: no limit counts them."""

    def rows(self, query: UsageQuery, *, after: int = 0, limit: int = 1000) -> list[tuple[int, LedgerRow]]:
        """(number, row) of those behind number ``after``, in the order in which they were posted; ``query.by`` does not
        matter."""

    def find(self, request_ids: Sequence[bytes]) -> list[LedgerRow]:
        """All rows of these requests, corrections included."""


class AnswerStore(Protocol):
    """The exact cache: whole answers by their key, 48 bytes of which the first 16 say whose they are (the scope) and
    the others what was asked. Calls wait for disk or network: never on a loop. All raise StoreUnavailable."""

    def get(self, key: bytes) -> bytes | None:
        """The answer; None when there is none, or its time is over."""

    def put(self, answers: Sequence[tuple[bytes, bytes, int]]) -> None:
        """Keep (key, answer, wall-clock time in ns at which it is forgotten), all or nothing where the store can; a key
        that is there already is replaced. Makes room for them; one that is larger than the store takes is not kept,
        which its status notes."""

    def remove(self, keys: Iterable[bytes]) -> int:
        """How many were there."""

    def clear(self, scope: bytes = b"") -> int:
        """Forget the answers of a scope (16 bytes), or all; how many that were."""

    def entries(self) -> Iterable[tuple[bytes, int, int]]:
        """(key, size in bytes, wall-clock time in ns at which it is forgotten) of every answer that is alive."""

    def maintain(self) -> None:
        """Whatever can wait: forget what is over."""

    def status(self) -> StoreStatus: ...
    def close(self) -> None: ...


class VectorStore(Protocol):
    """The semantic cache's index: nearest neighbours by cosine among the vectors of one scope. Vectors are
    little-endian float32 of length 1, as bytes; scopes and keys are 64-bit unsigned integers. Calls wait for disk or
    network: never on a loop. All raise StoreUnavailable, and ValueError for a vector of another dimension."""

    def put(self, vectors: Sequence[tuple[int, int, bytes, int]]) -> None:
        """Keep (scope, key, vector, wall-clock time in ns at which it is forgotten); a key that is there already is
        replaced."""

    def nearest(self, scope: int, vector: bytes, most: int) -> list[tuple[int, float]]:
        """(key, cosine) of at most ``most`` vectors of this scope that are alive, the nearest first."""

    def remove(self, keys: Iterable[int]) -> int:
        """How many were there."""

    def clear(self) -> None: ...
    def maintain(self) -> None:
        """Whatever can wait: forget what is over."""

    def status(self) -> StoreStatus: ...
    def close(self) -> None: ...


Role = Literal["config", "ledger", "log", "rollups", "answers", "vectors"]
