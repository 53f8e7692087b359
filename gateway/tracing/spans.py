"""Spans made of records: one of each request, and below it one of each attempt at a provider.

Nothing was measured for them. A record says when its request began and how long things took; ids are digests of the
request id (``context.py``), so the spans of a request fit together although their records come one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

import gateway
from gateway.records import Kind
from gateway.snapshot.model import Provider
from gateway.stores.protocols import LogRow
from gateway.tracing.context import Parent, is_sampled, span_id_of, trace_id_of
from gateway.tracing.vocabulary import (
    Attributes,
    common_of,
    error_type,
    name_of,
    operation_of,
    request_of,
    usage_of,
)

SCOPE = InstrumentationScope("microgate", gateway.__version__)
SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class SpanMaker:
    """For one configuration of the exporter."""

    def __init__(self, resource: Resource, ratio: float) -> None:
        self._resource = resource
        self._ratio = ratio

    def kept(self, request_id: bytes, parent: Parent | None) -> bytes | None:
        """The trace of a request; None: it is not among those that are kept. ``parent``: what the caller sent."""
        if parent is not None:
            return parent.trace_id if parent.sampled else None
        if not self._ratio:
            return None
        trace_id = trace_id_of(request_id)
        return trace_id if is_sampled(trace_id, self._ratio) else None

    def spans(
        self,
        row: LogRow,
        trace_id: bytes,
        parent: Parent | None,
        provider: Provider | None,
        names: Mapping[int, str],
    ) -> Iterator[ReadableSpan]:
        """Of a record of a trace that is kept."""
        state = TraceState.from_header([parent.state]) if parent is not None and parent.state else None
        own = _context(trace_id, span_id_of(row.request_id), state)
        if row.kind == Kind.EXCHANGE:
            above = _context(trace_id, parent.span_id, state, remote=True) if parent is not None else None
            yield self._request(row, own, above, provider, names)
        if row.attempt and row.kind in (Kind.EXCHANGE, Kind.ATTEMPT):
            yield self._attempt(
                row, _context(trace_id, span_id_of(row.request_id, row.attempt), state), own, provider, names
            )

    def _request(
        self,
        row: LogRow,
        context: SpanContext,
        above: SpanContext | None,
        provider: Provider | None,
        names: Mapping[int, str],
    ) -> ReadableSpan:
        attributes = common_of(row, provider) | request_of(row, names) | usage_of(row)
        attributes["gen_ai.request.model"] = row.model
        attributes["gen_ai.request.stream"] = bool(row.stream)
        attributes["http.response.status_code"] = row.status
        started_ns = row.started_us * 1000
        # A caller's mistake is no error of the server's span (semantic conventions for HTTP).
        failed = error_type(row) if row.status >= 500 or not row.status else ""
        return self._span(
            f"{operation_of(row)} {row.model}".strip(), SpanKind.SERVER, context, above, row, attributes,
            (started_ns, started_ns + row.total_us * 1000), failed,
        )  # fmt: skip

    def _attempt(
        self,
        row: LogRow,
        context: SpanContext,
        above: SpanContext,
        provider: Provider | None,
        names: Mapping[int, str],
    ) -> ReadableSpan:
        attributes = common_of(row, provider) | usage_of(row)
        attributes["gen_ai.request.model"] = row.target_model
        attributes["gen_ai.request.stream"] = bool(row.stream)
        attributes["microgate.attempt"] = row.attempt
        attributes["microgate.request_id"] = row.request_id.hex()
        if row.status:
            attributes["http.response.status_code"] = row.status
        if row.provider_key:
            attributes["microgate.provider_key"] = name_of(row.provider_key, names)
        if row.stream and row.ttft_us:
            attributes["gen_ai.response.time_to_first_chunk"] = row.ttft_us / 1e6
        # A record has how long its attempt took, and when it was over.
        ended_ns = (row.started_us + row.total_us) * 1000
        began_ns = max(row.started_us * 1000, ended_ns - row.upstream_us * 1000)
        return self._span(
            f"{operation_of(row)} {row.target_model}".strip(), SpanKind.CLIENT, context, above, row, attributes,
            (began_ns, ended_ns), error_type(row),
        )  # fmt: skip

    def _span(
        self,
        name: str,
        kind: SpanKind,
        context: SpanContext,
        above: SpanContext | None,
        row: LogRow,
        attributes: Attributes,
        times_ns: tuple[int, int],
        failed: str,
    ) -> ReadableSpan:
        error = error_type(row)
        if error:
            attributes["error.type"] = error
        return ReadableSpan(
            name=name,
            context=context,
            parent=above,
            resource=self._resource,
            attributes=attributes,
            kind=kind,
            status=Status(StatusCode.ERROR, failed) if failed else Status(StatusCode.UNSET),
            start_time=times_ns[0],
            end_time=times_ns[1],
            instrumentation_scope=SCOPE,
        )


def _context(trace_id: bytes, span_id: bytes, state: TraceState | None, *, remote: bool = False) -> SpanContext:
    return SpanContext(int.from_bytes(trace_id, "big"), int.from_bytes(span_id, "big"), remote, SAMPLED, state)
