"""Handlers under /api over operators, and the audit of every change."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.exceptions import ClientException
from litestar.params import Parameter
from msgspec import Meta

from gateway.config.names import Name
from gateway.control.callers import caller_of
from gateway.control.playground_api import close_playground
from gateway.control.state import ControlState
from gateway.control.versions import etag_of, expected_version
from gateway.operators.accounts import KIND, Account, Accounts
from gateway.operators.roles import RoleName
from gateway.stores.entities import AuditRow, Entity
from gateway.stores.protocols import Conflict

Limit = Annotated[int, Parameter(ge=1, le=1000)]
Cursor = Annotated[str | None, Parameter(description="`next` of the page before", max_length=512)]


class NewOperator(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    role: RoleName
    password: Annotated[str, Meta(max_length=256, description="At least 12 characters.")]
    one_time: Annotated[
        bool, Meta(description="Whoever logs in with the password has to set another one before anything else.")
    ] = False


class OperatorChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays. Every session of the operator ends, and the key of the playground."""

    role: RoleName | None = None
    enabled: Annotated[bool | None, Meta(description="false: also every API token is revoked.")] = None
    password: Annotated[str, Meta(max_length=256)] | None = None
    one_time: Annotated[
        bool, Meta(description="Of a new password: whoever logs in with it has to set another one first.")
    ] = False


class OperatorEntry(msgspec.Struct):
    id: str
    name: str
    role: RoleName
    enabled: bool
    one_time: bool
    """The password is one that somebody else made, and was not changed yet."""
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


class OperatorEntries(msgspec.Struct):
    entries: list[OperatorEntry]
    next: str | None


class AuditEntry(msgspec.Struct):
    """One change. ``before`` and ``after`` hold no secret."""

    id: str
    at: dt.datetime
    actor: str
    """Id of an operator, ``admin.token``, ``setup`` or ``cli``."""
    action: str
    kind: str
    entity_id: str
    name: str
    before: Any
    after: Any


class AuditEntries(msgspec.Struct):
    entries: list[AuditEntry]
    next: str | None


@get("/operators", summary="Operators, by name")
async def operators(request: Request[Any, Any, Any], limit: Limit = 50, cursor: Cursor = None) -> OperatorEntries:
    store = _accounts(request).store
    page = await asyncio.to_thread(lambda: store.page(KIND, after=cursor, limit=limit))
    return OperatorEntries([_entry(entity, _account(entity)) for entity in page.entities], page.next)


@post("/operators", status_code=201, summary="Make an operator")
async def make_operator(request: Request[Any, Any, Any], data: NewOperator) -> Response[OperatorEntry]:
    accounts = _accounts(request)
    stored = await accounts.passwords.hashed(data.password)
    made = await accounts.create(data.name, data.role, stored, caller_of(request).actor, one_time=data.one_time)
    return _answer(made, 201)


@get("/operators/{operator_id:str}", summary="One operator")
async def operator(request: Request[Any, Any, Any], operator_id: str) -> Response[OperatorEntry]:
    entity, _ = await asyncio.to_thread(_accounts(request).get, operator_id)
    return _answer(entity)


@patch("/operators/{operator_id:str}", summary="Change an operator")
async def change_operator(
    request: Request[Any, Any, Any], operator_id: str, data: OperatorChange
) -> Response[OperatorEntry]:
    accounts = _accounts(request)
    version = expected_version(request)
    if data.one_time and data.password is None:
        raise ClientException("one_time: of which password?")
    entity, account = await asyncio.to_thread(accounts.get, operator_id)
    _same(entity, version)
    if (data.role not in (None, "admin") or data.enabled is False) and account.role == "admin":
        await _not_the_last(accounts, operator_id)
    stored = await accounts.passwords.hashed(data.password) if data.password is not None else None
    await close_playground(_state(request).desk, entity.name, caller_of(request))
    changed = await accounts.put(
        entity,
        account,
        caller_of(request).actor,
        role=data.role,
        enabled=data.enabled,
        password=stored,
        one_time=None if stored is None else data.one_time,
    )
    return _answer(changed)


@delete("/operators/{operator_id:str}", status_code=204, summary="Remove an operator with all sessions and API tokens")
async def remove_operator(request: Request[Any, Any, Any], operator_id: str) -> None:
    accounts = _accounts(request)
    version = expected_version(request)
    entity, account = await asyncio.to_thread(accounts.get, operator_id)
    _same(entity, version)
    if account.role == "admin":
        await _not_the_last(accounts, operator_id)
    await close_playground(_state(request).desk, entity.name, caller_of(request))
    await accounts.delete(entity, account, caller_of(request).actor)


@get("/audit", summary="Who changed what, newest first")
async def audit(
    request: Request[Any, Any, Any],
    entity_id: Annotated[str | None, Parameter(max_length=256)] = None,
    since: Annotated[float | None, Parameter(description="Unix time in seconds", ge=0, le=1e11)] = None,
    until: Annotated[float | None, Parameter(description="Unix time in seconds", ge=0, le=1e11)] = None,
    actor: Annotated[str | None, Parameter(description="As entries have it", max_length=256)] = None,
    kind: Annotated[str | None, Parameter(max_length=64)] = None,
    action: Annotated[str | None, Parameter(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AuditEntries:
    store = _accounts(request).store
    page = await asyncio.to_thread(
        lambda: store.audit(
            entity_id=entity_id,
            since_us=None if since is None else int(since * 1e6),
            until_us=None if until is None else int(until * 1e6),
            actor=actor,
            kind=kind,
            action=action,
            after=cursor,
            limit=limit,
        )
    )
    return AuditEntries(list(map(_audited, page.rows)), page.next)


def _state(request: Request[Any, Any, Any]) -> ControlState:
    state: ControlState = request.app.state.control
    return state


def _accounts(request: Request[Any, Any, Any]) -> Accounts:
    return _state(request).accounts


async def _not_the_last(accounts: Accounts, operator_id: str) -> None:
    """An instance keeps an admin who can log in. Two requests at once may still remove two: the admin token remains."""
    _, all_of_them = await asyncio.to_thread(accounts.store.every, [KIND])
    admins = (entity for entity in all_of_them if _account(entity).role == "admin" and _account(entity).enabled)
    if not any(entity.id != operator_id for entity in admins):
        raise ClientException("this is the last admin")


def _same(entity: Entity, version: int) -> None:
    if entity.version != version:
        raise Conflict(entity.version)


def _account(entity: Entity) -> Account:
    return msgspec.json.decode(entity.body, type=Account)


def _answer(entity: Entity, status: int = 200) -> Response[OperatorEntry]:
    return Response(_entry(entity, _account(entity)), status_code=status, headers={"etag": etag_of(entity.version)})


def _entry(entity: Entity, account: Account) -> OperatorEntry:
    return OperatorEntry(
        entity.id,
        entity.name,
        account.role,
        account.enabled,
        account.one_time,
        entity.version,
        _time(entity.created_us),
        _time(entity.updated_us),
    )


def _audited(row: AuditRow) -> AuditEntry:
    before, after = (None if text is None else msgspec.json.decode(text) for text in (row.before, row.after))
    return AuditEntry(row.id, _time(row.at_us), row.actor, row.action, row.kind, row.entity_id, row.name, before, after)


def _time(us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(us / 1e6, dt.UTC)


OPERATOR_HANDLERS = (operators, make_operator, operator, change_operator, remove_operator, audit)
