"""Entities as operators see and change them: those of the file, which are read only here, and those of the database."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from gateway import virtual_key
from gateway.config.levels import VirtualKeyEntry
from gateway.control.configuration import Configuration
from gateway.control.entity_kinds import PROVIDER, VIRTUAL_KEY, Kind, Stored, entities_of, spec_of, stored_of
from gateway.control.entity_secrets import Unfit, fit, kept, needs_confirmation
from gateway.operators.accounts import Caller
from gateway.secrets.bodies import masked, plain, sealed
from gateway.secrets.envelope import SealedError
from gateway.secrets.keeper import Keeper
from gateway.snapshot.digest import imported_digest, key_digest, sha256_in
from gateway.snapshot.entities import declared
from gateway.stores.entities import Change, Entity, new_id
from gateway.stores.protocols import ConfigStore, Conflict, NotFound, StoreUnavailable

OF_FILE, OF_DATABASE = "file:", "database:"
"""Where a cursor goes on."""
BEGINNING, ENDING = 6, 4
"""Characters of a virtual key that are shown; of one that was brought along only the last ones, of a short one none."""
SHOWN_FROM = 20
READY_S = 30.0
"""How long a change waits for a database that was just migrated."""
NOT_SHOWN = ("id", "name", "value", "hash")
"""Members of the file's entries that stand beside the spec, or nowhere."""


class ReadOnly(Exception):
    """The file declares it, and it is changed there alone."""


