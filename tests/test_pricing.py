"""The worker's prices: whose figures count, for whom, until when, and what becomes of models nobody knows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway import pricing
from gateway.config.loader import loads
from gateway.pricing import CEILING, Price, PriceBook
from gateway.snapshot.facts import HOME, decode
from gateway.snapshot.model import Snapshot, id_hash
from gateway.snapshot.plan import plan, virtual_key_id
from gateway.snapshot.prices import price_lists
from providers.prices.figures import nanodollars

KEYS = """
virtual_keys:
  - {name: alice, value: sk-alice-0123456789abcdef}
  - {name: bob, value: sk-bob-0123456789abcdefgh}
"""
PROVIDERS = """
providers:
  openai: {keys: [{name: k, value: sk-x}], aliases: {fast: gpt-4o-mini}}
  mine: {base_url: "http://127.0.0.1:1/v1"}
  azure:
    vendor: azure_deployments
    base_url: "https://x.openai.azure.com/openai/deployments"
    keys: [{name: k, value: sk-x}]
    aliases: {gpt-4o: my-deployment}
"""


def book(more: str = "", **changes: Any) -> PriceBook:
    config = loads(PROVIDERS + KEYS + more, "microgate.yaml").config
    made = plan(config, b"p" * 32)
    vendors = {provider.vendor for provider in made.providers.values()}
    snapshot = Snapshot(
        version=1,
        created_ns=0,
        providers=made.providers,
        routes={},
        settings=made.settings,
        price_lists=price_lists(vendors, {})[0],
        price_rules=made.price_rules,
    )
    return PriceBook(msgspec.structs.replace(snapshot, **changes))


def price(prices: PriceBook, provider: str, model: str) -> Price:
    config = plan(loads(PROVIDERS + KEYS, "microgate.yaml").config, b"p" * 32)
    return prices.of(config.providers[provider], model)


def costs(found: Price) -> tuple[int, int]:
    """Nano-dollars for a million tokens of input, and of output."""
    return found.rates.cost(1_000_000, 0), found.rates.cost(0, 1_000_000)


MINI = nanodollars("0.15"), nanodollars("0.6")


def test_a_model_costs_what_the_list_of_its_vendor_says() -> None:
    prices = book()
    for name in ("gpt-4o-mini", "gpt-4o-mini-2024-07-18", "fast"):
        found = price(prices, "openai", name)
        assert (found.known, found.source, costs(found)) == (True, "list openai", MINI), name
    assert price(prices, "openai", "fast") is price(prices, "openai", "fast"), "looked up once"


def test_what_an_operator_called_a_deployment_tells_which_model_it_is() -> None:
    found = price(book(), "azure", "gpt-4o")
    assert (found.source, costs(found)) == ("list azure_deployments", (nanodollars("2.5"), nanodollars("10")))
    assert not price(book(), "azure", "my-deployment").known


@pytest.mark.parametrize("model", ["gpt-4o-mini", "no-such-model", ""])
def test_a_price_that_nobody_knows_is_nothing_and_says_so(model: str) -> None:
    found = price(book(), "mine", model)
    assert (found.known, found.refused, found.source, costs(found)) == (False, True, "", (0, 0))


def test_a_price_that_nobody_knows_can_be_estimated() -> None:
    found = price(book("unknown_price: estimate\n"), "mine", "llama")
    assert (found.known, found.refused) == (False, False)
    assert costs(found) == (nanodollars("150"), nanodollars("600"))


def test_no_model_of_the_lists_is_dearer_than_the_estimate() -> None:
    most = {kind: nanodollars(CEILING["prices"][kind]) for kind in ("input", "output")}
    seen = 0
    for path in HOME.glob("*.json"):
        for name, entry in decode(path).items():
            for kind, ceiling in most.items():
                if kind in entry.get("prices", {}):
                    seen += 1
                    assert nanodollars(entry["prices"][kind]) <= ceiling, (path.stem, name)
    assert seen > 3_000


def test_what_is_sold_by_what_nobody_counts_is_unknown() -> None:
    assert not price(book(), "openai", "whisper-1").known


def test_what_the_provider_itself_says_counts_where_no_list_does() -> None:
    facts = {
        "mine": msgspec.json.encode({"llama": {"prices": {"input": "3", "output": "4"}}, "vague": {"kind": "chat"}})
    }
    prices = book(facts=facts)
    found = price(prices, "mine", "llama")
    assert (found.source, costs(found)) == ("mine", (nanodollars("3"), nanodollars("4")))
    assert not price(prices, "mine", "vague").known
    dust = {"mine": msgspec.json.encode({"llama": {"prices": {"input": "0.0000000001", "output": "1"}}})}
    assert not price(book(facts=dust), "mine", "llama").known, "finer than any price can be"


RULES = """
prices:
  - {model: "*", input: 9, output: 9}
  - {model: "gpt-*", input: 8, output: 8}
  - {model: "gpt-4o*", input: 7, output: 7}
  - {provider: "ope*", model: "gpt-4o*", input: 6, output: 6}
  - {provider: openai, model: "gpt-4o*", input: 5, output: 5}
  - {model: gpt-4o-mini, input: "4.25", output: 4, cache_read: 1, request: "0.002", above: [{tokens: 100, input: 10}]}
  - {virtual_keys: [alice], model: "*", input: 2, output: 2}
  - {virtual_keys: [alice, bob], model: gpt-4o, input: 1, output: 1}
