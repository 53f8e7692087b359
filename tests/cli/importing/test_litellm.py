"""``microgate import litellm``: what becomes of every setting."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.cli.importing import litellm, litellm_models, reading
from gateway.cli.importing.litellm_settings import tables
from gateway.cli.importing.report import Fate, leaves
from gateway.cli.importing.tables import Job
from gateway.config.problems import dotted


def deployment(name: str = "gpt", model: str = "openai/gpt-4o", **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, "api_key": "os.environ/OPENAI_API_KEY", **params}}


def taken(document: dict[str, Any], rows: list[dict[str, Any]] | None = None) -> Job:
    """Imported, loaded by the gateway's own loader, and everything of it reported once."""
    job = litellm.take_over(json.loads(json.dumps(document)), [], rows or [])
    job.draft.check("/nonexistent", {})
    said = [row.path for row in job.report.rows if row.path[:1] != ("--keys",)]
    assert sorted(map(dotted, said)) == sorted(dotted(path) for path, _ in leaves(document) if path)
    return job


def result(document: dict[str, Any]) -> dict[str, Any]:
    return taken(document).draft.document()


def fate(job: Job, path: str) -> Fate:
    return next(row.fate for row in job.report.rows if dotted(row.path) == path)


def test_a_deployment_is_a_target_of_a_route() -> None:
    made = result({"model_list": [deployment()]})
    assert made["routes"] == {"gpt": {"targets": ["openai/gpt-4o"]}}
    assert made["providers"] == {"openai": {"keys": [{"name": "main", "value": "env.OPENAI_API_KEY"}]}}


VENDORS = [
    # litellm_params without model, model, provider's section without keys, the key
    ("gpt-4o", {}, {}, {"value": "env.OPENAI_API_KEY"}),
    ("claude-sonnet-4", {"api_key": "k"}, {"dialect": "anthropic"}, {"value": "k"}),
    (
        "groq/llama",
        {"api_base": "http://10.0.0.1/v1"},
        {"base_url": "http://10.0.0.1/v1"},
        {"value": "env.GROQ_API_KEY"},
    ),
    (
        "anything",
        {"api_base": "http://h/v1", "api_key": "k"},
        {"vendor": "custom", "base_url": "http://h/v1"},
        {"value": "k"},
    ),
    (
        "deepinfra/m",
        {},
        {"vendor": "custom", "base_url": "https://api.deepinfra.com/v1/openai"},
        {"value": "env.DEEPINFRA_API_KEY"},
    ),
    ("hosted_vllm/m", {"api_base": "os.environ/BASE"}, {"base_url": "env.BASE"}, None),
    (
        "azure/dep",
        {"api_base": "https://openai-x.openai.azure.com/", "api_version": "2024-10-21"},
        {
            "vendor": "azure_deployments",
            "base_url": "https://openai-x.openai.azure.com/openai",
            "query": "api-version=2024-10-21",
        },
        {"value": "env.AZURE_API_KEY"},
    ),
    (
        "azure/dep",
        {"api_base": "https://x.openai.azure.com/openai/v1", "api_version": "preview"},
        {"base_url": "https://x.openai.azure.com/openai/v1"},
        {"value": "env.AZURE_API_KEY"},
    ),
    (
        "azure/dep",
        {"api_base": "https://x.openai.azure.com", "tenant_id": "t", "client_id": "c", "client_secret": "os.environ/S"},
        {"vendor": "azure_deployments", "base_url": "https://x.openai.azure.com/openai"},
        {"credential": {"type": "entra_client_secret", "tenant": "t", "client_id": "c", "client_secret": "env.S"}},
    ),
    (
        "bedrock/converse/us-west-2/anthropic.claude",
        {},
        {"dialect": "bedrock", "address": {"region": "us-west-2"}},
        {"credential": {"type": "aws_chain"}},
    ),
    (
        "bedrock/m",
        {
            "aws_region_name": "eu-central-1",
            "aws_access_key_id": "os.environ/A",
            "aws_secret_access_key": "os.environ/B",
        },
        {"dialect": "bedrock", "address": {"region": "eu-central-1"}},
        {"credential": {"type": "aws_keys", "access_key_id": "env.A", "secret_access_key": "env.B"}},
    ),
    (
        "bedrock/m",
        {"aws_region_name": "us-east-1", "aws_role_name": "arn:aws:iam::123456789012:role/r", "aws_session_name": "s"},
        {"dialect": "bedrock", "address": {"region": "us-east-1"}},
        {
            "credential": {
                "type": "aws_assume_role",
                "role_arn": "arn:aws:iam::123456789012:role/r",
                "session_name": "s",
            }
        },
    ),
    (
        "vertex_ai/gemini-2.5-pro",
        {"vertex_project": "p", "vertex_location": "global", "vertex_credentials": "/keys/a.json"},
        {"dialect": "gemini", "address": {"project": "p", "location": "global"}},
        {"credential": {"type": "service_account", "key": "file./keys/a.json"}},
    ),
    (
        "vertex_ai/claude-sonnet-4",
        {"vertex_project": "p", "vertex_location": "global"},
        {"dialect": "anthropic", "address": {"project": "p", "location": "global"}},
        {"credential": {"type": "google_adc"}},
    ),
    (
        "ollama/llama3",
        {"api_base": "http://127.0.0.1:11434"},
        {"dialect": "ollama", "base_url": "http://127.0.0.1:11434"},
        None,
    ),
    (
        "openai/m",
        {"api_key": "k", "organization": "o", "extra_headers": {"X-A": "b"}},
        {"headers": {"X-A": "b", "OpenAI-Organization": "o"}},
        {"value": "k"},
    ),
    (
        "openai/m",
        {"api_key": "k", "timeout": 5, "stream_timeout": 0.5},
        {"timeouts": {"first_byte": "5s", "first_token": "500ms"}},
        {"value": "k"},
    ),
]


