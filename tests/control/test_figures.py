"""Sums and histograms that can be added up, and the sheets that keep them."""

from __future__ import annotations

import random

import pytest

from gateway.control.figures import Digest, Figures, Reader
from gateway.control.figures_entry import entry_of
from gateway.control.sheets import Labels, Plain, Question, collect, sheet_of, unfold, without_keys
from gateway.records import CacheVerdict, Flags, Outcome
from tests.control.trail_records import exchange, values_of

ERROR = 0.04
"""What figures.py promises of a percentile."""


def digest_of(values: list[int]) -> Digest:
    digest = Digest()
    for value in values:
        digest.add(value)
    return digest


def packed(figures: Figures | Digest) -> bytes:
    out = bytearray()
    figures.pack(out)
    return bytes(out)


def unpacked(data: bytes) -> Figures:
    figures, reader = Figures(), Reader(data)
    figures.unpack(reader)
    assert reader.at == len(data)
    return figures


def figures_of(*records: object) -> Figures:
    figures = Figures()
    for record in records:
        figures.add(values_of(record), 0)  # type: ignore[arg-type]
    return figures


@pytest.mark.parametrize("count", [1, 2, 7, 383, 384, 5000])
def test_percentiles_are_within_the_stated_error(count: int) -> None:
    chance = random.Random(count)
    values = sorted(int(chance.lognormvariate(9, 3)) + 4 for _ in range(count))
    spread = digest_of(values).spread()
    assert spread is not None
    assert spread.count == count
    assert spread.mean == pytest.approx(sum(values) / count, abs=0.001)
    for share in (50, 90, 95, 99):
        true = values[max(1, -(-count * share // 100)) - 1]
        assert getattr(spread, f"p{share}") == pytest.approx(true, rel=ERROR)


def test_every_value_is_told_within_the_stated_error() -> None:
    chance = random.Random(1)
    for value in (
        *range(4, 600),
        *range(600, 5000, 37),
        *(1 << at for at in range(2, 31)),
        *(chance.randrange(4, 1 << 30) for _ in range(300)),
    ):
        spread = digest_of([value]).spread()
        assert spread is not None
        assert spread.p50 == pytest.approx(value, rel=ERROR), value


def test_what_is_beyond_the_buckets_counts_as_their_last() -> None:
    spread = digest_of([-5, 0, 1 << 60]).spread()
    assert spread is not None
    assert spread.count == 3
    assert spread.p99 == pytest.approx(1 << 30, rel=ERROR)
    assert Digest().spread() is None


@pytest.mark.parametrize("sizes", [(1, 1), (10, 500), (500, 10), (1000, 1000), (0, 3), (383, 1)])
def test_digests_add_up_in_any_form(sizes: tuple[int, int]) -> None:
    chance = random.Random(sum(sizes))
    first, second = ([int(chance.lognormvariate(8, 2)) for _ in range(size)] for size in sizes)
    whole = digest_of(first + second)
    added = digest_of(first)
    added.merge(digest_of(second))
    read = Digest()
    for part in (first, second):
        read.unpack(Reader(packed(digest_of(part))))
    assert whole.spread() == added.spread() == read.spread()
    assert packed(whole) == packed(added) == packed(read)


def test_a_record_is_counted_as_what_it_was() -> None:
    figures = figures_of(
        exchange(cost_nanodollars=5, attempts=3, flags=int(Flags.FALLBACK), cached_tokens=4, reasoning_tokens=2),
        exchange(stream=1, ttft_us=100, total_us=1100, completion_tokens=50),
        exchange(status=429, outcome=int(Outcome.REFUSED), attempt=0, completion_tokens=0, prompt_tokens=0),
        exchange(status=0, outcome=int(Outcome.CLIENT_ABORT)),
        exchange(outcome=int(Outcome.CACHED), attempt=0, cache_verdict=int(CacheVerdict.HIT)),
        exchange(outcome=int(Outcome.CACHED), attempt=0, cache_verdict=int(CacheVerdict.SIMILAR)),
        exchange(outcome=int(Outcome.CACHED), attempt=0, cache_verdict=int(CacheVerdict.SHARED)),
    )
    entry = entry_of(figures)
    assert (entry.requests, entry.errors, entry.refused, entry.fallbacks, entry.retries) == (7, 2, 1, 1, 2)
    assert (entry.cache_hits, entry.similar_hits, entry.shared) == (1, 1, 1)
    assert (entry.prompt_tokens, entry.completion_tokens) == (60, 150)
    assert (entry.cached_tokens, entry.reasoning_tokens, entry.cost_nanodollars) == (4, 2, 5)
    assert (entry.request_bytes, entry.response_bytes) == (7 * 850, 7 * 1500)
    assert entry.duration_us is not None
    assert entry.duration_us.count == 7
    assert entry.ttft_us is not None
    assert entry.ttft_us.p50 == pytest.approx(100, rel=ERROR)
    # Of the two that a provider answered well: 20 in 950 us, and 50 in the 1,000 us behind the first.
    assert entry.tokens_per_second is not None
    assert entry.tokens_per_second.count == 2
    assert entry.tokens_per_second.p99 == pytest.approx(50_000, rel=ERROR)


def test_figures_come_back_whole_and_add_up() -> None:
    chance = random.Random(3)
    records = [
        exchange(
            total_us=chance.randrange(1, 10**8), gateway_us=chance.randrange(1000), stream=number % 2,
            ttft_us=chance.randrange(10**6), cost_nanodollars=chance.randrange(10**12),
            status=chance.choice((200, 500)),
        )
        for number in range(300)
    ]  # fmt: skip
    whole = figures_of(*records)
    parts = Figures()
    for at in range(0, 300, 10):
        parts.merge(unpacked(packed(figures_of(*records[at : at + 10]))))
    assert entry_of(unpacked(packed(whole))) == entry_of(whole) == entry_of(parts)


LABELS = Labels(7 << 60, "gpt-x", 3, 0, 5, 1, 200, 0)
SERIES = {
    LABELS: figures_of(exchange(), exchange()),
    LABELS._replace(model="ü 量", virtual_key=4): figures_of(exchange(cost_nanodollars=9)),
    LABELS._replace(status=500, virtual_key=4): figures_of(exchange(status=500)),
}


def asked(**question: object) -> dict[object, int]:
    groups: dict[int | str, Figures] = {}
    collect(sheet_of(SERIES.items()), Question(**question), groups)  # type: ignore[arg-type]
    return {name: figures.requests for name, figures in groups.items()}


def test_a_sheet_tells_its_series_again() -> None:
    found: dict[Plain, Figures] = {}
    unfold(sheet_of(SERIES.items()), found)
    assert {labels: entry_of(figures) for labels, figures in found.items()} == {
        labels: entry_of(figures) for labels, figures in SERIES.items()
    }
    unfold(sheet_of(SERIES.items()), found)
    assert found[LABELS].requests == 4


def test_a_sheet_is_asked_by_filters_and_groups() -> None:
    assert asked() == {"none": 4}
    assert asked(by="model") == {"gpt-x": 3, "ü 量": 1}
    assert asked(by="virtual_key") == {3: 2, 4: 2}
    assert asked(by="status") == {200: 3, 500: 1}
    assert asked(by="provider", model="gpt-x") == {7 << 60: 3}
    assert asked(by="team", virtual_key=4, status=500) == {0: 1}
    assert asked(customer=5, operation=1) == {"none": 4}
    assert asked(customer=6) == asked(model="gpt") == asked(status=404) == {}


def test_the_question_judges_labels_as_it_judges_sheets() -> None:
    for question in (
        {},
        {"by": "model"},
        {"by": "status", "virtual_key": 4},
        {"team": 1},
        {"by": "cache", "model": "gpt-x"},
    ):
        one = Question(**question)
        found: dict[object, int] = {}
        for labels, figures in SERIES.items():
            if (group := one.group_of(labels)) is not None:
                found[group] = found.get(group, 0) + figures.requests
        assert found == asked(**question)


def test_whoever_asked_is_left_out() -> None:
    fewer = without_keys(SERIES.items())
    assert {(labels[1], labels[6]): figures.requests for labels, figures in fewer.items()} == {
        ("gpt-x", 200): 2,
        ("ü 量", 200): 1,
        ("gpt-x", 500): 1,
    }
    assert {labels[2:5] for labels in fewer} == {(0, 0, 0)}


def test_what_is_cut_or_of_a_later_program_is_refused() -> None:
    data = sheet_of(SERIES.items())
    with pytest.raises(ValueError, match="later"):
        collect(b"\x02" + data[1:], Question(), {})
    for length in range(len(data)):
        with pytest.raises((IndexError, ValueError)):
            collect(data[:length], Question(), {})
