"""Prices: what is written in USD as exact integers, which of them hold, and what is charged for what has none."""

from __future__ import annotations

from typing import Any

import pytest

from _speedups._cost import DEAREST, KINDS
from providers.models.matching import Index
from providers.prices.figures import PART_OF, UNITS, counted, nanodollars, rates_of
from providers.prices.lists import find, money
from providers.prices.schedule import holds_until, in_force
from providers.rfc3339 import seconds

NOON = seconds("2026-11-25T12:00:00Z")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.075", 75_000_000),
        ("15", 15 * 10**9),
        ("0.000000001", 1),
        ("2.50", 2_500_000_000),
        ("0", 0),
        ("7.", 7 * 10**9),
    ],
)
def test_dollars_for_a_million_are_nanodollars_for_a_million(text: str, expected: int) -> None:
    assert nanodollars(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.0000000001", "more than 9 digits"),
        ("1e-7", "is no price in USD"),
        ("-1", "is no price in USD"),
        ("", "is no price in USD"),
        ("NaN", "is no price in USD"),
        ("1,5", "is no price in USD"),
        ("9999999999", "is dearer than 1152921504 USD"),
    ],
)
def test_what_is_no_price(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        nanodollars(text)


def priced(prices: dict[str, Any]) -> dict[str, int]:
    rates = rates_of(prices)
    assert rates is not None
    return dict(zip(KINDS, rates.prices, strict=True))


def test_a_kind_without_a_price_costs_what_it_is_part_of() -> None:
    found = priced({"input": "1", "output": "4", "cache_read": "0.25"})
    assert {found[kind] for kind in ("input", "cache_write", "cache_write_1h", "input_audio", "input_image")} == {10**9}
    assert {found[kind] for kind in ("cache_read", "cache_read_audio")} == {250_000_000}
    assert {found[k] for k in ("output", "output_reasoning", "output_audio", "output_image")} == {4 * 10**9}
    assert found["web_search"] == found["request"] == 0
    assert priced({"input": "1", "output": "1", "cache_write": "2"})["cache_write_1h"] == 2 * 10**9


def test_kinds_with_prices_of_their_own() -> None:
    prices = {name: str(number) for number, name in enumerate(UNITS, 2)}
    found = priced(prices)
    assert found == {kind: nanodollars(prices[name], factor) for name, (kind, factor) in UNITS.items()}
    assert found["request"] == 1000 * nanodollars(prices["requests_kcount"]), "a thousand requests, not a million"
    assert set(PART_OF) | {"input", "output", "web_search", "request"} == set(KINDS)
    assert max(found.values()) < DEAREST


def test_what_no_answer_counts_is_no_price() -> None:
    assert rates_of({"audio_hours": "0.36"}) is None
    assert rates_of({}) is None
    assert not counted({"input_mchars": "15"})
    assert priced({"input": "1", "audio_hours": "0.36"})["output"] == 0


def test_tiers_take_over_what_they_do_not_name() -> None:
    above = [{"tokens": 1000, "input": "2"}, {"tokens": 5000, "output": "9"}]
    rates = rates_of({"input": "1", "output": "3", "above": above})
    assert rates is not None
    assert rates.cost(1000, 1000) == 1_000_000 * (1 + 3)
    assert rates.cost(1001, 1000) == 1001 * 2_000 + 3_000_000
    assert rates.cost(5001, 1000) == 5001 * 2_000 + 9_000_000


def at(text: str) -> int:
    return seconds(f"{text}:00Z")


TIMED = {
    "prices": {"input": "2", "output": "8"},
    "later": [{"from": "2026-12-01", "prices": {"input": "3"}}, {"from": "2027-01-01", "prices": {"input": "4"}}],
}
NIGHTLY = {"prices": {"input": "2"}, "hours": [{"between": ["16:30", "00:30"], "prices": {"input": "1"}}]}


@pytest.mark.parametrize(
    ("moment", "expected"), [("2026-11-30T23:59", "2"), ("2026-12-01T00:00", "3"), ("2027-06-01T00:00", "4")]
)
def test_prices_of_a_day(moment: str, expected: str) -> None:
    assert in_force(TIMED, at(moment))["input"] == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [("2026-12-01T16:29", "2"), ("2026-12-01T16:30", "1"), ("2026-12-02T00:29", "1"), ("2026-12-02T00:30", "2")],
)
def test_prices_of_an_hour(moment: str, expected: str) -> None:
    assert in_force(NIGHTLY, at(moment))["input"] == expected


def test_until_when_they_hold() -> None:
    assert holds_until({"prices": {}}, NOON) is None
    assert holds_until(TIMED, NOON) == at("2026-12-01T00:00")
    assert holds_until(TIMED, at("2026-12-01T00:00")) == at("2027-01-01T00:00")
    assert holds_until(TIMED, at("2027-01-01T00:00")) is None
    assert holds_until(NIGHTLY, at("2026-12-01T16:29")) == at("2026-12-01T16:30")
    assert holds_until(NIGHTLY, at("2026-12-01T16:30")) == at("2026-12-02T00:30")


FAST = {"input": "5", "above": [{"tokens": 20, "input": "6"}]}
VARIED = {
    "prices": {"input": "2", "output": "8", "above": [{"tokens": 10, "input": "4", "output": "12"}]},
    "variants": [
        {"when": {"processing": "batch"}, "prices": {"input": "1"}},
        {"when": {"processing": "batch"}, "prices": {"input": "9", "output": "4"}},
        {"when": {"tier": "fast"}, "from": "2026-12-01", "prices": FAST},
    ],
}  # fmt: skip


def test_prices_of_certain_requests() -> None:
    assert in_force(VARIED, NOON, {"processing": "none"}) == VARIED["prices"]
    batch = in_force(VARIED, NOON, {"processing": "batch"})
    assert batch == {"input": "1", "output": "4"}, "the first that names a price decides it, with its tiers"
    assert in_force(VARIED, NOON, {"tier": "fast"}) == VARIED["prices"], "not yet"
    fast = in_force(VARIED, at("2026-12-01T00:00"), {"tier": "fast"})
    assert fast["above"] == [{"tokens": 10, "output": "12"}, {"tokens": 20, "input": "6"}]
    assert (fast["input"], fast["output"]) == ("5", "8")


def test_a_name_without_a_price_leads_to_no_other_models() -> None:
    """gpt-5-chat is not charged as gpt-5, though it may look like a spelling of it."""
    models = {
        "m": {"prices": {"input": "1"}, "context": 5, "names": ["other"]},
        "m-20260101": {"kind": "chat"},
        "sold-by-the-hour": {"prices": {"audio_hours": "1"}},
    }
    index = Index("openai", money(models))
    assert index.models["m"] == {"prices": {"input": "1"}, "names": ["other"]}
    assert find([index], "M") == find([index], "other") == find([index], "m-2026-02-02") == {"prices": {"input": "1"}}
    assert find([index], "m-20260101") is None
    assert find([index], "n") is None
    assert find([index], "ft:m:mine") is None, "a fine-tuned model has a price of its own"


def test_money_is_taken_from_one_file_whole() -> None:
    first = Index("azure", {"m": {"kind": "chat"}, "n": {"prices": {"input": "2"}}})
    second = Index("openai", {"m": {"prices": {"input": "1"}}, "n": {"prices": {"input": "1"}, "later": []}})
    assert find([first, second], "m") == {"prices": {"input": "1"}}
    assert find([first, second], "n") == {"prices": {"input": "2"}}