@pytest.mark.parametrize(("model", "params", "section", "key"), VENDORS)
def test_providers(model: str, params: dict[str, Any], section: dict[str, Any], key: dict[str, Any] | None) -> None:
    made = result({"model_list": [{"model_name": "m", "litellm_params": {"model": model, **params}}]})
    (provider,) = made["providers"].values()
    keys = provider.pop("keys", [])
    assert provider == section
    assert keys == ([{"name": "main", **key}] if key else [])


def test_an_address_in_a_variable_is_completed_by_paths() -> None:
    made = result({"model_list": [deployment("a", "azure/dep", api_base="os.environ/BASE", api_version="2024-10-21")]})
    azure = made["providers"]["azure"]
    assert azure["base_url"] == "env.BASE"
    assert azure["paths"]["chat"] == "/openai/deployments/{model}/chat/completions"


def test_keys_that_serve_the_same_are_keys_of_one_provider() -> None:
    made = result({"model_list": [deployment(api_key="a", rpm=10), deployment(api_key="b", rpm=30)]})
    assert made["providers"]["openai"]["keys"] == [
        {"name": "main", "value": "a", "weight": 1},
        {"name": "key-2", "value": "b", "weight": 3},
    ]
    assert made["routes"]["gpt"] == {"targets": ["openai/gpt-4o"]}


def test_shares_are_what_stands_in_the_parameters() -> None:
    """As LiteLLM's simple-shuffle draws: its router_strategy/simple_shuffle.py."""
    entries = [deployment(api_key="a", rpm=10), {**deployment(api_key="b", rpm=30), "rpm": 10, "tpm": 5, "weight": 9}]
    made = result({"model_list": entries})
    assert [key["weight"] for key in made["providers"]["openai"]["keys"]] == [1, 3]
    beside = [{**deployment(api_key="a"), "rpm": 3}, deployment("gpt", "openrouter/x", api_key="b")]
    assert result({"model_list": beside})["routes"]["gpt"] == {"targets": ["openai/gpt-4o", "openrouter/x"]}


@pytest.mark.parametrize(("said", "policy"), [(True, "full"), (False, "metadata")])
def test_whether_content_is_kept(said: bool, policy: str) -> None:
    made = result({"model_list": [deployment()], "general_settings": {"store_prompts_in_spend_logs": said}})
    assert made["log"] == {"content": policy}


def test_a_condition_takes_no_other_away() -> None:
    info = {"model_info": {"max_input_tokens": 1000}}
    made = result(
        {
            "model_list": [
                {**deployment("a", "openai/gpt-4o", tags=["paid"]), **info}, deployment("b", "openai/gpt-5")
            ],
            "litellm_settings": {"context_window_fallbacks": [{"a": ["b"]}]},
            "router_settings": {"enable_tag_filtering": True},
        }
    )  # fmt: skip
    [target] = made["routes"]["a"]["targets"]
    assert "prompt_tokens <= 1000" in target["when"]
    assert "paid" in target["when"]


