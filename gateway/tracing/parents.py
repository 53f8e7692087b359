"""The trace contexts that callers sent, by request, until the request's records have come."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from gateway.tracing.context import Parent

MOST = 100_000
"""Requests under way: the oldest gives way, and begins a trace of its own."""


class Parents:
    """Told on the loop of the control process, asked on another thread."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._parents: OrderedDict[bytes, Parent] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, carried: Iterable[tuple[bytes, bytes, bytes, bool, str]]) -> None:
        """What a worker has carried."""
        with self._lock:
            for request_id, trace_id, span_id, sampled, state in carried:
                self._parents[request_id] = Parent(trace_id, span_id, sampled, state)
            while len(self._parents) > self._most:
                self._parents.popitem(last=False)

    def get(self, request_id: bytes) -> Parent | None:
        """A record of an attempt may come behind that of its request: nothing is forgotten by asking."""
        with self._lock:
            return self._parents.get(request_id)
