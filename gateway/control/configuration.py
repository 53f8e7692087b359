"""The configuration in force: watched, rebuilt when it changes, published to the workers, sealed when they serve it.

A file that cannot be used changes nothing: the mistake is logged with its line, shown by /api/health and counted,
and the workers go on with what they have. Slots of the arena that a new version no longer needs are given back only
when every worker has confirmed it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from _speedups._bucket import Arena
from gateway import boot
from gateway.config.loader import Loaded
from gateway.config.problems import ConfigError, Problem, dotted
from gateway.config.schema import Config
from gateway.config.validate import validate
from gateway.control.child import run_module
from gateway.processes.channel import ChannelServer, Hello, Publish
from gateway.processes.context import ControlContext
from gateway.processes.heartbeat import FROZEN_AFTER_NS
from gateway.snapshot import store
from gateway.snapshot.build import release, slots_of
from gateway.snapshot.delta import delta
from gateway.snapshot.entities import Entities, EntitySource, Left, merge
from gateway.snapshot.facts import HOME, facts_of_all, said_before
from gateway.snapshot.model import Snapshot, id_hash
from gateway.snapshot.plan import Plan, virtual_key_names
from providers.model_list import ModelList

log = logging.getLogger("microgate.configuration")

POLL_S = 0.2
"""How often the file is looked at. A change is taken over when two looks agree, so that no half-written file is read:
within half a second, of the second that E7 allows."""

FOLLOW_S = 5.0
"""How long an operator's change waits for the workers before it is answered all the same: one that is frozen must not
keep it for good, one that is busy may be seconds late, and what was answered is used at once."""

LOOK_AT_DATABASE_S = 0.4
"""How often it is asked whether somebody else has changed it: another host with the same database."""

CONFIRM_S = 5.0
"""How long one wait for the workers' confirmation lasts; it is repeated until they have all confirmed."""

DEMO_KEY = "demo:virtual_key/demo"


class Mistake(msgspec.Struct, frozen=True):
    """One thing that is wrong with a document."""

    message: str
    field: str = ""
    """``providers.mock.keys[0].value``"""
    line: int = 0
    column: int = 0
    hint: str = ""
    warning: bool = False

    @classmethod
    def of(cls, problem: Problem) -> Mistake:
        return cls(problem.message, dotted(problem.path), problem.line, problem.column, problem.hint, problem.warning)


class ReloadResult(msgspec.Struct, frozen=True):
    """What the last look at the file came to."""

    ok: bool
    at: float
    """Wall clock, seconds."""
    version: int
    """In force afterwards."""
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass
class _Pending:
    """A published version that some worker has not confirmed."""

    version: int
    retired: tuple[int, ...]
    made: boot.Made = field(repr=False)


