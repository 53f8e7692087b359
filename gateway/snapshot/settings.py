"""What a configuration says that concerns no entity: how a worker serves, waits, logs and is administered."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from gateway.config.alerts import Rules
from gateway.config.cache import CacheEntry, SemanticEntry
from gateway.config.log import BUILT_IN
from gateway.config.schema import Config
from gateway.config.server import OverloadEntry, ServerLimitsEntry
from gateway.config.settings import GROUPS
from gateway.config.telemetry import OtelEntry
from gateway.snapshot.cache import Cache, Semantic
from gateway.snapshot.compat import Compat
from gateway.snapshot.listen_tls import ListenTls
from gateway.snapshot.model import (
    Health,
    Overload,
    Retry,
    ServerLimits,
    Settings,
    Timeouts,
)
from gateway.snapshot.tracing import Tracing

LOG_RETENTION_S = 30 * 86400.0
ROLLUP_MINUTES_S = 7 * 86400.0
ROLLUP_HOURS_S = 400 * 86400.0


def _given(entry: ServerLimitsEntry | OverloadEntry, settings: type[msgspec.Struct]) -> dict[str, object]:
    """What of ``settings`` the file says, as plain numbers."""
    values = ((field, getattr(entry, field)) for field in settings.__struct_fields__)
    return {
        field: float(value) if isinstance(value, float) else int(value) for field, value in values if value is not None
    }


def _names_of(config: Config) -> tuple[str, ...]:
    listened = [config.server.host or "", (config.admin.listen or "").rpartition(":")[0]]
    return tuple(dict.fromkeys(name.lower().rstrip(".") for name in (*config.admin.hosts, *listened) if name))


def _semantic(entry: SemanticEntry) -> Semantic:
    given = {field: value for field in Semantic.__struct_fields__ if (value := getattr(entry, field)) is not None}
    if entry.embed_timeout is not None:
        given["embed_timeout"] = float(entry.embed_timeout)
    if entry.store is not None:
        given["store"] = entry.store.reveal()
    return Semantic(**given)


def _cache(entry: CacheEntry) -> Cache:
    plain = ("enabled", "scope", "cross_dialect", "coalesce")
    given: dict[str, Any] = {field: value for field in plain if (value := getattr(entry, field)) is not None}
    if entry.ttl is not None:
        given["ttl"] = float(entry.ttl)
    given |= {field: int(size) for field in ("max_size", "max_entry") if (size := getattr(entry, field)) is not None}
    if entry.semantic is not None:
        given["semantic"] = _semantic(entry.semantic)
    if entry.store is not None:
        given["store"] = entry.store.reveal()
    return Cache(**given)


def _tracing(entry: OtelEntry) -> Tracing:
    return Tracing(
        export=entry.endpoint is not None and entry.traces.enabled,
        incoming=entry.propagate.incoming,
        outgoing=entry.propagate.outgoing,
        sample_ratio=entry.traces.sample_ratio,
    )


def settings_of(config: Config) -> Settings:
    """The settings of a validated configuration; what it does not say has its default."""
    retry: dict[str, object] = {}
    if config.retry.attempts is not None:
        retry["attempts"] = config.retry.attempts
    if config.retry.statuses is not None:
        retry["statuses"] = tuple(config.retry.statuses)
    for field in ("backoff_initial", "backoff_max", "budget"):
        if (value := getattr(config.retry, field)) is not None:
            retry[field] = float(value)
    given, overload = _given(config.server.limits, ServerLimits), _given(config.server.overload, Overload)
    token = config.metrics.token
    drain = config.server.drain_timeout
    keepalive = config.server.stream_keepalive
    refresh = config.model_lists.refresh
    default = Settings()
    forward, explain = config.server.forward_rate_limit_headers, config.server.explain
    return Settings(
        retry=msgspec.convert(retry, Retry),
        limits=msgspec.convert(given, ServerLimits),
        overload=msgspec.convert(overload, Overload),
        drain_timeout=float(drain) if drain is not None else default.drain_timeout,
        stream_keepalive=float(keepalive) if keepalive is not None else default.stream_keepalive,
        metrics_token_sha256=hashlib.sha256(token.reveal().encode()).hexdigest() if token is not None else "",
        trusted_proxies=tuple(config.server.trusted_proxies or ()),
        forward_rate_limit_headers=default.forward_rate_limit_headers if forward is None else forward,
        explain=default.explain if explain is None else explain,
        log_level=config.log.level or default.log_level,
        log_format=config.log.format or default.log_format,
        admin_listen=config.admin.listen or "",
        admin_hosts=_names_of(config),
        secure_cookies=config.admin.secure_cookies,
        model_refresh=float(refresh) if refresh is not None else default.model_refresh,
        unknown_price=config.unknown_price or default.unknown_price,
        listen_tls=(
            ListenTls(cert_file=str(config.server.tls.cert), key_file=str(config.server.tls.key))
            if config.server.tls is not None
            else None
        ),
        cache=_cache(config.cache),
        tracing=_tracing(config.otel),
        compat=Compat(litellm=bool(config.compat.litellm), bifrost=bool(config.compat.bifrost)),
        log_content=config.log.content or default.log_content,
        log_content_max=default.log_content_max if config.log.content_max is None else int(config.log.content_max),
    )


def defaults(group: str) -> dict[str, Any]:
    """Member -> what holds of a group of ``gateway/config/settings.py`` when nobody says anything."""
    settings = Settings()
    if group == "accounting":
        return {"time_zone": "UTC", "unknown_price": settings.unknown_price}
    if group == "alerts":
        return {member: getattr(Rules(), member) for member in GROUPS[group].spec.__struct_fields__}
    if group == "log":
        return {
            "level": settings.log_level,
            "format": settings.log_format,
            "retention": LOG_RETENTION_S,
            "content": settings.log_content,
            "content_max": settings.log_content_max,
            "content_retention": LOG_RETENTION_S,
            "redact": [*BUILT_IN],
            "redact_patterns": [],
            "redact_fields": [],
        }
    if group == "log.rollups":
        return {"minutes": ROLLUP_MINUTES_S, "hours": ROLLUP_HOURS_S}
    if group == "model_lists":
        return {"refresh": settings.model_refresh}
    groups: dict[str, msgspec.Struct] = {
        "retry": settings.retry,
        "timeouts": Timeouts(),
        "health": Health(),
        "server": settings,
        "server.limits": settings.limits,
        "server.overload": settings.overload,
        "cache": settings.cache,
        "compat": settings.compat,
    }
    values = {member: getattr(groups[group], member) for member in GROUPS[group].spec.__struct_fields__}
    # A store that nobody names is none.
    return values | {"store": None} if group == "cache" else values