"""


@pytest.mark.parametrize(
    ("provider", "model", "rule", "expected"),
    [
        ("mine", "llama", "prices[0]", "9"),
        ("openai", "o3", "prices[0]", "9"),
        ("openai", "gpt-5", "prices[1]", "8"),
        ("mine", "gpt-4o", "prices[2]", "7"),
        ("openai", "gpt-4o", "prices[4]", "5"),
        ("openai", "fast", "prices[5]", "4.25"),
    ],
)
def test_the_most_exact_rule_counts(provider: str, model: str, rule: str, expected: str) -> None:
    found = price(book(RULES), provider, model)
    assert (found.known, found.source) == (True, rule)
    assert found.rates.prices[0] == nanodollars(expected)


def test_a_rule_says_all_that_a_list_can() -> None:
    rates = price(book(RULES), "openai", "gpt-4o-mini").rates
    assert rates.cost(0, 0) == 2_000_000, "a request"
    assert rates.cost(100, 0, cached=100) == 2_000_000 + 100 * 1000
    assert rates.cost(101, 0) == 2_000_000 + 101 * 10_000


def test_a_rule_for_virtual_keys_counts_for_them_alone() -> None:
    alice, bob = (id_hash(virtual_key_id(name, "")) for name in ("alice", "bob"))
    found = price(book(RULES), "openai", "gpt-4o")
    assert {key: found.of_key(key).source for key in (alice, bob, 77)} == {
        alice: "prices[7]",
        bob: "prices[7]",
        77: "prices[4]",
    }
    other = price(book(RULES), "openai", "o3")
    assert (other.of_key(alice).source, other.of_key(bob).source) == ("prices[6]", "prices[0]")


def test_a_key_may_have_the_only_price_there_is() -> None:
    alone = 'prices: [{virtual_keys: [alice], model: "*", input: 2, output: 2}]\n'
    found = price(book(alone), "mine", "llama")
    assert not found.known
    assert found.of_key(id_hash(virtual_key_id("alice", ""))).known


def test_what_a_call_is_foreseen_to_cost() -> None:
    prices = book()
    assert price(prices, "openai", "gpt-4o").foresee(0, 1_000_000, 1_000_000, 0) == nanodollars("12.5")
    assert price(prices, "mine", "llama").foresee(0, 1, 1, 0) == -1, "nobody knows"
    guessed = price(book("unknown_price: estimate\n"), "mine", "llama")
    assert guessed.foresee(0, 1_000_000, 0, 0) == nanodollars("150")
    other = price(book(RULES), "openai", "o3")
    alice = id_hash(virtual_key_id("alice", ""))
    assert other.foresee(alice, 1_000_000, 0, 0) == other.of_key(alice).at(0).cost(1_000_000, 0)


def test_prices_of_a_day_hold_from_that_day_on(monkeypatch: pytest.MonkeyPatch) -> None:
    day = 20_000 * 86_400
    now = [day - 90]

    class Clock:
        @staticmethod
        def time() -> int:
            return now[0]

    monkeypatch.setattr(pricing, "time", Clock)
    entry = {"prices": {"input": "1", "output": "1"}, "later": [{"from": "2024-10-04", "prices": {"input": "2"}}]}
    found = Price(entry, "list x")
    begun = found.until_ns - pricing.LOOK_AGAIN_NS
    assert found.at(begun).prices[0] == nanodollars("1")
    now[0] = day - 30
    assert found.at(begun + 60 * pricing.NS).prices[0] == nanodollars("1")
    assert found.until_ns == begun + 90 * pricing.NS, "the day begins in 30 seconds"
    now[0] = day
    assert found.at(begun + 90 * pricing.NS - 1).prices[0] == nanodollars("1"), "nobody has looked"
    assert found.at(begun + 90 * pricing.NS).prices[0] == nanodollars("2")
    assert found.until_ns == pricing.NEVER_NS


def test_prices_of_names_that_callers_invent_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = book()
    monkeypatch.setattr(pricing, "KEPT", 10)
    for number in range(35):
        price(prices, "openai", f"invented-{number}")
    assert len(prices.found) <= 10


TIERS = """
prices:
  - {model: m, input: 2, output: 8, cache_read: 1, tiers: {flex: {input: 1, output: 4}, priority: {output: 20}}}
