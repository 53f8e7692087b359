"""The section ``cache``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.config.loader import ConfigError, loads
from gateway.snapshot.settings import settings_of

PROVIDERS = {"p": {"vendor": "openai", "keys": [{"name": "k", "value": "sk-x"}]}}


def read(cache: dict[str, Any], **more: Any) -> Any:
    return loads(json.dumps({"providers": PROVIDERS, "cache": cache, **more}), "json").config


def test_it_is_off_unless_said() -> None:
    assert not settings_of(read({})).cache.enabled


def test_what_is_said_holds() -> None:
    semantic = {"embedder": "p/e", "mode": "verified", "embed_timeout": "50ms", "store": "pgvector://u:p@h/d"}
    said = {"enabled": True, "ttl": "5m", "scope": "team", "max_size": "2MiB", "max_entry": "1KiB"}
    found = settings_of(read({**said, "cross_dialect": True, "coalesce": False, "semantic": semantic})).cache
    assert (found.enabled, found.ttl, found.scope, found.max_size, found.max_entry) == (
        True,
        300,
        "team",
        2 << 20,
        1024,
    )
    assert (found.cross_dialect, found.coalesce) == (True, False)
    assert found.semantic is not None
    assert (found.semantic.mode, found.semantic.embed_timeout, found.semantic.store) == (
        "verified", 0.05, "pgvector://u:p@h/d",
    )  # fmt: skip
    assert found.semantic.threshold == 0.95


@pytest.mark.parametrize(
    ("cache", "where"),
    [
        ({"ttl": 0}, "cache.ttl"),
        ({"max_size": 1000}, "cache.max_size"),
        ({"max_entry": "65MiB"}, "cache.max_entry"),
        ({"scope": "everybody"}, "cache.scope"),
        ({"store": "mysql://x"}, "cache.store"),
        ({"semantic": {}}, "cache.semantic"),
        ({"semantic": {"embedder": "gone/e"}}, "cache.semantic.embedder"),
        ({"semantic": {"embedder": "word"}}, "cache.semantic.embedder"),
        ({"semantic": {"embedder": "local:a/b"}}, "cache.semantic.embedder"),
        ({"semantic": {"embedder": "p/e", "error_bound": 0}}, "cache.semantic.error_bound"),
        ({"semantic": {"embedder": "p/e", "embed_timeout": "2m"}}, "cache.semantic.embed_timeout"),
        ({"semantic": {"embedder": "p/e", "store": "redis://x"}}, "cache.semantic.store"),
    ],
)
def test_what_cannot_be_meant_is_refused(cache: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(cache)
    assert where in str(refused.value)


def test_a_route_can_be_the_embedder() -> None:
    assert read({"semantic": {"embedder": "vectors"}}, routes={"vectors": {"targets": ["p/e"]}}).cache.semantic


def test_passwords_of_stores_are_not_shown() -> None:
    with pytest.raises(ConfigError) as refused:
        read({"store": "redis://user:canary@host", "ttl": 0})
    assert "canary" not in str(refused.value)
