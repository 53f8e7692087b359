"""The section ``prices``."""

from __future__ import annotations

import pytest

from gateway.config.loader import loads
from gateway.config.prices import prices_of
from tests.config.test_validate import GOOD, said

PROVIDERS = f"""providers:
  openai: {{keys: [{{name: k, value: v}}]}}
virtual_keys:
  - {{name: alice, value: {GOOD}}}
prices:
"""


def rule(text: str) -> list[str]:
    return said(f"{PROVIDERS}  - {{{text}}}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input: 1", "prices[0]: output is missing"),
        ("input: 1, output: -2", "prices[0].output: a price cannot be negative"),
        ("input: 1, output: free", "expected an amount in USD below a million, with up to 9 digits behind the point"),
        ("input: 1, output: 1000000", "expected an amount in USD below a million"),
        ("input: 1, output: '0.0000000001'", "with up to 9 digits behind the point, got '0.0000000001'"),
        ("input: 1, output: yes", "prices[0].output: expected an amount in USD"),
        ("input: 1, output: 1, inptu: 2", "prices[0].inptu"),
        ("input: 1, output: 1, name: 'a b'", "prices[0].name"),
        ("input: 1, output: 1, name: x}\n  - {model: m, input: 1, output: 1, name: x", "another rule is called x"),
        ("input: 1, output: 1, id: x}\n  - {model: m, input: 1, output: 1, id: x", "has the same id as another rule"),
        ("model: 'a*b', input: 1, output: 1", "prices[0].model: * can only be the last character"),
        (
            "provider: opnai, input: 1, output: 1",
            "no provider is called opnai; did you mean openai?",
        ),
        (
            "virtual_keys: [alic], input: 1, output: 1",
            "prices[0].virtual_keys[0]: no virtual key is called alic;",
        ),
        ("input: 1, output: 1, above: [{tokens: 9, input: 1}, {tokens: 9, input: 2}]", "tokens must grow"),
        ("input: 1, output: 1, request: 2000", "prices[0]: one request, or one search, can cost up to 1152 USD"),
        ("input: 1, output: 1, above: [{tokens: 9}]", "prices[0].above[0]: names no price"),
        ("input: 1, output: 1, above: [{tokens: 0, input: 1}]", "prices[0].above[0].tokens"),
        (
            "input: 1, output: 1}\n  - {input: 2, output: 2",
            "prices[1]: another rule is for the same provider, model",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, message: str) -> None:
    lines = rule(text)
    assert any(message in line and line.startswith("f.yaml:") for line in lines), lines


@pytest.mark.parametrize(
    "text",
    [
        "input: 0, output: 0",
        "provider: 'ope*', model: gpt-5, input: 1.25, output: '10', above: [{tokens: 5, input: 2}]",
        "virtual_keys: [alice], input: 1, output: 1}\n  - {input: 2, output: 2",
        "provider: '*', model: '*', input: 1, output: 1",
    ],
)
def test_rules_that_are_right(text: str) -> None:
    assert rule(text) == []


@pytest.mark.parametrize(
    ("written", "exact"), [("0.075", "0.075"), ("1e-7", "0.0000001"), ("'2.50'", "2.50"), ("3", "3"), ("0.1", "0.1")]
)
def test_figures_stay_what_was_written(written: str, exact: str) -> None:
    (entry,) = loads(f"prices: [{{input: {written}, output: 1}}]", "f.yaml", {}).config.prices
    assert prices_of(entry)["input"] == exact


def test_a_rule_becomes_prices_as_a_list_has_them() -> None:
    text = "{input: 1, output: 2, cache_read: 0.5, request: '0.002', above: [{tokens: 9, output: 3}]}"
    (entry,) = loads(f"prices: [{text}]", "f.yaml", {}).config.prices
    assert prices_of(entry) == {
        "input": "1",
        "output": "2",
        "cache_read": "0.5",
        "requests_kcount": "2.0",
        "above": [{"tokens": 9, "output": "3"}],
    }
