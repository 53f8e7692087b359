"""Errors in Cohere's form: ``{"id", "message"}``, and ``message-end`` with an ``error`` in streams.

Sources: the recorded error; ``ChatMessageEndEventDelta`` of Cohere's Python SDK 7.3.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from providers.dialects import openai_faults
from providers.dialects.base import WireError, wait_fields
from providers.dialects.reading import mapping, text
from providers.neutral import STATUS, Fault, Json


def decode(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """A provider's error answer."""
    fault = openai_faults.decode(status, headers, body)
    try:
        value = mapping(orjson.loads(body))
    except orjson.JSONDecodeError:
        value = {}
    fault.code = text(value.get("error_type")) or fault.code
    fault.request_id = fault.request_id or text(value.get("id"))
    return fault


def in_stream(value: Json) -> Fault:
    """An error inside a stream."""
    return openai_faults.in_stream(value)


def encode(fault: Fault) -> WireError:
    """An error as Cohere's SDKs raise it."""
    body: Json = {"message": fault.message}
    if fault.request_id:
        body = {"id": fault.request_id} | body
    return WireError(fault.status or STATUS[fault.kind], orjson.dumps(body), wait_fields(fault))
