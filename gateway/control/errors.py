"""Every error of /api in the one form that the gateway has; nothing internal is told."""

from __future__ import annotations

import logging
import math
from typing import Any

from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import HTTPException

from gateway.control.entity_desk import ReadOnly
from gateway.control.entity_secrets import Unfit
from gateway.control.versions import etag_of
from gateway.operators.accounts import PasswordChangeRequired, Refused
from gateway.operators.passwords import TooBusy, UnfitPassword
from gateway.secrets.master_key import MasterKeyError
from gateway.stores.protocols import Conflict, NameTaken, NotFound, StoreReadOnly, StoreUnavailable

log = logging.getLogger("microgate.api")

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    409: "name_taken",
    412: "changed_meanwhile",
    428: "if_match_needed",
    500: "internal_error",
}


def error_answer(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, dict[str, object]]]:
    """The answer to a request that ended with ``error``."""
    status, message, headers = _told(error)
    if status == 500:
        log.error("%s %s failed", request.method, request.scope.get("path_template", ""), exc_info=error)
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    said: dict[str, object] = {"message": message, "type": kind, "param": None, "code": _code(error, status, kind)}
    return Response({"error": said}, status_code=status, headers=headers, media_type=MediaType.JSON)


def _code(error: Exception, status: int, kind: str) -> str:
    return "password_change_required" if isinstance(error, PasswordChangeRequired) else _CODES.get(status, kind)


def _told(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Status, message and header fields."""
    match error:
        case HTTPException():
            return error.status_code, _with_places(error), dict(error.headers or {})
        case RecursionError():
            # Of the JSON reader.
            return 400, "the body is nested too deeply", {}
        case NotFound():
            return 404, "there is no such thing here", {}
        case NameTaken():
            return 409, str(error), {}
        case Conflict():
            return 412, str(error), {"etag": etag_of(error.current)}
        case UnfitPassword() | Unfit():
            return 400, str(error), {}
        case ReadOnly() | PasswordChangeRequired():
            return 403, str(error), {}
        case Refused(wait_s=wait_s) if wait_s:
            return 429, str(error), {"retry-after": str(math.ceil(wait_s))}
        case Refused():
            return 403, str(error), {}
        case TooBusy():
            return 503, str(error), {"retry-after": "1"}
        case MasterKeyError():
            return 503, "no secret can be stored now: the log says what is wrong with the master key", {}
        case StoreReadOnly():
            return 503, "nothing can be changed now: the database can only be read", {"retry-after": "1"}
        case StoreUnavailable():
            return 503, "the database cannot be used now", {"retry-after": "1"}
    return 500, "The control process failed on this request.", {}


def _with_places(error: HTTPException) -> str:
    """The framework's message, and which members it is about."""
    places = [
        f"{place.get('key') or 'body'}: {place['message']}"
        for place in (error.extra if isinstance(error.extra, list) else ())
        if isinstance(place, dict) and "message" in place
    ]
    return "; ".join(places) or str(error.detail)
