"""Handlers under /api of those who become, are or no longer are logged in; and of their API tokens."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.exceptions import ClientException, NotAuthorizedException, PermissionDeniedException
from msgspec import Meta

from gateway.config.names import Name
from gateway.control.callers import caller_of, source_of
from gateway.control.state import ControlState
from gateway.operator_ticket import COOKIE
from gateway.operators.accounts import LIFE_S, Account, Accounts, Caller, Refused, Ticket
from gateway.operators.roles import Role, RoleName
from gateway.stores.entities import Change, Credential
from gateway.stores.protocols import NotFound

Password = Annotated[str, Meta(max_length=256)]


class SetUp(msgspec.Struct, forbid_unknown_fields=True):
    """What makes the first operator."""

    secret: Annotated[str, Meta(max_length=256, description="As `microgate serve` printed it.")]
    name: Name
    password: Annotated[Password, Meta(description="At least 12 characters.")]


class Login(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=256)]
    password: Password


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    current: Password
    new: Annotated[Password, Meta(description="At least 12 characters.")]


class Who(msgspec.Struct):
    """An operator as seen by themselves."""

    name: str
    role: RoleName
    via: str
    """``session``, ``api_token`` or ``admin_token``."""
    must_change_password: bool = False
    """The password is one that somebody else made: until another is set the session may do nothing else."""


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    role: Annotated[RoleName, Meta(description="At most your own.")] = "viewer"
    expires_at: Annotated[
        Annotated[int, Meta(ge=1, le=32_503_680_000)] | None, Meta(description="Unix time from which it is refused.")
    ] = None


class TokenEntry(msgspec.Struct, kw_only=True):
    id: str
    name: str
    role: RoleName
    operator_id: str
    shown: str
    """Its last characters."""
    created_at: dt.datetime
    used_at: dt.datetime
    """Precise to a minute."""
    expires_at: dt.datetime | None
    token: str | None = None
    """Only in the answer that makes it."""


class TokenEntries(msgspec.Struct):
    entries: list[TokenEntry]


@post("/setup", status_code=201, summary="Make the first operator with the one-time secret")
async def set_up(request: Request[Any, Any, Any], data: SetUp) -> Response[Who]:
    entity, session = await _accounts(request).set_up(data.secret, data.name, data.password)
    return _logged_in(request, Who(entity.name, "admin", "session"), session, 201)


@post("/login", status_code=200, summary="Begin a session")
async def log_in(request: Request[Any, Any, Any], data: Login) -> Response[Who]:
    """The session is a cookie. It ends after 30 minutes without a request, after 12 hours, and with a new password or
    role."""
    try:
        entity, session = await _accounts(request).log_in(data.name, data.password, source_of(request))
    except Refused as error:
        if error.wait_s:
            raise
        raise NotAuthorizedException(str(error)) from None
    account = msgspec.json.decode(entity.body, type=Account)
    return _logged_in(request, Who(entity.name, account.role, "session", account.one_time), session, 200)


@post("/logout", status_code=204, summary="End this session")
async def log_out(request: Request[Any, Any, Any]) -> Response[None]:
    caller = caller_of(request)
    if caller.via != "session":
        raise ClientException("this is no session; DELETE /api/tokens/ID revokes an API token")
    await _accounts(request).end(caller)
    return Response(None, status_code=204, cookies=[_cookie(request, "", 0)])


@get("/me", summary="Who asks")
async def me(request: Request[Any, Any, Any]) -> Who:
    caller = caller_of(request)
    return Who(caller.name, caller.role.spelled, caller.via, caller.must_change_password)


@post("/me/password", status_code=200, summary="Set a new password; every session ends but this one, which begins anew")
async def set_password(request: Request[Any, Any, Any], data: NewPassword) -> Response[Who]:
    caller = caller_of(request)
    if caller.via != "session":
        raise PermissionDeniedException("only a session changes its operator's password")
    session = await _accounts(request).set_password(caller, data.current, data.new, source_of(request))
    return _logged_in(request, Who(caller.name, caller.role.spelled, "session"), session, 200)


@get("/tokens", summary="API tokens: one's own, or with all=true everybody's")
async def tokens(request: Request[Any, Any, Any], all: bool = False) -> TokenEntries:  # noqa: A002 - the query's own word
    caller = caller_of(request)
    if all and caller.role < Role.ADMIN:
        raise PermissionDeniedException("only an admin sees the tokens of others")
    owner = None if all else _operator(caller)
    store = _accounts(request).store
    found = await asyncio.to_thread(lambda: store.credentials(kind="api_token", owner=owner))
    return TokenEntries(list(map(_entry, found)))


@post("/tokens", status_code=201, summary="Make an API token; it is shown once")
async def make_token(request: Request[Any, Any, Any], data: NewToken) -> TokenEntry:
    caller = caller_of(request)
    owner = _operator(caller)
    if caller.via != "session":
        # A token that expires, or is revoked, must leave no other behind.
        raise PermissionDeniedException("only a session makes API tokens")
    if Role.named(data.role) > caller.role:
        raise PermissionDeniedException(f"the role {data.role} is more than yours, {caller.role.spelled}")
    if data.expires_at is not None and data.expires_at <= time.time():
        raise ClientException("expires_at is past")
    expires_us = (data.expires_at or 0) * 1_000_000
    accounts = _accounts(request)
    credential, token = await accounts.issue(owner, data.name, data.role, expires_us)
    change = Change(actor=caller.actor, action="create", after=_audited(credential))
    await asyncio.to_thread(accounts.store.note, change, "api_token", credential.id, data.name)
    entry = _entry(credential)
    entry.token = token
    return entry


@delete("/tokens/{token_id:str}", status_code=204, summary="Revoke an API token")
async def revoke_token(request: Request[Any, Any, Any], token_id: str) -> None:
    caller = caller_of(request)
    store = _accounts(request).store
    found = await asyncio.to_thread(lambda: store.credentials(kind="api_token"))
    mine = (each for each in found if each.id == token_id)
    credential = next((each for each in mine if caller.role >= Role.ADMIN or each.owner == caller.operator_id), None)
    if credential is None:
        raise NotFound("no such token")
    await asyncio.to_thread(lambda: store.revoke(credential_id=token_id, kind="api_token"))
    change = Change(actor=caller.actor, action="delete", before=_audited(credential))
    await asyncio.to_thread(store.note, change, "api_token", token_id, _ticket(credential).name)


def _accounts(request: Request[Any, Any, Any]) -> Accounts:
    state: ControlState = request.app.state.control
    return state.accounts


def _operator(caller: Caller) -> str:
    if not caller.operator_id:
        raise ClientException("the admin token is no operator: make one with POST /api/operators")
    return caller.operator_id


def _logged_in(request: Request[Any, Any, Any], who: Who, session: str, status: int) -> Response[Who]:
    return Response(who, status_code=status, cookies=[_cookie(request, session, LIFE_S)])


def _cookie(request: Request[Any, Any, Any], value: str, max_age_s: int) -> Cookie:
    state: ControlState = request.app.state.control
    settings = state.configuration.snapshot.settings
    # A browser behind a proxy that speaks TLS says so itself: its page's address begins with https.
    of_tls = request.headers.get("origin", "").startswith("https://")
    secure = settings.listen_tls is not None or settings.secure_cookies or of_tls
    return Cookie(COOKIE, value=value, max_age=max_age_s, path="/", httponly=True, samesite="strict", secure=secure)


def _ticket(credential: Credential) -> Ticket:
    return msgspec.json.decode(credential.body, type=Ticket)


def _audited(credential: Credential) -> bytes:
    ticket = _ticket(credential)
    expires_at = credential.expires_us // 1_000_000 or None
    return msgspec.json.encode({"name": ticket.name, "role": ticket.role, "expires_at": expires_at})


def _entry(credential: Credential) -> TokenEntry:
    ticket = _ticket(credential)
    return TokenEntry(
        id=credential.id,
        name=ticket.name,
        role=ticket.role,
        operator_id=credential.owner,
        shown=f"...{ticket.shown}",
        created_at=_time(credential.created_us),
        used_at=_time(credential.used_us),
        expires_at=_time(credential.expires_us) if credential.expires_us else None,
    )


def _time(us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(us / 1e6, dt.UTC)


LOGIN_HANDLERS = (set_up, log_in, log_out, me, set_password, tokens, make_token, revoke_token)
