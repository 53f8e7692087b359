"""What is counted, how it is labelled, and that prometheus-client reads all of it."""

from __future__ import annotations

import random

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.control import aggregate
from gateway.control.aggregate import Aggregates
from gateway.control.exposition import FAMILIES, render
from gateway.control.histogram import LATENCY_US, Histogram
from gateway.records import ErrorKind, Flags, Kind, Outcome, UsageSource
from gateway.snapshot.model import id_hash
from providers.operations import Operation
from tests.control.trail_records import NAMES, exchange, values_of

Samples = dict[str, float]


def samples(aggregates: Aggregates) -> Samples:
    """``name{label="value",...}`` with labels in order of their names -> value, as prometheus-client reads the page."""
    found: Samples = {}
    for family in text_string_to_metric_families(render(aggregates)):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            text = f"{sample.name}{{{labels}}}"
            assert text not in found, f"{text} is there twice"
            found[text] = sample.value
    return found


def total(found: Samples, name: str, *labels: str) -> float:
    return sum(v for text, v in found.items() if text.startswith(name + "{") and all(each in text for each in labels))


@pytest.fixture
def counted() -> Aggregates:
    aggregates = Aggregates()
    aggregates.rename(NAMES)
    return aggregates


def test_an_exchange_is_counted_in_every_family(counted: Aggregates) -> None:
    record = exchange(
        stream=1,
        chunks=5,
        ttft_us=400,
        queue_us=30,
        cached_tokens=4,
        reasoning_tokens=6,
        cost_nanodollars=1_500_000_000,
    )
    counted.add(values_of(record))
    found = samples(counted)
    by_key = 'model="m",provider="mock",virtual_key="alice"'
    assert (
        found[
            'microgate_requests_total{cache="none",error="none",model="m",operation="chat",outcome="ok",provider="mock",'
            'status="200",stream="true",virtual_key="alice"}'
        ]
        == 1
    )
    kinds = {"prompt": 10, "completion": 20, "cached": 4, "reasoning": 6}
    for kind, count in kinds.items():
        assert found[f'microgate_tokens_total{{model="m",provider="mock",type="{kind}",virtual_key="alice"}}'] == count
    assert total(found, "microgate_tokens_total") == sum(kinds.values())
    assert found[f"microgate_cost_dollars_total{{{by_key}}}"] == 1.5
    assert found[f"microgate_request_bytes_total{{{by_key}}}"] == 850
    assert found[f"microgate_response_bytes_total{{{by_key}}}"] == 1500
    timing = 'model="m",operation="chat",provider="mock",stream="true"'
    assert found[f"microgate_request_duration_seconds_sum{{{timing}}}"] == pytest.approx(950e-6)
    assert found[f"microgate_time_to_first_token_seconds_sum{{{timing}}}"] == pytest.approx(400e-6)
    assert found[f"microgate_inter_chunk_seconds_sum{{{timing}}}"] == pytest.approx(137e-6)
    assert found[f"microgate_stream_chunks_total{{{timing}}}"] == 5
    assert found['microgate_overhead_seconds_bucket{le="0.00002",operation="chat",stream="true"}'] == 1
    assert found['microgate_overhead_seconds_bucket{le="0.00001",operation="chat",stream="true"}'] == 0
    assert found['microgate_queue_seconds_sum{operation="chat",stream="true"}'] == pytest.approx(30e-6)
    assert found['microgate_upstream_seconds_sum{provider="mock"}'] == pytest.approx(900e-6)


def test_attempts_are_those_with_records_and_the_last_of_each_exchange(counted: Aggregates) -> None:
    failed = exchange(
        kind=int(Kind.ATTEMPT), status=429, outcome=int(Outcome.UPSTREAM_ERROR),
        error_kind=int(ErrorKind.UPSTREAM_RATE_LIMITED),
    )  # fmt: skip
    counted.add(values_of(failed))
    counted.add(values_of(exchange(attempt=2, attempts=2, flags=int(Flags.FALLBACK))))
    refused = exchange(attempt=0, attempts=0, provider=0, provider_key=0, status=401, outcome=int(Outcome.REFUSED))
    counted.add(values_of(refused))
    found = samples(counted)
    assert total(found, "microgate_attempts_total") == 2
    assert (
        total(found, "microgate_attempts_total", 'status="429"', 'error="upstream_rate_limited"', 'retry="false"') == 1
    )
    assert total(found, "microgate_attempts_total", 'status="200"', 'retry="true"', 'provider_key="k1"') == 1
    assert total(found, "microgate_requests_total") == 2
    assert total(found, "microgate_retries_total") == 1
    assert total(found, "microgate_fallbacks_total") == 1
    assert total(found, "microgate_requests_total", 'provider="none"', 'model="none"', 'status="401"') == 1