"""


def test_a_rule_has_prices_of_service_tiers() -> None:
    found = price(book(TIERS), "mine", "m")
    flex, priority = found.of_tier("flex"), found.of_tier("priority")
    assert flex is not None
    assert priority is not None
    assert flex.cost(1_000_000, 1_000_000) == 5 * 10**9
    assert priority.cost(1_000_000, 1_000_000) == 22 * 10**9, "what a tier does not name costs what it costs without"
    assert flex.cost(1_000_000, 0, cached=1_000_000) == 10**9
    assert found.of_tier("default") is None
    assert costs(found) == (2 * 10**9, 8 * 10**9)
    assert found.foresee(1, 1_000_000, 1_000_000, 0) == 22 * 10**9, "whichever it will be"


def test_service_tiers_of_the_lists_count_where_the_provider_says_so() -> None:
    ordinary = price(book(), "openai", "gpt-5")
    assert (ordinary.tiers, ordinary.tiered) == (None, False)
    config = PROVIDERS.replace("openai: {", "openai: {service_tiers: true, ")
    provider = plan(loads(config, "microgate.yaml").config, b"p" * 32).providers["openai"]
    found = book().of(provider, "gpt-5")
    flex, priority = found.of_tier("flex"), found.of_tier("priority")
    assert flex is not None
    assert priority is not None
    assert flex.cost(10**6, 10**6) < found.rates.cost(10**6, 10**6) < priority.cost(10**6, 10**6)


def test_a_tier_for_one_key_has_everybodys_answers_listened_to() -> None:
    rule = TIERS.replace("model: m,", "model: m, virtual_keys: [alice],") + "  - {model: m, input: 1, output: 1}"
    found = price(book(rule), "mine", "m")
    assert found.tiered
    assert found.of_tier("flex") is None
    assert found.of_key(id_hash(virtual_key_id("alice", ""))).of_tier("flex") is not None
