"""Bifrost's other sections: its client, the semantic cache and where vectors are kept."""

from __future__ import annotations

from functools import partial
from typing import Any

from gateway.cli.importing.tables import REDACTED, Job, Table, attempt, lost, put, seconds, unneeded, whole, yes_or_no
from gateway.config.problems import Path


def _only(expected: bool, held: str, otherwise: str) -> Any:
    """A switch that stands one way here."""

    def rule(job: Job, path: Path, value: Any) -> None:
        if value is expected:
            job.report.carried(path, value, held)
        else:
            job.report.missing(path, value, otherwise)

    return rule


TABLES: dict[str, Table] = {
    "client": {
        "allow_direct_keys": _only(False, "", "callers never bring credentials of providers"),
        "enforce_auth_on_inference": _only(True, "", "callers always need a virtual key"),
        "enforce_governance_header": _only(True, "", "callers always need a virtual key"),
        "enable_governance": _only(True, "", "limits and budgets are kept to wherever there are any"),
        "enable_logging": _only(True, "", "every request is recorded; log.retention says for how long"),
        "disable_content_logging": put(
            "log", "content", by=lambda value: "metadata" if yes_or_no(value) else "full", note=REDACTED
        ),
        "log_retention_days": put("log", "retention", by=lambda value: f"{whole(value)}d"),
        "max_request_body_size_mb": put("server", "limits", "json_body_bytes", by=lambda value: f"{whole(value)}MiB"),
        "drop_excess_requests": unneeded("requests that find no slot wait for one, server.overload.queue_wait at most"),
        "initial_pool_size": unneeded("nothing is kept in pools"),
        "allowed_origins": lost("browsers of other sites are not let in: answers have no CORS fields"),
        "allowed_headers": lost("browsers of other sites are not let in: answers have no CORS fields"),
        "prometheus_labels": lost("labels of metrics are fixed: docs/metrics.md"),
        "enable_litellm_fallbacks": lost("compat says what is understood of other gateways: docs/migration.md"),
        "mcp_agent_depth": lost("nothing like it is built yet"),
        "mcp_tool_execution_timeout": lost("nothing like it is built yet"),
        "async_job_result_ttl": lost("nothing like it is built yet"),
        "header_filter_config": lost("forward_headers of a provider names the fields"),
    },
}

_CACHE: Table = {
    "ttl": put("cache", "ttl", by=lambda value: value if isinstance(value, str) else seconds(value)),
    "dimension": unneeded("the embedder's vectors say it"),
    "exclude_system_prompt": lost("answers are for one system prompt"),
    "cache_by_model": _only(True, "", "answers are for one model"),
    "cache_by_provider": lost("answers are for the route that was asked"),
    "default_cache_key": unneeded("no key is needed: each virtual key has its own answers (cache.scope)"),
    "keys": lost("vectors come from a provider of the file (cache.semantic.embedder)"),
    "cleanup_on_shutdown": lost("answers are kept over a restart, up to their ttl"),
}


def plugins(job: Job, path: Path, value: Any, store: Any) -> None:
    """The plugins that are part of the gateway here."""
    if not isinstance(value, list) or not value:
        job.report.missing(path, value, "says nothing")
        return
    for i, plugin in enumerate(value):
        here = (*path, i)
        if not isinstance(plugin, dict) or str(plugin.get("name")) not in _PLUGINS:
            job.report.missing(here, plugin, "nothing like it is built yet")
            continue
        attempt(job, here, plugin, partial(_PLUGINS[str(plugin["name"])], store))


def _governance(_store: Any, job: Job, path: Path, plugin: dict[str, Any]) -> None:
    for name, value in plugin.items():
        here = (*path, name)
        if name == "config" and isinstance(value, dict) and value:
            for member, said in value.items():
                if member == "is_vk_mandatory" and said is True:
                    job.report.carried((*here, member), said, "callers always need a virtual key")
                else:
                    job.report.missing((*here, member), said, "callers always need a virtual key")
        else:
            job.report.carried(here, value, "limits and budgets are part of the gateway")


def _telemetry(_store: Any, job: Job, path: Path, plugin: dict[str, Any]) -> None:
    for name, value in plugin.items():
        if name in ("name", "enabled", "version"):
            job.report.carried((*path, name), value, "/metrics")
        else:
            job.report.missing((*path, name), value, "metrics have names of the gateway's own: docs/metrics.md")


