"""/api/cache: what the cache keeps and what it has been good for, and having it forget."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from litestar import Request, get, post
from litestar.exceptions import ClientException, ServiceUnavailableException

from gateway.cache.asking import NotAnswered
from gateway.cache.scope import scope_of
from gateway.cache.wish import LEVELS, MOST_PARTITION_BYTES
from gateway.config.settings import SETTING
from gateway.control.cache_process import CacheProcess, Counts, SemanticFigures, StoreFigures
from gateway.control.callers import caller_of
from gateway.control.entity_desk import id_in
from gateway.control.state import ControlState
from gateway.snapshot.cache import Cache, Semantic, is_model_name
from gateway.snapshot.model import id_hash
from gateway.stores.entities import Change
from gateway.stores.usage_report import dollars

WHOSE: dict[str, Literal["key", "team", "customer"]] = {"virtual_key": "key", "team": "team", "customer": "customer"}
"""Kinds of entities that answers may be kept for, as scopes are called."""
NOT_RUNNING = "the cache process does not answer"


class SemanticInForce(msgspec.Struct):
    embedder: str
    mode: str
    threshold: float
    error_bound: float
    audit: float
    guard: bool
    max_turns: int
    embed_timeout_s: float
    vectors: str
    max_vectors: int
    store: str


class CacheInForce(msgspec.Struct):
    """Those in force. ``store``: where answers (vectors) are kept, without credentials; empty: on this machine."""

    enabled: bool
    ttl_s: float
    scope: str
    max_size_bytes: int
    max_entry_bytes: int
    cross_dialect: bool
    coalesce: bool
    store: str
    semantic: SemanticInForce | None


class CacheSums(msgspec.Struct):
    """What has happened, in all or on a day."""

    lookups: int
    """Requests whose answer was looked for: the sum of the next four."""
    exact: int
    similar: int
    joined: int
    """Shared the call of an equal request that was under way."""
    missed: int
    exact_rate: float | None
    """Of the look-ups; null: there were none."""
    similar_rate: float | None
    joined_rate: float | None
    kept: int
    """Answers that were given to the cache."""
    would_hit: int
    """Similar questions whose answer was not told: shadow mode, and audits."""
    saved_usd: str
    """What the answers had cost that were told again, exactly."""
    saved_s: float
    """How long their providers had taken."""


class CacheDay(msgspec.Struct):
    day: str
    """Of UTC."""
    sums: CacheSums


class CacheReport(msgspec.Struct):
    settings: CacheInForce
    running: bool
    """The cache process answers."""
    problem: str
    """Why not; empty while no cache is configured. Where stored settings cannot be used as things stand (their embedder
    was removed, say): why."""
    store: StoreFigures | None
    """What is kept; null while the process does not answer, as all below."""
    lost: int | None
    """Answers that the store did not take since the process was started."""
    totals: CacheSums | None
    days: list[CacheDay]
    """Newest first."""
    semantic: SemanticFigures | None
    """Null where similar questions are not looked up."""
    local_models: list[str]
    """Directories in ``models/`` of the data directory: an embedder may be ``local:`` and one of these."""


class ClearRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Whose answers are forgotten: of one virtual key, team or customer, each by its name or id; nobody named: all."""

    virtual_key: Annotated[str, msgspec.Meta(min_length=1, max_length=512)] | None = None
    team: Annotated[str, msgspec.Meta(min_length=1, max_length=512)] | None = None
    customer: Annotated[str, msgspec.Meta(min_length=1, max_length=512)] | None = None
    partition: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_PARTITION_BYTES)] | None = None
    """Of those, the ones that callers asked for with this name in ``x-microgate-cache-scope``; else those without."""


class Cleared(msgspec.Struct):
    forgotten: int
    """Answers, and questions that were kept beside them."""
    note: str
    """Where others may be meant as well."""


@get("/cache", operation_id="get_cache", summary="What the cache keeps and what it has been good for")
async def cache(request: Request[Any, Any, Any]) -> CacheReport:
    """Figures are those of the cache process, which workers tell once a second; they outlive it. Days: the last 90."""
    state = _state(request)
    settings = state.configuration.snapshot.settings.cache
    models = await asyncio.to_thread(local_models, state.context.paths.models_dir)
    report = CacheReport(_settings(settings), False, "", None, None, None, [], None, models)
    unusable = [left.why for left in state.configuration.left_out if left.label == f"{SETTING}/cache"]
    if unusable:
        report.problem = f"the stored settings of the cache are left out: {unusable[0]}"
    if settings.enabled:
        try:
            figures = await CacheProcess(state.context.paths.cache_socket).figures()
        except NotAnswered as error:
            report.problem = str(error)
        else:
            report.running = True
            report.store, report.lost, report.semantic = figures.store, figures.lost, figures.semantic
            report.totals = sums_of(figures.totals)
            report.days = [CacheDay(day, sums_of(figures.days[day])) for day in sorted(figures.days, reverse=True)]
    return report


