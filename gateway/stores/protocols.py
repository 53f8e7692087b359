"""What the gateway asks of its durable stores; which program keeps the bytes is the URL's business
(``stores/urls.py``).

Only ``LogStore`` has an implementation so far. The other protocols say what the parts that need them will ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec


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


Positions: TypeAlias = Mapping[tuple[int, int], tuple[int, int]]
"""(slot, 1 for its spill file and 0 for its ring) -> (epoch, sequence) of the last record from there."""


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows, newest first (in the order in which they ended). None: no restriction."""

    since_us: int | None = None
    until_us: int | None = None
    provider: int | None = None
    model: str | None = None
    """The model as asked or as sent."""
    virtual_key: int | None = None
    status: int | None = None
    errors_only: bool = False
    """Only rows with a status of 400 and above, or none."""
    request_id: bytes | None = None
    kind: int | None = 2
    """``records.Kind``; exchanges unless told otherwise."""
    limit: int = 50
    cursor: str | None = None
    """``LogPage.next`` of the page before."""


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


class StoreUnavailable(Exception):
    """The store cannot take or give anything now (disk full, locked, I/O error); the same call may succeed later."""


class LogStore(Protocol):
    """The request log. One process appends, from one thread; ``page`` may be called from any thread."""

    def append(self, rows: Iterable[Sequence[object]], positions: Positions) -> int:
        """Store rows and the ring positions that they reach in one transaction, all or nothing; returns how many rows
        that were. An item of ``rows`` is the values of one row or of several, one behind the other; ``positions`` is
        looked at once ``rows`` is at its end. Raises StoreUnavailable."""

    def positions(self) -> Positions:
        """How far the rings are stored: whoever reads on from there stores each record once. Raises
        StoreUnavailable."""

    def page(self, query: LogQuery) -> LogPage:
        """Raises ValueError for a cursor that is none, StoreUnavailable."""

    def maintain(self) -> None:
        """Whatever takes long and can wait: index what is closed, drop what is too old. Not on the thread that
        appends."""

    def status(self) -> StoreStatus: ...
    def close(self) -> None: ...


class ConfigStore(Protocol):
    """Entities that were made through the API: providers, routes, keys, teams, with their stable ids and versions."""

    def entities(self, kind: str) -> Sequence[Mapping[str, object]]: ...
    def put(self, kind: str, entity: Mapping[str, object], expected_version: int | None) -> int:
        """Returns the new version; raises ValueError when ``expected_version`` is not the current one."""

    def delete(self, kind: str, stable_id: str, expected_version: int) -> None: ...


class LedgerStore(Protocol):
    """What every attempt cost, durable (group commit, synchronous) before it counts as posted."""

    def post(self, entries: Sequence[Mapping[str, object]]) -> int:
        """Idempotent by (request id, attempt); returns how many were new."""

    def spent(self, stable_id: str, since_us: int) -> int:
        """Nano-dollars."""


class AnswerStore(Protocol):
    """The exact cache: whole answers by the digest of scope and request."""

    def get(self, digest: bytes) -> bytes | None: ...
    def put(self, digest: bytes, answer: bytes, ttl_s: float) -> None: ...


class VectorStore(Protocol):
    """The semantic cache's index: nearest neighbours within one scope."""

    def add(self, scope: int, key: int, vector: Sequence[float]) -> None: ...
    def nearest(self, scope: int, vector: Sequence[float], most: int) -> Sequence[tuple[int, float]]: ...
    def remove(self, key: int) -> None: ...


Role = Literal["config", "ledger", "log", "answers", "vectors"]
