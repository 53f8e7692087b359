"""``litellm_settings.cache_params``."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from gateway.cli.importing.draft import variable_in
from gateway.cli.importing.tables import Job, seconds
from gateway.config.problems import Path

_REDIS = ("redis", "redis-semantic", "redis_semantic")
_SEMANTIC = {
    "redis-semantic": "redis_semantic_cache_embedding_model",
    "redis_semantic": "redis_semantic_cache_embedding_model",
    "qdrant-semantic": "qdrant_semantic_cache_embedding_model",
    "qdrant_semantic": "qdrant_semantic_cache_embedding_model",
}
_LOST: dict[str, str] = {
    "namespace": "x-microgate-cache-scope separates answers, by request",
    "supported_call_types": "what can be answered from the cache is decided by the request: docs/cache.md",
    "mode": "virtual_keys[].cache and x-microgate-cache say who uses it",
    "default_in_memory_ttl": "one ttl holds: cache.ttl",
    "default_in_redis_ttl": "one ttl holds: cache.ttl",
}
_STORES = "answers are kept in a file here or in Redis"


def cache_params(job: Job, path: Path, value: Any) -> None:
    """Every parameter, reported."""
    if not isinstance(value, dict) or not value:
        job.report.missing(path, value, "says nothing")
        return
    left = dict(value)
    kind = str(left.pop("type", "")) if "type" in left else ""
    cache = job.draft.section("cache")
    if "type" in value:
        _kind(job, (*path, "type"), value["type"])
    if "ttl" in left:
        ttl = left.pop("ttl")
        try:
            cache["ttl"] = seconds(ttl)
            job.report.carried((*path, "ttl"), ttl, "cache.ttl")
        except ValueError as error:
            job.report.missing((*path, "ttl"), ttl, str(error))
    if kind in _REDIS:
        _redis(job, path, left, cache)
    if kind in _SEMANTIC:
        _semantic(job, path, left, cache, _SEMANTIC[kind])
    for name, member in left.items():
        job.report.missing((*path, name), member, _LOST.get(name, _STORES))


def _kind(job: Job, path: Path, kind: Any) -> None:
    if kind in ("local", "disk", "redis"):
        job.report.carried(path, kind, "cache.store")
    elif kind in _SEMANTIC:
        job.report.changed(path, kind, "cache.semantic", "vectors are kept in the gateway's own index")
    else:
        job.report.missing(path, kind, _STORES)


def _redis(job: Job, path: Path, left: dict[str, Any], cache: dict[str, Any]) -> None:
    given = {name: left.pop(name) for name in ("host", "port", "password", "ssl", "url") if name in left}
    whole = given.get("url")
    to = "cache.store"
    if whole is not None:
        cache["store"] = job.draft.value(whole, "store")
        job.report.carried((*path, "url"), whole, to)
        given.pop("url")
    elif any(variable_in(each) for each in given.values()) or not given.get("host"):
        cache["store"] = job.draft.env("REDIS_URL", "store")
        for name, value in given.items():
            job.report.changed(
                (*path, name), value, to, "one variable has the whole address: REDIS_URL=redis://:PASSWORD@HOST:PORT"
            )
        job.report.remark("REDIS_URL has to hold the address of Redis: redis://:PASSWORD@HOST:PORT")
        return
    else:
        scheme = "rediss" if given.get("ssl") is True else "redis"
        password = f":{quote(str(given['password']), safe='')}@" if given.get("password") else ""
        cache["store"] = f"{scheme}://{password}{given['host']}:{given.get('port') or 6379}"
    for name, value in given.items():
        job.report.carried((*path, name), value, to)


def _semantic(job: Job, path: Path, left: dict[str, Any], cache: dict[str, Any], embedding: str) -> None:
    model, threshold = left.pop(embedding, None), left.pop("similarity_threshold", None)
    if isinstance(model, str) and model in job.draft.section("routes"):
        job.report.carried((*path, embedding), model, "cache.semantic.embedder")
        semantic: dict[str, Any] = {"embedder": model, "mode": "threshold"}
        if isinstance(threshold, (int, float)) and 0.5 <= threshold <= 1:
            semantic["threshold"] = threshold
            note = "numbers, names, dates and negations have to agree as well (cache.semantic.guard)"
            job.report.changed((*path, "similarity_threshold"), threshold, "cache.semantic.threshold", note)
            threshold = None
        cache["semantic"] = semantic
    elif model is not None:
        job.report.missing(
            (*path, embedding), model, "is no model of model_list; cache.semantic.embedder has to be one"
        )
    if threshold is not None:
        why = "a threshold is between 0.5 and 1" if "semantic" in cache else "there is no embedder"
        job.report.missing((*path, "similarity_threshold"), threshold, why)
