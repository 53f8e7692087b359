"""The published schema accepts what the loader accepts, and refuses what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from gateway.config.jsonschema import schema, schema_text
from gateway.config.loader import loads
from gateway.config.problems import ConfigError

SCHEMA = schema()

EXAMPLES = [
    """
providers:
  mock:
    dialect: openai_chat
    base_url: http://127.0.0.1:9001/v1
    keys: [{name: k1, value: sk-upstream}]
virtual_keys:
  - {name: bench, value: sk-test-123}
""",
    """
providers:
  openai:
    keys:
      - {name: main, value: sk-a, weight: 3, models: ["gpt-4*"], deny_models: [gpt-4-32k]}
      - {name: spare, value: sk-b, weight: 0, enabled: false}
    timeouts: {connect: 3s, first_byte: 2m, stream_idle: 60, total: 1h30m}
    max_connections: 200
    forward_headers: [x-title]
  azure:
    base_url: https://mine.openai.azure.com/openai/v1
    keys: [{name: k, value: sk-c}]
    aliases: {gpt-4o: my-deployment}
  own:
    dialect: openai_chat
    base_url: http://10.0.0.7:8000/v1
    auth: {header: X-Token, scheme: ""}
    headers: {X-Team: search}
    paths: {chat: /chat}
    query: a=b
    operations: [chat, models]
    models: [llama]
    proxy: http://proxy.example:3128
    stream_usage: ask
    tls: {server_name: inner.example}
routes:
  fast:
    targets: [openai/gpt-4o-mini, {provider: own, model: llama, weight: 2.5}]
    fallbacks: [azure/gpt-4o]
virtual_keys:
  - name: app
    value: sk-0123456789012345678901
    models: [fast, "openai/*"]
    providers: [openai, own, azure]
    limits: [{requests: 100, per: 1m}, {tokens: 1000, per: 1d, window: rolling}, {concurrency: 10}]
    stateful: openai/main
    expires: 1900000000
retry: {attempts: 4, statuses: [429, 503], backoff_initial: 100ms, backoff_max: 2s}
timeouts: {connect: 5s}
server:
  port: 8443
  workers: 2
  limits: {json_body_bytes: 32MiB, header_timeout: 10s, header_count: 64}
  drain_timeout: 30s
  trusted_proxies: [10.0.0.0/8]
admin: {listen: "127.0.0.1:8081"}
log:
  {level: debug, format: json, retention: 7d, rollups: {minutes: 3d, hours: 90d}, content: full, content_max: 32KiB,
   redact: [email], redact_patterns: ["P-[0-9]{4}"], redact_fields: [secret], content_retention: 1d}
metrics: {token: env.METRICS}
""",
]

REFUSED = [
    "providers: {a: {base_ulr: x}}",
    "providers: {a: {dialect: morse}}",
    "providers: {a/b: {}}",
    "providers: {a: {keys: [{value: x}]}}",
    "virtual_keys: [{value: sk-0123456789012345678901}]",
    "virtual_keys: [{name: a, value: sk-12345678, limits: [{requests: 0}]}]",
    "server: {limits: {json_body_bytes: lots}}",
    "timeouts: {connect: soon}",
    "routes: {r: {targets: []}}",
]


ANNOTATIONS = {"title", "description", "default", "examples", "$schema", "$id", "$defs"}
TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}


def of_type(name: str, value: Any) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def others(rule: Any, value: Any) -> list[Any]:
    return [member for name, member in value.items() if name not in rule.get("properties", {})]


CHECKS: dict[str, Callable[[Any, Any, Any], bool]] = {
    "$ref": lambda arg, rule, value: accepts(SCHEMA["$defs"][arg.removeprefix("#/$defs/")], value),
    "anyOf": lambda arg, rule, value: any(accepts(option, value) for option in arg),
    "oneOf": lambda arg, rule, value: sum(accepts(option, value) for option in arg) == 1,
    "enum": lambda arg, rule, value: value in arg,
    "type": lambda arg, rule, value: of_type(arg, value),
    "properties": lambda arg, rule, value: all(accepts(sub, value[n]) for n, sub in arg.items() if n in value),
    "required": lambda arg, rule, value: all(name in value for name in arg),
    "additionalProperties": lambda arg, rule, value: (
        not others(rule, value) if arg is False else all(accepts(arg, v) for v in others(rule, value))
    ),
    "propertyNames": lambda arg, rule, value: all(accepts(arg, name) for name in value),
    "items": lambda arg, rule, value: all(accepts(arg, v) for v in value),
    "maxItems": lambda arg, rule, value: len(value) <= arg,
    "minItems": lambda arg, rule, value: len(value) >= arg,
    "pattern": lambda arg, rule, value: re.search(arg, value) is not None,
    "minLength": lambda arg, rule, value: len(value) >= arg,
    "maxLength": lambda arg, rule, value: len(value) <= arg,
    "minimum": lambda arg, rule, value: bool(value >= arg),
    "maximum": lambda arg, rule, value: bool(value <= arg),
}
"""As much of JSON Schema as ours uses."""


def accepts(rule: Any, value: Any) -> bool:
    """``type`` is looked at first, so that the other words find what they expect. An unknown word is a KeyError."""
    words = sorted((word for word in rule if word not in ANNOTATIONS), key=lambda word: word != "type")
    return all(CHECKS[word](rule[word], rule, value) for word in words)


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_are_accepted_by_both(text: str) -> None:
    assert loads(text, "f.yaml", {"METRICS": "m-0123456789"}).config
    assert accepts(SCHEMA, yaml.safe_load(text))


@pytest.mark.parametrize("text", REFUSED)
def test_mistakes_are_refused_by_both(text: str) -> None:
    with pytest.raises(ConfigError):
        loads(text, "f.yaml", {})
    assert not accepts(SCHEMA, yaml.safe_load(text))


def test_the_text_is_json_and_closed() -> None:
    assert json.loads(schema_text()) == SCHEMA
    objects = [d for d in SCHEMA["$defs"].values() if d["type"] == "object"]
    assert objects
    assert all(d["additionalProperties"] is False for d in objects)
    assert all(d["description"] for d in objects)
