"""The sections ``otel`` and ``access_log``: what is told of requests elsewhere than in the gateway's own log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.config.addresses import judge_url
from gateway.config.names import HeaderName
from gateway.config.problems import Problem
from gateway.config.references import Secret, Text
from gateway.config.units import Duration

if TYPE_CHECKING:
    from gateway.config.schema import Config

EXPORTER = "opentelemetry.exporter.otlp.proto.http"
LEAST_INTERVAL_S = 1.0
STREAMS = ("stdout", "stderr")


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every section."""


class TracesEntry(Entry, frozen=True):
    """Spans: one of each request, one of each attempt."""

    enabled: bool = True
    sample_ratio: Annotated[
        float, Meta(ge=0, le=1, description="Of the traces that begin here; others are kept as their parent is.")
    ] = 1.0


class OtelMetricsEntry(Entry, frozen=True):
    """Metrics with GenAI's names, beside those of /metrics."""

    enabled: bool = True
    interval: Annotated[Duration | None, Meta(description="Between two exports.")] = None


class PropagateEntry(Entry, frozen=True):
    """W3C trace context."""

    incoming: Annotated[
        Literal["trust", "ignore"], Meta(description="Whether a caller's traceparent makes its span the parent.")
    ] = "trust"
    outgoing: Annotated[
        Literal["none", "forward", "own"],
        Meta(description="What providers are told: nothing, what the caller sent, or the gateway's own span."),
    ] = "none"


class OtelEntry(Entry, frozen=True):
    """OpenTelemetry, over OTLP/HTTP; wants `microgate[otel]`."""

    endpoint: Annotated[
        Text | None, Meta(description="http://host:4318, to which /v1/traces and /v1/metrics are appended.")
    ] = None
    headers: Annotated[dict[HeaderName, Secret], Meta(description="Sent with each export.")] = {}
    traces: TracesEntry = TracesEntry()
    metrics: OtelMetricsEntry = OtelMetricsEntry()
    resource: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=256)], Annotated[str, Meta(max_length=1024)]],
        Meta(max_length=64, description="Attributes of the gateway; service.name is microgate unless given."),
    ] = {}
    propagate: PropagateEntry = PropagateEntry()


class AccessLogEntry(Entry, frozen=True):
    """One line of JSON for each request."""

    path: Annotated[
        Annotated[str, Meta(min_length=1, max_length=4096)] | None,
        Meta(description="stdout, stderr or the whole path of a file; without it there is none."),
    ] = None
    format: Literal["json"] = "json"
    attempts: Annotated[bool, Meta(description="A line also for each attempt that another one followed.")] = False


def judge(config: Config) -> Iterator[Problem]:
    """What is wrong with the sections, wherever they stand."""
    endpoint = config.otel.endpoint
    if endpoint is not None:
        if reason := judge_url(str(endpoint), allow_private=True):
            yield Problem(("otel", "endpoint"), reason)
        elif not is_installed():
            yield Problem(("otel", "endpoint"), "OpenTelemetry is not installed", hint="pip install 'microgate[otel]'")
    path = config.access_log.path
    if path is not None and path not in STREAMS and (not os.path.isabs(path) or not path.isprintable()):
        yield Problem(("access_log", "path"), "stdout, stderr or a path that begins with a slash")
    interval = config.otel.metrics.interval
    if interval is not None and interval < LEAST_INTERVAL_S:
        yield Problem(("otel", "metrics", "interval"), f"at least {LEAST_INTERVAL_S:g}s")


def is_installed() -> bool:
    """Whether what exports can be imported; nothing is imported to find out."""
    try:
        return find_spec(EXPORTER) is not None and find_spec("opentelemetry.sdk") is not None
    except ModuleNotFoundError:
        return False
