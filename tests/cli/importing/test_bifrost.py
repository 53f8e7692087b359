"""``microgate import bifrost``: what becomes of every setting."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.cli.importing import bifrost
from gateway.cli.importing.report import Fate, leaves
from gateway.cli.importing.tables import Job
from gateway.config.problems import dotted

KEY = {"name": "k", "value": "env.K", "models": ["*"], "weight": 1}


def taken(document: dict[str, Any]) -> Job:
    """Imported, loaded by the gateway's own loader, and everything of it reported once."""
    job = bifrost.take_over(json.loads(json.dumps(document)))
    job.draft.check("/nonexistent", {})
    told_once(job, document)
    return job


def told_once(job: Job, document: dict[str, Any]) -> None:
    said = [dotted(row.path) for row in job.report.rows]
    assert sorted(said) == sorted(dotted(path) for path, _ in leaves(document) if path)


def result(document: dict[str, Any]) -> dict[str, Any]:
    return taken(document).draft.document()


def fate(job: Job, path: str) -> Fate:
    return next(row.fate for row in job.report.rows if dotted(row.path) == path)


def provider(name: str = "openai", keys: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return {"providers": {name: {"keys": [KEY] if keys is None else keys, **more}}}


PROVIDERS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("anthropic", {}, {"dialect": "anthropic"}),
    ("openai", {"network_config": {"base_url": "http://10.0.0.1"}}, {"base_url": "http://10.0.0.1/v1"}),
    (
        "openai",
        {"network_config": {"extra_headers": {"X-A": "b"}, "max_conns_per_host": 10}},
        {"headers": {"X-A": "b"}, "max_connections": 10},
    ),
    ("openai", {"network_config": {"default_request_timeout_in_seconds": 30}}, {"timeouts": {"first_byte": "30s"}}),
    ("openai", {"concurrency_and_buffer_size": {"concurrency": 7, "buffer_size": 9}}, {"max_concurrency": 7}),
    (
        "openai",
        {"proxy_config": {"type": "http", "url": "http://p:3128", "username": "u", "password": "x/y"}},
        {"proxy": "http://u:x%2Fy@p:3128"},
    ),
    (
        "house",
        {"custom_provider_config": {"base_provider_type": "anthropic"}, "network_config": {"base_url": "http://h/v1"}},
        {"vendor": "custom", "dialect": "anthropic", "base_url": "http://h"},
    ),
    (
        "house",
        {
            "custom_provider_config": {
                "base_provider_type": "openai",
                "allowed_requests": {"chat_completion": True, "embedding": False},
                "request_path_overrides": {"chat_completion": "/talk"},
            },
            "network_config": {"base_url": "http://h"},
        },
        {
            "vendor": "custom",
            "dialect": "openai_chat",
            "base_url": "http://h/v1",
            "operations": ["chat"],
            "paths": {"chat": "/talk"},
        },
    ),
]


@pytest.mark.parametrize(("name", "more", "section"), PROVIDERS)
def test_providers(name: str, more: dict[str, Any], section: dict[str, Any]) -> None:
    made = result(provider(name, **more))["providers"][name]
    assert made.pop("keys") == [{"name": "k", "value": "env.K"}]
    assert made == section


