"""Metrics by OpenTelemetry's conventions for generative AI, of every record, sampled or not.

What is counted is in ``gateway/control/calls.py``, in the conventions' own buckets; here it is given the conventions'
names once an interval. The SDK's instruments would take 130 us a record.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

import gateway
from gateway.control.calls import DURATIONS_US, EACH_NS, FIRST_US, TOKENS, CallLabels, Calls, CallSeries
from gateway.control.histogram import OVERHEAD_US, Histogram
from gateway.snapshot.model import Provider
from gateway.tracing.vocabulary import Attributes, common_of, error_type, name_of

log = logging.getLogger("microgate.otel")

SCOPE = InstrumentationScope("microgate", gateway.__version__)
CUMULATIVE = AggregationTemporality.CUMULATIVE


class Instrument(NamedTuple):
    """A histogram as it is told."""

    name: str
    unit: str
    help: str
    bounds: tuple[int, ...]
    per_unit: int
    """What was counted is so many a ``unit``."""


DURATION = Instrument(
    "gen_ai.client.operation.duration", "s", "How long a call to a provider took.", DURATIONS_US, 10**6
)
USAGE = Instrument("gen_ai.client.token.usage", "{token}", "Tokens of a call to a provider.", TOKENS, 1)
REQUEST = Instrument(
    "gen_ai.server.request.duration", "s", "How long a request took, at the gateway.", DURATIONS_US, 10**6
)
FIRST = Instrument(
    "gen_ai.server.time_to_first_token", "s", "Streams: until the first byte of the answer.", FIRST_US, 10**6
)
EACH = Instrument(
    "gen_ai.server.time_per_output_token", "s", "Streams: for each token behind the first.", EACH_NS, 10**9
)
OVERHEAD = Instrument("microgate.overhead", "s", "What the gateway itself took.", OVERHEAD_US, 10**6)
INSTRUMENTS = (DURATION, USAGE, REQUEST, FIRST, EACH, OVERHEAD)

Labelled = tuple[tuple[str, str | int | float | bool], ...]


class Counts(NamedTuple):
    """Of one series of an instrument."""

    buckets: list[int]
    total: int

    def plus(self, other: Histogram) -> Counts:
        """With what another one has: series that differ in what the instrument does not tell are one."""
        return Counts(
            [mine + theirs for mine, theirs in zip(self.buckets, other.counts, strict=True)], self.total + other.total
        )


class Measures:
    """What ``calls`` has counted, in the words of the conventions."""

    def __init__(
        self,
        calls: Calls,
        resource: Resource,
        names: Callable[[], Mapping[int, str]],
        providers: Callable[[], Mapping[str, Provider]],
    ) -> None:
        self._calls = calls
        self._resource = resource
        self._names, self._providers = names, providers
        self._known: dict[int, Provider] = {}
        """As first met: a series keeps its attributes, also when its provider is changed or taken away."""

    def data(self) -> MetricsData:
        """All of it, since ``calls`` began."""
        histograms: dict[tuple[Instrument, Labelled], Counts] = {}
        costs: dict[Labelled, int] = {}
        lock = self._calls.lock
        with lock:
            found, overheads = list(self._calls.series.items()), list(self._calls.overhead.items())
        for key, series in found:
            # One by one: the ingest thread waits for one series at most.
            with lock:
                self._take(CallLabels(*key), series, histograms, costs)
        for operation, overhead in overheads:
            with lock:
                attributes = common_of(CallLabels(operation, 0, "", 0, 0, 0), None)
                _count(histograms, OVERHEAD, attributes, overhead)
        now_ns = time.time_ns()
        metrics = [*self._histograms(histograms, now_ns), *self._cost(costs, now_ns)]
        scopes = [ScopeMetrics(SCOPE, metrics, "")] if metrics else []
        return MetricsData([ResourceMetrics(self._resource, scopes, "")] if scopes else [])

    def _take(
        self,
        labels: CallLabels,
        series: CallSeries,
        histograms: dict[tuple[Instrument, Labelled], Counts],
        costs: dict[Labelled, int],
    ) -> None:
        provider = self._provider(labels.provider)
        attributes = common_of(labels, provider) | {"gen_ai.request.model": labels.model or "none"}
        error = error_type(labels)
        failed = attributes | ({"error.type": error} if error else {})
        _count(histograms, DURATION, failed, series.duration)
        _count(histograms, USAGE, attributes | {"gen_ai.token.type": "input"}, series.input)
        _count(histograms, USAGE, attributes | {"gen_ai.token.type": "output"}, series.output)
        _count(histograms, REQUEST, failed, series.request)
        _count(histograms, FIRST, attributes, series.first)
        _count(histograms, EACH, attributes, series.each)
        if series.cost:
            labelled = tuple(attributes.items())
            costs[labelled] = costs.get(labelled, 0) + series.cost

    def _provider(self, identity: int) -> Provider | None:
        known = self._known.get(identity)
        if known is None and identity:
            known = self._providers().get(name_of(identity, self._names()))
            if known is not None:
                self._known[identity] = known
        return known

    def _histograms(self, found: Mapping[tuple[Instrument, Labelled], Counts], now_ns: int) -> Iterator[Metric]:
        for instrument in INSTRUMENTS:
            points = [
                HistogramDataPoint(
                    dict(labelled), self._calls.began_ns, now_ns, sum(counts.buckets),
                    counts.total / instrument.per_unit, counts.buckets,
                    [bound / instrument.per_unit for bound in instrument.bounds],
                    # Nobody has kept them; the protocol may do without.
                    None, None,  # type: ignore[arg-type]
                )
                for (of, labelled), counts in found.items()
                if of is instrument
            ]  # fmt: skip
            if points:
                yield Metric(instrument.name, instrument.help, instrument.unit, HistogramData(points, CUMULATIVE))

    def _cost(self, costs: Mapping[Labelled, int], now_ns: int) -> Iterator[Metric]:
        points = [
            NumberDataPoint(dict(labelled), self._calls.began_ns, now_ns, cost / 1e9)
            for labelled, cost in costs.items()
        ]
        if points:
            yield Metric(
                "microgate.cost", "What providers charge.", "{USD}", Sum(points, CUMULATIVE, is_monotonic=True)
            )


def _count(
    into: dict[tuple[Instrument, Labelled], Counts], instrument: Instrument, attributes: Attributes, found: Histogram
) -> None:
    if any(found.counts):
        key = instrument, tuple(attributes.items())
        before = into.get(key)
        into[key] = Counts(list(found.counts), found.total) if before is None else before.plus(found)


class Telemeter:
    """Tells a collector once an interval, on a thread of its own, and a last time at its end."""

    def __init__(self, measures: Measures, exporter: MetricExporter, interval_s: float, within_s: float) -> None:
        self._measures = measures
        self._exporter = exporter
        self._interval_s, self._within_s = interval_s, within_s
        self._stopping = threading.Event()
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="otel metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """After a last export, if the collector takes it soon."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(max(0.0, within_s))

    def _run(self) -> None:
        over = False
        while not over:
            over = self._stopping.wait(self._interval_s)
            self._export()
        self._exporter.shutdown()

    def _export(self) -> None:
        try:
            data = self._measures.data()
            if not data.resource_metrics:
                return
            done = self._exporter.export(data, self._within_s * 1000) is MetricExportResult.SUCCESS
        except Exception as error:  # whatever a collector's answer makes of its library
            log.debug("export: %s", error)
            done = False
        if not done and not self._failed:
            # Nothing is lost: what follows has all since the beginning.
            log.warning("metrics are late: the collector does not take them")
        self._failed = not done
