"""Handlers under /api/views: filters of a page that somebody has given a name. Whoever made one changes it, and so does
an admin; a shared one is seen by all."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.exceptions import PermissionDeniedException
from litestar.params import Parameter
from msgspec import Meta

from gateway.control.callers import caller_of
from gateway.control.state import ControlState
from gateway.control.versions import etag_of, expected_version
from gateway.operators.accounts import Caller
from gateway.operators.roles import Role
from gateway.stores.entities import Change, Entity
from gateway.stores.protocols import ConfigStore, Conflict, NotFound

KIND = "view"

Title = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]
PageName = Annotated[str, Meta(min_length=1, max_length=32, pattern="^[a-z]+$")]
Query = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=32, description="Parameters of the page, as its address has them."),
]
Limit = Annotated[int, Parameter(ge=1, le=1000)]
Cursor = Annotated[str | None, Parameter(description="`next` of the page before", max_length=1024)]


class NewView(msgspec.Struct, forbid_unknown_fields=True):
    name: Title
    page: PageName
    query: Query
    shared: bool = False


class StoredView(msgspec.Struct, frozen=True):
    owner: str
    """As the audit names it."""
    name: str
    page: str
    query: dict[str, str]
    shared: bool


class View(msgspec.Struct):
    id: str
    name: str
    page: str
    query: dict[str, str]
    shared: bool
    owner: str
    """Name of the operator; their id when they are gone."""
    own: bool
    """Whoever asks has made it."""
    version: int
    updated_at: dt.datetime


class Views(msgspec.Struct):
    entries: list[View]
    next: str | None
    """Give it as ``cursor``. A page may be short, even empty, and still have one."""


@get("/views", summary="Saved views: one's own and those that are shared")
async def views(
    request: Request[Any, Any, Any],
    page: Annotated[str | None, Parameter(description="Only those of this page", max_length=32)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Views:
    caller, store = caller_of(request), _store(request)

    def read() -> Views:
        found = store.page(KIND, after=cursor, limit=limit)
        seen = [(entity, stored) for entity in found.entities if _visible(stored := _stored(entity), caller)]
        entries = [_shown(entity, stored, caller, store) for entity, stored in seen if page in (None, stored.page)]
        return Views(entries, found.next)

    return await asyncio.to_thread(read)


@post("/views", status_code=201, summary="Save a view")
async def make_view(request: Request[Any, Any, Any], data: NewView) -> Response[View]:
    caller, store = caller_of(request), _store(request)
    _may_share(caller, data)
    stored = _of(data, caller.actor)

    def keep() -> View:
        body = msgspec.json.encode(stored)
        entity = store.create(KIND, _key(stored), body, Change(actor=caller.actor, action="create", after=body))
        return _shown(entity, stored, caller, store)

    return _answer(await asyncio.to_thread(keep), 201)


@put("/views/{view_id:str}", summary="Change a saved view")
async def change_view(request: Request[Any, Any, Any], view_id: str, data: NewView) -> Response[View]:
    caller, store, version = caller_of(request), _store(request), expected_version(request)
    _may_share(caller, data)

    def keep() -> View:
        entity, old = _changeable(store, view_id, version, caller)
        stored = _of(data, old.owner)
        body = msgspec.json.encode(stored)
        change = Change(actor=caller.actor, action="update", before=bytes(entity.body), after=body)
        return _shown(store.update(KIND, view_id, body, version, change, name=_key(stored)), stored, caller, store)

    return _answer(await asyncio.to_thread(keep))


@delete("/views/{view_id:str}", status_code=204, summary="Remove a saved view")
async def remove_view(request: Request[Any, Any, Any], view_id: str) -> None:
    caller, store, version = caller_of(request), _store(request), expected_version(request)

    def remove() -> None:
        entity, _ = _changeable(store, view_id, version, caller)
        store.delete(KIND, view_id, version, Change(actor=caller.actor, action="delete", before=bytes(entity.body)))

    await asyncio.to_thread(remove)


def _changeable(store: ConfigStore, view_id: str, version: int, caller: Caller) -> tuple[Entity, StoredView]:
    """Raises NotFound also for what the caller does not see, PermissionDeniedException, Conflict."""
    entity = store.get(KIND, view_id)
    stored = _stored(entity)
    if not _visible(stored, caller):
        raise NotFound
    if stored.owner != caller.actor and caller.role < Role.ADMIN:
        raise PermissionDeniedException("only who made a view, or an admin, may change it")
    if entity.version != version:
        raise Conflict(entity.version)
    return entity, stored


def _visible(stored: StoredView, caller: Caller) -> bool:
    return stored.shared or stored.owner == caller.actor or caller.role >= Role.ADMIN


def _may_share(caller: Caller, data: NewView) -> None:
    if data.shared and caller.role < Role.OPERATOR:
        raise PermissionDeniedException(f"to share a view needs the role operator; {caller.name} has viewer")


def _of(data: NewView, owner: str) -> StoredView:
    return StoredView(owner=owner, name=data.name, page=data.page, query=data.query, shared=data.shared)


def _key(stored: StoredView) -> str:
    """Its name in the store: two operators may call different views the same."""
    return f"{stored.page}/{stored.owner}/{stored.name}"


def _stored(entity: Entity) -> StoredView:
    return msgspec.json.decode(entity.body, type=StoredView)


def _shown(entity: Entity, stored: StoredView, caller: Caller, store: ConfigStore) -> View:
    own = stored.owner == caller.actor
    return View(
        id=entity.id,
        name=stored.name,
        page=stored.page,
        query=stored.query,
        shared=stored.shared,
        owner=caller.name if own else _owner(stored.owner, store),
        own=own,
        version=entity.version,
        updated_at=dt.datetime.fromtimestamp(entity.updated_us / 1e6, dt.UTC),
    )


def _owner(actor: str, store: ConfigStore) -> str:
    try:
        return store.get("operator", actor).name
    except NotFound:
        return actor


def _answer(view: View, status: int = 200) -> Response[View]:
    return Response(view, status_code=status, headers={"etag": etag_of(view.version)})


def _store(request: Request[Any, Any, Any]) -> ConfigStore:
    state: ControlState = request.app.state.control
    return state.database.config


VIEW_HANDLERS = (views, make_view, change_view, remove_view)