KEYS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (
        "azure",
        {
            "azure_key_config": {
                "endpoint": "https://openai-x.openai.azure.com",
                "api_version": "2024-10-21",
                "deployments": {"gpt-4o": "d"},
            }
        },
        {
            "vendor": "azure_deployments",
            "base_url": "https://openai-x.openai.azure.com/openai",
            "query": "api-version=2024-10-21",
            "aliases": {"gpt-4o": "d"},
        },
        {"name": "k", "value": "env.K"},
    ),
    (
        "azure",
        {
            "azure_key_config": {
                "endpoint": "https://x.openai.azure.com",
                "tenant_id": "t",
                "client_id": "c",
                "client_secret": "env.S",
            }
        },
        {"vendor": "azure_deployments", "base_url": "https://x.openai.azure.com/openai"},
        {
            "name": "k",
            "credential": {"type": "entra_client_secret", "tenant_id": "t", "client_id": "c", "client_secret": "env.S"},
        },
    ),
    (
        "bedrock",
        {"value": "", "bedrock_key_config": {"access_key": "env.A", "secret_key": "env.B", "region": "eu-west-1"}},
        {"dialect": "bedrock", "address": {"region": "eu-west-1"}},
        {"name": "k", "credential": {"type": "aws_keys", "access_key_id": "env.A", "secret_access_key": "env.B"}},
    ),
    (
        "bedrock",
        {"value": "", "bedrock_key_config": {"role_arn": "arn:aws:iam::123456789012:role/r", "region": "eu-west-1"}},
        {"dialect": "bedrock", "address": {"region": "eu-west-1"}},
        {"name": "k", "credential": {"type": "aws_assume_role", "role_arn": "arn:aws:iam::123456789012:role/r"}},
    ),
    (
        "vertex",
        {"value": "", "vertex_key_config": {"project_id": "p", "region": "global", "auth_credentials": "env.V"}},
        {"address": {"project": "p", "location": "global"}},
        {"name": "k", "credential": {"type": "service_account", "key": "env.V"}},
    ),
    (
        "vllm",
        {"vllm_key_config": {"url": "http://10.0.0.2:8000"}},
        {"base_url": "http://10.0.0.2:8000/v1"},
        {"name": "k", "value": "env.K"},
    ),
    (
        "openai",
        {"models": ["gpt-4o"], "blacklisted_models": ["o1"], "enabled": False},
        {},
        {"name": "k", "value": "env.K", "models": ["gpt-4o"], "deny_models": ["o1"], "enabled": False},
    ),
    (
        "openai",
        {"aliases": {"fast": "gpt-4o-mini"}},
        {"aliases": {"fast": "gpt-4o-mini"}},
        {"name": "k", "value": "env.K"},
    ),
]


@pytest.mark.parametrize(("name", "more", "section", "key"), KEYS)
def test_keys(name: str, more: dict[str, Any], section: dict[str, Any], key: dict[str, Any]) -> None:
    made = result(provider(name, [{**KEY, **more}]))["providers"][name]
    if "credential" in key and "tenant_id" in key["credential"]:
        key = {**key, "credential": {"tenant" if n == "tenant_id" else n: v for n, v in key["credential"].items()}}
    assert made.pop("keys") == [key]
    assert made == section


def test_keys_at_several_addresses_are_several_providers_behind_one_name() -> None:
    keys = [
        {
            **KEY,
            "name": f"k{n}",
            "models": ["gpt-4o"],
            "azure_key_config": {"endpoint": f"https://{n}.openai.azure.com"},
        }
        for n in "ab"
    ]
    made = result(provider("azure", keys))
    assert list(made["providers"]) == ["azure", "azure-2"]
    assert made["routes"]["azure/gpt-4o"]["targets"] == ["azure/gpt-4o", "azure-2/gpt-4o"]
    assert made["routes"]["gpt-4o"]["targets"] == ["azure/gpt-4o", "azure-2/gpt-4o"]


@pytest.mark.parametrize(("version", "enabled"), [(1, None), (2, False), (None, False)])
def test_an_empty_list_means_all_or_none(version: int | None, enabled: bool | None) -> None:
    document = {**({"version": version} if version else {}), **provider(keys=[{**KEY, "models": []}])}
    assert result(document)["providers"]["openai"]["keys"][0].get("enabled") is enabled


def test_retries_are_the_most_of_all() -> None:
    config = {"max_retries": 2, "retry_backoff_initial": 100, "retry_backoff_max": "3s"}
    both = {
        "providers": {
            "openai": {"keys": [KEY], "network_config": config},
            "groq": {"keys": [KEY], "network_config": {"max_retries": 4}},
        }
    }
    assert result(both)["retry"] == {"attempts": 5, "backoff_initial": "100ms", "backoff_max": "3s"}


