"""Handlers under /api/providers/ID/keys."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.params import Parameter

from gateway.config.names import Name
from gateway.control.callers import caller_of
from gateway.control.entity_desk import id_in
from gateway.control.provider_keys import ProviderKeyDesk, ProviderKeys, ProviderKeyShown
from gateway.control.state import ControlState
from gateway.control.versions import etag_of, expected_version

Id = Annotated[str, Parameter(max_length=256)]
KeyName = Annotated[str, Parameter(max_length=256)]
ALL = "/providers/{entity_id:str}/keys"
ONE = f"{ALL}/{{key_name:str}}"


class NewProviderKey(msgspec.Struct, forbid_unknown_fields=True):
    """What makes a key; ``spec`` is what the configuration file says of one, with its value as it stands."""

    name: Name
    spec: dict[str, Any]


class ProviderKeyChange(msgspec.Struct, forbid_unknown_fields=True):
    """The whole new ``spec``; a value that is sent as it was shown stays what it is."""

    spec: dict[str, Any]


@get(ALL, operation_id="list_provider_keys", summary="Keys of a provider")
async def keys(request: Request[Any, Any, Any], entity_id: Id) -> Response[ProviderKeys]:
    found, version = await _desk(request).every(id_in(entity_id))
    return Response(found, headers={"etag": etag_of(version)})


@post(ALL, status_code=201, operation_id="add_provider_key", summary="Add a key to a provider")
async def add(request: Request[Any, Any, Any], entity_id: Id, data: NewProviderKey) -> Response[ProviderKeyShown]:
    return _answer(await _desk(request).add(id_in(entity_id), data.name, data.spec, caller_of(request)), 201)


@get(ONE, operation_id="get_provider_key", summary="One key of a provider")
async def key(request: Request[Any, Any, Any], entity_id: Id, key_name: KeyName) -> Response[ProviderKeyShown]:
    return _answer(await _desk(request).get(id_in(entity_id), key_name))


@put(ONE, operation_id="replace_provider_key", summary="Change a key of a provider, or give it another value")
async def replace(
    request: Request[Any, Any, Any], entity_id: Id, key_name: KeyName, data: ProviderKeyChange
) -> Response[ProviderKeyShown]:
    """Its id stays, and with it records and health."""
    version = expected_version(request)
    return _answer(await _desk(request).replace(id_in(entity_id), version, key_name, data.spec, caller_of(request)))


@delete(ONE, status_code=204, operation_id="remove_provider_key", summary="Remove a key of a provider")
async def remove(request: Request[Any, Any, Any], entity_id: Id, key_name: KeyName) -> None:
    await _desk(request).remove(id_in(entity_id), expected_version(request), key_name, caller_of(request))


def _desk(request: Request[Any, Any, Any]) -> ProviderKeyDesk:
    state: ControlState = request.app.state.control
    return ProviderKeyDesk(state.desk)


def _answer(shown: ProviderKeyShown, status: int = 200) -> Response[ProviderKeyShown]:
    return Response(shown, status_code=status, headers={"etag": etag_of(shown.version)})


PROVIDER_KEY_HANDLERS = (keys, add, key, replace, remove)
