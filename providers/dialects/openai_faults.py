"""Errors in OpenAI's form, which all its dialects share, and the many forms in which others say theirs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from providers.classify import Classified, Verdict, classify
from providers.dialects.base import WireError, wait_fields
from providers.dialects.reading import mapping, text
from providers.neutral import STATUS, Fault, FaultKind, Json

_TYPES: dict[FaultKind, str] = {
    "bad_request": "invalid_request_error",
    "context_length": "invalid_request_error",
    "content_filter": "invalid_request_error",
    "auth": "authentication_error",
    "permission": "permission_error",
    "not_found": "invalid_request_error",
    "too_large": "invalid_request_error",
    "rate_limit": "rate_limit_error",
    "quota": "insufficient_quota",
    "overloaded": "server_error",
    "server": "server_error",
    "timeout": "server_error",
}
_CODES: dict[FaultKind, str] = {
    "context_length": "context_length_exceeded",
    "content_filter": "content_filter",
    "auth": "invalid_api_key",
    "not_found": "model_not_found",
    "rate_limit": "rate_limit_exceeded",
    "quota": "insufficient_quota",
}
_CONTEXT = re.compile(
    r"context_length_exceeded|maximum context length|context window|prompt is too long|too many (input )?tokens"
    r"|input is too long|exceeds? the (maximum|model)[^.]{0,40}tokens|longer than the model's context",
    re.IGNORECASE,
)
_FILTER = re.compile(r"content_filter|content management policy|content_policy|moderation", re.IGNORECASE)
_BY_STATUS: dict[int, FaultKind] = {
    401: "auth", 402: "quota", 403: "permission", 404: "not_found", 408: "timeout", 413: "too_large",
    429: "rate_limit", 503: "overloaded", 504: "timeout", 529: "overloaded",
}  # fmt: skip


def kind_of(status: int, code: str, message: str, found: Classified | None = None) -> FaultKind:
    """What kind of error it is, from status, code and words; ``found`` is what classification says of the body."""
    if status != 429 and (_CONTEXT.search(code) or _CONTEXT.search(message)):
        return "context_length"
    if found is not None and found.verdict == Verdict.DISABLE_KEY and status != 403:
        return "quota" if found.reason in ("quota", "credit") else "auth"
    if status in (400, 403, 422) and (_FILTER.search(code) or _FILTER.search(message)):
        return "content_filter"
    if found is not None and found.verdict == Verdict.ROTATE_KEY and found.reason == "rate_limit":
        return "rate_limit"
    if (kind := _BY_STATUS.get(status)) is not None:
        return kind
    return "server" if status >= 500 else "bad_request"


def message_of(value: Any, depth: int = 8) -> str:
    """The words of an error in whichever form: ``error`` as object or text, ``message``, ``detail`` (a text, or a list
    of what is wrong, as FastAPI writes it)."""
    if depth == 0:  # whoever nests deeper has nothing to say
        return ""
    if isinstance(value, list):
        return "; ".join(said for item in value if (said := message_of(item, depth - 1)))
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return ""
    for name in ("error", "message", "msg", "detail", "errors", "error_message", "Message"):
        if name in value and (said := message_of(value[name], depth - 1)):
            place = value.get("loc")
            return f"{'.'.join(map(str, place))}: {said}" if isinstance(place, list) else said
    return ""


def decode(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """A provider's error answer."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, list) and value:
        value = value[0]  # Google answers streams so
    found = classify(status, body, headers.get("retry-after", "").encode("latin-1", "replace") or None)
    error = mapping(mapping(value).get("error")) or mapping(value)
    code = _word(error.get("code")) or _word(error.get("type")) or _word(error.get("status"))
    message = message_of(value)
    if not message:
        shown = body[:200].decode("utf-8", "replace").strip()
        message = f"The provider answered {status}." if not shown or shown[0] in "<{[" else shown
    fault = Fault(kind_of(status, code, message, found), message, status, code, text(error.get("param")))
    fault.retry_after_s = found.wait_s
    fault.request_id = headers.get("x-request-id", "") or headers.get("request-id", "")
    return fault


_PRIVATE = re.compile(r"\b(?:sk-|gsk_|xai-|org[-_]|proj_|AIza|AKIA|ASIA)[A-Za-z0-9*._-]{4,}|\bacct?_[A-Za-z0-9]{8,}")


def redacted(message: str) -> str:
    """A provider's words without names of the operator's accounts and parts of keys."""
    return _PRIVATE.sub("[redacted]", message)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) and value else ""


def in_stream(value: Json) -> Fault:
    """An error event, in any of the forms that followers use."""
    error = value.get("error", value)
    inner = mapping(error)
    status = 0
    for name in ("code", "status", "status_code"):
        number = inner.get(name, value.get(name))
        if isinstance(number, str) and number.isdigit():
            number = int(number)
        if isinstance(number, int) and not isinstance(number, bool) and 400 <= number <= 599:
            status = number
            break
    code = _word(inner.get("code")) or _word(inner.get("type"))
    message = message_of(error) or "The provider ended the stream with an error."
    kind = kind_of(status or 500, code, message, classify(status or 500, orjson.dumps(value), None))
    return Fault(kind, message, status or STATUS[kind], code, text(inner.get("param")))


def encode(fault: Fault) -> WireError:
    """An error as the openai SDKs raise it."""
    status = fault.status or STATUS[fault.kind]
    error = {
        "message": fault.message,
        "type": _TYPES[fault.kind],
        "param": fault.param or None,
        "code": fault.code or _CODES.get(fault.kind),
    }
    if fault.request_id:
        error["request_id"] = fault.request_id
    return WireError(status, orjson.dumps({"error": error}), wait_fields(fault))