class Configuration:
    """One per control process; everything runs on its loop, the building itself on a thread."""

    def __init__(
        self,
        context: ControlContext,
        arena: Arena,
        on_adopted: Callable[[Configuration], None],
        database: EntitySource | None = None,
    ) -> None:
        """``on_adopted`` hears of every configuration taken over, before the workers do. Without a ``database`` the
        file is all there is."""
        self._database = database
        self._entities: Entities | None = None
        self._followed = -1
        """Revision of the database that was last built from."""
        self._context = context
        self._paths = context.paths
        self._arena = arena
        self._on_adopted = on_adopted
        self.building = asyncio.Lock()
        self._pending: list[_Pending] = []
        self._retired: tuple[int, ...] = ()
        self._settling: asyncio.Task[None] | None = None
        self._made: boot.Made | None = None
        self._again = asyncio.Event()
        self.server: ChannelServer | None = None
        self.config: Config | None = None
        self.names: dict[int, str] = {}
        current = store.current(self._paths)
        self.snapshot: Snapshot = (
            current if current is not None else Snapshot(version=0, created_ns=0, providers={}, routes={})
        )
        self.last = ReloadResult(True, time.time(), self.snapshot.version)
        self.reloads = {"ok": 0, "unchanged": 0, "failed": 0}
        self._take_names({})

    @property
    def source(self) -> str:
        """Where the configuration in force came from: ``file``, ``demo`` (no file) or ``sealed``."""
        if self.config is None:
            return "sealed"
        return "file" if self._context.config_file is not None else "demo"

    def remember(self, names: Mapping[int, str]) -> None:
        """Names of entities that may be gone by now."""
        self.names = {**names, **self.names}
        self._on_adopted(self)

    # -- what the channel asks

    def hello(self, hello: Hello) -> Publish | None:
        """What a worker that just connected is to be told."""
        if hello.version < self.snapshot.version:
            return Publish(self.snapshot.version, self._paths.snapshot(self.snapshot.version))
        return None

    # -- taking over

    def request_reload(self) -> None:
        """Look at the file now, changed or not (SIGHUP: a referenced secret may be another)."""
        self._again.set()

    async def watch(self) -> None:
        """Confirm or replace the boot's snapshot, then follow the file until cancelled."""
        seen = self._stamp()
        await self.reload()
        taken = seen
        looked = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._again.wait()
            now = self._stamp()
            if self._again.is_set() or (now != taken and now == seen):
                self._again.clear()
                taken = now
                await self.reload()
            elif time.monotonic() - looked >= LOOK_AT_DATABASE_S:
                looked = time.monotonic()
                if self._database is not None and await asyncio.to_thread(self._database.revision) != self._followed:
                    await self.follow_database()
            seen = now

    def _stamp(self) -> tuple[int, ...] | None:
        """Of the file, and of the folder in which ``microgate prices refresh`` replaces price lists."""
        if self._context.config_file is None:
            return None
        try:
            found, lists = os.stat(self._context.config_file), os.stat(HOME)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size, lists.st_mtime_ns

    async def reload(self) -> ReloadResult:
        """Build from the file and the database as they are now and publish the difference, if there is one."""
        return await self._rebuild(None)

    async def reads_database(self) -> bool:
        """Whether what is in the database can come into force now."""
        return self._database is None or await asyncio.to_thread(self._database.revision) >= 0

    async def follow_database(self) -> ReloadResult:
        """The same with the file as it was last read, once the workers serve it or have had their time for it."""
        done = await self._rebuild(self._made.loaded if self._made is not None else None)
        if self.server is not None and self.server.versions:
            await self.server.acknowledged(self.snapshot.version, self._context.workers, FOLLOW_S)
        return done

    async def _rebuild(self, loaded: Loaded | None) -> ReloadResult:
        async with self.building:
            started = time.perf_counter()
            try:
                made = await asyncio.to_thread(self._make, loaded)
            except ConfigError as error:
                self._refuse(tuple(map(Mistake.of, error.problems)), [p.render(error.source) for p in error.problems])
            except (store.StoreError, OSError, ValueError) as error:
                self._refuse((Mistake(str(error)),), [str(error)])
            else:
                self._adopt(made, started)
            return self.last

    def _make(self, loaded: Loaded | None) -> boot.Made:
        revision = -1

        def ask(config: Config) -> Entities | None:
            nonlocal revision
            found = self._database.entities(config) if self._database is not None else None
            if found is not None:
                self._entities, revision = found, found.revision
            # A database that fails later takes nothing away: what it last had goes on.
            return self._entities

        made = boot.make(self._context.options, self._paths, self._arena, self.snapshot, entities=ask, loaded=loaded)
        self._followed = max(self._followed, revision)
        return made

    # -- entities of the database

    @property
    def file_config(self) -> Config | None:
        """What the file alone declares; None while the sealed copy is in force."""
        return self._made.loaded.config if self._made is not None and self._made.loaded is not None else None

    @property
    def left_out(self) -> tuple[Left, ...]:
        """Entities of the database that are not in force."""
        return self._made.merged.left_out if self._made is not None and self._made.merged is not None else ()

    def state_of(self, entity_id: str) -> tuple[Literal["in_force", "shadowed", "unusable"], str]:
        """Whether an entity of the database is in force, and why not."""
        merged = self._made.merged if self._made is not None else None
        if merged is not None:
            for left in merged.left_out:
                if left.id == entity_id:
                    return "shadowed" if left in merged.shadowed else "unusable", left.why
        return "in_force", ""

    async def why_left_out(self, candidate: Entities, entity_id: str) -> str:
        """Why the only entity of ``candidate`` would not come into force beside all others; empty when it would."""
        config = self.file_config
        if config is None:
            return ""
        entities = (self._entities or Entities()).changed(entity_id, candidate)
        merged = await asyncio.to_thread(merge, config, entities, validate, self.snapshot.pepper)
        return next((left.why for left in merged.left_out if left.id == entity_id), "")

    async def take_lists(self, found: Mapping[str, ModelList]) -> bool:
        """Publish providers' lists of models. False before the first configuration has been made."""
        async with self.building:
            made, old = self._made, self.snapshot
            if made is None:
                return False
            # A provider may have gone, or may be another by now, since it was asked.
            new = {name: own for name, own in found.items() if name in old.providers}
            listed = {**old.listed, **{name: own.names for name, own in new.items()}}
            said = {**said_before(old.facts, old.listed), **{name: own.facts for name, own in new.items()}}
            facts = await asyncio.to_thread(facts_of_all, old.providers, old.routes, listed, said)
            if (listed, facts) != (old.listed, old.facts):
                self._amend(made, listed=listed, facts=facts)
        return True

    async def settle_spent(self, fill: Callable[[Plan], None]) -> None:
        """What was spent before the start is known now: have it put into the arena, then let the workers admit keys
        with a budget. Raises what ``fill`` raises."""
        async with self.building:
            made = self._made
            if made is not None and self.snapshot.unknown_before_us:
                await asyncio.to_thread(fill, made.plan)
                self._amend(made, unknown_before_us=0)

    def _amend(self, made: boot.Made, **changes: object) -> None:
        old = self.snapshot
        version = {"version": old.version + 1, "created_ns": time.time_ns()}
        self.snapshot = msgspec.structs.replace(old, **version, **changes)
        self._publish(old, time.perf_counter())
        self._settle_later(made, ())

    def _refuse(self, mistakes: tuple[Mistake, ...], lines: list[str]) -> None:
        self.reloads["failed"] += 1
        for line in lines:
            log.error("configuration not taken over: %s", line)
        self.last = ReloadResult(False, time.time(), self.snapshot.version, mistakes)

    def _adopt(self, made: boot.Made, started: float) -> None:
        old, new = self.snapshot, made.built.snapshot
        self.config = made.config
        changed = _content(old) != _content(new)
        if changed:
            self.snapshot = new
        # Before the workers serve it: records about it must find their names.
        self._take_names(virtual_key_names(made.config) if made.config is not None else {})
        self.reloads["ok" if changed else "unchanged"] += 1
        self.last = ReloadResult(True, time.time(), self.snapshot.version, (), made.warnings)
        for warning in made.warnings:
            log.warning("configuration: %s", warning)
        if changed:
            self._publish(old, started)
        self._made = made
        # Also when nothing changed: it is the first confirmation after a start that seals what the boot made.
        self._settle_later(made, made.built.retired if changed else ())

    def _publish(self, old: Snapshot, started: float) -> None:
        new = self.snapshot
        path = store.publish(self._paths, new)
        change = store.encode(delta(old, new))
        told = self.server.publish(Publish(new.version, path, change)) if self.server is not None else 0
        took_ms = (time.perf_counter() - started) * 1e3
        log.info("configuration version %d published to %d workers in %.0f ms", new.version, told, took_ms)

    def _settle_later(self, made: boot.Made, retired: tuple[int, ...]) -> None:
        self._pending.append(_Pending(self.snapshot.version, retired, made))
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle())

    def _take_names(self, keys: Mapping[int, str]) -> None:
        named = {identity: f"virtual_key/{name}" for identity, name in keys.items()}
        for provider in self.snapshot.providers.values():
            if not provider.keys:
                named[id_hash(f"{provider.id}/keyless")] = f"provider_key/{provider.name}/keyless"
        self.names = {**self.names, id_hash(DEMO_KEY): "virtual_key/demo", **self.snapshot.names, **named}
        self._on_adopted(self)

    # -- once the workers serve it

    async def _settle(self) -> None:
        """Wait until all workers have confirmed, then give back slots and files and seal the plan."""
        while self._pending:
            version = self._pending[-1].version
            if self.server is None:
                await asyncio.sleep(POLL_S)
                continue
            if not await self.server.acknowledged(version, self._context.workers, CONFIRM_S):
                continue
            if self._predecessors_serve():
                await asyncio.sleep(POLL_S)
                continue
            async with self.building:
                if self._pending[-1].version != version:
                    continue
                done, self._pending = self._pending, []
                await asyncio.to_thread(self._clear_up, done)

    def _predecessors_serve(self) -> bool:
        """Whether workers of the supervisor before still finish: they count in slots of an earlier version, and confirm
        nothing here."""
        own = range(self._context.first_place, self._context.first_place + self._context.workers)
        recently_ns = time.monotonic_ns() - FROZEN_AFTER_NS
        places = (place for place in range(self._arena.workers) if place not in own)
        return any(self._arena.status(place)[2] > recently_ns for place in places)

    def _clear_up(self, done: list[_Pending]) -> None:
        retired = {slot for each in done for slot in each.retired} | set(self._retired)
        try:
            if retired:
                # A later version may use again what an earlier one had given up.
                retired -= slots_of(self.snapshot, self._paths.runtime_dir)
            self._retired = release(self._arena, sorted(retired))
            store.remove_old(self._paths, (self.snapshot,))
        except (OSError, ValueError) as error:
            self._retired = tuple(sorted(retired))
            log.warning("slots of the version before stay taken: %s", error)
        self._seal(done[-1].made, done[-1].version)

    def _seal(self, made: boot.Made, version: int) -> None:
        if store.sealed_head(self._paths.sealed)[1] == version:
            return
        plan = msgspec.msgpack.encode(made.plan)
        arguments = [self._paths.key_file, self._paths.sealed, str(version)]
        done = run_module("gateway.control.sealer", arguments, given=plan)
        if done.status:
            log.warning("the configuration in force could not be sealed: %s", done.last_line)

    async def close(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._settling


def _content(snapshot: Snapshot) -> Snapshot:
    """The snapshot without what differs between two builds of the same configuration."""
    return msgspec.structs.replace(snapshot, version=0, created_ns=0, names={})