def test_with_a_strategy_of_their_own_deployments_stay_apart() -> None:
    deployments = [deployment(api_key="a"), deployment(api_key="b")]
    made = result({"model_list": deployments, "router_settings": {"routing_strategy": "latency-based-routing"}})
    assert made["routes"]["gpt"] == {"targets": ["openai/gpt-4o", "openai-2/gpt-4o"], "strategy": "least-latency"}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("simple-shuffle", None),
        ("least-busy", "least-busy"),
        ("usage-based-routing-v2", "least-busy"),
        ("cost-based-routing", "least-cost"),
        ("latency-based-routing", "least-latency"),
    ],
)
def test_strategies(theirs: str, ours: str | None) -> None:
    made = result({"model_list": [deployment()], "router_settings": {"routing_strategy": theirs}})
    assert made["routes"]["gpt"].get("strategy") == ours


def test_weights_and_order() -> None:
    first, second = deployment(weight=3, order=1), deployment(model="groq/x", weight=1, order=1)
    last = deployment(model="mistral/y", order=2)
    route = result({"model_list": [first, second, last]})["routes"]["gpt"]
    assert route["targets"] == [
        {"provider": "openai", "model": "gpt-4o", "weight": 3},
        {"provider": "groq", "model": "x"},
    ]
    assert route["fallbacks"] == [{"provider": "mistral", "model": "y", "weight": 0}] or route["fallbacks"] == [
        "mistral/y"
    ]


def test_wildcards_are_providers() -> None:
    models = [deployment("anthropic/*", "anthropic/*"), deployment("mine/*", "groq/*"), deployment("*", "openai/*")]
    made = result({"model_list": models})
    assert made["providers"].keys() == {"anthropic", "mine", "openai"}
    assert made["providers"]["mine"]["vendor"] == "groq"
    assert "gpt-4o" in made["providers"]["openai"]["models"]
    job = taken({"model_list": [deployment("gpt-*", "openai/gpt-*")]})
    assert fate(job, "model_list[0].model_name") is Fate.MISSING


def test_fallbacks_of_all_kinds() -> None:
    models = [deployment("a"), deployment("b", "groq/b"), deployment("c", "mistral/c")]
    said = {"fallbacks": [{"a": ["b"]}, {"*": ["c"]}], "default_fallbacks": ["b"]}
    made = result({"model_list": models, "litellm_settings": said})
    assert made["routes"]["a"]["fallbacks"] == ["groq/b", "mistral/c"]
    assert made["routes"]["b"]["fallbacks"] == ["mistral/c"]
    assert made["routes"]["c"]["fallbacks"] == ["groq/b"]


def test_long_prompts_go_elsewhere() -> None:
    small = {**deployment("a"), "model_info": {"max_input_tokens": 1000}}
    job = taken(
        {
            "model_list": [small, deployment("b", "groq/b")],
            "router_settings": {
                "context_window_fallbacks": [{"a": ["b"]}, {"unknown": ["b"]}],
                "content_policy_fallbacks": [{"a": ["b"]}],
            },
        }
    )
    route = job.draft.document()["routes"]["a"]
    assert route["targets"] == [{"provider": "openai", "model": "gpt-4o", "when": "prompt_tokens <= 1000"}]
    assert route["fallbacks"] == [{"provider": "groq", "model": "b", "when": "prompt_tokens > 1000"}]
    assert fate(job, "router_settings.context_window_fallbacks[1].unknown[0]") is Fate.MISSING
    assert fate(job, "router_settings.content_policy_fallbacks[0].a[0]") is Fate.MISSING


def test_aliases_are_routes() -> None:
    said = {"model_group_alias": {"x": "gpt", "y": {"model": "gpt", "hidden": True}, "z": "none"}}
    job = taken({"model_list": [deployment()], "router_settings": said})
    routes = job.draft.document()["routes"]
    assert routes["x"] == routes["y"] == routes["gpt"]
    assert "z" not in routes
    assert fate(job, "router_settings.model_group_alias.z") is Fate.MISSING


