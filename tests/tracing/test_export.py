"""What a collector is told of requests: spans that fit together, and metrics, by OpenTelemetry's conventions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from gateway.config.references import Text
from gateway.config.telemetry import OtelEntry, OtelMetricsEntry, TracesEntry
from gateway.control.calls import Calls
from gateway.records import CacheVerdict, ErrorKind, Flags, Kind, Outcome
from gateway.snapshot.model import Provider
from gateway.tracing.context import span_id_of, trace_id_of
from gateway.tracing.export import MOST_SPANS, Exporter
from gateway.tracing.measures import Measures
from gateway.tracing.parents import Parents
from tests.control.trail_records import NAMES, exchange, values_of
from tests.tracing.collector import Collector, attributes
from tests.waiting import wait_for

MOCK = Provider(
    id="file:provider/mock", name="mock", vendor="openai", base_url="https://api.mock.example:8443/v1", dialects={},
    paths={},
)  # fmt: skip
TRACE, SPAN = bytes(range(16)), bytes(range(8, 16))
Make = Callable[..., Exporter]


class Kept(MetricExporter):
    """Keeps what was exported last."""

    def __init__(self) -> None:
        super().__init__()
        self.data = MetricsData([])

    def export(self, metrics_data: MetricsData, timeout_millis: float = 0, **_: object) -> MetricExportResult:
        self.data = metrics_data
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 0, **_: object) -> None:
        pass


class Told:
    """An exporter into memory."""

    def __init__(self, **entry: Any) -> None:
        self.spans = InMemorySpanExporter()
        self.kept = Kept()
        self.parents = Parents()
        self.exporter = Exporter(
            OtelEntry(**entry), lambda: NAMES, lambda: {"mock": MOCK}, self.parents, "one", spans=self.spans,
            metrics=self.kept,
        )  # fmt: skip

    def put(self, *records: Any) -> list[ReadableSpan]:
        """The spans of these, once all was sent."""
        self.exporter.start()
        for tap in self.exporter.taps:
            tap.put(values_of(*records))
        self.exporter.close(30)
        self.metrics = {
            metric.name: metric
            for resource in self.kept.data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
        return list(self.spans.get_finished_spans())

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        return [(dict(point.attributes), point) for point in self.metrics[name].data.data_points]


def ids(span: ReadableSpan) -> tuple[int, int, int | None]:
    assert span.context is not None
    return span.context.trace_id, span.context.span_id, span.parent.span_id if span.parent is not None else None


def number(value: bytes) -> int:
    return int.from_bytes(value, "big")


def test_a_request_is_a_span_with_one_of_its_attempt_below() -> None:
    record = exchange(
        7, stream=1, ttft_us=400, chunks=3, cached_tokens=4, cost_nanodollars=1_500_000, queue_us=30,
        cache_verdict=int(CacheVerdict.MISS),
    )  # fmt: skip
    server, client = Told().put(record)
    request_id = (7).to_bytes(16, "big")
    assert ids(server) == (number(trace_id_of(request_id)), number(span_id_of(request_id)), None)
    assert ids(client) == (ids(server)[0], number(span_id_of(request_id, 1)), ids(server)[1])
    assert (server.kind, client.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert (server.name, client.name) == ("chat mock/m", "chat m")
    assert dict(server.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "mock/m",
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "http.response.status_code": 200,
        "server.address": "api.mock.example",
        "server.port": 8443,
        "microgate.provider": "mock",
        "microgate.request_id": request_id.hex(),
        "microgate.virtual_key": "alice",
        "microgate.cache": "miss",
        "microgate.cost_usd": 0.0015,
        "microgate.overhead_us": 11,
        "microgate.queue_us": 30,
        "microgate.attempts": 1,
        "microgate.fallback": False,
        "microgate.usage_source": "provider",
    }
    assert dict(client.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.0004,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "http.response.status_code": 200,
        "server.address": "api.mock.example",
        "server.port": 8443,
        "microgate.provider": "mock",
        "microgate.provider_key": "mock/k1",
        "microgate.request_id": request_id.hex(),
        "microgate.attempt": 1,
    }
    assert server.start_time is not None
    assert server.end_time is not None
    assert (server.end_time - server.start_time) // 1000 == 950
    assert client.end_time == server.end_time
    assert client.start_time == server.end_time - 900_000
    assert server.status.status_code is StatusCode.UNSET
    assert server.resource.attributes["service.name"] == "microgate"
    assert server.resource.attributes["service.instance.id"] == "one"


def test_every_attempt_has_a_span_of_its_own() -> None:
    failed = exchange(
        7, kind=int(Kind.ATTEMPT), status=500, outcome=int(Outcome.UPSTREAM_ERROR), attempt=1, attempts=1,
        error_kind=int(ErrorKind.UPSTREAM_SERVER), total_us=400, upstream_us=300,
    )  # fmt: skip
    spans = Told().put(exchange(7, attempt=2, attempts=2), failed)
    server, second, first = spans
    assert {ids(span)[2] for span in (first, second)} == {ids(server)[1]}
    assert len({ids(span)[1] for span in spans}) == 3
    assert (first.attributes or {})["error.type"] == "upstream_server"
    assert first.status.status_code is StatusCode.ERROR
    assert first.end_time is not None
    assert second.start_time is not None
    assert server.status.status_code is StatusCode.UNSET


def test_a_refusal_is_a_span_without_an_attempt_and_no_error_of_ours() -> None:
    refused = exchange(attempt=0, attempts=0, provider=0, provider_key=0, target_model=b"", status=429,
                       outcome=int(Outcome.REFUSED), error_kind=int(ErrorKind.BUDGET))  # fmt: skip
    [server] = Told().put(refused)
    assert (server.attributes or {})["error.type"] == "budget"
    assert server.status.status_code is StatusCode.UNSET
    assert "gen_ai.provider.name" not in (server.attributes or {})


def test_a_callers_span_is_the_parent_and_decides_whether_it_is_kept() -> None:
    told = Told(traces=TracesEntry(sample_ratio=0.0))
    told.parents.put(
        [
            ((1).to_bytes(16, "big"), TRACE, SPAN, True, "congo=t61"),
            ((2).to_bytes(16, "big"), TRACE, SPAN, False, ""),
        ]
    )
    spans = told.put(exchange(1), exchange(2), exchange(3))
    assert [ids(span)[0] for span in spans] == [number(TRACE)] * 2
    server, client = spans
    assert ids(server)[2] == number(SPAN)
    assert server.parent is not None
    assert server.parent.is_remote
    assert client.context is not None
    assert client.context.trace_state.to_header() == "congo=t61"


def test_the_gateways_own_calls_are_nobodys_spans() -> None:
    shadow = exchange(1, kind=int(Kind.SHADOW), flags=int(Flags.SHADOW))
    told = Told()
    assert told.put(shadow) == []
    assert told.metrics == {}


def test_metrics_are_of_every_request() -> None:
    told = Told(traces=TracesEntry(enabled=False))
    failed = exchange(
        2, kind=int(Kind.ATTEMPT), status=500, outcome=int(Outcome.UPSTREAM_ERROR), upstream_us=50_000,
        error_kind=int(ErrorKind.UPSTREAM_SERVER), prompt_tokens=0, completion_tokens=0,
    )  # fmt: skip
    good = exchange(1, stream=1, ttft_us=400, total_us=19_400, chunks=3, cost_nanodollars=2_000_000_000)
    assert told.put(good, failed) == []
    durations = {
        attributes.get("error.type"): point for attributes, point in told.points("gen_ai.client.operation.duration")
    }
    assert (durations[None].count, durations[None].sum) == (1, 0.0009)
    assert durations["upstream_server"].sum == 0.05
    tokens = {
        attributes["gen_ai.token.type"]: point.sum for attributes, point in told.points("gen_ai.client.token.usage")
    }
    assert tokens == {"input": 10, "output": 20}
    [(labels, first)] = told.points("gen_ai.server.time_to_first_token")
    assert first.sum == 0.0004
    assert labels == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "m",
        "microgate.provider": "mock",
        "server.address": "api.mock.example",
        "server.port": 8443,
    }
    [(_, each)] = told.points("gen_ai.server.time_per_output_token")
    assert each.sum == pytest.approx(0.019 / 19)
    [(_, request)] = told.points("gen_ai.server.request.duration")
    assert request.count == 1
    [(_, cost)] = told.points("microgate.cost")
    assert cost.value == 2.0


def test_a_series_keeps_its_attributes_when_its_provider_is_taken_away() -> None:
    calls, providers = Calls(), {"mock": MOCK}
    measures = Measures(calls, Resource({}), lambda: NAMES, lambda: providers)
    calls.put(values_of(exchange(1)))
    told = []
    for _ in range(2):
        [metric] = [
            metric
            for metric in measures.data().resource_metrics[0].scope_metrics[0].metrics
            if metric.name == "gen_ai.server.request.duration"
        ]
        told.append(metric.data.data_points[0].attributes)
        providers.clear()
    assert told[0] == told[1]
    assert (told[0] or {})["server.address"] == "api.mock.example"


# -- over the wire


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server


@pytest.fixture
def make(collector: Collector) -> Iterator[Make]:
    made: list[Exporter] = []

    def start(**entry: Any) -> Exporter:
        given = OtelEntry(endpoint=Text(collector.endpoint), **entry)
        exporter = Exporter(given, lambda: NAMES, lambda: {"mock": MOCK}, Parents())
        exporter.start()
        made.append(exporter)
        return exporter

    yield start
    for exporter in made:
        exporter.close(0.1)


def test_a_collector_is_sent_what_it_understands(collector: Collector, make: Make) -> None:
    exporter = make(
        resource={"deployment.environment.name": "test"}, metrics=OtelMetricsEntry(interval=1.0)  # type: ignore[arg-type]
    )  # fmt: skip
    for tap in exporter.taps:
        tap.put(values_of(exchange(7)))
    wait_for(lambda: len(collector.spans) == 2, "two spans")
    server, client = collector.spans
    assert server.trace_id == trace_id_of((7).to_bytes(16, "big"))
    assert client.parent_span_id == server.span_id
    assert attributes(client)["gen_ai.usage.input_tokens"] == 10
    assert {"service.name": "microgate", "deployment.environment.name": "test"}.items() <= collector.resources[
        0
    ].items()
    wait_for(lambda: "gen_ai.client.operation.duration" in collector.metrics, "metrics")
    [point] = collector.metrics["gen_ai.client.operation.duration"].histogram.data_points
    assert (point.count, list(point.explicit_bounds)[:2]) == (1, [0.01, 0.02])
    # They are counted behind the collector's answer.
    wait_for(lambda: exporter.exported == 2, "the count")
    assert exporter.dropped == 0


def test_a_collector_that_is_away_costs_spans_and_they_are_counted(collector: Collector, make: Make) -> None:
    collector.status = 400
    exporter = make(metrics=OtelMetricsEntry(enabled=False))
    exporter.tap.put(values_of(exchange(1)))
    wait_for(lambda: exporter.dropped == 2, "two lost spans")
    collector.status = 200
    exporter.tap.put(values_of(exchange(2)))
    wait_for(lambda: exporter.exported == 2, "two that came")


def test_metrics_that_a_collector_did_not_take_come_with_the_next(collector: Collector, make: Make) -> None:
    collector.status = 400
    exporter = make(
        traces=TracesEntry(enabled=False), metrics=OtelMetricsEntry(interval=1.0)  # type: ignore[arg-type]
    )  # fmt: skip
    assert exporter._telemeter is not None
    telemeter = exporter._telemeter
    exporter.taps[0].put(values_of(exchange(1)))
    wait_for(lambda: telemeter._failed, "an export that failed")
    exporter.taps[0].put(values_of(exchange(2)))
    collector.status = 200
    exporter.close(30)
    [point] = collector.metrics["gen_ai.server.request.duration"].histogram.data_points
    assert point.count == 2
    assert not point.HasField("min")
    assert not telemeter._failed


def test_a_collector_that_hangs_holds_up_nobody(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = make(metrics=OtelMetricsEntry(enabled=False))
    monkeypatch.setattr(exporter._spans, "export", lambda batch: exporter._stopping.wait(30) and None)
    # Nobody takes the spans; what is told to the exporter is taken all the same, and what is too much is counted.
    exporter.tap.put(values_of(exchange(1)))
    monkeypatch.setattr(exporter, "_queue", type(exporter._queue)([object()] * MOST_SPANS))  # type: ignore[arg-type]
    exporter._make(list(values_of(exchange(2), exchange(3))))
    assert exporter.dropped == 4
