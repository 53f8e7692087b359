"""Handlers under /api over the master keys."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Request, get, post

from gateway.control.callers import caller_of
from gateway.control.rotation import MasterKeys, rotate, status
from gateway.control.state import ControlState


class RotationRequest(msgspec.Struct, forbid_unknown_fields=True):
    drop: bool = False
    """Take keys out of the file that nothing in the database needs any more. Older backups may."""


@get("/secrets", summary="Master keys, by their ids")
async def master_keys(request: Request[Any, Any, Any]) -> MasterKeys:
    desk = _state(request).desk
    return await asyncio.to_thread(status, desk.store, desk.keeper)


@post("/secrets/rotate", status_code=200, summary="Encrypt every secret with a new master key")
async def rotate_keys(request: Request[Any, Any, Any], data: RotationRequest) -> MasterKeys:
    desk = _state(request).desk
    async with desk.changing():
        return await asyncio.to_thread(
            lambda: rotate(desk.store, desk.keeper, caller_of(request).actor, drop=data.drop)
        )


def _state(request: Request[Any, Any, Any]) -> ControlState:
    state: ControlState = request.app.state.control
    return state


SECRETS_HANDLERS = (master_keys, rotate_keys)
