"""POST /api/playground: the virtual key with which an operator's own browser asks ``/v1``."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import time
from typing import Any

import msgspec
from litestar import Request, post
from litestar.exceptions import ClientException, PermissionDeniedException

from gateway.control.callers import caller_of
from gateway.control.entity_desk import EntityDesk, Shown
from gateway.control.entity_kinds import VIRTUAL_KEY, stored_of
from gateway.control.state import ControlState
from gateway.operators.accounts import Caller
from gateway.stores.entities import Entity
from gateway.stores.protocols import Conflict, NameTaken, NotFound

LIFE_S = 12 * 3600
"""As long as a session at most."""
MADE_FOR = "playground of"
"""The note by which such a key is known; beside it the operator."""
MOST_NAME = 128
TRIES = 3


class PlaygroundWish(msgspec.Struct, forbid_unknown_fields=True):
    """There is nothing to choose: the key is the caller's own."""


class PlaygroundKey(msgspec.Struct):
    key: str
    """Shown this once; whatever the playground had before is refused from now on."""
    name: str
    expires_at: dt.datetime


@post("/playground", status_code=200, operation_id="open_playground", summary="A virtual key for one's own playground")
async def playground(request: Request[Any, Any, Any], data: PlaygroundWish | None = None) -> PlaygroundKey:
    """It is made at the first time and has another value each time; it is named after the operator, counts like any
    other key, and keeps the limits, budgets and models that it is given under /api/virtual-keys."""
    state: ControlState = request.app.state.control
    caller = caller_of(request)
    name, expires = name_for(caller.name), int(time.time()) + LIFE_S
    for _ in range(TRIES):
        try:
            shown = await _renewed(state.desk, name, expires, caller)
        except (Conflict, NameTaken):
            # Another page of the same operator was quicker.
            continue
        return PlaygroundKey(str(shown.key), name, dt.datetime.fromtimestamp(expires, dt.UTC))
    raise ClientException("somebody else changes this key all the time", status_code=409)


def name_for(operator: str) -> str:
    """Of the virtual key; a long one ends with a digest, so that no two operators have the same."""
    name = f"playground-{operator}"
    if len(name) > MOST_NAME:
        digest = hashlib.sha256(operator.encode()).hexdigest()[:16]
        name = f"{name[: MOST_NAME - 17]}-{digest}"
    return name


async def _renewed(desk: EntityDesk, name: str, expires: int, caller: Caller) -> Shown:
    """The key with a new value, in force. Raises what EntityDesk does."""
    found = await asyncio.to_thread(_row, desk, name)
    if found is None:
        spec = {"expires": expires, "metadata": {MADE_FOR: caller.name}}
        return await desk.create(VIRTUAL_KEY, name, spec, caller)
    spec = msgspec.json.decode(stored_of(found).spec)
    if spec.get("metadata", {}).get(MADE_FOR) != caller.name:
        raise PermissionDeniedException(f"the virtual key {name} was not made for the playground: rename it")
    if not spec.get("enabled", True):
        raise PermissionDeniedException(f"the virtual key {name} is switched off")
    return await desk.renew(VIRTUAL_KEY, found.id, found.version, caller, {"expires": expires})


async def close_playground(desk: EntityDesk, operator: str, caller: Caller) -> None:
    """Whoever may no longer ask for the key of ``operator``'s playground has none either: it gets a value that nobody
    is told. Raises what EntityDesk does."""
    for _ in range(TRIES):
        found = await asyncio.to_thread(_row, desk, name_for(operator))
        if found is None or msgspec.json.decode(stored_of(found).spec).get("metadata", {}).get(MADE_FOR) != operator:
            return
        try:
            await desk.renew(VIRTUAL_KEY, found.id, found.version, caller, {"expires": int(time.time())})
        except Conflict:
            continue
        except NotFound:
            pass
        return
    raise ClientException("somebody else changes the key of this operator's playground", status_code=409)


def _row(desk: EntityDesk, name: str) -> Entity | None:
    try:
        return desk.store.by_name(VIRTUAL_KEY.name, name)
    except NotFound:
        return None


PLAYGROUND_HANDLERS = (playground,)
