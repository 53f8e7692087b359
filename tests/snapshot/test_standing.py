"""How limits are shown: to a caller who was refused, to one who asks, to an operator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from _speedups._bucket import (
    GAUGE,
    GCRA,
    INPUT_TOKENS,
    MONEY,
    ROLLING,
    TOKENS,
    USD,
    WINDOW,
    Arena,
    ArenaWorker,
    LimitSet,
)
from gateway.snapshot.limits import CUSTOMER, KEY, PERIODS, PROVIDER, TEAM, Label
from gateway.snapshot.standing import amount, span, standing_of, usd

S = 10**9
NOW = 10**15


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    made = Arena.create(str(tmp_path / "arena"), workers=1, capacity=16, reservations=16)
    yield made
    made.close()


@pytest.fixture
def worker(arena: Arena) -> Iterator[ArenaWorker]:
    made = arena.worker(0)
    yield made
    made.close()


def test_each_kind(arena: Arena, worker: ArenaWorker) -> None:
    month = PERIODS.index("month")
    rows = [
        (WINDOW, 10, 60 * S, 0, Label(KEY), None), (ROLLING, 1000, 3600 * S, TOKENS, Label(TEAM), None),
        (GCRA, 500, 60 * S, INPUT_TOKENS, Label(CUSTOMER), None), (GAUGE, 5, 0, 0, Label(PROVIDER), None),
        (MONEY, 2 * S, 31 * 86400 * S, 0, Label(KEY, month), (NOW + 5 * S, NOW + 9 * S)),
        (ROLLING, 90 * S, 30 * 86400 * S, USD, Label(KEY), None), (MONEY, 7 * S, 0, 0, Label(KEY), None),
    ]  # fmt: skip
    for slot, (kind, limit, period, unit, label, ends) in enumerate(rows):
        arena.define(slot, slot + 1, kind, limit, period, unit=unit, label=label.pack(), ends=ends)
    limits = LimitSet(range(len(rows)))
    worker.settle(worker.reserve(limits, 1, 100, S, NOW, 40), 1, 90, S // 2, NOW, 30)
    worker.reserve(limits, 1, 10, S // 4, NOW, 4)
    found = [standing_of(worker, slot, NOW) for slot in range(len(rows))]
    assert found == [standing_of(arena, slot, NOW) for slot in range(len(rows))]
    assert [(each.level, each.counts, each.kind, each.window) for each in found] == [
        ("virtual_key", "requests", "fixed", "1m"),
        ("team", "tokens", "rolling", "1h"),
        ("customer", "input_tokens", "smooth", "1m"),
        ("provider", "concurrency", "", ""),
        ("virtual_key", "usd", "fixed", "month"),
        ("virtual_key", "usd", "rolling", "30d"),
        ("virtual_key", "usd", "fixed", ""),
    ]
    assert [(each.limit, each.spent, each.reserved) for each in found if each.counts != "input_tokens"] == [
        (10, 1, 1), (1000, 90, 10), (5, 0, 1), (2 * S, S // 2, S // 4), (90 * S, S // 2, S // 4),
        (7 * S, S // 2, S // 4),
    ]  # fmt: skip
    assert [each.reset_s for each in found[4:]] == [6, found[5].reset_s, 0]
    assert found[4].shown("") == {
        "level": "virtual_key", "name": None, "counts": "usd", "window": "month", "kind": "fixed", "limit": "2.00",
        "spent": "0.50", "reserved": "0.25", "remaining": "1.25", "reset_seconds": 6,
    }  # fmt: skip
    assert found[1].shown("red")["name"] == "red"


@pytest.mark.parametrize(
    ("nanodollars", "text"),
    [(0, "0.00"), (1, "0.000000001"), (12_500_000_000, "12.50"), (100 * S, "100.00"), (123_456_789, "0.123456789")],
)
def test_money_has_as_many_digits_as_it_needs(nanodollars: int, text: str) -> None:
    assert usd(nanodollars) == text


@pytest.mark.parametrize(
    ("period_ns", "text"),
    [(60 * S, "1m"), (90 * S, "90s"), (86_400 * S, "1d"), (2_592_000 * S + 10, "30d"), (5_000_000, "5ms"), (0, "")],
)
def test_spans_are_written_as_they_are_configured(period_ns: int, text: str) -> None:
    assert span(period_ns) == text


def test_figures_in_sentences(arena: Arena) -> None:
    arena.define(0, 1, MONEY, S, 0)
    arena.define(1, 2, WINDOW, 5, S)
    assert amount(standing_of(arena, 0, NOW), S) == "$1.00"
    assert amount(standing_of(arena, 1, NOW), 5) == "5"
