"""The one error type, and how each of its kinds is told to a caller."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from gateway.records import ErrorKind


class Kind(NamedTuple):
    """What a kind of error means to the caller."""

    status: int
    type: str
    """``error.type`` of the OpenAI error body."""
    code: str
    record: ErrorKind


KINDS: dict[str, Kind] = {
    "bad_request": Kind(400, "invalid_request_error", "bad_request", ErrorKind.BAD_REQUEST),
    "invalid_json": Kind(400, "invalid_request_error", "invalid_json", ErrorKind.BAD_REQUEST),
    "unsupported_operation": Kind(400, "invalid_request_error", "unsupported_operation", ErrorKind.UNSUPPORTED),
    "unauthorized": Kind(401, "authentication_error", "invalid_api_key", ErrorKind.UNAUTHENTICATED),
    "budget_exceeded": Kind(402, "insufficient_quota", "budget_exceeded", ErrorKind.BUDGET),
    "price_unknown": Kind(402, "insufficient_quota", "price_unknown", ErrorKind.BUDGET),
    "forbidden": Kind(403, "permission_error", "forbidden", ErrorKind.FORBIDDEN),
    "not_found": Kind(404, "invalid_request_error", "not_found", ErrorKind.NOT_FOUND),
    "model_not_found": Kind(404, "invalid_request_error", "model_not_found", ErrorKind.MODEL_NOT_FOUND),
    "method_not_allowed": Kind(405, "invalid_request_error", "method_not_allowed", ErrorKind.METHOD),
    "request_timeout": Kind(408, "invalid_request_error", "request_timeout", ErrorKind.TIMEOUT_BODY),
    "length_required": Kind(411, "invalid_request_error", "length_required", ErrorKind.BAD_REQUEST),
    "too_large": Kind(413, "invalid_request_error", "request_too_large", ErrorKind.TOO_LARGE),
    "uri_too_long": Kind(414, "invalid_request_error", "uri_too_long", ErrorKind.TOO_LARGE),
    "unsupported_media": Kind(415, "invalid_request_error", "unsupported_media_type", ErrorKind.BAD_REQUEST),
    "expectation_failed": Kind(417, "invalid_request_error", "expectation_failed", ErrorKind.BAD_REQUEST),
    "misdirected": Kind(421, "invalid_request_error", "misdirected_request", ErrorKind.BAD_REQUEST),
    "upgrade_required": Kind(426, "invalid_request_error", "upgrade_required", ErrorKind.BAD_REQUEST),
    "headers_too_large": Kind(431, "invalid_request_error", "headers_too_large", ErrorKind.TOO_LARGE),
    "rate_limited": Kind(429, "rate_limit_error", "rate_limited", ErrorKind.RATE_LIMITED),
    "internal": Kind(500, "server_error", "internal_error", ErrorKind.INTERNAL),
    "not_implemented": Kind(501, "invalid_request_error", "not_implemented", ErrorKind.BAD_REQUEST),
    "upstream": Kind(502, "upstream_error", "upstream_error", ErrorKind.PROTOCOL),
    "overloaded": Kind(503, "server_error", "overloaded", ErrorKind.OVERLOADED),
    "upstream_timeout": Kind(504, "upstream_error", "upstream_timeout", ErrorKind.TIMEOUT_FIRST_BYTE),
    "version": Kind(505, "invalid_request_error", "http_version", ErrorKind.BAD_REQUEST),
}

BY_STATUS: dict[int, str] = {
    400: "bad_request",
    408: "request_timeout",
    411: "length_required",
    413: "too_large",
    414: "uri_too_long",
    417: "expectation_failed",
    431: "headers_too_large",
    501: "not_implemented",
    505: "version",
}
"""Kind for a status that the framing layer chose."""


class GatewayError(Exception):
    """A refusal or a failure on the way of one request.

    ``kind`` names a row of ``KINDS``; ``source`` says who is at fault (``caller``, ``gateway``, ``provider``);
    ``retry`` whether the same request may succeed later; ``retry_after`` in seconds (0: not said); ``cause`` is kept
    for the log and never shown.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        source: str = "caller",
        retry: bool = False,
        retry_after: float = 0.0,
        param: str | None = None,
        code: str | None = None,
        record: ErrorKind | None = None,
        cause: BaseException | None = None,
        details: dict[str, Any] | None = None,
        fields: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.source = source
        self.retry = retry
        self.retry_after = retry_after
        self.param = param
        self.code = code if code is not None else KINDS[kind].code
        self.record = KINDS[kind].record if record is None else record
        self.cause = cause
        self.details = details
        """Of a limit that is used up: the member ``limit`` of the body."""
        self.fields = fields
        """Header lines that tell of it."""

    @property
    def status(self) -> int:
        return KINDS[self.kind].status

    def body(self, request_id: str) -> bytes:
        """The error in the OpenAI dialect, with the id under which the log knows it."""
        error: dict[str, Any] = {
            "message": self.message,
            "type": KINDS[self.kind].type,
            "param": self.param,
            "code": self.code,
            "request_id": request_id,
        }
        if self.details is not None:
            error["limit"] = self.details
        return orjson.dumps({"error": error})


class Response:
    """An answer of the gateway's own: complete, small, sent in one write."""

    __slots__ = ("body", "content_type", "error", "headers", "spoken", "status")

    def __init__(
        self,
        status: int,
        body: bytes,
        content_type: bytes = b"application/json",
        headers: bytes = b"",
        error: GatewayError | None = None,
        spoken: bool = False,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers
        """Further header lines, each with its CRLF."""
        self.error = error
        self.spoken = spoken
        """Whether ``body`` is in the caller's dialect already."""


UNDER_WAY = Response(0, b"")
"""What a phase returns when somebody else answers: nothing more is to be done for the request."""

LONGEST_RETRY_S = 60.0
"""SDKs wait no longer than this for a Retry-After, and ask again at once instead."""


ASKED_AGAIN = frozenset((408, 409, *range(500, 600)))
"""What SDKs repeat by themselves, but for 429: its wait is theirs to keep."""

NOT_AGAIN = b"x-should-retry: false\r\n"


def refuse(error: GatewayError, request_id: str) -> Response:
    """The response that tells the caller of ``error``; a wait in whole seconds, rounded up (RFC 9110 10.2.3)."""
    headers = b""
    if error.retry_after > 0:
        headers = b"retry-after: %d\r\n" % max(1, -int(-error.retry_after // 1))
    elif error.kind == "overloaded":
        headers = b"retry-after: 1\r\n"
    if error.status in (429, 503):
        # Read by the SDKs of OpenAI and Anthropic, which would otherwise repeat whatever has such a status.
        again = error.retry and error.retry_after <= LONGEST_RETRY_S
        headers += b"x-should-retry: true\r\n" if again else NOT_AGAIN
    return Response(error.status, error.body(request_id), headers=headers + error.fields, error=error)


def speak(response: Response, error: GatewayError, dialect: int, request_id: str) -> None:
    """Put an error of our own into a dialect that is none of OpenAI's."""
    from gateway.translation import own_error

    said = own_error(dialect, error.kind, error.status, error.message, error.param, error.code, request_id)
    response.body = said.body
    for name, value in said.headers:
        if name != "retry-after":
            response.headers += f"{name}: {value}\r\n".encode("latin-1", "replace")
