"""What is counted for metrics of OpenTelemetry: exactly, in the conventions' buckets, with few series."""

from __future__ import annotations

import pytest

from gateway.control import calls
from gateway.control.calls import CallLabels, Calls, CallSeries
from gateway.control.known_models import MAX_FAILED_MODELS
from gateway.control.record_tap import RecordTap, tell
from gateway.records import ErrorKind, Flags, Kind, Outcome
from gateway.snapshot.model import id_hash
from tests.control.trail_records import exchange, values_of


def counted(*records: object) -> dict[CallLabels, CallSeries]:
    found = Calls()
    found.put(values_of(*records))  # type: ignore[arg-type]
    return {CallLabels(*key): series for key, series in found.series.items()}


def test_a_value_at_a_bound_is_within_it() -> None:
    [series] = counted(exchange(1, total_us=10_000), exchange(2, total_us=10_001)).values()
    assert series.request.counts[:3] == [1, 1, 0]
    assert (sum(series.request.counts), series.request.total) == (2, 20_001)


def test_what_went_well_is_one_series_however_it_was_answered() -> None:
    found = counted(
        exchange(1),
        exchange(2, status=201),
        exchange(3, outcome=int(Outcome.CACHED), attempt=0),
        exchange(4, status=500, outcome=int(Outcome.UPSTREAM_ERROR), error_kind=int(ErrorKind.UPSTREAM_SERVER)),
    )
    assert [(labels.outcome, sum(series.request.counts)) for labels, series in found.items()] == [
        (Outcome.OK, 3),
        (Outcome.UPSTREAM_ERROR, 1),
    ]
    # An answer of the cache is no call of a provider.
    assert sum(next(iter(found.values())).duration.counts) == 2


def test_calls_for_the_gateway_itself_are_not_counted() -> None:
    assert not counted(
        exchange(1, kind=int(Kind.SHADOW)), exchange(2, kind=int(Kind.ATTEMPT), flags=int(Flags.EMBEDDING))
    )


def test_tokens_of_a_stream_are_told_by_the_token() -> None:
    [series] = counted(exchange(1, stream=1, ttft_us=1_000, total_us=39_000, chunks=9, completion_tokens=20)).values()
    # 38 ms for the nineteen tokens behind the first.
    assert series.each.total == 2_000_000
    assert series.first.counts[0] == 1


def test_names_that_never_went_well_are_few() -> None:
    failed = [
        exchange(
            number, target_model=b"m%d" % number, status=404, outcome=int(Outcome.UPSTREAM_ERROR),
            error_kind=int(ErrorKind.UPSTREAM_SERVER),
        )
        for number in range(MAX_FAILED_MODELS + 9)
    ]  # fmt: skip
    found = counted(*failed, exchange(0, target_model=b"real"))
    assert len(found) == MAX_FAILED_MODELS + 2
    assert sum(sum(series.request.counts) for labels, series in found.items() if labels.model == "other") == 9
    assert any(labels.model == "real" for labels in found)


def test_series_beyond_the_most_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_SERIES", 40)
    records = [exchange(number, provider=id_hash(f"p{number}"), target_model=b"m") for number in range(40)]
    late = [exchange(9000 + number, target_model=b"late%d" % number) for number in range(7)]
    found = counted(*records, *late)
    assert len(found) == len(records) + 1
    [other] = [series for labels, series in found.items() if labels.model == "other"]
    assert sum(other.request.counts) == 7


def test_sums_are_of_all_records_and_lines_of_those_that_may_be_told() -> None:
    adds, tells = Calls(), RecordTap()
    both, one = values_of(exchange(1), exchange(2)), values_of(exchange(1))
    tell((adds, tells), both, one)
    tell((adds, tells), both, [])
    [series] = adds.series.values()
    assert sum(series.request.counts) == 4
    assert tells.take(0) == [one]
