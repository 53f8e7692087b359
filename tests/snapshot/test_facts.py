"""The builder puts into the snapshot what is known of the models that the configuration names, and no more."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from gateway.config.loader import loads
from gateway.snapshot import store
from gateway.snapshot.delta import apply, delta
from gateway.snapshot.facts import Said, facts_of_all, said_before
from gateway.snapshot.model import Snapshot
from gateway.snapshot.plan import plan

KEYS = "keys: [{name: k, value: sk-0123456789}]"


def facts(
    text: str, listed: dict[str, tuple[str, ...]] | None = None, said: Said | None = None
) -> dict[str, dict[str, Any]]:
    made = plan(loads(text, "f.yaml", {}).config, b"p" * 32)
    found = facts_of_all(made.providers, made.routes, listed or {}, said or {})
    return {provider: json.loads(models) for provider, models in found.items()}


def test_declared_aliased_listed_and_routed_models() -> None:
    found = facts(
        f"providers: {{openai: {{{KEYS}, models: [gpt-4o-mini, gpt-unheard-of], aliases: {{cheap: gpt-4.1-nano}}}}}}\n"
        "routes: {mine: {targets: [openai/o3-mini, openai/o1]}}",
        {"openai": ("gpt-4o-2024-08-06", "whisper-1")},
    )
    assert list(found["openai"]) == ["gpt-4o-mini", "cheap", "gpt-4o-2024-08-06", "whisper-1", "o3-mini", "o1"]
    assert (
        found["openai"]["cheap"]
        == facts(f"providers: {{openai: {{{KEYS}, models: [gpt-4.1-nano]}}}}")["openai"]["gpt-4.1-nano"]
    )


def test_only_what_is_shown_is_kept() -> None:
    entry = facts(f"providers: {{gemini: {{{KEYS}, models: [gemini-2.5-pro]}}}}")["gemini"]["gemini-2.5-pro"]
    assert entry["prices"].keys() >= {"input", "output"}
    assert entry["prices"].keys().isdisjoint({"above"})
    assert entry.keys().isdisjoint({"names", "variants", "later", "hours"})


def test_nothing_is_known_of_strangers() -> None:
    text = (
        "providers: {mine: {base_url: 'http://127.0.0.1:9/v1', dialect: openai_chat, models: [gpt-4o]},"
        " ollama: {models: [llama3]}}"
    )
    assert facts(text) == {}


def test_azure_s_alias_says_what_the_deployment_is() -> None:
    azure = "base_url: 'https://r.openai.azure.com/openai/v1', " + KEYS
    found = facts(f"providers: {{azure: {{{azure}, aliases: {{gpt-4o: prod-east, house: gpt-4o-mini}}}}}}")["azure"]
    assert found["gpt-4o"]["name"] == "gpt 4o"
    assert found["house"]["name"] == "gpt 4o mini"
    other = facts(f"providers: {{openai: {{{KEYS}, aliases: {{gpt-4o: prod-east}}}}}}")
    assert other == {}


def test_what_the_provider_says_itself_counts_more() -> None:
    said: Said = {"groq": {"openai/gpt-oss-120b": {"context": 7, "prices": {"input": "9"}}, "new": {"max_output": 8}}}
    text = f"providers: {{groq: {{{KEYS}, aliases: {{big: openai/gpt-oss-120b}}}}}}"
    found = facts(text, {"groq": ("openai/gpt-oss-120b", "new")}, said)["groq"]
    assert (found["big"]["context"], found["big"]["prices"]) == (7, {"input": "9"})
    assert found["big"] == found["openai/gpt-oss-120b"]
    assert found["big"]["kind"] == "chat"
    assert found["new"] == {"max_output": 8}


def test_what_was_said_stays_until_the_next_list() -> None:
    before = {"p": b'{"a":{"context":1},"declared":{"context":2}}', "gone": b'{"a":{}}'}
    assert said_before(before, {"p": ("a", "b"), "q": ("a",)}) == {"p": {"a": {"context": 1}}, "q": {}}


def test_a_vendor_s_list_of_any_length_is_small() -> None:
    """What workers keep of the longest list there is."""
    from gateway.snapshot.facts import HOME, decode

    names = tuple(decode(HOME / "openrouter.json"))
    found = facts_of_all(
        plan(loads(f"providers: {{openrouter: {{{KEYS}}}}}", "f.yaml", {}).config, b"p" * 32).providers,
        {},
        {"openrouter": names},
        {},
    )
    assert len(names) > 800
    assert len(json.loads(found["openrouter"])) == len(names)
    assert len(found["openrouter"]) < 200 << 10


def test_a_change_tells_the_providers_that_changed() -> None:
    before = Snapshot(version=1, created_ns=1, providers={}, routes={}, facts={"a": b"1", "b": b"2", "c": b"3"})
    after = msgspec.structs.replace(before, version=2, facts={"a": b"1", "b": b"4", "d": b"5"})
    change = store.decode_delta(store.encode(delta(before, after)))
    assert change.facts == {"b": b"4", "c": b"", "d": b"5"}
    assert apply(before, change) == after