def test_attempts_cost_too_and_unknown_prices_are_counted(counted: Aggregates) -> None:
    """Whatever is charged is in the sum, also for an answer that nobody was shown."""
    counted.add(values_of(exchange(kind=int(Kind.ATTEMPT), cost_nanodollars=250_000_000)))
    counted.add(values_of(exchange(cost_nanodollars=500_000_000)))
    counted.add(values_of(exchange(prompt_tokens=0, completion_tokens=0, cost_nanodollars=250_000_000)))
    counted.add(values_of(exchange(flags=int(Flags.UNPRICED))))
    found = samples(counted)
    by_key = 'model="m",provider="mock",virtual_key="alice"'
    assert found[f"microgate_cost_dollars_total{{{by_key}}}"] == 1.0
    assert found[f"microgate_usage_unpriced_total{{{by_key}}}"] == 1


def test_shadows_are_counted_apart(counted: Aggregates) -> None:
    before = render(counted).partition("# HELP microgate_shadow")[0]
    copies = [
        exchange(kind=int(Kind.SHADOW), flags=int(Flags.SHADOW), target_model=b"other", status=status, outcome=outcome,
                 stream=1, ttft_us=2000, cost_nanodollars=500_000_000)
        for status, outcome in ((200, int(Outcome.OK)), (200, int(Outcome.OK)), (500, int(Outcome.UPSTREAM_ERROR)))
    ]  # fmt: skip
    counted.add(values_of(*copies))
    after = render(counted)
    assert after.partition("# HELP microgate_shadow")[0] == before
    said = {family.name: family for family in text_string_to_metric_families(after)}
    requests = {
        (sample.labels["status"], sample.labels["outcome"]): sample.value
        for sample in said["microgate_shadow_requests"].samples
    }
    assert requests == {("200", "ok"): 2, ("500", "upstream_error"): 1}
    tokens = {sample.labels["type"]: sample.value for sample in said["microgate_shadow_tokens"].samples}
    assert tokens == {"prompt": 30, "completion": 60}
    (cost,) = said["microgate_shadow_cost_dollars"].samples
    assert cost.value == 1.5
    counts = [
        sample.value
        for name in ("microgate_shadow_duration_seconds", "microgate_shadow_time_to_first_token_seconds")
        for sample in said[name].samples
        if sample.name.endswith("_count")
    ]
    assert counts == [3, 3]


def test_embeddings_of_the_cache_are_counted_apart(counted: Aggregates) -> None:
    before = render(counted).partition("# HELP microgate_cache_embedding")[0]
    calls = [
        exchange(kind=int(Kind.SHADOW), flags=int(Flags.SHADOW | Flags.EMBEDDING), target_model=b"e", status=status,
                 outcome=int(outcome), operation=int(Operation.EMBEDDINGS), cost_nanodollars=500_000_000)
        for status, outcome in ((200, Outcome.OK), (200, Outcome.OK), (500, Outcome.UPSTREAM_ERROR))
    ]  # fmt: skip
    counted.add(values_of(*calls))
    assert render(counted).partition("# HELP microgate_cache_embedding")[0] == before
    found = {name: value for name, value in samples(counted).items() if name.startswith("microgate_cache_embedding")}
    assert total(found, "microgate_cache_embedding_requests_total", 'status="200"', 'outcome="ok"') == 2
    assert total(found, "microgate_cache_embedding_requests_total", 'status="500"') == 1
    assert total(found, "microgate_cache_embedding_tokens_total", 'model="e"') == 30
    assert total(found, "microgate_cache_embedding_cost_dollars_total", 'provider="mock"') == 1.5
    assert total(found, "microgate_cache_embedding_duration_seconds_count", 'model="e"') == 3


