"""Errors as Google says them (google.rpc.Status), bare, in an array (answers to streams), and inside a stream.

``code`` is the reason of an ErrorInfo where there is one (``API_KEY_INVALID``), else the status word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from providers.classify import MAX_WAIT_S, classify
from providers.dialects.base import WireError, wait_fields
from providers.dialects.openai_faults import kind_of, message_of
from providers.dialects.reading import items, mapping, text
from providers.neutral import STATUS, Fault, FaultKind, Json

_STATUS_WORDS: dict[FaultKind, str] = {
    "bad_request": "INVALID_ARGUMENT",
    "context_length": "INVALID_ARGUMENT",
    "content_filter": "INVALID_ARGUMENT",
    "auth": "UNAUTHENTICATED",
    "permission": "PERMISSION_DENIED",
    "not_found": "NOT_FOUND",
    "too_large": "INVALID_ARGUMENT",
    "rate_limit": "RESOURCE_EXHAUSTED",
    "quota": "RESOURCE_EXHAUSTED",
    "overloaded": "UNAVAILABLE",
    "server": "INTERNAL",
    "timeout": "DEADLINE_EXCEEDED",
}
_KINDS: dict[str, FaultKind] = {
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "permission",
    "NOT_FOUND": "not_found",
    "RESOURCE_EXHAUSTED": "rate_limit",
    "UNAVAILABLE": "overloaded",
    "INTERNAL": "server",
    "DEADLINE_EXCEEDED": "timeout",
}
_STATUSES: dict[str, int] = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ABORTED": 409, "ALREADY_EXISTS": 409, "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499, "INTERNAL": 500, "UNKNOWN": 500, "DATA_LOSS": 500, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}  # fmt: skip
_KEY_REASONS = frozenset(("API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "ACCESS_TOKEN_EXPIRED"))
_RPC = "type.googleapis.com/google.rpc."


def decode(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """A provider's error answer."""
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    value = value[0] if isinstance(value, list) and value else value
    wait = headers.get("retry-after", "").encode("latin-1", "replace") or None
    fault = _fault(status, mapping(mapping(value).get("error")), value, body, wait)
    fault.request_id = headers.get("x-request-id", "")
    if not fault.message:
        shown = body[:200].decode("utf-8", "replace").strip()
        fault.message = f"The provider answered {status}." if not shown or shown[0] in "<{[" else shown
    return fault


def in_stream(value: Json) -> Fault:
    """An object with ``error`` where a response was to come."""
    error = mapping(value.get("error"))
    code = error.get("code")
    if not isinstance(code, int) or not 400 <= code <= 599:
        code = _STATUSES.get(text(error.get("status")), 500)
    fault = _fault(code, error, value, orjson.dumps(value), None)
    fault.message = fault.message or "The provider ended the stream with an error."
    return fault


def _fault(status: int, error: Json, value: Any, body: bytes, wait: bytes | None) -> Fault:
    word = text(error.get("status"))
    reason = ""
    param = ""
    delay = 0.0
    for detail in items(error.get("details")):
        detail = mapping(detail)
        for violation in items(detail.get("fieldViolations")):
            param = param or text(mapping(violation).get("field"))
        reason = reason or text(detail.get("reason"))
        delay = delay or _seconds(detail.get("retryDelay"))
    message = message_of(value)
    found = classify(status, body, wait)
    kind: FaultKind
    if reason in _KEY_REASONS:
        kind = "auth"
    elif status == 429 and "credits are depleted" in message:
        kind = "quota"
    else:
        kind = kind_of(status, reason or word, message, found)
        if kind in ("server", "bad_request") and _STATUSES.get(word) == status:
            kind = _KINDS.get(word, kind)
    return Fault(kind, message, status, reason or word, param, retry_after_s=delay or found.wait_s)


def _seconds(value: Any) -> float:
    """``48.9s``, protobuf's duration."""
    number = text(value).removesuffix("s")
    if not number.replace(".", "", 1).isdecimal() or len(number) > 24:
        return 0.0
    return min(float(number), MAX_WAIT_S)


def encode(fault: Fault) -> WireError:
    """An error as google-genai raises it: ``code`` is a number, ``status`` one of google.rpc.Code."""
    status = fault.status or STATUS[fault.kind]
    known = fault.code in _STATUSES
    word = fault.code if known else _STATUS_WORDS[fault.kind]
    if fault.code in _KEY_REASONS and status == 400:
        word = "INVALID_ARGUMENT"
    details: list[Json] = []
    if fault.code and not known:
        details.append({"@type": f"{_RPC}ErrorInfo", "reason": fault.code, "domain": "googleapis.com"})
    if fault.param:
        violation = {"field": fault.param, "description": fault.message}
        details.append({"@type": f"{_RPC}BadRequest", "fieldViolations": [violation]})
    if fault.retry_after_s:
        details.append({"@type": f"{_RPC}RetryInfo", "retryDelay": f"{fault.retry_after_s:.9g}s"})
    if fault.request_id:
        details.append({"@type": f"{_RPC}RequestInfo", "requestId": fault.request_id})
    error: Json = {"code": status, "message": fault.message, "status": word}
    if details:
        error["details"] = details
    return WireError(status, orjson.dumps({"error": error}), wait_fields(fault))