def test_governance() -> None:
    document = {
        **provider(),
        "governance": {
            "budgets": [
                {"id": "b1", "max_limit": 10, "reset_duration": "1M", "calendar_aligned": True},
                {"id": "b2", "max_limit": 0.5, "reset_duration": "1w"},
            ],
            "rate_limits": [
                {
                    "id": "r",
                    "token_max_limit": 5,
                    "token_reset_duration": "1h",
                    "request_max_limit": 6,
                    "request_reset_duration": "1m",
                }
            ],
            "customers": [{"id": "c", "name": "Acme Ltd", "budget_id": "b1"}],
            "teams": [{"id": "t", "name": "core", "customer_id": "c", "rate_limit_id": "r"}],
            "virtual_keys": [
                {
                    "id": "v",
                    "name": "app",
                    "description": "d",
                    "value": "sk-bf-0123456789abcdef",
                    "is_active": False,
                    "team_id": "t",
                    "budget_id": "b2",
                    "provider_configs": [
                        {
                            "provider": "openai",
                            "weight": 0.5,
                            "allowed_models": ["gpt-4o"],
                            "key_ids": ["*"],
                            "rate_limit_id": "r",
                        }
                    ],
                },
                {"id": "w", "name": "other", "customer_id": "c", "provider_configs": []},
            ],
            "model_configs": [{"id": "m"}],
        },
    }
    job = taken(document)
    made = job.draft.document()
    limits = [{"tokens": 5, "per": "1h"}, {"requests": 6, "per": "1m"}]
    assert made["customers"] == {"Acme-Ltd": {"budgets": [{"usd": 10, "per": "month"}]}}
    assert made["teams"] == {"core": {"customer": "Acme-Ltd", "limits": limits}}
    app, other = made["virtual_keys"]
    assert app == {
        "name": "app",
        "value": "sk-bf-0123456789abcdef",
        "metadata": {"description": "d"},
        "enabled": False,
        "team": "core",
        "budgets": [{"usd": 0.5, "per": "7d"}],
        "models": ["gpt-4o", "openai/gpt-4o"],
        "providers": [{"provider": "openai", "weight": 0.5, "limits": limits}],
    }
    assert other == {"name": "other", "value": "env.MICROGATE_KEY_OTHER", "enabled": False, "customer": "Acme-Ltd"}
    assert fate(job, "governance.model_configs[0].id") is Fate.MISSING


def test_routing_rules_are_conditions() -> None:
    document = {
        "providers": {"openai": {"keys": [{**KEY, "models": ["gpt-4o"]}]}, "groq": {"keys": [KEY]}},
        "governance": {
            "virtual_keys": [
                {
                    "id": "v",
                    "name": "Gold key",
                    "value": "env.V",
                    "provider_configs": [{"provider": "openai", "allowed_models": ["*"], "key_ids": ["*"]}],
                }
            ],
            "routing_rules": [
                {
                    "cel_expression": "request_type == 'embedding'",
                    "targets": [{"provider": "groq", "weight": 1}],
                    "priority": 5,
                },
                {
                    "cel_expression": "model.startsWith('gpt')",
                    "targets": [{"provider": "groq", "model": "fast", "weight": 1}],
                    "fallbacks": ["openai"],
                    "scope": "virtual_key",
                    "scope_id": "v",
                    "priority": 0,
                },
                {"cel_expression": "budget_used > 80.0", "targets": [{"provider": "groq"}]},
                {"cel_expression": "model == 'x'", "targets": [{"provider": "none"}]},
            ],
        },
    }
    job = taken(document)
    route = job.draft.document()["routes"]["gpt-4o"]
    gold = "(principal.name == \"Gold-key\" && (model.startsWith('gpt')))"
    assert route["targets"] == [
        {"provider": "groq", "model": "fast", "when": gold},
        {"provider": "groq", "model": "gpt-4o", "when": f"!{gold} && (operation == 'embeddings')"},
        {"provider": "openai", "model": "gpt-4o", "when": f"!{gold} && !(operation == 'embeddings')"},
    ]
    assert route["fallbacks"] == [{"provider": "openai", "model": "gpt-4o", "when": gold}]
    assert fate(job, "governance.routing_rules[2].cel_expression") is Fate.MISSING
    assert fate(job, "governance.routing_rules[3].targets[0].provider") is Fate.MISSING