def test_tags_are_conditions() -> None:
    models = [deployment(tags=["paid", "default"]), deployment(model="groq/x", tags=["free"])]
    made = result({"model_list": models, "router_settings": {"enable_tag_filtering": True}})
    paid, free = made["routes"]["gpt"]["targets"]
    assert paid["when"].endswith('|| !("x-litellm-tags" in headers)')
    assert free["when"] == 'headers["x-litellm-tags"].matches("^(.*,)? *free *(,.*)?$")'


SETTINGS = [
    ("router_settings", "num_retries", 2, ("retry", "attempts"), 3),
    ("litellm_settings", "num_retries", "5", ("retry", "attempts"), 6),
    ("router_settings", "cooldown_time", 60, ("health", "rest"), "60s"),
    ("router_settings", "allowed_fails", 3, ("health", "consecutive"), 4),
    ("router_settings", "retry_after", 1, ("retry", "backoff_initial"), "1s"),
    ("router_settings", "timeout", 30, ("timeouts", "first_byte"), "30s"),
    ("router_settings", "stream_timeout", 3, ("timeouts", "first_token"), "3s"),
    ("router_settings", "debug_level", "INFO", ("log", "level"), "info"),
    ("router_settings", "cache_responses", True, ("cache", "enabled"), True),
    ("litellm_settings", "request_timeout", 6000, ("timeouts", "total"), "6000s"),
    ("litellm_settings", "json_logs", True, ("log", "format"), "json"),
    ("litellm_settings", "cache", True, ("cache", "enabled"), True),
    (
        "litellm_settings",
        "cache_params",
        {"type": "redis", "host": "h", "port": 1, "password": "a/b"},
        ("cache", "store"),
        "redis://:a%2Fb@h:1",
    ),
    (
        "litellm_settings",
        "cache_params",
        {"type": "redis", "host": "os.environ/H"},
        ("cache", "store"),
        "env.REDIS_URL",
    ),
    ("litellm_settings", "cache_params", {"type": "local", "ttl": 600}, ("cache", "ttl"), "600s"),
    (
        "litellm_settings",
        "cache_params",
        {"type": "redis-semantic", "similarity_threshold": 0.8, "redis_semantic_cache_embedding_model": "gpt"},
        ("cache", "semantic"),
        {"embedder": "gpt", "mode": "threshold", "threshold": 0.8},
    ),
    ("litellm_settings", "drop_params", False, ("providers", "openai", "unsupported"), "error"),
    (
        "general_settings",
        "master_key",
        "os.environ/LITELLM_MASTER_KEY",
        ("virtual_keys",),
        [{"name": "master", "value": "env.LITELLM_MASTER_KEY"}],
    ),
    ("general_settings", "max_request_size_mb", 8, ("server", "limits", "json_body_bytes"), "8MiB"),
    ("general_settings", "maximum_spend_logs_retention_period", "7d", ("log", "retention"), "7d"),
]


@pytest.mark.parametrize(("section", "name", "value", "to", "expected"), SETTINGS)
def test_settings(section: str, name: str, value: Any, to: tuple[str, ...], expected: Any) -> None:
    made: Any = result({"model_list": [deployment()], section: {name: value}})
    for step in to:
        made = made[step]
    assert made == expected


def test_prices_are_for_a_million_tokens() -> None:
    params = {
        "input_cost_per_token": 2.5e-06,
        "output_cost_per_token": "0.00001",
        "cache_read_input_token_cost": 1.25e-6,
        "input_cost_per_token_above_200k_tokens": 5e-6,
        "output_cost_per_token_priority": 2e-5,
        "input_cost_per_second": 1,
    }
    job = taken({"model_list": [deployment(**params)]})
    assert job.draft.document()["prices"] == [
        {
            "provider": "openai",
            "model": "gpt-4o",
            "input": "2.5",
            "output": "10",
            "cache_read": "1.25",
            "above": [{"tokens": 200000, "input": "5"}],
            "tiers": {"priority": {"output": "20"}},
        }
    ]
    assert fate(job, "model_list[0].litellm_params.input_cost_per_second") is Fate.MISSING


