"""Errors in Anthropic's form: ``{"type": "error", "error": {"type", "message"}, "request_id"}``.

Types: those of Anthropic's Python SDK 2.14 (``types/shared``) and of the recorded errors. Overload is a 529.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from providers.dialects import openai_faults
from providers.dialects.base import WireError, wait_fields
from providers.dialects.reading import mapping, text
from providers.neutral import STATUS, Fault, FaultKind, Json

OVERLOADED = 529

_KINDS: dict[str, tuple[FaultKind, int]] = {
    "authentication_error": ("auth", 401),
    "billing_error": ("quota", 402),
    "permission_error": ("permission", 403),
    "not_found_error": ("not_found", 404),
    "request_too_large": ("too_large", 413),
    "rate_limit_error": ("rate_limit", 429),
    "api_error": ("server", 500),
    "timeout_error": ("timeout", 504),
    "overloaded_error": ("overloaded", OVERLOADED),
}
"""``error.type`` -> kind and status; ``invalid_request_error`` is told apart by its words."""
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


def decode(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """A provider's error answer."""
    fault = openai_faults.decode(status, headers, body)
    if fault.kind in ("bad_request", "server") and fault.code in _KINDS:
        fault.kind = _KINDS[fault.code][0]
    fault.request_id = headers.get("request-id", "") or fault.request_id
    if not fault.request_id:
        try:
            fault.request_id = text(mapping(orjson.loads(body)).get("request_id"))
        except orjson.JSONDecodeError:
            pass
    return fault


def in_stream(value: Json) -> Fault:
    """An ``error`` event."""
    error = mapping(value.get("error"))
    code = text(error.get("type"))
    message = openai_faults.message_of(error) or openai_faults.message_of(value.get("error"))
    message = message or "The provider ended the stream with an error."
    kind, status = _KINDS.get(code, ("server", 0))
    if code not in _KINDS:
        kind = openai_faults.kind_of(400 if code == "invalid_request_error" else 500, code, message)
    return Fault(kind, message, status or STATUS[kind], code, request_id=text(value.get("request_id")))


def body_of(fault: Fault) -> Json:
    """The error as it stands in an answer and in a stream."""
    kind = fault.code if fault.code in _KINDS else _TYPES[fault.kind]
    error: Json = {"type": "error", "error": {"type": kind, "message": fault.message}}
    error["request_id"] = fault.request_id or None
    return error


def encode(fault: Fault) -> WireError:
    """An error as the anthropic SDKs raise it; they look for the request's id among the headers."""
    status = fault.status or STATUS[fault.kind]
    if fault.kind == "overloaded" and status == STATUS["overloaded"]:
        status = OVERLOADED
    headers: list[tuple[str, str]] = []
    if fault.request_id:
        headers.append(("request-id", fault.request_id))
    headers += wait_fields(fault)
    return WireError(status, orjson.dumps(body_of(fault)), tuple(headers))
