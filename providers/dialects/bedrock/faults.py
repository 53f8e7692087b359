"""Errors: the class in header ``x-amzn-errortype``, the words in ``{"message"}``, and frames of a stream.

Sources: the errors of ``Converse`` and the events of ``ConverseStreamOutput`` in botocore 1.44; recorded errors;
AWS "Common errors".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from providers.dialects import openai_faults
from providers.dialects.base import WireError, wait_fields
from providers.dialects.reading import mapping, text
from providers.eventstream import Frame
from providers.neutral import STATUS, Fault, FaultKind, Json

ERROR_TYPE = "x-amzn-errortype"
REQUEST_ID = "x-amzn-requestid"
_KINDS: dict[str, FaultKind] = {
    "accessdeniedexception": "permission",
    "throttlingexception": "rate_limit",
    "toomanyrequestsexception": "rate_limit",
    "servicequotaexceededexception": "quota",
    "resourcenotfoundexception": "not_found",
    "modeltimeoutexception": "timeout",
    "internalserverexception": "server",
    "internalfailure": "server",
    "modelerrorexception": "server",
    "modelstreamerrorexception": "server",
    "serviceunavailableexception": "overloaded",
    "serviceunavailable": "overloaded",
    "modelnotreadyexception": "overloaded",
    "unrecognizedclientexception": "auth",
    "incompletesignatureexception": "auth",
    "invalidsignatureexception": "auth",
    "invalidclienttokenid": "auth",
    "missingauthenticationtokenexception": "auth",
    "expiredtokenexception": "auth",
    "expiredtoken": "auth",
}
"""Class in small letters -> kind; ``ValidationException`` is told apart by its words."""
_CLASSES: dict[FaultKind, str] = {
    "bad_request": "ValidationException",
    "context_length": "ValidationException",
    "content_filter": "ValidationException",
    "too_large": "ValidationException",
    "auth": "UnrecognizedClientException",
    "permission": "AccessDeniedException",
    "not_found": "ResourceNotFoundException",
    "rate_limit": "ThrottlingException",
    "quota": "ServiceQuotaExceededException",
    "overloaded": "ServiceUnavailableException",
    "server": "InternalServerException",
    "timeout": "ModelTimeoutException",
}
_STREAMED: dict[FaultKind, str] = {
    "rate_limit": "throttlingException",
    "quota": "throttlingException",
    "overloaded": "serviceUnavailableException",
    "server": "internalServerException",
    "timeout": "modelStreamErrorException",
}
"""Kind -> one of the five exceptions that a stream may bring; ``validationException`` for the rest."""


def _class_of(value: str) -> str:
    """``ThrottlingException`` of ``ThrottlingException:http://...`` and ``com.amazon#ThrottlingException``."""
    return value.partition(":")[0].rpartition("#")[2].strip()


def decode(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """A provider's error answer."""
    fault = openai_faults.decode(status, headers, body)
    code = _class_of(headers.get(ERROR_TYPE, ""))
    if not code:
        try:
            value = mapping(orjson.loads(body))
        except orjson.JSONDecodeError:
            value = {}
        code = _class_of(text(value.get("__type")) or text(value.get("code")))
    if code:
        fault.code = code
        fault.kind = _KINDS.get(code.lower(), fault.kind)
    fault.request_id = headers.get(REQUEST_ID, "") or fault.request_id
    return fault


def in_stream(code: str, value: Json) -> Fault:
    """A frame that is an exception; ``code`` is its type."""
    message = openai_faults.message_of(value) or "The provider ended the stream with an error."
    kind = _KINDS.get(code.lower())
    status = value.get("originalStatusCode")
    if isinstance(status, int) and 400 <= status <= 599:
        return Fault(openai_faults.kind_of(status, code, message), message, status, code)
    if kind is None:
        kind = openai_faults.kind_of(400 if code.lower() == "validationexception" else 500, code, message)
    return Fault(kind, message, STATUS[kind], code)


def payload_of(frame: Frame) -> Any:
    """None when it is not JSON."""
    try:
        return orjson.loads(frame.payload or b"{}")
    except orjson.JSONDecodeError:
        return None


def of_frame(frame: Frame) -> Fault | None:
    """The error that a frame is; None of an event."""
    headers = frame.headers
    kind = headers.get(":message-type", "event")
    if kind == "error":
        message = headers.get(":error-message", "") or "The provider ended the stream with an error."
        return in_stream(headers.get(":error-code", ""), {"message": message})
    if kind == "exception":
        return in_stream(headers.get(":exception-type", ""), mapping(payload_of(frame)))
    return None


def exception_of(fault: Fault) -> tuple[str, bytes]:
    """The type and the payload of the frame that says an error in a stream."""
    kind = _STREAMED.get(fault.kind, "validationException")
    value: Json = {"message": fault.message}
    if kind == "modelStreamErrorException":
        value |= {"originalStatusCode": fault.status or STATUS[fault.kind], "originalMessage": fault.message}
    return kind, orjson.dumps(value)


def encode(fault: Fault) -> WireError:
    """An error as the AWS SDKs raise it."""
    code = fault.code if _KINDS.get(fault.code.lower()) == fault.kind else _CLASSES[fault.kind]
    headers = [(ERROR_TYPE, code)]
    if fault.request_id:
        headers.append((REQUEST_ID, fault.request_id))
    headers += wait_fields(fault)
    return WireError(fault.status or STATUS[fault.kind], orjson.dumps({"message": fault.message}), tuple(headers))
