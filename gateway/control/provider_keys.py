"""One key of a provider at a time: added, changed and removed without anything else of the provider being sent.

A key's version is its provider's, since both lie in one row. Its id is made of the provider's and of its name, so that
another value (a rotation) goes on with the same records and health, and another name is another key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from gateway.config.parts import without
from gateway.config.schema import KeyEntry
from gateway.control.entity_desk import EntityDesk
from gateway.control.entity_kinds import PROVIDER, Stored, spec_of, stored_of
from gateway.control.entity_secrets import Unfit, fit, kept
from gateway.operators.accounts import Caller
from gateway.secrets.bodies import sealed
from gateway.stores.entities import Entity
from gateway.stores.protocols import NameTaken, NotFound

KEY_SPEC = without(KeyEntry, "ProviderKey", "name", "id")


class ProviderKeyShown(msgspec.Struct, kw_only=True):
    name: str
    provider_id: str
    source: Literal["file", "database"]
    version: int
    """The provider's."""
    spec: Any


class ProviderKeys(msgspec.Struct):
    entries: list[ProviderKeyShown]


class ProviderKeyDesk:
    """Over the desk of entities."""

    def __init__(self, desk: EntityDesk) -> None:
        self._desk = desk

    async def every(self, provider_id: str) -> tuple[ProviderKeys, int]:
        """Its keys and its version. Raises NotFound, and Unfit when the row cannot be read."""
        shown = await self._desk.get(PROVIDER, provider_id)
        if shown.spec is None:
            raise Unfit("the provider cannot be read: its secrets are encrypted with a master key that is not here")
        keys = []
        for each in shown.spec.get("keys", ()):
            spec = {member: value for member, value in each.items() if member not in ("name", "id")}
            keys.append(
                ProviderKeyShown(
                    name=each["name"],
                    provider_id=provider_id,
                    source=shown.source,
                    version=shown.version,
                    spec=spec,
                )
            )
        return ProviderKeys(keys), shown.version

    async def get(self, provider_id: str, name: str) -> ProviderKeyShown:
        """Raises NotFound."""
        keys, _ = await self.every(provider_id)
        for key in keys.entries:
            if key.name == name:
                return key
        raise NotFound("the provider has no such key")

    async def add(self, provider_id: str, name: str, given: Mapping[str, Any], caller: Caller) -> ProviderKeyShown:
        """Raises Unfit, NotFound, NameTaken, ReadOnly, MasterKeyError."""
        async with self._desk.changing():
            old, keys = await self._open(provider_id, None)
            if any(key.name == name for key in keys):
                raise NameTaken(f"the provider has a key called {name!r}")
            await self._put(old, [*keys, _fit(name, given)], "add_key", caller)
        return await self.get(provider_id, name)

    async def replace(
        self, provider_id: str, version: int, name: str, given: Mapping[str, Any], caller: Caller
    ) -> ProviderKeyShown:
        """The key with another spec; a value that is sent as it was shown stays. Raises Unfit, NotFound, Conflict,
        ReadOnly, MasterKeyError."""
        async with self._desk.changing():
            old, keys = await self._open(provider_id, version)
            at = _place(keys, name)
            keys[at] = kept(_fit(name, given), keys[at])
            await self._put(old, keys, "change_key", caller)
        return await self.get(provider_id, name)

    async def remove(self, provider_id: str, version: int, name: str, caller: Caller) -> None:
        """Raises as ``replace``."""
        async with self._desk.changing():
            old, keys = await self._open(provider_id, version)
            del keys[_place(keys, name)]
            await self._put(old, keys, "remove_key", caller)

    async def _open(self, provider_id: str, version: int | None) -> tuple[Entity, list[KeyEntry]]:
        """The provider's row and its keys, opened."""
        old = await self._desk.own(PROVIDER, provider_id, version)
        spec = await asyncio.to_thread(lambda: spec_of(PROVIDER, old, self._desk.keeper.ring()))
        return old, [*spec.keys]

    async def _put(self, old: Entity, keys: list[KeyEntry], action: str, caller: Caller) -> None:
        def made() -> Stored:
            ring = self._desk.keeper.for_writing()
            spec = msgspec.structs.replace(spec_of(PROVIDER, old, ring), keys=keys)
            body = msgspec.json.encode(sealed(ring, PROVIDER.name, old.id, spec))
            return msgspec.structs.replace(stored_of(old), spec=msgspec.Raw(body))

        await self._desk.put(PROVIDER, old, None, await asyncio.to_thread(made), action, caller)


def _fit(name: str, given: Mapping[str, Any]) -> KeyEntry:
    """Raises Unfit."""
    fit(KEY_SPEC, given)
    return fit(KeyEntry, {**given, "name": name})


def _place(keys: list[KeyEntry], name: str) -> int:
    for at, key in enumerate(keys):
        if key.name == name:
            return at
    raise NotFound("the provider has no such key")