def test_the_semantic_cache() -> None:
    config = {
        "provider": "openai",
        "embedding_model": "text-embedding-3-small",
        "dimension": 1536,
        "threshold": 0.8,
        "ttl": "5m",
        "conversation_history_threshold": 3,
        "cache_by_model": True,
        "exclude_system_prompt": True,
    }
    store = {"enabled": True, "type": "weaviate", "config": {"scheme": "http", "host": "w:8080", "api_key": "k"}}
    document = {
        **provider(),
        "plugins": [{"name": "semantic_cache", "enabled": True, "config": config}],
        "vector_store": store,
    }
    job = taken(document)
    assert job.draft.document()["cache"] == {
        "enabled": True,
        "ttl": "5m",
        "semantic": {
            "embedder": "openai/text-embedding-3-small",
            "mode": "threshold",
            "threshold": 0.8,
            "max_turns": 3,
            "store": "weaviate://w:8080",
        },
    }
    assert fate(job, "plugins[0].config.exclude_system_prompt") is Fate.MISSING


def test_the_client() -> None:
    client = {
        "log_retention_days": 7,
        "max_request_body_size_mb": 10,
        "allow_direct_keys": True,
        "enforce_auth_on_inference": True,
        "allowed_origins": ["*"],
    }
    job = taken({"client": client})
    assert job.draft.document() == {"server": {"limits": {"json_body_bytes": "10MiB"}}, "log": {"retention": "7d"}}
    assert fate(job, "client.allow_direct_keys") is Fate.MISSING
    assert fate(job, "client.enforce_auth_on_inference") is Fate.CARRIED


_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**9)
    | st.floats(0, 5)
    | st.text("abé/ .*", max_size=6)
    | st.sampled_from(["env.X", "1M", "openai", "i"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "provider", "value"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def _some(*names: str, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={**dict.fromkeys(names, _ANYTHING), **known})


_KEY = _some(
    "id",
    "name",
    "value",
    "models",
    "weight",
    "aliases",
    "enabled",
    "azure_key_config",
    "bedrock_key_config",
    "vertex_key_config",
    "vllm_key_config",
    bedrock_key_config=_some("region", "access_key"),
    azure_key_config=_some("endpoint", "api_version", "deployments"),
)
_NETWORK = _some("base_url", "extra_headers", "max_retries", "retry_backoff_max", "default_request_timeout_in_seconds")
_CUSTOM = _some("base_provider_type", "allowed_requests", "request_path_overrides", "is_key_less")
_PROVIDER = _some(
    "proxy_config",
    "concurrency_and_buffer_size",
    keys=st.lists(_KEY, max_size=2),
    network_config=_NETWORK | _ANYTHING,
    custom_provider_config=_CUSTOM | _ANYTHING,
)
_VIRTUAL = _some(
    "id",
    "name",
    "value",
    "team_id",
    "budget_id",
    "budget",
    "is_active",
    provider_configs=st.lists(
        _some("weight", "allowed_models", "key_ids", "budget_id", provider=st.just("openai")), max_size=2
    )
    | _ANYTHING,
)
_RULE = _some(
    "cel_expression",
    "fallbacks",
    "priority",
    "scope",
    targets=st.lists(_some("weight", "model", provider=st.just("openai")), max_size=2),
)


@settings(max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(
    _some(
        "version",
        "client",
        "mcp",
        "vector_store",
        providers=st.dictionaries(st.sampled_from(["openai", "azure", "bedrock", "x y"]), _PROVIDER, max_size=2)
        | _ANYTHING,
        plugins=st.lists(
            _some("name", "config", name=st.sampled_from(["semantic_cache", "governance", "x"])), max_size=2
        )
        | _ANYTHING,
        governance=_some(
            "budgets",
            "customers",
            "model_configs",
            virtual_keys=st.lists(_VIRTUAL, max_size=2),
            routing_rules=st.lists(_RULE, max_size=2),
            rate_limits=st.lists(_some("id", "token_max_limit", "token_reset_duration"), max_size=2),
        )
        | _ANYTHING,
    )
)
def test_nothing_is_lost_silently(document: dict[str, Any]) -> None:
    told_once(bifrost.take_over(json.loads(json.dumps(document))), document)