def _semantic_cache(store: Any, job: Job, path: Path, plugin: dict[str, Any]) -> None:
    enabled = plugin.get("enabled", True) is not False
    given = plugin.get("config")
    config: dict[str, Any] = given if isinstance(given, dict) else {}
    job.draft.put(("cache", "enabled"), enabled)
    embedder = f"{config.get('provider')}/{config.get('embedding_model')}"
    semantic = config.get("provider") in job.draft.section("providers") and bool(config.get("embedding_model"))
    if semantic:
        job.draft.put(("cache", "semantic"), {"embedder": embedder, "mode": "threshold"})
    for name, value in plugin.items():
        here = (*path, name)
        if name == "config" and isinstance(value, dict) and value:
            for member, said in value.items():
                _cache_member(job, (*here, member), member, said, semantic)
        elif name in ("name", "enabled"):
            note = "answers are kept for every request, not only for those with x-bf-cache-key"
            job.report.changed(here, value, "cache.enabled", note)
        else:
            job.report.missing(here, value, "nothing like it is known here")
    if semantic and isinstance(store, dict) and store.get("type") == "weaviate":
        given = store.get("config")
        where: dict[str, Any] = given if isinstance(given, dict) else {}
        host = where.get("host")
        if isinstance(host, str) and host and not host.startswith("env."):
            scheme = "weaviates" if where.get("scheme") == "https" else "weaviate"
            job.draft.put(("cache", "semantic", "store"), f"{scheme}://{host}")


def _cache_member(job: Job, path: Path, name: str, value: Any, semantic: bool) -> None:
    if name in ("provider", "embedding_model"):
        if semantic:
            job.report.carried(path, value, "cache.semantic.embedder")
        else:
            job.report.missing(path, value, "the file has no such provider, or no embedding_model")
    elif name == "threshold":
        if semantic and isinstance(value, (int, float)) and 0.5 <= value <= 1:
            job.draft.put(("cache", "semantic", "threshold"), value)
            note = "numbers, names, dates and negations have to agree as well (cache.semantic.guard)"
            job.report.changed(path, value, "cache.semantic.threshold", note)
        else:
            why = "a threshold is between 0.5 and 1" if semantic else "without an embedder only equal requests are hits"
            job.report.missing(path, value, why)
    elif name == "conversation_history_threshold":
        if semantic and isinstance(value, int) and 1 <= value <= 1000:
            job.draft.put(("cache", "semantic", "max_turns"), value)
            job.report.changed(path, value, "cache.semantic.max_turns", "turns of the user count, not messages")
        else:
            job.report.missing(path, value, "without an embedder only equal requests are hits")
    elif name in _CACHE:
        _CACHE[name](job, path, value)
    else:
        job.report.missing(path, value, "nothing like it is known here")


_PLUGINS: dict[str, Any] = {
    "semantic_cache": _semantic_cache,
    "semanticcache": _semantic_cache,
    "governance": _governance,
    "telemetry": _telemetry,
    "prometheus": _telemetry,
}


def vector_store(job: Job, path: Path, value: Any, document: dict[str, Any]) -> None:
    """Weaviate and Redis stay in use where the cache needs them."""
    semantic = job.draft.section("cache").get("semantic")
    kind = value.get("type") if isinstance(value, dict) else None
    listed = document.get("plugins")
    if semantic is None and isinstance(listed, list):
        why = "without an embedder there are no vectors; answers are kept in a file here or in Redis (cache.store)"
    else:
        why = "vectors are kept in the gateway's own index, in Weaviate or in PostgreSQL (cache.semantic.store)"
    if kind == "weaviate" and isinstance(semantic, dict) and "store" in semantic and isinstance(value, dict):
        for name, member in value.items():
            if name == "config" and isinstance(member, dict):
                for part, said in member.items():
                    if part in ("scheme", "host"):
                        job.report.carried((*path, name, part), said, "cache.semantic.store")
                    else:
                        job.report.missing((*path, name, part), said, "the URL of the store has its place alone")
            else:
                job.report.carried((*path, name), member, "cache.semantic.store")
        return
    job.report.missing(path, value, why)
