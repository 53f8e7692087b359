"""W3C Trace Context (https://www.w3.org/TR/trace-context/): what callers send, and the ids of what begins here.

Ids of our own are digests of the request id, so that nobody has to carry them: whoever knows the request knows them.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

_FIELD = re.compile(rb"(?im)^(traceparent|tracestate):[ \t]*([^\r\n]*?)[ \t]*\r?$")
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_STATE = re.compile(rb"[ -~\t]*")
MOST_STATE_BYTES = 512
"""Of ``tracestate``: as much as has to be propagated (3.3.1.5)."""
SAMPLED = 1


class Parent(NamedTuple):
    """The span of a caller that a request belongs to."""

    trace_id: bytes
    """16 bytes."""
    span_id: bytes
    """8 bytes."""
    sampled: bool
    state: str = ""


def parent_of(fields: bytes) -> Parent | None:
    """Of header lines; None without a ``traceparent``, or with one that is not valid (which is to be ignored, 4.2)."""
    parents: list[bytes] = []
    states: list[bytes] = []
    for name, value in _FIELD.findall(fields):
        (parents if name.lower() == b"traceparent" else states).append(value)
    found = _PARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    # A version 00 has nothing behind its flags; ff is none.
    if found is None or found[1] == b"ff" or (found[5] and found[1] == b"00"):
        return None
    trace_id, span_id = bytes.fromhex(found[2].decode()), bytes.fromhex(found[3].decode())
    if not any(trace_id) or not any(span_id):
        return None
    state = b",".join(value for value in states if value)
    if len(state) > MOST_STATE_BYTES or not _STATE.fullmatch(state):
        state = b""
    return Parent(trace_id, span_id, bool(int(found[4], 16) & SAMPLED), state.decode())


def trace_id_of(request_id: bytes) -> bytes:
    """Of a trace that begins with this request (16 bytes)."""
    return hashlib.blake2b(request_id, digest_size=16, person=b"microgate trace").digest()


def span_id_of(request_id: bytes, attempt: int = 0) -> bytes:
    """Of a request's own span, or of an attempt's."""
    return hashlib.blake2b(b"%b%d" % (request_id, attempt), digest_size=8, person=b"microgate span").digest()


def is_sampled(trace_id: bytes, ratio: float) -> bool:
    """Whether a trace that begins here is among the ``ratio`` that is kept; the same everywhere, as OpenTelemetry's
    TraceIdRatioBased."""
    return int.from_bytes(trace_id[8:], "big") < round(ratio * (1 << 64))


def fields_of(parent: Parent) -> bytes:
    """The header lines that say so."""
    lines = f"traceparent: 00-{parent.trace_id.hex()}-{parent.span_id.hex()}-{parent.sampled:02x}\r\n"
    if parent.state:
        lines += f"tracestate: {parent.state}\r\n"
    return lines.encode()