def test_base_models_are_aliases() -> None:
    entry = {
        **deployment("a", "azure/dep", api_base="https://x.openai.azure.com"),
        "model_info": {"base_model": "azure/gpt-4o"},
    }
    made = result({"model_list": [entry]})
    assert made["providers"]["azure"]["aliases"] == {"gpt-4o": "dep"}
    assert made["routes"]["a"]["targets"] == ["azure/gpt-4o"]


def test_keys_by_their_hashes() -> None:
    digest = hashlib.sha256(b"sk-anything").hexdigest()
    entry = {**deployment("b", "groq/b"), "model_info": {"access_groups": ["fast"]}}
    row = {
        "token": digest,
        "key_alias": "Alice Ltd",
        "models": "{fast}",
        "max_budget": "12.5",
        "budget_duration": "1mo",
        "rpm_limit": "60",
        "tpm_limit": 1000,
        "max_parallel_requests": 4,
        "expires": "2027-01-31 00:00:00+00:00",
        "team_id": "core",
        "metadata": '{"owner": "a"}',
        "spend": 3.5,
        "blocked": "false",
    }
    job = taken({"model_list": [deployment(), entry]}, [row, {"token": digest[::-1]}, {"key_alias": "nothing"}])
    alice, other = job.draft.document()["virtual_keys"]
    assert alice == {
        "name": "Alice-Ltd",
        "hash": f"sha256:{digest}",
        "routes": ["b"],
        "budgets": [{"usd": "12.5", "per": "30d"}],
        "limits": [{"requests": 60, "per": "1m"}, {"tokens": 1000, "per": "1m"}, {"concurrency": 4}],
        "expires": 1801353600,
        "team": "core",
        "metadata": {"owner": "a"},
    }
    assert other["routes"] == ["gpt", "b"]
    assert fate(job, "--keys[0].spend") is Fate.MISSING
    assert fate(job, "--keys[2].key_alias") is Fate.MISSING


def test_included_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"include": ["more.yaml"], "model_list": [deployment("a")]}))
    (tmp_path / "more.yaml").write_text(yaml.safe_dump({"model_list": [deployment("b")]}))
    document, included = reading.with_included(str(tmp_path / "config.yaml"))
    job = litellm.take_over(document, included, [])
    assert list(job.draft.document()["routes"]) == ["a", "b"]


def _known(_: Any = None) -> dict[str, list[str]]:
    from gateway.cli.importing.litellm_routing import Routing

    found = {name: list(table) for name, table in tables(Routing(Job({}), litellm_models.Models())).items()}
    found["litellm_settings"].append("cache_params")
    return found


_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**9)
    | st.floats(0, 5)
    | st.text("abé/ .*", max_size=6)
    | st.just("os.environ/X"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "model", "b"]), inner, max_size=3)
    ),
    max_leaves=5,
)
_PARAMS = (
    "api_base",
    "api_key",
    "api_version",
    "rpm",
    "weight",
    "order",
    "tags",
    "timeout",
    "aws_region_name",
    "vertex_credentials",
    "input_cost_per_token",
    "temperature",
    "extra_headers",
    "custom_llm_provider",
)
_MODELS = ("gpt-4o", "azure/d", "bedrock/m", "vertex_ai/gemini-x", "groq/*", "x/y", "", "ollama/l")
_ENTRY = st.fixed_dictionaries(
    {
        "model_name": st.sampled_from(["a", "b", "*", "groq/*", "é", ""]),
        "litellm_params": st.builds(
            lambda model, rest: {"model": model, **rest},
            st.sampled_from(_MODELS),
            st.dictionaries(st.sampled_from(_PARAMS), _ANYTHING, max_size=4),
        ),
    },
    optional={
        "model_info": st.dictionaries(st.sampled_from(["id", "mode", "base_model", "access_groups"]), _ANYTHING),
        "rpm": _ANYTHING,
    },
)


@settings(max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {"model_list": st.lists(_ENTRY, max_size=3)},
        optional={
            **{name: st.dictionaries(st.sampled_from(keys), _ANYTHING, max_size=4) for name, keys in _known().items()},
            "guardrails": _ANYTHING,
        },
    )
)
def test_nothing_is_lost_silently(document: dict[str, Any]) -> None:
    job = litellm.take_over(json.loads(json.dumps(document)), [], [])
    said = [row.path for row in job.report.rows]
    assert sorted(map(dotted, said)) == sorted(dotted(path) for path, _ in leaves(document) if path)
