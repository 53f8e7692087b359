"""Handlers under /api/settings."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, put
from litestar.handlers import HTTPRouteHandler

from gateway.config.settings import GROUPS
from gateway.control.callers import caller_of
from gateway.control.settings_desk import SettingsDesk, SettingsShown
from gateway.control.state import ControlState
from gateway.control.versions import etag_of, expected_version


class SettingsChange(msgspec.Struct, forbid_unknown_fields=True):
    """The whole new ``spec`` of a group; what is left out has the file's value, or its default."""

    spec: dict[str, Any]
    allow_private: bool = False
    """Of the group ``cache``: the stores it names are meant, though they lie in a private network or are spoken to
    without TLS."""


class SettingsList(msgspec.Struct):
    entries: list[SettingsShown]


@get("/settings", operation_id="list_settings", summary="Every group of settings")
async def settings(request: Request[Any, Any, Any]) -> SettingsList:
    desk = _desk(request)
    return SettingsList([await desk.get(group) for group in GROUPS])


def handlers_of(group: str) -> list[HTTPRouteHandler]:
    """Read, set and reset. They are told apart by ``operation_id``, so that a client has a type for each."""
    path, name = f"/settings/{group}", group.replace(".", "_")

    @get(path, operation_id=f"get_{name}_settings", summary=f"Settings: {group}")
    async def one(request: Request[Any, Any, Any]) -> Response[SettingsShown]:
        return _answer(await _desk(request).get(group))

    @put(path, operation_id=f"set_{name}_settings", summary=f"Change settings: {group}")
    async def change(request: Request[Any, Any, Any], data: SettingsChange) -> Response[SettingsShown]:
        version = expected_version(request)
        return _answer(
            await _desk(request).put(group, version, data.spec, caller_of(request), allow_private=data.allow_private)
        )

    @delete(path, status_code=204, operation_id=f"reset_{name}_settings", summary=f"Reset settings: {group}")
    async def reset(request: Request[Any, Any, Any]) -> None:
        await _desk(request).remove(group, expected_version(request), caller_of(request))

    return [one, change, reset]


def _desk(request: Request[Any, Any, Any]) -> SettingsDesk:
    state: ControlState = request.app.state.control
    return SettingsDesk(state.desk, state.configuration)


def _answer(shown: SettingsShown) -> Response[SettingsShown]:
    return Response(shown, headers={"etag": etag_of(shown.version)})


SETTINGS_HANDLERS = (settings, *(handler for group in GROUPS for handler in handlers_of(group)))
