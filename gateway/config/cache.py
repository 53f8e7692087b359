"""The section ``cache``: answers that are known already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from gateway.config.problems import Path, Problem, listed, nearest
from gateway.config.references import Secret
from gateway.config.units import Duration, Size
from gateway.snapshot.cache import LOCAL, is_model_name

if TYPE_CHECKING:
    from gateway.config.schema import Config

CacheScope = Literal["key", "team", "customer", "all"]
CachePolicy = Literal["off", "read", "write", "on"]
MOST_TTL_S = 366 * 86400
ANSWER_SCHEMES = ("redis", "rediss")
VECTOR_SCHEMES = ("hnswlib", "pgvector", "weaviate", "weaviates")


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every section."""


class SemanticEntry(Entry, frozen=True):
    """Answers to questions that are similar."""

    embedder: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1024,
            description="What turns texts into vectors: provider/model, a route, or local: and the name of a directory "
            "in models/ of the data directory (in the file also an absolute path).",
        ),
    ]
    mode: Annotated[
        Literal["shadow", "threshold", "verified"],
        Meta(
            description="shadow: only counts what would have been a hit; threshold: similar enough is a hit; verified: "
            "learned for each answer, so that wrong hits stay under error_bound."
        ),
    ] = "shadow"
    threshold: Annotated[
        float, Meta(ge=0.5, le=1, description="Cosine from which questions are similar (shadow, threshold).")
    ] = 0.95
    error_bound: Annotated[
        float, Meta(ge=0.0001, le=0.5, description="Wrong hits among look-ups, at most (verified).")
    ] = 0.01
    audit: Annotated[
        float, Meta(ge=0, le=1, description="Share of the would-be hits that are asked afresh and compared.")
    ] = 0.02
    guard: Annotated[
        bool, Meta(description="Numbers, negations, units, dates, names, quotations and code must agree.")
    ] = True
    max_turns: Annotated[
        int, Meta(ge=1, le=1000, description="Longer conversations, in turns of the user, are not looked up.")
    ] = 1
    embed_timeout: Annotated[
        Duration | None, Meta(description="How long a request waits for its vector before it goes on without.")
    ] = None
    vectors: Annotated[Literal["float32", "int8"], Meta(description="How they are kept.")] = "float32"
    max_vectors: Annotated[int, Meta(ge=1000, le=100_000_000)] = 100_000
    store: Annotated[
        Secret | None,
        Meta(description="URL of another index: hnswlib:, pgvector://…, weaviate://… ; without it the built-in one."),
    ] = None


class CacheEntry(Entry, frozen=True):
    """Answers that are known already."""

    enabled: Annotated[
        bool | None, Meta(description="Equal requests are answered from the cache, and share a call under way.")
    ] = None
    ttl: Annotated[Duration | None, Meta(description="How long an answer is kept.")] = None
    scope: Annotated[
        CacheScope | None, Meta(description="Who shares answers: those with the same key, team or customer, or all.")
    ] = None
    max_size: Annotated[Size | None, Meta(description="Of all answers; what was stored longest ago gives way.")] = None
    max_entry: Annotated[Size | None, Meta(description="Of an answer; longer ones are not kept.")] = None
    cross_dialect: Annotated[
        bool | None,
        Meta(description="One answer for the same question in any dialect, streamed or not; costs more per request."),
    ] = None
    coalesce: Annotated[bool | None, Meta(description="Equal requests under way at the same time share one call.")] = (
        None
    )
    store: Annotated[
        Secret | None, Meta(description="URL of another store for answers: redis://…, rediss://… ; else a file here.")
    ] = None
    semantic: SemanticEntry | None = None


def judge(config: Config) -> Iterator[Problem]:
    """What the fields say about each other and about the rest."""
    cache = config.cache
    path: Path = ("cache",)
    if cache.ttl is not None and not 1 <= cache.ttl <= MOST_TTL_S:
        yield Problem((*path, "ttl"), "must be between 1s and 366d")
    if cache.max_size is not None and cache.max_size < 1 << 20:
        yield Problem((*path, "max_size"), "must be at least 1MiB")
    if cache.max_entry is not None and not 1024 <= cache.max_entry <= 64 << 20:
        yield Problem((*path, "max_entry"), "must be between 1KiB and 64MiB")
    yield from _scheme(cache.store, ANSWER_SCHEMES, (*path, "store"))
    semantic = cache.semantic
    if semantic is None:
        return
    here: Path = (*path, "semantic")
    yield from _scheme(semantic.store, VECTOR_SCHEMES, (*here, "store"))
    if semantic.embed_timeout is not None and not 0.01 <= semantic.embed_timeout <= 60:
        yield Problem((*here, "embed_timeout"), "must be between 10ms and 60s")
    yield from _embedder(config, semantic.embedder, (*here, "embedder"))


def _scheme(url: Secret | None, known: tuple[str, ...], path: Path) -> Iterator[Problem]:
    if url is None:
        return
    try:
        scheme = urlsplit(url.reveal()).scheme
    except ValueError:
        scheme = ""
    if scheme not in known:
        yield Problem(path, "is no URL of a store that is known", listed(known))


def _embedder(config: Config, name: str, path: Path) -> Iterator[Problem]:
    if name.startswith(LOCAL):
        if not name.startswith(f"{LOCAL}/") and not is_model_name(name.removeprefix(LOCAL)):
            yield Problem(path, "local: needs the name of a directory in models/, or an absolute path")
        return
    if name in config.routes:
        return
    provider, slash, model = name.partition("/")
    if not slash or not model:
        yield Problem(path, "is neither provider/model, a route nor local:NAME", nearest(name, config.routes))
    elif provider not in config.providers and provider != "demo":
        yield Problem(path, f"no provider is called {provider}", nearest(provider, config.providers))