@post("/cache/clear", status_code=200, operation_id="clear_cache", summary="Forget answers")
async def clear(request: Request[Any, Any, Any], data: ClearRequest | None = None) -> Cleared:
    """Whoever asks next is answered by a provider. For a second more workers may tell what they just looked up, and
    what came before may still be kept."""
    state = _state(request)
    settings = state.configuration.snapshot.settings.cache
    if not settings.enabled:
        raise ClientException("no cache is configured (cache.enabled)")
    data = data or ClearRequest()
    scope, note = _scope(state, settings, data)
    change = Change(actor=caller_of(request).actor, action="clear", after=msgspec.json.encode(data))
    await asyncio.to_thread(state.database.config.note, change, "cache", "", "cache")
    try:
        return Cleared(await CacheProcess(state.context.paths.cache_socket).clear(scope), note)
    except NotAnswered as error:
        raise ServiceUnavailableException(str(error)) from None


def sums_of(counts: Counts) -> CacheSums:
    lookups = counts.lookups

    def rate(of: int) -> float | None:
        return round(of / lookups, 6) if lookups else None

    return CacheSums(
        lookups=lookups,
        exact=counts.exact,
        similar=counts.similar,
        joined=counts.joined,
        missed=counts.misses,
        exact_rate=rate(counts.exact),
        similar_rate=rate(counts.similar),
        joined_rate=rate(counts.joined),
        kept=counts.kept,
        would_hit=counts.would_hit,
        saved_usd=dollars(counts.saved_nanodollars),
        saved_s=counts.saved_us / 1e6,
    )


def _scope(state: ControlState, settings: Cache, data: ClearRequest) -> tuple[bytes, str]:
    """Of the answers that are meant (none: all of them), and what the caller may not know about them. Raises
    ClientException."""
    named = [(kind, name) for kind in WHOSE if (name := getattr(data, kind)) is not None]
    if len(named) > 1:
        raise ClientException(f"name one of {', '.join(WHOSE)}")
    if not named:
        if data.partition is not None:
            raise ClientException(f"partition: of which {', '.join(WHOSE)}?")
        return b"", ""
    [(kind, name)] = named
    level = LEVELS.index(WHOSE[kind].encode())
    note = ""
    if level < LEVELS.index(settings.scope.encode()):
        note = (
            f"answers are shared by {settings.scope} here: only those were meant that callers did not share so widely"
        )
    partition = "" if data.partition is None else data.partition
    return scope_of(level, _identity(state, kind, name), partition.encode()), note


def _identity(state: ControlState, kind: str, name: str) -> int:
    """Raises ClientException where nothing was ever called so."""
    names = state.configuration.names
    for identity, known in names.items():
        if known == f"{kind}/{name}":
            return identity
    identity = id_hash(id_in(name))
    if not names.get(identity, "").startswith(f"{kind}/"):
        raise ClientException(f"no {kind.replace('_', ' ')} is or was called {name[:64]!r}, or has this id")
    return identity


def _settings(settings: Cache) -> CacheInForce:
    semantic = settings.semantic
    return CacheInForce(
        enabled=settings.enabled,
        ttl_s=settings.ttl,
        scope=settings.scope,
        max_size_bytes=settings.max_size,
        max_entry_bytes=settings.max_entry,
        cross_dialect=settings.cross_dialect,
        coalesce=settings.coalesce,
        store=place_of(settings.store),
        semantic=None if semantic is None else _semantic(semantic),
    )


def _semantic(semantic: Semantic) -> SemanticInForce:
    return SemanticInForce(
        embedder=semantic.embedder,
        mode=semantic.mode,
        threshold=semantic.threshold,
        error_bound=semantic.error_bound,
        audit=semantic.audit,
        guard=semantic.guard,
        max_turns=semantic.max_turns,
        embed_timeout_s=semantic.embed_timeout,
        vectors=semantic.vectors,
        max_vectors=semantic.max_vectors,
        store=place_of(semantic.store),
    )


def local_models(directory: str) -> list[str]:
    """Their names, by name; none where there is no such directory."""
    try:
        with os.scandir(directory) as found:
            return sorted(each.name for each in found if is_model_name(each.name) and each.is_dir())
    except OSError:
        return []


def place_of(url: str) -> str:
    """Scheme, host and port of a store's URL: the rest may hold credentials."""
    if not url:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _state(request: Request[Any, Any, Any]) -> ControlState:
    state: ControlState = request.app.state.control
    return state


CACHE_HANDLERS = (cache, clear)