def test_sums_hold_over_random_records(counted: Aggregates) -> None:
    rng = random.Random(7)
    prompt = duration = 0
    for number in range(3000):
        record = exchange(
            number,
            virtual_key=rng.choice([id_hash("file:virtual_key/alice"), 0, 12345]),
            target_model=rng.choice([b"a", b"b", b'quo"te', b"back\\slash", b"line\nend", "süß".encode()]),
            status=rng.choice([200, 200, 429, 500]),
            outcome=rng.choice([1, 1, 4, 8]),
            stream=rng.randrange(2),
            usage_source=int(rng.choice([UsageSource.PROVIDER, UsageSource.ESTIMATE])),
            prompt_tokens=rng.randrange(2000),
            total_us=rng.randrange(400_000_000),
        )
        prompt += record.prompt_tokens
        duration += record.total_us
        counted.add(values_of(record))
    found = samples(counted)
    assert total(found, "microgate_requests_total") == 3000
    assert total(found, "microgate_tokens_total", 'type="prompt"') == prompt
    assert total(found, "microgate_request_duration_seconds_count") == 3000
    assert total(found, "microgate_request_duration_seconds_sum") == pytest.approx(duration / 1e6)
    assert total(found, "microgate_request_duration_seconds_bucket", 'le="+Inf"') == 3000
    assert any('model="line\nend"' in text for text in found)


def test_every_family_is_declared_with_help_and_type(counted: Aggregates) -> None:
    counted.add(values_of(exchange(stream=1)))
    page = render(counted)
    for family in FAMILIES:
        assert f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.type}\n" in page
    assert page.endswith("\n")


def test_an_id_without_a_name_is_shown_bare_and_named_once_it_is_known() -> None:
    aggregates = Aggregates()
    aggregates.add(values_of(exchange()))
    bare = f'provider="id:{id_hash("file:provider/mock"):016x}"'
    assert total(samples(aggregates), "microgate_requests_total", bare) == 1
    aggregates.rename(NAMES)
    aggregates.add(values_of(exchange()))
    found = samples(aggregates)
    assert total(found, "microgate_requests_total", bare) == 1
    assert total(found, "microgate_requests_total", 'provider="mock"', 'virtual_key="alice"') == 1


def test_two_ids_of_one_name_share_their_series(counted: Aggregates) -> None:
    again = id_hash("0190-another-alice")
    counted.rename({**NAMES, again: "virtual_key/alice"})
    counted.add(values_of(exchange()))
    counted.add(values_of(exchange(virtual_key=again)))
    assert total(samples(counted), "microgate_requests_total", 'virtual_key="alice"') == 2


def test_invented_models_do_not_become_series(counted: Aggregates) -> None:
    for number in range(500):
        counted.add(
            values_of(exchange(target_model=b"invented-%d" % number, status=404, outcome=int(Outcome.UPSTREAM_ERROR)))
        )
    found = samples(counted)
    assert total(found, "microgate_requests_total") == 500
    assert sum("microgate_requests_total" in text for text in found) == aggregate.MAX_FAILED_MODELS + 1
    counted.add(values_of(exchange(target_model=b"real")))
    assert total(samples(counted), "microgate_requests_total", 'model="real"') == 1


def test_the_number_of_series_is_bounded(counted: Aggregates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregate, "MAX_SERIES", 100)
    for number in range(1, 1001):
        counted.add(values_of(exchange(virtual_key=number)))
    found = samples(counted)
    assert total(found, "microgate_requests_total") == 1000
    assert sum("microgate_requests_total" in text for text in found) == 101
    assert total(found, "microgate_requests_total", 'virtual_key="other"') == 900
    assert found["microgate_folded_records_total{}"] == 900


def test_values_of_a_newer_program_are_counted_by_number(counted: Aggregates) -> None:
    counted.add(values_of(exchange(outcome=200, error_kind=201, operation=999)))
    assert total(samples(counted), "microgate_requests_total", 'outcome="200"', 'error="201"', 'operation="999"') == 1


@pytest.mark.parametrize(("value", "le"), [(0, "0.005"), (5_000, "0.005"), (5_001, "0.01"), (400_000_000, "+Inf")])
def test_a_bound_belongs_to_its_bucket(value: int, le: str) -> None:
    histogram = Histogram(LATENCY_US)
    histogram.add(value)
    out: list[str] = []
    histogram.render("x", "", out)
    lines = "".join(out).splitlines()
    first = next(line for line in lines if line.endswith(" 1"))
    assert first == f'x_bucket{{le="{le}"}} 1'
    assert lines[-1] == "x_count 1"
