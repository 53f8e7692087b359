"""A configuration as operators write it: what works, and what is said about what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.config.loader import load, loads
from gateway.config.problems import ConfigError, dotted, nearest

ISSUE = """\
providers:
  mock:
    dialect: openai_chat
    base_url: http://127.0.0.1:9001/v1
    keys: [{name: k1, value: sk-upstream}]
virtual_keys:
  - {name: bench, value: sk-test-123}
"""


def wrong(text: str, source: str = "f.yaml") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loads(text, source, {})
    return str(caught.value).splitlines()


def test_the_smallest_whole_configuration(tmp_path: Path) -> None:
    (tmp_path / "bench.yaml").write_text(ISSUE)
    config = load(str(tmp_path / "bench.yaml"), {}).config
    assert config.providers["mock"].base_url == "http://127.0.0.1:9001/v1"
    (key,) = config.providers["mock"].keys
    assert key.value is not None
    assert key.value.reveal() == "sk-upstream"
    assert [(key.name, key.value.reveal()) for key in config.virtual_keys] == [("bench", "sk-test-123")]


def test_no_secret_in_the_printed_configuration() -> None:
    assert "sk-" not in repr(loads(ISSUE, "f.yaml", {}))


def test_json_and_toml_say_the_same() -> None:
    as_json = json.dumps(
        {
            "providers": {
                "mock": {
                    "dialect": "openai_chat",
                    "base_url": "http://127.0.0.1:9001/v1",
                    "keys": [{"name": "k1", "value": "sk-upstream"}],
                }
            },
            "virtual_keys": [{"name": "bench", "value": "sk-test-123"}],
        }
    )
    as_toml = (
        '[providers.mock]\ndialect = "openai_chat"\nbase_url = "http://127.0.0.1:9001/v1"\n'
        'keys = [{name = "k1", value = "sk-upstream"}]\n[[virtual_keys]]\nname = "bench"\nvalue = "sk-test-123"\n'
    )
    wanted = loads(ISSUE, "f.yaml", {}).config
    assert loads(as_json, "f.json", {}).config == wanted == loads(as_toml, "f.toml", {}).config


def test_empty_files_and_sections() -> None:
    assert loads("", "f.yaml", {}).config == loads("providers:\nvirtual_keys:\n", "f.yaml", {}).config


def test_every_mistake_is_told_with_its_line() -> None:
    text = """\
providers:
  mock:
    dialect: openai_caht
    base_ulr: http://127.0.0.1:9001/v1
    keys: [{name: k1, valu: sk, weight: -1}, {name: 3}]
    timeouts: {connect: 3 parsecs}
    enabled: yes
    models: gpt
    max_connections: true
routes:
  fast: {targets: [], fallbacks: [7]}
virtual_keys:
  - {name: bench, value: env.NOPE}
  - {name: "b d", value: 123, limits: [{requests: 0, per: 1m}]}
  - {value: sk-1234567890}
