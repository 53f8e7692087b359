"""What fields say about each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.loader import loads
from gateway.config.problems import ConfigError

GOOD = "sk-0123456789012345678901"
TWO_KEYS = "[{name: k, value: v}, {name: l, value: w}]"


def said(text: str, environ: dict[str, str] | None = None) -> list[str]:
    """Everything that is said about a configuration, mistakes and warnings alike."""
    try:
        loaded = loads(text, "f.yaml", environ or {})
    except ConfigError as exc:
        return str(exc).splitlines()
    return [problem.render("f.yaml") for problem in loaded.warnings]


def provider(rest: str) -> str:
    return f"providers:\n  p: {{base_url: 'http://h.example/v1', {rest}}}\n"


def vkey(rest: str, providers: str = "  p: {base_url: 'http://h.example/v1', keys: [{name: k, value: v}]}") -> str:
    return f"providers:\n{providers}\nvirtual_keys:\n  - {{name: a, value: {GOOD}, {rest}}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("providers: {a: {keys: []}}", "f.yaml:1:13: providers.a: base_url is missing: this is no vendor"),
        ("providers: {opnai: {}}", "this is no vendor that is known by name; did you mean openai?"),
        ("providers: {a: {vendor: opnai}}", "providers.a.vendor: no vendor is called opnai; did you mean openai?"),
        ("providers: {a: {vendor: demo}}", "the demo provider is added by --demo only"),
        (
            "providers: {azure: {keys: [{name: k, value: v}]}}",
            "azure: base_url is missing: azure needs one with its resource; e.g. https://{resource}.openai.azure.com/",
        ),
        ("providers: {a: {base_url: 'https://{x}.example/v1'}}", "base_url: fill in what stands in braces"),
        ("providers: {a: {base_url: 'http://h/v1/chat/completions'}}", "leave out /chat/completions"),
        (
            "providers: {openai: {keys: [{name: k}]}}",
            "providers.openai.keys[0]: value is missing; e.g. value: env.API_KEY",
        ),
        (provider("keys: [{name: k}, {name: k}]"), "keys[1].name: another key of this provider is called k"),
        (provider("keys: [{name: k, models: ['a*b']}]"), "keys[0].models[0]: a * can only stand at the end"),
        (
            provider("paths: {chat: /c}, operations: [models]"),
            "paths.chat: chat is not among this provider's operations",
        ),
        (provider("query: 'a b'"), "query: must be a query string without a # or a space"),
        (provider("query: '?a=b'"), "query: is written without its question mark"),
        (provider("headers: {Host: x}"), "headers.Host: is set by the gateway itself"),
        (provider('headers: {X: "a\\nb"}'), "headers.X: must be printable ASCII on one line"),
        (
            provider("headers: {Authorization: x}, keys: [{name: k, value: v}]"),
            "headers.Authorization: is where the key goes; use keys, or auth.header for another field",
        ),
        (provider("forward_headers: [Cookie]"), "forward_headers[0]: Cookie is never passed on"),
        (provider("forward_headers: [x-forwarded-for]"), "x-forwarded-for is never passed on"),
        (provider("tls: {ca_file: /nowhere}"), "tls.ca_file: the file /nowhere cannot be read"),
        (provider("tls: {client_cert: /dev/null}"), "tls: client_cert and client_key are needed together"),
        (provider("proxy: 'socks5://h:1'"), "proxy: expected http://[user:password@]host:port"),
        (provider("proxy: 'http://h:70000'"), "proxy: expected http://[user:password@]host:port"),
        (provider("proxy: 'http://169.254.169.254:80'"), "proxy: cannot be used: link-local or cloud metadata"),
        (provider("timeouts: {total: 0}"), "timeouts.total: cannot be switched off"),
        ("timeouts: {total: 0s}", "timeouts.total: cannot be switched off"),
        (
            provider(f"keys: {TWO_KEYS}, prompt_cache_affinity: {{ttl: 0.5s}}"),
            "prompt_cache_affinity.ttl: must be between 1s and 1d",
        ),
        (
            provider(f"keys: {TWO_KEYS}, prompt_cache_affinity: {{ttl: 2d}}"),
            "prompt_cache_affinity.ttl: must be between 1s and 1d",
        ),
        ("routes: {r: {targets: [gpt]}}", "routes.r.targets[0]: expected provider/model"),
        ("routes: {r: {targets: [p/m]}}", "no provider is called p; none is configured"),
        (
            f"{provider('')}routes: {{r: {{targets: [p/m], shadow: [{{provider: q, model: m, share: 0.1}}]}}}}",
            "routes.r.shadow[0]: no provider is called q; there is: p",
        ),
        (
            "providers: {mock: {base_url: 'http://h/v1'}}\nroutes: {r: {targets: [mok/m]}}",
            "did you mean mock?",
        ),
        (
            "providers: {p: {base_url: 'http://h/v1'}}\nroutes: {r: {targets: [{provider: p, model: m, weight: 0}]}}",
            "routes.r.targets: every weight is 0",
        ),
        ("virtual_keys: [{name: a, value: short}]", "virtual_keys[0].value: must have at least 8 characters"),
        ("virtual_keys: [{name: a, value: 'with a space'}]", "virtual_keys[0].value: must not contain a space"),
        (
            f"virtual_keys: [{{name: a, value: {GOOD}}}, {{name: a, value: {GOOD}x}}]",
            "virtual_keys[1].name: another virtual key is called a",
        ),
        (
            f"virtual_keys: [{{name: a, value: {GOOD}}}, {{name: b, id: a, value: {GOOD}x}}]",
            "virtual_keys[1]: has the same id as another virtual key",
        ),
        (
            f"virtual_keys: [{{name: a, value: {GOOD}}}, {{name: b, value: {GOOD}}}]",
            "virtual_keys[1].value: is the same as that of a; a key belongs to one caller",
        ),
        (vkey("providers: [q]"), "virtual_keys[0].providers[0]: no provider is called q; there is: p"),
        (vkey("models: ['*x']"), "virtual_keys[0].models[0]: a * can only stand at the end"),
        (
            vkey("limits: [{per: 1m}]"),
            "limits[0]: expected exactly one of requests, tokens, input_tokens, output_tokens and concurrency",
        ),
        (vkey("limits: [{requests: 1, tokens: 2, per: 1m}]"), "expected exactly one of"),
        (vkey("limits: [{requests: 1}]"), "limits[0]: per is missing; e.g. per: 1m"),
        (vkey("limits: [{concurrency: 1, per: 1m}]"), "limits[0].per: a limit of concurrency has no window"),
        (vkey("limits: [{requests: 1, per: 0}]"), "limits[0].per: must be between 1ms and 366d"),
        (vkey("limits: [{requests: 1, per: 400d}]"), "limits[0].per: must be between 1ms and 366d"),
        (vkey("limits: [{requests: 1, per: 1m, burst: 2}]"), "limits[0].burst: only a smooth window has a burst"),
        (
            vkey("limits: [{requests: 1, per: 1m}, {requests: 2, per: 60s}]"),
            "limits[1]: another limit here counts the same",
        ),
        (
            vkey("limits: [" + ", ".join(f"{{requests: 1, per: {n}s}}" for n in range(1, 34)) + "]"),
            "is held to 33 limits and budgets (33 its own); at most 32 can be looked at with each request",
        ),
        (vkey("stateful: p"), "virtual_keys[0].stateful: expected provider/key"),
        (vkey("stateful: q/k"), "virtual_keys[0].stateful: no provider is called q"),
        (vkey("stateful: p/kk"), "the provider p has no key called kk; did you mean k?"),
        ("server: {trusted_proxies: [10.0.0.0/99]}", "server.trusted_proxies[0]: expected an address or a network"),
        ("server: {tls: {cert: /nowhere, key: /dev/null}}", "server.tls.cert: the file /nowhere cannot be read"),
        ("server: {tls: {cert: /dev/null, key: /nowhere}}", "server.tls.key: the file /nowhere cannot be read"),
        ("admin: {listen: 'host'}", "admin.listen: expected host:port"),
        ("admin: {listen: 'host:0'}", "admin.listen: expected host:port"),
        ("retry: {backoff_initial: 3s, backoff_max: 1s}", "retry.backoff_initial: is longer than backoff_max"),
        ("metrics: {token: short}", "metrics.token: must have at least 8 characters"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    lines = said(text)
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert ": warning: " not in lines[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("virtual_keys: [{name: a, value: sk-test-123}]", "virtual_keys[0].value: is short enough to be guessed"),
        ("providers: {openai: {}}", "providers.openai: has no keys: openai will refuse what is sent"),
        (provider("keys: [{name: k, value: v, enabled: false}]"), "providers.p.keys: every key is switched off"),
        (
            provider("keys: [{name: k, value: v}, {name: l, value: v, enabled: false}], prompt_cache_affinity: on"),
            "providers.p.prompt_cache_affinity: has no effect with fewer than two keys",
        ),
        (
            "providers: {p: {base_url: 'http://h/v1', enabled: false}}\nroutes: {r: {targets: [p/m]}}",
            "routes.r.targets[0]: the provider p is switched off",
        ),
    ],
)
def test_warnings(text: str, message: str) -> None:
    lines = said(text)
    assert len(lines) == 1, lines
    assert f"warning: {message}" in lines[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "providers: {ollama: {}}",
        "providers: {ollama: {keys: [{name: k}]}}",
        "providers: {openai: {keys: [{name: k, value: v}]}}",
        "providers: {local: {vendor: vllm}}",
        provider("tls: {client_cert: /dev/null, client_key: /dev/null}"),
        provider("proxy: 'http://user:pass@proxy.example:3128'"),
        provider("proxy: 'http://[::1]:3128/'"),
        provider(f"keys: {TWO_KEYS}, prompt_cache_affinity: {{ttl: 1h, spill: 0}}"),
        provider("query: 'api-version=2025-01-01&x=%20'"),
        provider("headers: {X-Title: 'my app'}, forward_headers: [x-title, OpenAI-Beta]"),
        vkey("limits: [{requests: 9, per: 1m}, {requests: 9, per: 1h}, {tokens: 9, per: 1m}, {concurrency: 2}]"),
        vkey("limits: [{requests: 9, per: 1m, window: smooth, burst: 3}, {requests: 9, per: 1m, window: rolling}]"),
        vkey("stateful: p/k, providers: [p], models: ['p/*', gpt-4o]"),
        vkey("providers: [demo, demo-anthropic]"),
        "server: {trusted_proxies: [10.0.0.0/8, '::1', 10.1.2.3/8], tls: {cert: /dev/null, key: /dev/null}}",
        "admin: {listen: '127.0.0.1:8081'}",
    ],
)
def test_nothing_is_said_about_what_is_right(text: str) -> None:
    assert said(text) == []


def test_a_pin_belongs_to_one_virtual_key() -> None:
    text = vkey("stateful: p/k") + f"  - {{name: b, value: {GOOD}x, stateful: p/k}}\n"
    (line,) = said(text)
    assert "virtual_keys[1].stateful: a has the same pin; files and batches of one account" in line


def test_a_pin_outside_the_allowed_providers() -> None:
    providers = "  p: {base_url: 'http://h/v1', keys: [{name: k, value: v}]}\n  q: {base_url: 'http://h/v1'}"
    (line,) = said(vkey("stateful: p/k, providers: [q]", providers))
    assert "stateful: p is not among the providers of this virtual key" in line


def test_ids_must_differ() -> None:
    (line,) = said("providers: {a: {base_url: 'http://h/v1'}, b: {base_url: 'http://h/v1', id: a}}")
    assert "providers.b: has the same id as a" in line
    (line,) = said(
        "providers: {p: {base_url: 'http://h/v1'}}\nroutes: {r: {targets: [p/m]}, s: {targets: [p/m], id: r}}"
    )
    assert "routes.s: has the same id as r" in line


def test_too_many_keys_for_one_provider() -> None:
    keys = ", ".join(f"{{name: k{n}, value: v}}" for n in range(65))
    (line,) = said(provider(f"keys: [{keys}]"))
    assert "providers.p.keys: a provider can have at most 64 keys" in line


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://169.254.169.254/latest", "link-local or cloud metadata"),
        ("http://[fe80::1]/", "link-local"),
        ("http://[fd00:ec2::254]/", "cloud metadata (AWS)"),
        ("http://metadata.google.internal/", "metadata service"),
        ("http://2130706433/v1", "unusual spelling"),
        ("ftp://h.example/", "not a plain http or https URL"),
        ("http://user@h.example/", "not a plain http or https URL"),
        ("unix:/run/x|/v1", "not a plain http or https URL"),
        ("https://h.example/v1?x=1", "no query"),
    ],
)
def test_places_that_even_the_file_cannot_name(url: str, why: str) -> None:
    (line,) = said(f"providers: {{a: {{base_url: '{url}'}}}}")
    assert "providers.a.base_url: cannot be used: " in line
    assert why in line


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9001/v1", "http://10.0.0.5/v1", "http://[::1]:8000", "http://localhost:1/v1"]
)
def test_private_places_that_the_file_names(url: str) -> None:
    assert said(f"providers: {{a: {{base_url: '{url}'}}}}") == []


def test_values_of_references_are_judged_too(tmp_path: Path) -> None:
    text = "providers: {a: {base_url: env.URL}}"
    assert said(text, {"URL": "http://h.example/v1"}) == []
    assert "metadata" in said(text, {"URL": "http://169.254.169.254/"})[0]
