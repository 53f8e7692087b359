"""From records to a collector: threads of the control process that hold up nobody.

One takes records and makes spans of them, another sends these in batches, a third sends once an interval what the
ingest thread has added up for metrics. Whatever is slow or away costs telemetry, which is counted, and nothing else.
Imported only when configured.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import gateway
from gateway.config.telemetry import OtelEntry
from gateway.control.calls import Calls
from gateway.control.record_tap import RecordTap, Tap
from gateway.control.trail import WIDTH
from gateway.snapshot.model import Provider
from gateway.stores.protocols import LogRow
from gateway.tracing.measures import Measures, Telemeter
from gateway.tracing.parents import Parents
from gateway.tracing.spans import SpanMaker
from gateway.tracing.vocabulary import name_of

log = logging.getLogger("microgate.otel")

SETTLE_S = 1.5
"""How long a record waits for its caller's trace context: workers tell it with their heartbeat, once they have found a
new control process, which takes a second at most."""
STEP_S = 0.2
BATCH = 512
"""Spans in one export, as the SDK's own default."""
MOST_SPANS = 8192
EXPORT_WITHIN_S = 10.0
INTERVAL_S = 60.0
REQUEST_ID = LogRow._fields.index("request_id")

# The SDK's exporters tell of each failure in lines of their own, with the collector's address; it is told once, here.
for name in ("opentelemetry.exporter", "opentelemetry.sdk"):
    logging.getLogger(name).setLevel(logging.CRITICAL)


class Exporter:
    """Of one configuration, from ``start`` to ``close``. ``names`` and ``providers`` are asked for what is in force."""

    def __init__(
        self,
        entry: OtelEntry,
        names: Callable[[], Mapping[int, str]],
        providers: Callable[[], Mapping[str, Provider]],
        parents: Parents,
        instance: str = "",
        *,
        spans: SpanExporter | None = None,
        metrics: MetricExporter | None = None,
    ) -> None:
        """``spans`` and ``metrics`` in place of OTLP's."""
        self.tap = RecordTap()
        self._names, self._providers, self._parents = names, providers, parents
        self._resource = resource_of(entry, instance)
        self._maker = SpanMaker(self._resource, entry.traces.sample_ratio) if entry.traces.enabled else None
        self._spans = spans or (_span_exporter(entry) if entry.traces.enabled else None)
        self.taps: tuple[Tap, ...] = (self.tap,) if entry.traces.enabled else ()
        """Where records are to be put."""
        self._telemeter: Telemeter | None = None
        if entry.metrics.enabled:
            calls = Calls()
            self.taps += (calls,)
            measures = Measures(calls, self._resource, names, providers)
            interval_s = INTERVAL_S if entry.metrics.interval is None else float(entry.metrics.interval)
            self._telemeter = Telemeter(measures, metrics or _metric_exporter(entry), interval_s, EXPORT_WITHIN_S)
        self._queue: deque[ReadableSpan] = deque()
        self._there = threading.Event()
        self._stopping = threading.Event()
        self._all_made = threading.Event()
        """No further span comes."""
        self._threads: list[threading.Thread] = []
        self._failed = False
        self.exported = 0
        self.dropped = 0
        """Spans that found the queue full, or that the collector did not take; records that came too fast are in
        ``tap.dropped``."""

    def start(self) -> None:
        for work, title in ((self._take, "otel records"), (self._send, "otel spans")) if self._maker else ():
            thread = threading.Thread(target=work, name=title, daemon=True)
            thread.start()
            self._threads.append(thread)
        if self._telemeter is not None:
            self._telemeter.start()

    def close(self, within_s: float = 2.0) -> None:
        """Send what there is, if the collector takes it soon."""
        self._stopping.set()
        self.tap.wake()
        self._there.set()
        if self._telemeter is not None:
            self._telemeter.stop(0)
        end = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        if self._telemeter is not None:
            self._telemeter.stop(end - time.monotonic())

    # -- records become spans

    def _take(self) -> None:
        waiting: deque[tuple[float, list[object]]] = deque()
        while True:
            last = self._stopping.is_set()
            now = time.monotonic()
            waiting.extend((now, values) for values in self.tap.take(0 if last else STEP_S))
            while waiting and (last or waiting[0][0] <= time.monotonic() - SETTLE_S):
                self._make(waiting.popleft()[1])
            if last:
                self._all_made.set()
                self._there.set()
                return
            if waiting:
                # ``take`` returns at once while records come.
                self._stopping.wait(STEP_S)

    def _make(self, values: list[object]) -> None:
        maker = self._maker
        if maker is None:
            return
        names, providers = self._names(), self._providers()
        for at in range(0, len(values), WIDTH):
            # A reader may give it as a bytearray.
            request_id = bytes(values[at + REQUEST_ID])  # type: ignore[call-overload]  # as the ring gives it
            parent = self._parents.get(request_id)
            trace_id = maker.kept(request_id, parent)
            if trace_id is None:
                continue
            row = LogRow(*values[at : at + WIDTH])  # type: ignore[arg-type]  # as the ring gives them
            row = row._replace(request_id=request_id)
            provider = providers.get(name_of(row.provider, names)) if row.provider else None
            try:
                for span in maker.spans(row, trace_id, parent, provider, names):
                    self._put(span)
            except Exception:
                # Telemetry of one record is not worth the thread.
                log.exception("a record could not be told")
                self.dropped += 1

    def _put(self, span: ReadableSpan) -> None:
        if len(self._queue) >= MOST_SPANS:
            self.dropped += 1
            return
        self._queue.append(span)
        if len(self._queue) >= BATCH:
            self._there.set()

    # -- spans are sent

    def _send(self) -> None:
        exporter = self._spans
        if exporter is None:
            return
        while True:
            self._there.wait(1.0)
            self._there.clear()
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                self._export(exporter, batch)
            if self._all_made.is_set() and not self._queue:
                exporter.shutdown()
                return

    def _export(self, exporter: SpanExporter, batch: Sequence[ReadableSpan]) -> None:
        try:
            done = exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception as error:  # whatever a collector's answer makes of its library
            log.debug("export: %s", error)
            done = False
        if done:
            self.exported += len(batch)
        else:
            self.dropped += len(batch)
        if not done and not self._failed:
            log.warning("spans are lost: the collector does not take them")
        self._failed = not done


def resource_of(entry: OtelEntry, instance: str) -> Resource:
    own = {
        "service.name": "microgate",
        "service.version": gateway.__version__,
        "service.instance.id": instance or str(os.getpid()),
        "host.name": socket.gethostname(),
    }
    return Resource.create({**own, **entry.resource})


def _headers(entry: OtelEntry) -> dict[str, str]:
    return {name: value.reveal() for name, value in entry.headers.items()}


def _at(entry: OtelEntry, path: str) -> str:
    return f"{str(entry.endpoint or '').rstrip('/')}{path}"


def _span_exporter(entry: OtelEntry) -> SpanExporter:
    return OTLPSpanExporter(_at(entry, "/v1/traces"), headers=_headers(entry), timeout=EXPORT_WITHIN_S)


def _metric_exporter(entry: OtelEntry) -> MetricExporter:
    return OTLPMetricExporter(_at(entry, "/v1/metrics"), headers=_headers(entry), timeout=EXPORT_WITHIN_S)
