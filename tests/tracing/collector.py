"""A collector of OpenTelemetry's protocol over HTTP, which keeps what it is sent as the protocol's own messages."""

from __future__ import annotations

import gzip
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.live.upstreams import Received, Step, Upstream, http


def plain(value: Any) -> Any:
    """Of an AnyValue."""
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


def attributes(message: Any) -> dict[str, Any]:
    return {each.key: plain(each.value) for each in message.attributes}


class Collector(Upstream):
    """Takes everything, or answers with ``status``."""

    def __init__(self) -> None:
        self.status = 200
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.resources: list[dict[str, Any]] = []
        super().__init__(self._answer)
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def _answer(self, received: Received) -> list[Step]:
        if self.status != 200:
            return [http(b"", self.status)]
        body = gzip.decompress(received.body) if received.header("content-encoding") == "gzip" else received.body
        if received.target == "/v1/traces":
            traces = ExportTraceServiceRequest.FromString(body)
            for resource in traces.resource_spans:
                self.resources.append(attributes(resource.resource))
                for scope in resource.scope_spans:
                    self.spans += scope.spans
        elif received.target == "/v1/metrics":
            for each in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in each.scope_metrics:
                    self.metrics |= {metric.name: metric for metric in scope.metrics}
        else:
            return [http(b"", 404)]
        return [http(b"", content_type="application/x-protobuf")]
