"""The guard of /api: who asks, may they, and does the request come from where it says."""

from __future__ import annotations

import logging
from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import ClientException, NotAuthorizedException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler

from gateway.control.permissions import WITH_A_ONE_TIME_PASSWORD, is_declared, least_role
from gateway.control.state import ControlState
from gateway.operator_ticket import in_cookies
from gateway.operators.accounts import Caller, PasswordChangeRequired

log = logging.getLogger("microgate.api")

KEY_FIELDS = ("x-microgate-key", "x-api-key", "api-key", "x-goog-api-key")
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


class UnsupportedMediaType(ClientException):
    status_code = 415


async def ask_who(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse whoever may not; the handler finds the ``Caller`` with ``caller_of``."""
    method = str(connection.scope.get("method", ""))
    path = connection.scope["path_template"]
    if not is_declared(path, method):
        log.error("%s %s is not declared in permissions.py", method, path)
        raise PermissionDeniedException("nobody may do this")
    least = least_role(path, method)
    if method not in SAFE:
        _json_only(connection, anonymous=least is None)
    state: ControlState = connection.app.state.control
    # The first request of all often comes while a new installation is still being set up.
    await state.database_tried()
    if least is None:
        return
    caller = await _caller(connection)
    if caller is None:
        raise NotAuthorizedException("log in, or send an admin token or an API token as a bearer token")
    if caller.must_change_password and path not in WITH_A_ONE_TIME_PASSWORD:
        raise PasswordChangeRequired("set a password of your own first: POST /api/me/password")
    if caller.via == "session" and method not in SAFE:
        _of_this_site(connection)
    if caller.role < least:
        raise PermissionDeniedException(f"this needs the role {least.spelled}; {caller.name} has {caller.role.spelled}")
    connection.state.caller = caller


def caller_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    """Who has passed the guard."""
    caller: Caller = connection.state.caller
    return caller


async def still_may(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether whoever has passed the guard would pass it now, for answers that go on for long: an operator who is
    logged out, switched off or given a lesser role meanwhile would not. To be asked is no use of a session: one that is
    idle ends all the same."""
    least = least_role(connection.scope["path_template"], str(connection.scope.get("method", "")))
    caller = await _caller(connection, in_use=False)
    return caller is not None and (least is None or caller.role >= least)


def source_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The address that the request comes from, as the door before this process found it; empty where it is not
    known."""
    return str(connection.headers.get("x-microgate-source", ""))[:64]


async def _caller(connection: ASGIConnection[Any, Any, Any, Any], *, in_use: bool = True) -> Caller | None:
    state: ControlState = connection.app.state.control
    if presented := _bearer(connection):
        return await state.accounts.of_bearer(presented, in_use=in_use)
    session = in_cookies(connection.headers.get("cookie", "").encode("latin-1", "replace"))
    return await state.accounts.of_session(session.decode(), in_use=in_use) if session else None


def _bearer(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """What is presented as a bearer token, or in one of the fields in which SDKs send a key."""
    scheme, _space, presented = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return presented.strip()
    return next((connection.headers[name] for name in KEY_FIELDS if name in connection.headers), "")


def _json_only(connection: ASGIConnection[Any, Any, Any, Any], *, anonymous: bool) -> None:
    """A form of another site can send text, but no JSON. Whoever logs in is held to it even without a body."""
    media = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if anonymous or "cookie" in connection.headers:
        empty = connection.headers.get("content-length", "0") == "0" and "transfer-encoding" not in connection.headers
        if media != "application/json" and not (empty and not anonymous and not media):
            raise UnsupportedMediaType("send application/json")


def _of_this_site(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """A browser says which page asks. Where it says an origin, the door before this process has compared it with the
    host (``gateway/admin_door.py``)."""
    site = connection.headers.get("sec-fetch-site")
    if site == "same-origin" or (site is None and connection.headers.get("origin")):
        return
    raise PermissionDeniedException("the request does not say that it comes from this site; programs use API tokens")
