"""Errors: ``{"type": "error", "error": {"type", "message"}, "request_id"}``."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from providers.dialects import openai_faults
from providers.dialects.base import WireError
from providers.dialects.reading import mapping, text
from providers.neutral import STATUS, Fault, FaultKind, Json

_KINDS: dict[str, FaultKind] = {
    "invalid_request_error": "bad_request",
    "authentication_error": "auth",
    "billing_error": "quota",
    "permission_error": "permission",
    "not_found_error": "not_found",
    "request_too_large": "too_large",
    "rate_limit_error": "rate_limit",
    "api_error": "server",
    "timeout_error": "timeout",
    "overloaded_error": "overloaded",
}
_TYPES: dict[FaultKind, str] = {
    "bad_request": "invalid_request_error",
    "context_length": "invalid_request_error",
    "content_filter": "invalid_request_error",
    "auth": "authentication_error",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "too_large": "request_too_large",
    "rate_limit": "rate_limit_error",
    "quota": "billing_error",
    "overloaded": "overloaded_error",
    "server": "api_error",
    "timeout": "timeout_error",
}
_STATUS: dict[FaultKind, int] = {"overloaded": 529}


def decode(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """A provider's error answer."""
    fault = openai_faults.decode(status, headers, body)
    try:
        value = mapping(orjson.loads(body))
    except orjson.JSONDecodeError:
        return fault
    kind = text(mapping(value.get("error")).get("type"))
    fault.code = kind
    if fault.kind in ("bad_request", "server") and kind in _KINDS:
        fault.kind = _KINDS[kind]
    fault.request_id = headers.get("request-id", "") or text(value.get("request_id"))
    return fault


def in_stream(value: Json) -> Fault:
    """An ``error`` event."""
    error = mapping(value.get("error"))
    kind = _KINDS.get(text(error.get("type")), "server")
    message = text(error.get("message")) or "The provider ended the stream with an error."
    return Fault(kind, message, _STATUS.get(kind, STATUS[kind]), text(error.get("type")))


def encode(fault: Fault) -> WireError:
    """An error as the anthropic SDKs raise it."""
    status = fault.status or _STATUS.get(fault.kind, STATUS[fault.kind])
    value: Json = {"type": "error", "error": {"type": _TYPES[fault.kind], "message": fault.message}}
    if fault.request_id:
        value["request_id"] = fault.request_id
    headers = (("retry-after", str(max(1, round(fault.retry_after_s)))),) if fault.retry_after_s else ()
    return WireError(status, orjson.dumps(value), headers)
