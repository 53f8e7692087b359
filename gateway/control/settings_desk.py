"""Groups of settings (``gateway/config/settings.py``) as operators see and change them."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from gateway.config.alerts import unconfirmed
from gateway.config.schema import Config
from gateway.config.settings import in_force, said
from gateway.control import store_choice
from gateway.control.configuration import Configuration
from gateway.control.entity_desk import EntityDesk
from gateway.control.entity_kinds import SETTINGS, Kind, Stored, spec_of, stored_of
from gateway.control.entity_secrets import Unfit, fit, kept
from gateway.operators.accounts import Caller
from gateway.secrets.bodies import masked, plain, sealed, secrets_of
from gateway.secrets.envelope import SealedError
from gateway.snapshot.settings import defaults
from gateway.stores.entities import Change, Entity, new_id
from gateway.stores.protocols import Conflict, NotFound

LEAST: Mapping[str, Mapping[str, float]] = {
    "server.limits": {
        "header_bytes": 4096,
        "header_count": 32,
        "target_bytes": 1024,
        "json_body_bytes": 4096,
        "header_timeout": 1.0,
        "body_timeout": 1.0,
        "body_grace": 1.0,
        "write_timeout": 1.0,
        "connections": 16,
        "response_json_bytes": 4096,
    },
    "server.overload": {"under_way": 8, "memory": 256 << 20, "loop_lag": 0.05},
}
"""Group -> member -> the least that may be stored: with less, no request could come in that takes it back. 0, where it
means no bound, is no less. The file may say less."""
MOST = {"body_min_rate": 64 << 10}
ANY = {"connections", "under_way", "memory", "loop_lag"}
"""Of which 0 means: what there is room for."""


class SettingsShown(msgspec.Struct, kw_only=True):
    """A group of settings. A member that the file gives holds; of the others those of ``spec``; else the default."""

    name: str
    version: int
    """0: nothing of it is stored."""
    state: Literal["in_force", "unusable"]
    problem: str
    updated_at: dt.datetime | None
    spec: Any
    """What is stored. Null when its row cannot be read."""
    file: Any
    """What the file gives, which is changed there alone."""
    in_force: Any
    """Every member, with what holds."""


class SettingsDesk:
    """Over the desk of entities: the same lock, trial, audit and way into force."""

    def __init__(self, desk: EntityDesk, configuration: Configuration) -> None:
        self._desk = desk
        self._configuration = configuration

    async def get(self, group: str) -> SettingsShown:
        return self._shown(group, await asyncio.to_thread(self._row, group))

    async def put(
        self, group: str, version: int, given: Mapping[str, Any], caller: Caller, *, allow_private: bool = False
    ) -> SettingsShown:
        """The group with these members and no others; a secret that is sent as it was shown stays as it is.
        ``allow_private``: an admin has confirmed the addresses of stores. Raises Unfit, Conflict, MasterKeyError."""
        desk, kind = self._desk, SETTINGS[group]
        if allow_private and group != "cache":
            raise Unfit(f"allow_private: {group} names no store")
        async with desk.changing():
            old = await self._expected(group, version)
            entity_id = new_id() if old is None else old.id
            stored = await asyncio.to_thread(self._made, group, entity_id, given, old, allow_private)
            if old is not None:
                await desk.put(kind, old, None, stored, "update", caller)
            else:
                await desk.tried(kind, entity_id, group, stored)
                change = Change(actor=caller.actor, action="create", after=desk.audited(kind, entity_id, stored))
                body = msgspec.json.encode(stored)
                await asyncio.to_thread(
                    lambda: desk.store.create(kind.name, group, body, change, entity_id=entity_id, known_by_name=True)
                )
                await self._configuration.follow_database()
        return await self.get(group)

    async def remove(self, group: str, version: int, caller: Caller) -> None:
        """Back to what the file says, and the defaults. Raises NotFound, Conflict."""
        async with self._desk.changing():
            old = await self._expected(group, version)
        if old is None:
            raise NotFound("nothing is stored")
        await self._desk.remove(SETTINGS[group], old.id, version, caller)

    def _made(
        self, group: str, entity_id: str, given: Mapping[str, Any], old: Entity | None, allow_private: bool
    ) -> Stored:
        kind, keeper = SETTINGS[group], self._desk.keeper
        spec: Any = fit(kind.spec, given)
        before = self._readable(kind, old) if kind.has_secrets and old is not None else None
        if kind.has_secrets:
            spec = kept(spec, before)
        _judge(group, spec)
        if group == "cache" and (why := store_choice.unfit(spec, before, allow_private=allow_private)):
            raise Unfit(f"spec: {why}")
        if not kind.has_secrets or not any(secrets_of(spec)):
            body = plain(spec)
        else:
            body = sealed(keeper.for_writing(), kind.name, entity_id, spec)
        return Stored(spec=msgspec.Raw(msgspec.json.encode(body)))

    async def _expected(self, group: str, version: int) -> Entity | None:
        """Its row, when there is one and it has this version. Raises Conflict."""
        row = await asyncio.to_thread(self._row, group)
        current = 0 if row is None else row.version
        if current != version:
            raise Conflict(current)
        return row

    def _row(self, group: str) -> Entity | None:
        try:
            return self._desk.store.by_name(SETTINGS[group].name, group)
        except NotFound:
            return None

    def _readable(self, kind: Kind, row: Entity) -> Any:
        """Its spec; None where nobody can read it any more, so that it can still be replaced."""
        try:
            return spec_of(kind, row, self._desk.keeper.ring())
        except (SealedError, ValueError):
            return None

    def _masked_spec(self, kind: Kind, row: Entity) -> Any:
        try:
            stored_of(row)
            return masked(spec_of(kind, row, self._desk.keeper.ring() if kind.has_secrets else None))
        except (SealedError, ValueError):
            return None

    def _shown(self, group: str, row: Entity | None) -> SettingsShown:
        state, problem = self._configuration.state_of(row.id) if row is not None else ("in_force", "")
        config = self._configuration.config or Config()
        return SettingsShown(
            name=group,
            version=0 if row is None else row.version,
            state="in_force" if state == "in_force" else "unusable",
            problem=problem,
            updated_at=None if row is None else dt.datetime.fromtimestamp(row.updated_us / 1e6, dt.UTC),
            spec={} if row is None else self._masked_spec(SETTINGS[group], row),
            file=masked(said(self._configuration.file_config or Config(), group)),
            in_force=masked(in_force(config, group, defaults(group))),
        )


def _judge(group: str, spec: Any) -> None:
    """Raises Unfit for what would keep everybody out."""
    for member, least in LEAST.get(group, {}).items():
        value = getattr(spec, member)
        if value is not None and value < least and not (value == 0 and member in ANY):
            raise Unfit(f"spec: {member}: less than {least:g} would keep out who could take it back")
    for member in MOST.keys() & set(spec.__struct_fields__):
        if (getattr(spec, member) or 0) > MOST[member]:
            raise Unfit(f"spec: {member}: more than {MOST[member]:g} would keep out who could take it back")
    if group == "alerts" and (why := unconfirmed(spec.webhooks or ())):
        raise Unfit(f"spec: {why}")