class Shown(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An entity as it is answered."""

    id: str
    name: str
    path: str
    """Where it is read and changed."""
    source: Literal["file", "database"]
    version: int
    """0 for one of the file."""
    state: Literal["in_force", "shadowed", "unusable"]
    problem: str
    """Why it is not in force."""
    created_at: dt.datetime | None
    updated_at: dt.datetime | None
    spec: Any
    """Null when its row cannot be read."""
    shown: str = ""
    """Of a virtual key: its beginning and its end."""
    key: str | None = None
    """Of a virtual key: the key itself, in the answer that makes it and in no other."""
    allow_private: bool | None = None
    """Of a provider of the database: whether it may lie in a private network."""


class Page(msgspec.Struct):
    entries: list[Shown]
    next: str | None


class EntityDesk:
    """One per control process, on its loop."""

    def __init__(self, store: ConfigStore, configuration: Configuration, pepper: bytes, keeper: Keeper) -> None:
        self.store = store
        self.keeper = keeper
        self._configuration = configuration
        self._pepper = pepper
        self._changing = asyncio.Lock()

    # -- reading

    async def page(self, kind: Kind, cursor: str | None, limit: int, search: str = "") -> Page:
        """Those of the file first, then those of the database by name; only those whose names have ``search`` in them.
        Raises Unfit for a cursor that is none."""
        entries: list[Shown] = []
        at, after = 0, ""
        if cursor is not None and cursor.startswith(OF_DATABASE):
            at, after = -1, cursor.removeprefix(OF_DATABASE)
        elif cursor is not None:
            number = cursor.removeprefix(OF_FILE)
            if not cursor.startswith(OF_FILE) or not number.isdecimal() or len(number) > 9:
                raise Unfit("the cursor is none of this list")
            at = int(number)
        if at >= 0:
            declared = [each for each in self._declared(kind) if search.lower() in each[1].lower()]
            entries = [self._of_file(kind, entry) for entry in declared[at : at + limit]]
            if at + limit < len(declared):
                return Page(entries, f"{OF_FILE}{at + limit}")
        found = await asyncio.to_thread(
            lambda: self.store.page(kind.name, after=after, limit=max(1, limit - len(entries)), search=search)
        )
        if len(entries) == limit:
            return Page(entries, OF_DATABASE if found.entities else None)
        entries += [self._of_database(kind, entity) for entity in found.entities]
        return Page(entries, None if found.next is None else OF_DATABASE + found.next)

    async def get(self, kind: Kind, entity_id: str) -> Shown:
        """Raises NotFound."""
        if entity_id.startswith(OF_FILE):
            return self._of_file(kind, self.declared_as(kind, entity_id))
        return self._of_database(kind, await asyncio.to_thread(self.store.get, kind.name, entity_id))

    # -- changing

    @contextlib.asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Entered by whoever changes entities, one at a time. Shortly after a start the store may take a change that
        the configuration cannot read yet: that is waited for. Raises StoreUnavailable."""
        async with self._changing:
            end = time.monotonic() + READY_S
            while not await self._configuration.reads_database():
                if time.monotonic() > end:
                    raise StoreUnavailable("the database is not ready")
                await asyncio.sleep(0.05)
            yield

    async def create(
        self, kind: Kind, name: str, given: Mapping[str, Any], caller: Caller, *, allow_private: bool = False
    ) -> Shown:
        """A new entity, in force. Raises Unfit, NameTaken, MasterKeyError."""
        entity_id = new_id()
        async with self.changing():
            stored, key = await asyncio.to_thread(self._made, kind, entity_id, given, None, allow_private)
            await self.tried(kind, entity_id, name, stored)
            change = Change(actor=caller.actor, action="create", after=self.audited(kind, entity_id, stored))
            entity = await asyncio.to_thread(
                lambda: self.store.create(kind.name, name, msgspec.json.encode(stored), change, entity_id=entity_id)
            )
            await self._configuration.follow_database()
        shown = self._of_database(kind, entity)
        shown.key = key
        return shown

    async def replace(
        self,
        kind: Kind,
        entity_id: str,
        version: int,
        name: str | None,
        given: Mapping[str, Any],
        caller: Caller,
        *,
        allow_private: bool = False,
    ) -> Shown:
        """The entity with another spec, and perhaps another name. A virtual key stays the key it is unless another
        value or hash is given; a secret that is sent as it was shown stays as it is. Raises Unfit, NotFound, NameTaken,
        Conflict, ReadOnly, MasterKeyError."""
        async with self.changing():
            old = await self.own(kind, entity_id, version)
            stored, _ = await asyncio.to_thread(self._made, kind, entity_id, given, old, allow_private)
            return await self.put(kind, old, name, stored, "update", caller)

    async def renew(
        self, kind: Kind, entity_id: str, version: int, caller: Caller, changed: Mapping[str, Any] | None = None
    ) -> Shown:
        """The same virtual key with another value, and these members of its spec; the old value is refused from now on.
        Raises as ``replace``."""
        async with self.changing():
            old = await self.own(kind, entity_id, version)
            key = virtual_key.generate()
            stored = msgspec.structs.replace(stored_of(old), digest=self._digest(key), shown=shown_of(key, True))
            if changed:
                spec = msgspec.json.decode(stored.spec) | changed
                fit(kind.spec, spec)
                stored = msgspec.structs.replace(stored, spec=msgspec.Raw(msgspec.json.encode(spec)))
            shown = await self.put(kind, old, None, stored, "renew", caller)
        shown.key = key
        return shown

    async def remove(self, kind: Kind, entity_id: str, version: int, caller: Caller) -> None:
        """Raises NotFound, Conflict, ReadOnly."""
        async with self.changing():
            old = await self.own(kind, entity_id, version)
            before = self.audited(kind, old.id, stored_of(old))
            change = Change(actor=caller.actor, action="delete", before=before)
            await asyncio.to_thread(self.store.delete, kind.name, old.id, version, change)
            await self._configuration.follow_database()

    async def own(self, kind: Kind, entity_id: str, version: int | None) -> Entity:
        """One of the database, of this version (None: any). Raises NotFound, Conflict, ReadOnly."""
        if entity_id.startswith(OF_FILE):
            self.declared_as(kind, entity_id)
            raise ReadOnly("the file declares it: change it there")
        entity = await asyncio.to_thread(self.store.get, kind.name, entity_id)
        if version is not None and entity.version != version:
            raise Conflict(entity.version)
        return entity

    async def put(
        self, kind: Kind, old: Entity, name: str | None, stored: Stored, action: str, caller: Caller
    ) -> Shown:
        """In the place of ``old``, in force. Raises Unfit, NameTaken, Conflict."""
        await self.tried(kind, old.id, name or old.name, stored)
        before, after = (self.audited(kind, old.id, each) for each in (stored_of(old), stored))
        change = Change(actor=caller.actor, action=action, before=before, after=after)
        entity = await asyncio.to_thread(
            lambda: self.store.update(
                kind.name, old.id, msgspec.json.encode(stored), old.version, change, name=name or old.name
            )
        )
        await self._configuration.follow_database()
        return self._of_database(kind, entity)

    def _made(
        self, kind: Kind, entity_id: str, given: Mapping[str, Any], old: Entity | None, allow_private: bool
    ) -> tuple[Stored, str | None]:
        """What is stored of an entity as it was sent, and a virtual key's value when one was made. Raises Unfit,
        MasterKeyError."""
        if kind is VIRTUAL_KEY:
            return self._made_key(kind, given, None if old is None else stored_of(old))
        spec: Any = fit(kind.spec, given)
        if not kind.has_secrets:
            return Stored(spec=msgspec.Raw(msgspec.json.encode(plain(spec)))), None
        if old is not None:
            spec = kept(spec, spec_of(kind, old, self.keeper.ring()))
        if not allow_private and (why := needs_confirmation(spec)):
            raise Unfit(f"{why}; send allow_private: true if it is meant")
        body = sealed(self.keeper.for_writing(), kind.name, entity_id, spec)
        return Stored(spec=msgspec.Raw(msgspec.json.encode(body)), allow_private=allow_private), None

    def _made_key(self, kind: Kind, given: Mapping[str, Any], before: Stored | None) -> tuple[Stored, str | None]:
        fit(kind.spec, given)
        spec = dict(given)
        value, hashed = spec.pop("value", None), spec.pop("hash", None)
        if value is not None and hashed is not None:
            raise Unfit("value and hash are not given together")
        made = None
        if value is None and hashed is None and before is not None:
            digest, shown = before.digest, before.shown
        elif hashed is not None:
            try:
                digest = imported_digest(self._pepper, sha256_in(hashed)).hex()
            except ValueError as error:
                raise Unfit(f"hash: {error}") from None
            shown = "imported"
        else:
            made = virtual_key.generate() if value is None else None
            key = made or value
            if len(key) < SHOWN_FROM or " " in key:
                raise Unfit(f"value: at least {SHOWN_FROM} characters without a space")
            digest, shown = self._digest(key), shown_of(key, made is not None)
        return Stored(spec=msgspec.Raw(msgspec.json.encode(spec)), digest=digest, shown=shown), made

    def _digest(self, key: str) -> str:
        return key_digest(self._pepper, key.encode()).hex()

    async def tried(self, kind: Kind, entity_id: str, name: str, stored: Stored) -> None:
        """Raises Unfit when the entity would not come into force."""
        row = _row(kind, entity_id, name, stored)
        candidate = await asyncio.to_thread(entities_of, 0, [row], self.keeper.ring())
        if candidate.broken:
            raise Unfit(candidate.broken[0].why)
        why = await self._configuration.why_left_out(candidate, entity_id)
        if why:
            raise Unfit(why)

    # -- showing

    def _declared(self, kind: Kind) -> Sequence[tuple[str, str, Any]]:
        """(id, name, entry) of those of the file."""
        config = self._configuration.file_config
        if config is None:
            return ()
        return [(kind.file_id(name, entry.id), name, entry) for name, entry in declared(config, kind.name).items()]

    def declared_as(self, kind: Kind, entity_id: str) -> tuple[str, str, Any]:
        """(id, name, entry) of one of the file. Raises NotFound."""
        found = next((each for each in self._declared(kind) if each[0] == entity_id), None)
        if found is None:
            raise NotFound("no such entity")
        return found

    @staticmethod
    def _of_file(kind: Kind, declared: tuple[str, str, Any]) -> Shown:
        entity_id, name, entry = declared
        spec = masked(entry)
        shown = ""
        if isinstance(entry, VirtualKeyEntry):
            shown = "imported" if entry.value is None else _shown_value(entry.value.reveal())
        for member in NOT_SHOWN:
            spec.pop(member, None)
        return Shown(
            id=entity_id, name=name, path=path_of(kind, entity_id), source="file", version=0, state="in_force",
            problem="", created_at=None, updated_at=None, spec=spec, shown=shown,
        )  # fmt: skip

    def _of_database(self, kind: Kind, entity: Entity) -> Shown:
        state, problem = self._configuration.state_of(entity.id)
        stored = stored_of(entity)
        return Shown(
            id=entity.id, name=entity.name, path=path_of(kind, entity.id), source="database", version=entity.version,
            state=state, problem=problem, created_at=_time(entity.created_us), updated_at=_time(entity.updated_us),
            spec=self._masked(kind, entity.id, stored), shown=stored.shown,
            allow_private=stored.allow_private if kind is PROVIDER else None,
        )  # fmt: skip

    def _masked(self, kind: Kind, entity_id: str, stored: Stored) -> Any:
        row = _row(kind, entity_id, "", stored)
        try:
            return masked(spec_of(kind, row, self.keeper.ring()))
        except (SealedError, ValueError):
            # It is named as unusable with the reason; what is encrypted is shown by nobody.
            return None

    def audited(self, kind: Kind, entity_id: str, stored: Stored) -> bytes:
        """For the audit: secrets as they are shown."""
        said = {"spec": self._masked(kind, entity_id, stored)}
        if kind is VIRTUAL_KEY:
            said["shown"] = stored.shown
        return msgspec.json.encode(said)


def shown_of(key: str, own: bool) -> str:
    """What is shown of a virtual key."""
    return f"{key[:BEGINNING] if own else ''}...{key[-ENDING:]}"


def _shown_value(key: str) -> str:
    return shown_of(key, virtual_key.is_own(key.encode())) if len(key) >= SHOWN_FROM else "..."


def path_of(kind: Kind, entity_id: str) -> str:
    """The path of an entity; what would end a segment of it is written as in RFC 6901 section 3."""
    segment = quote(entity_id.replace("~", "~0").replace("/", "~1"), safe=":~")
    return f"/api/{kind.path}/{segment}"


def id_in(segment: str) -> str:
    """The id that ``path_of`` was given."""
    return segment.replace("~1", "/").replace("~0", "~")


def _row(kind: Kind, entity_id: str, name: str, stored: Stored) -> Entity:
    body = msgspec.Raw(msgspec.json.encode(stored))
    return Entity(kind=kind.name, id=entity_id, name=name, body=body, version=0, created_us=0, updated_us=0)


def _time(us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(us / 1e6, dt.UTC)
