"""What counts of tokens cost, in both implementations: exactly, and rounded once."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.speedups.twins import twins

COSTS = twins("_cost")
COUNT = st.one_of(st.integers(0, 5_000), st.integers(0, 2**53), st.sampled_from([0, 1, 2**53]))
PLAIN = ("input", "output", "request")
COUNTS = (
    *("prompt", "completion", "cached", "cache_write", "reasoning", "audio_in", "audio_out", "image_in", "image_out"),
    *("cache_write_1h", "cached_audio", "searches"),
)
PRICE = st.one_of(st.integers(0, 10**12), st.sampled_from([0, 1, 1 << 60]))


@pytest.fixture(params=COSTS.values(), ids=COSTS.keys())
def cost(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


def rates(module: ModuleType, above: int = -1, over: Any = None, **prices: int) -> Any:
    return module.Rates([prices.get(kind, 0) for kind in module.KINDS], above, over)


def by_hand(prices: dict[str, int], counts: dict[str, int]) -> int:
    """The same in decimals, for counts that do not contradict each other."""
    n = dict.fromkeys(COUNTS, 0) | counts
    parts = {
        "input": n["prompt"] - n["cached"] - n["cache_write"] - (n["audio_in"] - n["cached_audio"]) - n["image_in"],
        "cache_read": n["cached"] - n["cached_audio"],
        "cache_read_audio": n["cached_audio"],
        "cache_write": n["cache_write"] - n["cache_write_1h"],
        "cache_write_1h": n["cache_write_1h"],
        "input_audio": n["audio_in"] - n["cached_audio"],
        "input_image": n["image_in"],
        "output": n["completion"] - n["reasoning"] - n["audio_out"] - n["image_out"],
        "output_reasoning": n["reasoning"],
        "output_audio": n["audio_out"],
        "output_image": n["image_out"],
        "web_search": n["searches"],
        "request": 1,
    }
    with localcontext(prec=80):
        total = sum(Decimal(parts[kind]) * Decimal(price) for kind, price in prices.items()) / Decimal(1_000_000)
        return int(total.quantize(Decimal(1), ROUND_HALF_UP))


@st.composite
def consistent(draw: st.DrawFn) -> dict[str, int]:
    read = ("fresh", "cached_text", "cached_audio", "written", "written_1h", "audio", "image")
    told = ("told", "reasoning", "audio_out", "image_out")
    parts = {name: draw(COUNT) for name in (*read, *told, "searches")}
    return {
        "prompt": sum(parts[name] for name in read),
        "completion": sum(parts[name] for name in told),
        "cached": parts["cached_text"] + parts["cached_audio"],
        "cached_audio": parts["cached_audio"],
        "cache_write": parts["written"] + parts["written_1h"],
        "cache_write_1h": parts["written_1h"],
        "audio_in": parts["audio"] + parts["cached_audio"],
        "image_in": parts["image"],
        "reasoning": parts["reasoning"],
        "audio_out": parts["audio_out"],
        "image_out": parts["image_out"],
        "searches": parts["searches"],
    }


@given(data=st.data(), counts=consistent())
def test_it_is_the_sum_in_decimals_to_the_nanodollar(data: st.DataObject, counts: dict[str, int]) -> None:
    for module in COSTS.values():
        prices = {kind: data.draw(PRICE, kind) for kind in module.KINDS}
        assert rates(module, **prices).cost(**counts) == min(by_hand(prices, counts), module.MOST)


ANY = st.lists(st.integers(-5, 3_000), min_size=len(COUNTS), max_size=len(COUNTS))


@given(prices=st.lists(PRICE, min_size=13, max_size=13), counts=ANY)
def test_twins_agree_on_whatever_a_provider_says(prices: list[int], counts: list[int]) -> None:
    found = {module.Rates(prices, 500, module.Rates(prices[::-1])).cost(*counts) for module in COSTS.values()}
    assert len(found) == 1, found


@given(counts=ANY)
def test_no_token_is_charged_twice(counts: list[int]) -> None:
    """At one price for all that is written and one for all that is read, parts make no difference."""
    for module in COSTS.values():
        prices = [0 if kind in ("web_search", "request") else 1_000_000 for kind in module.KINDS]
        total = module.Rates(prices).cost(*counts)
        assert (total if total >= 0 else ~total) == max(counts[0], 0) + max(counts[1], 0)


@pytest.mark.parametrize(
    ("tokens", "price", "expected"),
    [(1, 499_999, 0), (1, 500_000, 1), (3, 500_000, 2), (1, 75_000_000, 75), (1_000_000, 1, 1), (0, 1 << 60, 0)],
)
def test_half_a_nanodollar_is_rounded_up(cost: ModuleType, tokens: int, price: int, expected: int) -> None:
    assert rates(cost, input=price).cost(tokens, 0) == expected


def test_it_is_rounded_once_not_once_a_kind(cost: ModuleType) -> None:
    assert rates(cost, input=400_000, output=400_000).cost(1, 1) == 1


def test_the_most_that_it_can_be(cost: ModuleType) -> None:
    assert rates(cost, output=1 << 60).cost(0, 2**53) == cost.MOST == 2**63 - 1


@pytest.mark.parametrize(
    "counts",
    [
        {"prompt": 10, "completion": 1, "cached": 11},
        {"prompt": 10, "completion": 1, "cached": 6, "cache_write": 5},
        {"prompt": 10, "completion": 1, "cache_write": 1, "cache_write_1h": 2},
        {"prompt": 10, "completion": 1, "audio_in": 11},
        {"prompt": 10, "completion": 1, "cached": 2, "audio_in": 5, "cached_audio": 3},
        {"prompt": 10, "completion": 1, "reasoning": 2},
        {"prompt": 10, "completion": 3, "reasoning": 2, "audio_out": 2},
        {"prompt": -1, "completion": 3, "cached": 1},
    ],
)
def test_a_part_that_is_more_than_its_whole_is_cut_and_told(cost: ModuleType, counts: dict[str, int]) -> None:
    one = cost.Rates([1_000_000] * len(cost.KINDS))
    found = one.cost(**counts)
    assert found < 0
    assert ~found == max(counts["prompt"], 0) + counts["completion"] + 1


def test_audio_from_the_cache_is_no_contradiction(cost: ModuleType) -> None:
    """The provider says how much of the prompt was audio and how much of it was cached, and not what both were."""
    one = rates(cost, input=4_000_000, cache_read=1_000_000, input_audio=10_000_000)
    assert one.cost(100, 0, cached=90, audio_in=50) == 90 * 1 + 10 * 10


def test_prices_above_a_number_of_input_tokens(cost: ModuleType) -> None:
    dearest = rates(cost, input=3_000_000)
    one = rates(cost, 100, rates(cost, 200, dearest, input=2_000_000), input=1_000_000)
    assert [one.cost(tokens, 0) for tokens in (100, 101, 200, 201)] == [100, 202, 400, 603], "for all of them"
    assert (one.above, one.over.above, one.over.over) == (100, 200, dearest)
    assert (dearest.above, dearest.over) == (-1, None)
    assert rates(cost, 7).above == -1, "there is nothing above"


def test_what_is_no_price(cost: ModuleType) -> None:
    one = cost.Rates(range(len(cost.KINDS)))
    assert one.prices == tuple(range(len(cost.KINDS)))
    with pytest.raises(ValueError, match="13 prices expected, got 2"):
        cost.Rates([1, 2])
    for price in (-1, cost.DEAREST + 1):
        with pytest.raises(ValueError, match=f"the price for output is outside 0 to {cost.DEAREST}: {price}"):
            rates(cost, output=price)


@given(prompt=COUNT, completion=COUNT, prices=st.fixed_dictionaries(dict.fromkeys(PLAIN, PRICE)))
def test_two_counts_cost_what_they_cost_with_their_kinds(prompt: int, completion: int, prices: dict[str, int]) -> None:
    for module in COSTS.values():
        expected = min(by_hand(prices, {"prompt": prompt, "completion": completion}), module.MOST)
        assert rates(module, **prices).cost(prompt, completion) == expected
        assert rates(module, **prices).cost(prompt, completion, *[-1] * 10) == expected


@pytest.mark.parametrize(
    ("nanodollars", "text"),
    [
        (0, b"0.000000000"),
        (1, b"0.000000001"),
        (999_999_999, b"0.999999999"),
        (1_000_000_000, b"1.000000000"),
        (12_034_567_890, b"12.034567890"),
        (2**63 - 1, b"9223372036.854775807"),
    ],
)
def test_usd_has_nine_digits_behind_the_point(cost: ModuleType, nanodollars: int, text: bytes) -> None:
    assert cost.in_usd(b"", nanodollars, b"") == text
    assert cost.in_usd(b"cost: ", nanodollars, b"\r\n") == b"cost: " + text + b"\r\n"


def test_usd_is_never_negative(cost: ModuleType) -> None:
    with pytest.raises(ValueError, match="negative"):
        cost.in_usd(b"", -1, b"")
