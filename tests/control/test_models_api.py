"""What can be asked, and what it costs."""

from __future__ import annotations

import msgspec
import pytest

from gateway.config.loader import loads
from gateway.control.models_api import ModelEntries, PricesInForce, _models, _prices
from gateway.snapshot.facts import facts_of_all
from gateway.snapshot.model import Snapshot
from gateway.snapshot.plan import plan
from gateway.snapshot.prices import price_lists

CONFIG = """
providers:
  openai: {keys: [{name: k, value: sk-x}], models: [gpt-4o-mini, text-embedding-3-small], aliases: {house: gpt-4o}}
  anthropic: {keys: [{name: k, value: sk-x}]}
  mine: {base_url: "http://127.0.0.1:1/v1", models: [llama]}
  off: {base_url: "http://127.0.0.1:1/v1", models: [gone], enabled: false}
routes:
  best: {targets: [openai/gpt-4o-mini], fallbacks: [mine/other]}
prices:
  - {provider: openai, model: gpt-4o, input: 1, output: 2}
"""
LISTED = {"mine": ("llama", *(f"m-{number}" for number in range(3000)))}


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    made = plan(loads(CONFIG, "c.yaml").config, b"\0" * 32)
    lists, _ = price_lists(sorted({provider.vendor for provider in made.providers.values()}), {})
    return Snapshot(
        version=1, created_ns=0, providers=made.providers, routes=made.routes, settings=made.settings,
        price_lists=lists, price_rules=made.price_rules, listed=LISTED,
        facts=facts_of_all(made.providers, made.routes, LISTED, {}),
    )  # fmt: skip


def found(snapshot: Snapshot, search: str = "", kind: str | None = None, limit: int = 1000) -> ModelEntries:
    return _models(snapshot, search, kind, limit)


def names(entries: ModelEntries) -> list[str]:
    return [entry.name for entry in entries.entries]


def test_what_is_known_is_told(snapshot: Snapshot) -> None:
    told = {entry.name: entry for entry in found(snapshot, "openai").entries}
    mini = told["openai/gpt-4o-mini"]
    assert (mini.origin, mini.provider, mini.context, "tools" in mini.can) == ("declared", "openai", 128_000, True)
    assert mini.price is not None
    assert mini.price.prices["input"] == "0.15"
    house = told["openai/house"]
    assert house.origin == "alias"
    assert house.price is not None
    assert house.price.source == "prices[0]"
    route = found(snapshot, "best").entries[0]
    assert (route.origin, route.targets) == ("route", ["openai/gpt-4o-mini", "mine/other"])
    assert route.price == mini.price
    [llama] = found(snapshot, "llama").entries
    assert (llama.kind, llama.context, llama.price) == ("", None, None)


def test_routes_come_first_and_providers_that_are_off_not_at_all(snapshot: Snapshot) -> None:
    everything = found(snapshot)
    assert names(everything)[0] == "best"
    assert len(everything.entries) == 1000
    assert everything.total > 3000
    assert found(snapshot, "gone").total == 0


def test_a_provider_without_any_list_has_its_vendors_models(snapshot: Snapshot) -> None:
    told = found(snapshot, "anthropic/claude")
    assert told.total > 5
    assert {entry.origin for entry in told.entries} == {"known"}
    assert all(entry.price is not None for entry in told.entries)


def test_words_in_any_order_and_the_nearest_first(snapshot: Snapshot) -> None:
    assert names(found(snapshot, "MINI gpt", limit=1)) == ["openai/gpt-4o-mini"]
    assert names(found(snapshot, "m-7", limit=1)) == ["mine/m-7"]


def test_kinds(snapshot: Snapshot) -> None:
    embedding = names(found(snapshot, "openai", "embedding"))
    assert embedding == ["openai/text-embedding-3-small"]
    assert "openai/text-embedding-3-small" not in names(found(snapshot, "openai", "chat"))
    # What nobody knows may be what its provider is asked for.
    assert names(found(snapshot, "llama", "chat")) == ["mine/llama"]


def test_prices_have_pages_and_say_who_says_so(snapshot: Snapshot) -> None:
    def page(search: str = "", unknown: bool = False, at: int = 0, limit: int = 1000) -> PricesInForce:
        return _prices(snapshot, search, unknown, at, limit)

    first = page("mine", limit=2)
    assert (first.total, first.next) == (3002, "2")
    rest = page("mine", at=2, limit=5000)
    assert (len(rest.entries), rest.next) == (3000, None)
    assert not set(map(msgspec.json.encode, first.entries)) & set(map(msgspec.json.encode, rest.entries))
    # Fallbacks of routes cost as well.
    assert [(entry.model, entry.source) for entry in page("mine/other").entries] == [("other", "unknown")]
    assert page("openai", unknown=True).total == 0
    assert page("mine", unknown=True).total == 3002
