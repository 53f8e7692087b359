"""Handlers under /api over the entities of ``entity_kinds.py``: the same for every kind.

An answer to a change comes once the change is in force: the snapshot is published, and what was revoked is refused.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import Meta

from gateway.config.names import NAME_PATTERN
from gateway.control.callers import caller_of
from gateway.control.entity_desk import EntityDesk, Page, Shown, id_in
from gateway.control.entity_kinds import KINDS, PRICE, ROUTE, VIRTUAL_KEY, Kind
from gateway.control.entity_secrets import Unfit
from gateway.control.state import ControlState
from gateway.control.versions import etag_of, expected_version

Limit = Annotated[int, Parameter(ge=1, le=1000)]
Cursor = Annotated[str | None, Parameter(description="`next` of the page before", max_length=512)]
Search = Annotated[str, Parameter(description="Only those whose names have this in them", max_length=256)]
Id = Annotated[str, Parameter(max_length=256)]


EntityName = Annotated[str, Meta(pattern=r"^[!-~]{1,256}$")]
"""Of a route or a price rule; other kinds take fewer characters."""


class NewEntity(msgspec.Struct, forbid_unknown_fields=True):
    """What makes an entity; ``spec`` is what the configuration file says of one, but that text is taken as it stands:
    nothing refers to a variable or a file."""

    name: EntityName
    spec: dict[str, Any] = {}
    allow_private: Annotated[
        bool, Meta(description="Of a provider: it may lie in a private network, or without TLS.")
    ] = False


class EntityChange(msgspec.Struct, forbid_unknown_fields=True):
    """The whole new ``spec``; without a name the old one stays."""

    spec: dict[str, Any]
    name: EntityName | None = None
    allow_private: bool = False


def handlers_of(kind: Kind) -> list[HTTPRouteHandler]:
    """List, make, read, replace and remove."""
    one = f"/{kind.path}/{{entity_id:str}}"
    what = kind.name.replace("_", " ")

    @get(f"/{kind.path}", name=f"list_{kind.name}", operation_id=f"list_{kind.name}", summary=f"Every {what}")
    async def entries(
        request: Request[Any, Any, Any], limit: Limit = 50, cursor: Cursor = None, search: Search = ""
    ) -> Page:
        return await _desk(request).page(kind, cursor, limit, search)

    @post(f"/{kind.path}", status_code=201, operation_id=f"make_{kind.name}", summary=f"Make a {what}")
    async def make(request: Request[Any, Any, Any], data: NewEntity) -> Response[Shown]:
        named(kind, data.name)
        shown = await _desk(request).create(
            kind, data.name, data.spec, caller_of(request), allow_private=data.allow_private
        )
        return _answer(shown, 201)

    @get(one, operation_id=f"get_{kind.name}", summary=f"One {what}")
    async def entity(request: Request[Any, Any, Any], entity_id: Id) -> Response[Shown]:
        return _answer(await _desk(request).get(kind, id_in(entity_id)))

    @put(one, operation_id=f"replace_{kind.name}", summary=f"Change a {what}")
    async def replace(request: Request[Any, Any, Any], entity_id: Id, data: EntityChange) -> Response[Shown]:
        version = expected_version(request)
        named(kind, data.name)
        shown = await _desk(request).replace(
            kind, id_in(entity_id), version, data.name, data.spec, caller_of(request), allow_private=data.allow_private
        )
        return _answer(shown)

    @delete(one, status_code=204, operation_id=f"remove_{kind.name}", summary=f"Remove a {what}")
    async def remove(request: Request[Any, Any, Any], entity_id: Id) -> None:
        await _desk(request).remove(kind, id_in(entity_id), expected_version(request), caller_of(request))

    return [entries, make, entity, replace, remove]


@post("/virtual-keys/{entity_id:str}/renew", status_code=200, summary="Give a virtual key another value")
async def renew(request: Request[Any, Any, Any], entity_id: Id) -> Response[Shown]:
    """The new value is shown once; the old one is refused from now on. Limits and records go on."""
    version = expected_version(request)
    return _answer(await _desk(request).renew(VIRTUAL_KEY, id_in(entity_id), version, caller_of(request)))


def named(kind: Kind, name: str | None) -> None:
    """Raises Unfit for a name that no entity of this kind can have."""
    if name is not None and kind not in (ROUTE, PRICE) and not re.search(NAME_PATTERN, name):
        raise Unfit("name: letters, digits, dots, colons, underscores and hyphens, 128 at most")


def _desk(request: Request[Any, Any, Any]) -> EntityDesk:
    state: ControlState = request.app.state.control
    return state.desk


def _answer(shown: Shown, status: int = 200) -> Response[Shown]:
    return Response(shown, status_code=status, headers={"etag": etag_of(shown.version)})


ENTITY_HANDLERS = (*(handler for kind in KINDS.values() for handler in handlers_of(kind)), renew)
