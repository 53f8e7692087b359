"""What a configuration amounts to."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from _speedups._bucket import GAUGE, GCRA, REQUESTS, ROLLING, TOKENS, WINDOW
from _speedups._bucket import MAX_LIMITS as ARENA_MAX_LIMITS
from gateway.config.loader import loads
from gateway.snapshot.demo import with_demo
from gateway.snapshot.digest import key_digest
from gateway.snapshot.keytable import ENABLED, FROM_FILE, MAX_LIMITS, STATEFUL
from gateway.snapshot.model import PromptCacheAffinity, Provider, Ruleset, ServerLimits, Shadow, Target, id_hash
from gateway.snapshot.plan import Plan, combine, database_entities, plan, virtual_key_names

PEPPER = b"p" * 32
GOOD = "sk-0123456789012345678901"


def planned(text: str) -> Plan:
    return plan(loads(text, "f.yaml", {}).config, PEPPER)


def provider(text: str) -> Provider:
    (made,) = planned(f"providers: {{{text}}}").providers.values()
    return made


def test_a_custom_provider_offers_what_its_dialect_has() -> None:
    made = provider("mock: {dialect: openai_chat, base_url: 'http://127.0.0.1:9001/v1/', keys: [{name: k1, value: v}]}")
    assert made.id == "file:provider/mock"
    assert made.vendor == "custom"
    assert made.base_url == "http://127.0.0.1:9001/v1"
    assert (made.auth_header, made.auth_scheme, made.stream_usage) == ("authorization", "Bearer", "never")
    assert made.dialects["chat"] == "openai_chat"
    assert made.dialects["responses"] == "openai_responses"
    assert made.dialects["completions"] == "openai_completions"
    assert made.paths["transcription"] == "/audio/transcriptions"
    (key,) = made.keys
    assert (key.id, key.name, key.value) == ("file:provider_key/mock/k1", "k1", "v")


def test_a_vendor_by_its_name() -> None:
    made = provider("groq: {keys: [{name: k, value: v}]}")
    assert (made.vendor, made.base_url, made.stream_usage) == ("groq", "https://api.groq.com/openai/v1", "ask")
    assert "image_generation" not in made.dialects


def test_a_vendor_under_another_name_and_everything_overridden() -> None:
    made = provider(
        "mine: {vendor: azure, base_url: 'https://x.example/openai', auth: {header: X-Token, scheme: Key}, query: a=1,"
        " operations: [chat, rerank], paths: {chat: '/deployments/{model}/chat/completions'}, stream_usage: always,"
        " headers: {X-A: b}, forward_headers: [X-B], aliases: {a: b}, models: [m], proxy: 'http://u:p@h:1',"
        " timeouts: {connect: 1s}, tls: {server_name: n}, id: other, max_connections: 7, enabled: false,"
        " keys: [{name: k, value: v, id: kk}]}"
    )
    assert made.id == "file:provider/other"
    assert made.keys[0].id == "file:provider_key/kk"
    assert made.vendor == "azure"
    assert (made.auth_header, made.auth_scheme, made.query) == ("x-token", "Key", "a=1")
    assert made.dialects == {"chat": "openai_chat", "rerank": "openai_chat"}
    assert made.paths == {"chat": "/deployments/{model}/chat/completions", "rerank": "/rerank"}
    assert (made.stream_usage, made.headers, made.forward_headers) == ("always", (("X-A", "b"),), ("x-b",))
    assert (made.aliases, made.models, made.proxy) == ({"a": "b"}, ("m",), "http://u:p@h:1")
    assert (made.timeouts.connect, made.timeouts.total, made.tls.server_name) == (1.0, 600.0, "n")
    assert (made.max_connections, made.enabled) == (7, False)


def test_azure_sends_the_bare_key() -> None:
    made = provider("azure: {base_url: 'https://r.openai.azure.com/openai/v1', keys: [{name: k, value: v}]}")
    assert (made.auth_header, made.auth_scheme) == ("api-key", "")


@pytest.mark.parametrize(
    ("dialect", "header", "scheme", "operations"),
    [
        ("anthropic", "x-api-key", "", {"chat", "files", "batches", "count_tokens", "passthrough"}),
        ("gemini", "x-goog-api-key", "", {"chat", "embeddings", "count_tokens", "passthrough", "realtime"}),
        ("cohere", "authorization", "Bearer", {"chat", "embeddings", "rerank", "passthrough"}),
        (
            "bedrock",
            "authorization",
            "Bearer",
            {"chat", "invoke", "embeddings", "rerank", "count_tokens", "passthrough"},
        ),
        ("ollama", "authorization", "Bearer", {"chat", "embeddings", "passthrough"}),
        ("openai_responses", "authorization", "Bearer", {"responses", "response_object", "models", "passthrough"}),
        ("openai_completions", "authorization", "Bearer", {"completions", "models", "passthrough"}),
    ],
)
def test_other_dialects(dialect: str, header: str, scheme: str, operations: set[str]) -> None:
    made = provider(f"x: {{dialect: {dialect}, base_url: 'https://h.example'}}")
    assert (made.auth_header, made.auth_scheme, set(made.dialects)) == (header, scheme, operations)
    if not dialect.startswith("openai"):
        assert made.dialects["passthrough"] == dialect


def test_timeouts_come_from_the_provider_then_from_the_top() -> None:
    made = planned(
        "timeouts: {connect: 9s, total: 99s}\n"
        "providers: {a: {base_url: 'http://h/', timeouts: {connect: 1s}}, b: {base_url: 'http://h/'}}"
    ).providers
    assert (made["a"].timeouts.connect, made["a"].timeouts.total) == (1.0, 99.0)
    assert (made["b"].timeouts.connect, made["b"].timeouts.first_byte) == (9.0, 120.0)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("off", None),
        ("on", PromptCacheAffinity()),
        ("{}", PromptCacheAffinity()),
        ("{ttl: 1h, spill: 0}", PromptCacheAffinity(ttl=3600.0, spill=0.0)),
    ],
)
def test_prompt_cache_affinity(said: str, expected: PromptCacheAffinity | None) -> None:
    keys = "[{name: a, value: v}, {name: b, value: w}]"
    text = f"p: {{base_url: 'http://h/', keys: {keys}, prompt_cache_affinity: {said}}}"
    assert provider(text).prompt_cache_affinity == expected
    assert provider(text.replace("value: w", "value: w, enabled: false")).prompt_cache_affinity is None
    assert provider(text.partition(", prompt_cache")[0] + "}").prompt_cache_affinity is None


def test_routes() -> None:
    made = planned(
        "providers: {p: {base_url: 'http://h/'}}\n"
        "routes: {fast: {targets: [p/org/m, {provider: p, model: n, weight: 2}], fallbacks: [p/o]}}"
    ).routes["fast"]
    assert made.id == "file:route/fast"
    assert made.targets == (Target(provider="p", model="org/m"), Target(provider="p", model="n", weight=2.0))
    assert made.fallbacks == (Target(provider="p", model="o"),)
    assert made.shadow == ()


def test_shadows() -> None:
    made = planned(
        "providers: {p: {base_url: 'http://h/'}}\n"
        "routes: {fast: {targets: [p/m], shadow: [{provider: p, model: org/n, share: 0.05}]}}"
    ).routes["fast"]
    assert made.shadow == (Shadow(provider="p", model="org/n", share=0.05),)


def test_virtual_keys_keep_a_digest_only() -> None:
    made = planned(
        "providers: {p: {base_url: 'http://h/', keys: [{name: k, value: v}, {name: l, value: w}]}}\n"
        f"virtual_keys: [{{name: a, value: {GOOD}}}, {{name: b, value: {GOOD}b, enabled: false, models: [x]}}, "
        f"{{name: c, value: {GOOD}c, models: [x], stateful: p/l, expires: 1900000000}}]"
    )
    a, b, c = made.keys
    assert a.digest == key_digest(PEPPER, GOOD.encode())
    assert (a.id_hash, a.flags, a.ruleset, a.limits) == (id_hash("file:virtual_key/a"), ENABLED | FROM_FILE, 0, ())
    assert (b.flags, b.ruleset) == (FROM_FILE, 1)
    assert (c.flags, c.ruleset) == (ENABLED | FROM_FILE | STATEFUL, 1)
    assert (c.stateful, c.expires_s) == (id_hash("file:provider_key/p/l"), 1900000000)
    assert made.rulesets == (Ruleset(), Ruleset(models=("x",)))
    assert GOOD.encode() not in msgspec.msgpack.encode(made)


def test_limits() -> None:
    (key,) = planned(
        f"virtual_keys: [{{name: a, value: {GOOD}, limits: [{{requests: 100, per: 1m}}, {{tokens: 7, per: 1h, "
        "window: rolling}, {requests: 5, per: 1s, window: smooth}, {requests: 5, per: 2s, window: smooth, burst: 2}, "
        "{concurrency: 3}]}]"
    ).keys
    assert [(x.kind, x.limit, x.period_ns, x.burst, x.unit) for x in key.limits] == [
        (WINDOW, 100, 60 * 10**9, 0, REQUESTS),
        (ROLLING, 7, 3600 * 10**9, 0, TOKENS),
        (GCRA, 5, 10**9, 5, REQUESTS),
        (GCRA, 5, 2 * 10**9, 2, REQUESTS),
        (GAUGE, 3, 0, 0, REQUESTS),
    ]
    assert len({x.id_hash for x in key.limits}) == 5


def test_a_changed_figure_is_the_same_limit_another_window_is_not() -> None:
    def identity(limit: str) -> int:
        return planned(f"virtual_keys: [{{name: a, value: {GOOD}, limits: [{limit}]}}]").keys[0].limits[0].id_hash

    assert identity("{requests: 1, per: 1m}") == identity("{requests: 9, per: 60s}")
    assert identity("{requests: 1, per: 1m}") != identity("{requests: 1, per: 1h}")
    assert identity("{requests: 1, per: 1m}") != identity("{tokens: 1, per: 1m}")
    assert identity("{requests: 1, per: 1m}") != identity("{requests: 1, per: 1m, window: rolling}")


def test_settings() -> None:
    made = planned(
        "retry: {attempts: 5, statuses: [429], backoff_initial: 1s}\n"
        "server: {limits: {json_body_bytes: 1MiB, header_timeout: 2s}, drain_timeout: 7s, trusted_proxies: ['::1'], "
        "forward_rate_limit_headers: true}\nmetrics: {token: secret-token}"
    ).settings
    assert (made.retry.attempts, made.retry.statuses, made.retry.backoff_initial, made.retry.backoff_max) == (
        5,
        (429,),
        1.0,
        2.0,
    )
    assert made.limits == ServerLimits(json_body_bytes=1 << 20, header_timeout=2.0)
    assert (made.drain_timeout, made.trusted_proxies, made.forward_rate_limit_headers) == (7.0, ("::1",), True)
    assert made.metrics_token_sha256 == hashlib.sha256(b"secret-token").hexdigest()
    assert planned("").settings == msgspec.structs.replace(planned("").settings, demo=False)


def test_listening_tls() -> None:
    made = planned("server: {tls: {cert: /dev/null, key: /dev/zero}}").settings.listen_tls
    assert made is not None
    assert (made.cert_file, made.key_file) == ("/dev/null", "/dev/zero")
    assert planned("").settings.listen_tls is None


def test_names_for_records() -> None:
    text = "providers: {p: {base_url: 'http://h/', keys: [{name: k, value: v}]}}\nroutes: {r: {targets: [p/m]}}"
    assert set(planned(text).names.values()) == {"provider/p", "provider_key/p/k", "route/r"}
    config = loads(f"virtual_keys: [{{name: a, value: {GOOD}}}]", "f.yaml", {}).config
    assert virtual_key_names(config) == {id_hash("file:virtual_key/a"): "a"}


def test_demo() -> None:
    made = with_demo(planned(""), "/run/demo.sock", "mg-demo-1", PEPPER)
    assert made.providers["demo"].base_url == "unix:/run/demo.sock|/v1"
    assert made.keys[0].digest == key_digest(PEPPER, b"mg-demo-1")
    assert made.settings.demo
    claude = made.providers["demo-anthropic"]
    assert (claude.base_url, claude.paths["chat"]) == ("unix:/run/demo.sock|/anthropic", "/v1/messages")
    assert claude.dialects["chat"] == "anthropic"
    assert set(made.names.values()) >= {"provider/demo", "provider/demo-anthropic"}
    again = with_demo(made, "/run/other", "mg-demo-1", PEPPER)
    assert len(again.keys) == 1
    assert again.providers["demo"].base_url == "unix:/run/demo.sock|/v1"
    assert database_entities(made) == 0


def test_the_file_wins_and_the_database_stays() -> None:
    file = planned(
        f"providers: {{p: {{base_url: 'http://new/'}}}}\nvirtual_keys: [{{name: a, value: {GOOD}, models: [x]}}]"
    )
    old = planned(
        "providers: {p: {base_url: 'http://old/'}, gone: {base_url: 'http://gone/'}, db: {base_url: 'http://db/'}}\n"
        "routes: {r: {targets: [db/m]}}\n"
        f"virtual_keys: [{{name: a, value: {GOOD}}}, {{name: g, value: {GOOD}g}},"
        f" {{name: d, value: {GOOD}d, models: [y]}}]"
    )
    uuid = "0190a1b2-0000-7000-8000-000000000000"
    sealed = msgspec.structs.replace(
        old,
        providers={**old.providers, "db": msgspec.structs.replace(old.providers["db"], id=uuid)},
        routes={"r": msgspec.structs.replace(old.routes["r"], id=uuid)},
        keys=(
            msgspec.structs.replace(old.keys[0], flags=ENABLED),
            old.keys[1],
            msgspec.structs.replace(old.keys[2], flags=ENABLED),
        ),
    )
    assert database_entities(sealed) == 4
    both = combine(file, sealed)
    assert {name: p.base_url for name, p in both.providers.items()} == {"p": "http://new", "db": "http://db"}
    assert set(both.routes) == {"r"}
    assert [(key.id_hash, both.rulesets[key.ruleset].models) for key in both.keys] == [
        (id_hash("file:virtual_key/a"), ("x",)),
        (id_hash("file:virtual_key/d"), ("y",)),
    ]


def test_limits_of_a_row_are_those_of_the_arena() -> None:
    assert MAX_LIMITS == ARENA_MAX_LIMITS