server: {prot: 1, port: 70000}
"""
    time = "expected a time such as 30s, 5m or 250ms"
    known = "anthropic, bedrock, cohere, gemini, ollama, openai_chat, openai_completions, openai_responses"
    assert wrong(text) == [
        f"f.yaml:3:5: providers.mock.dialect: must be one of {known}; did you mean openai_chat?",
        "f.yaml:4:5: providers.mock.base_ulr: unknown field; did you mean base_url?",
        "f.yaml:5:23: providers.mock.keys[0].valu: unknown field; did you mean value?",
        "f.yaml:5:33: providers.mock.keys[0].weight: must be at least 0",
        "f.yaml:5:47: providers.mock.keys[1].name: expected text, got a whole number; put it in quotes",
        f"f.yaml:6:16: providers.mock.timeouts.connect: {time} (or a number of seconds), got '3 parsecs'",
        "f.yaml:7:5: providers.mock.enabled: expected true or false, got text; write true",
        "f.yaml:8:5: providers.mock.models: expected a list, got text",
        "f.yaml:9:5: providers.mock.max_connections: expected a whole number, got true or false",
        "f.yaml:11:10: routes.fast.targets: at least 1 is needed",
        "f.yaml:11:35: routes.fast.fallbacks[0]: expected text or a mapping, got a whole number",
        "f.yaml:13:19: virtual_keys[0].value: the environment variable NOPE is not set",
        "f.yaml:14:6: virtual_keys[1].name: must match ^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$",
        "f.yaml:14:19: virtual_keys[1].value: expected text; put it in quotes",
        "f.yaml:14:41: virtual_keys[1].limits[0].requests: must be at least 1",
        "f.yaml:15:5: virtual_keys[2]: name is missing",
        "f.yaml:16:10: server.prot: unknown field; did you mean port?",
        "f.yaml:16:19: server.port: must be at most 65535",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "f.yaml:1:1: expected a mapping such as providers: ... at the top"),
        ("providers: []\n", "f.yaml:1:1: providers: expected a mapping, got a list"),
        ("providers: {a/b: {}}\n", "f.yaml:1:13: providers.a/b: 'a/b' cannot stand here: must match"),
        ("providers: {a: 1}\n", "f.yaml:1:13: providers.a: expected a mapping, got a whole number"),
        ("virtual_keys: {}\n", "f.yaml:1:1: virtual_keys: expected a list, got a mapping"),
        ("xyzzy: 1\n", "f.yaml:1:1: xyzzy: unknown field; known here: providers, routes"),
        ("virtual-keys: []\n", "f.yaml:1:1: virtual-keys: unknown field; did you mean virtual_keys?"),
        ("server: {limits: {json_body_bytes: 3 elephants}}\n", "expected a size such as 32MiB or 64KiB"),
        ("server: {limits: {json_body_bytes: [1]}}\n", "expected a size such as 32MiB"),
        ("virtual_keys: [{name: a, value: null}]\n", "virtual_keys[0]: value is missing"),
        ("log: {level: wraning}\n", "did you mean warning?"),
        ("providers: {a: {models: ['']}}\n", "providers.a.models[0]: must not be empty"),
        (f"providers: {{a: {{models: [{'x' * 300}]}}}}\n", "must have at most 256 characters"),
        ("retry: {attempts: 0}\n", "retry.attempts: must be at least 1"),
        ("admin: {listen: 8081}\n", "admin.listen: expected text, got a whole number; put it in quotes"),
    ],
)
def test_single_mistakes(text: str, message: str) -> None:
    lines = wrong(text)
    assert len(lines) == 1
    assert message in lines[0]


def test_what_a_broken_file_is_called(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read: No such file or directory"):
        load(str(tmp_path / "nowhere.yaml"), {})
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml:2:1: not UTF-8 text"):
        load(str(tmp_path / "latin.yaml"), {})


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + ISSUE.encode())
    assert load(str(tmp_path / "bom.yaml"), {}).config.virtual_keys[0].name == "bench"


def test_file_references_start_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "vk").write_text("sk-from-a-file-0123456789\n")
    (tmp_path / "c.yaml").write_text("virtual_keys: [{name: a, value: file.secrets/vk}]\n")
    loaded = load(str(tmp_path / "c.yaml"), {})
    assert loaded.config.virtual_keys[0].value.reveal() == "sk-from-a-file-0123456789"
    assert loaded.warnings == ()


def test_paths_start_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    for name in ("cert.pem", "key.pem"):
        (tmp_path / "tls" / name).touch()
    (tmp_path / "c.yaml").write_text(f"server: {{tls: {{cert: tls/cert.pem, key: {tmp_path}/tls/key.pem}}}}\n")
    tls = load(str(tmp_path / "c.yaml"), {}).config.server.tls
    assert tls is not None
    assert (tls.cert, tls.key) == (f"{tmp_path}/tls/cert.pem", f"{tmp_path}/tls/key.pem")


def test_no_message_shows_a_secret() -> None:
    canary = "sk-canary-0123456789"
    text = f"""\
providers:
  p: {{base_url: "http://h/v1", keys: [{{name: a, value: {canary}}}], proxy: "{canary}", x: 1}}
virtual_keys:
  - {{name: a, value: {canary}}}
  - {{name: b, value: {canary}}}
"""
    assert canary not in "\n".join(wrong(text))
    assert canary not in "\n".join(wrong(text.replace(", x: 1", "")))


def test_at_most_two_hundred_mistakes_are_told() -> None:
    assert len(wrong("virtual_keys:\n" + "  - {}\n" * 500)) == 200


def test_paths_and_suggestions() -> None:
    assert dotted(("a", 0, "b")) == "a[0].b"
    assert nearest("Base-URL", ["base_url"]) == "did you mean base_url?"
    assert nearest("zzz", ["base_url"]) == ""
    assert nearest("x", ["x"]) == ""
