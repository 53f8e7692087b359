"""In a worker: the trace contexts of callers, carried to control beside the records, and what providers are told.

A hook behind parsing, which is there only while the configuration asks for it: requests of others pay the one test of
``pipeline.PARSED_HOOKS`` that they pay anyway.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from _speedups._head import HeaderFilter
from gateway.exchange import Exchange
from gateway.snapshot.tracing import Tracing
from gateway.tracing.context import Parent, fields_of, is_sampled, parent_of, span_id_of, trace_id_of

MOST_CARRIED = 20_000
"""Until control is told, with the next heartbeat; what comes beyond begins a trace of its own. 5 MiB at most."""

FIELDS = HeaderFilter((b"traceparent", b"tracestate"), keep=True)
_CALLERS = re.compile(rb"(?im)^(?:traceparent|tracestate):[^\n]*\n")

Carried = tuple[bytes, bytes, bytes, bool, str]
"""Request id, and a ``Parent``."""


class Carrying:
    """One per worker. ``hooks``: of the pipeline, behind parsing."""

    def __init__(self, hooks: list[Callable[[Exchange], Any]]) -> None:
        self._hooks = hooks
        self._hook = self.parsed
        self._tracing = Tracing()
        self._carried: list[Carried] = []

    def follow(self, tracing: Tracing) -> None:
        """As configured from now on."""
        self._tracing = tracing
        wanted = (tracing.export and tracing.incoming == "trust") or tracing.outgoing == "own"
        if wanted and self._hook not in self._hooks:
            self._hooks.append(self._hook)
        elif not wanted and self._hook in self._hooks:
            self._hooks.remove(self._hook)

    def parsed(self, x: Exchange) -> None:
        """Note the caller's context, and put that of the gateway in its place where providers are told of it."""
        tracing = self._tracing
        parent = parent_of(FIELDS.copy(x.head)) if tracing.incoming == "trust" else None
        request_id = bytes.fromhex(x.request_id.decode())
        if parent is not None and tracing.export and len(self._carried) < MOST_CARRIED:
            self._carried.append((request_id, *parent))
        if tracing.outgoing == "own":
            x.head = with_fields(x.head, fields_of(own_of(request_id, parent, tracing)))

    def take(self) -> list[Carried]:
        """What was carried since the last time."""
        taken, self._carried = self._carried, []
        return taken


def own_of(request_id: bytes, parent: Parent | None, tracing: Tracing) -> Parent:
    """The request's own span, as the parent of what a provider does for it."""
    span_id = span_id_of(request_id)
    if parent is not None:
        return parent._replace(span_id=span_id)
    trace_id = trace_id_of(request_id)
    return Parent(trace_id, span_id, tracing.export and is_sampled(trace_id, tracing.sample_ratio))


def with_fields(head: bytes, fields: bytes) -> bytes:
    """A head with these lines in place of the caller's."""
    return _CALLERS.sub(b"", head)[:-2] + fields + b"\r\n"
