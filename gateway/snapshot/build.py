"""From a plan to what workers load: slots in the arena, the table of virtual keys, the snapshot, the changes.

Only one process builds at a time: boot before the workers start, the control process from then on. Slots that the new
snapshot no longer needs are handed back as ``Built.retired`` and freed by ``release`` once every worker has confirmed
the new version; a slot that some reservation still names stays until it does not.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from _speedups._bucket import HEALTH
from _speedups._definitions import DefinedArena
from gateway.config.schema import Config
from gateway.snapshot.keytable import KeyRow, KeyTable, rows_checksum
from gateway.snapshot.levels import LimitPlan
from gateway.snapshot.limits import CUSTOMER, PERIODS, TEAM, Label
from gateway.snapshot.model import Provider, ProviderKey, Route, Snapshot, Target, id_hash
from gateway.snapshot.plan import Plan, plan
from providers.vendors import CUSTOM

STRANGERS = frozenset({CUSTOM, "demo"})
"""Vendors of whose models nothing is known but what they say themselves."""


class Places(Protocol):
    """What the builder needs of ``gateway.processes.paths.Paths``."""

    @property
    def runtime_dir(self) -> str: ...
    def table(self, generation: int, /) -> str: ...
    def affinity(self, name: str, /) -> str: ...


@dataclass(frozen=True, slots=True)
class Built:
    """A snapshot whose table and slots exist."""

    snapshot: Snapshot
    table_path: str
    retired: tuple[int, ...] = ()
    """Slots to ``release`` when every worker has confirmed this version."""
    warnings: tuple[str, ...] = ()


def build(
    config: Config,
    *,
    pepper: bytes,
    paths: Places,
    arena: DefinedArena,
    version: int,
    created_ns: int,
    previous: Snapshot | None = None,
) -> Built:
    """``provision`` for a configuration that nothing has to be added to."""
    made = plan(config, pepper)
    return provision(
        made, pepper=pepper, paths=paths, arena=arena, version=version, created_ns=created_ns, previous=previous
    )


def provision(
    made: Plan,
    *,
    pepper: bytes,
    paths: Places,
    arena: DefinedArena,
    version: int,
    created_ns: int,
    previous: Snapshot | None = None,
    restart: bool = False,
) -> Built:
    """Give a plan its slots and its table.

    ``previous`` is what the workers serve from now: rule sets keep their numbers, an unchanged table is kept, keys that
    are gone or switched off are revoked in the old table at once, before any worker has the new version. With
    ``restart`` no worker serves from ``previous``: rule sets are numbered anew and provider keys start healthy,
    whatever put them away before. Raises OSError when tmpfs is full.
    """
    slots = _SlotBook(arena, previous.time_zones if previous is not None and not restart else ())
    asked = _models_asked(made)
    providers = {
        name: _with_affinity(_with_health(provider, asked.get(name, ()), slots, restart), paths)
        for name, provider in made.providers.items()
    }
    rulesets = list(previous.rulesets) if previous is not None and not restart else []
    # Numbers of earlier rule sets stay valid, so that a row can be read with the old and with the new snapshot.
    known = {rules: i for i, rules in enumerate(rulesets)}
    number = []
    for rules in made.rulesets:
        if rules not in known:
            known[rules] = len(rulesets)
            rulesets.append(rules)
        number.append(known[rules])
    rows = [
        KeyRow(
            key.digest,
            key.id_hash,
            key.flags,
            number[key.ruleset],
            tuple([slots.of_limit(limit) for limit in key.limits]) if key.limits else (),
            key.stateful,
            key.expires_s,
            team=key.team,
            customer=key.customer,
        )
        for key in made.keys
    ]
    table, dropped = _table(paths, version, rows, previous)
    if previous is not None:
        for provider in previous.providers.values():
            dropped |= {*(key.health_slot for key in provider.keys), *provider.deployments.values()}
    listed = _still_listed(providers, previous)
    lists, warnings = _price_lists(providers, previous)
    snapshot = Snapshot(
        version=version,
        created_ns=created_ns,
        providers=providers,
        routes=made.routes,
        rulesets=tuple(rulesets),
        settings=made.settings,
        table=os.path.basename(table),
        virtual_keys=len(rows),
        pepper=pepper,
        listed=listed,
        facts=_facts(providers, made.routes, listed, previous),
        price_lists=lists,
        price_rules=made.price_rules,
        time_zones=tuple(slots.zones),
        # Names of what is gone are kept: records about it may still arrive.
        names={**previous.names, **made.names} if previous is not None else made.names,
        principals=made.principals,
        principal_ids=made.principal_ids,
        unknown_before_us=previous.unknown_before_us if previous is not None and not restart else 0,
    )
    return Built(snapshot, table, tuple(sorted(dropped - slots.taken - {-1})), tuple(warnings))


def release(arena: DefinedArena, retired: Iterable[int]) -> tuple[int, ...]:
    """Free retired slots; returns those that a reservation still names, to be tried again later."""
    return tuple(slot for slot in retired if not arena.free(slot))


def slots_of(snapshot: Snapshot, runtime_dir: str) -> set[int]:
    """Every slot of the arena that the snapshot names. Raises OSError, ValueError."""
    slots = {key.health_slot for provider in snapshot.providers.values() for key in provider.keys}
    if snapshot.table:
        table = KeyTable.open(os.path.join(runtime_dir, snapshot.table))
        try:
            for row in table.rows():
                slots.update(row.limits)
        finally:
            table.close()
    return slots


class _SlotBook:
    """Slots given out in this build: an id keeps the slot it has, a new one takes a free one."""

    def __init__(self, arena: DefinedArena, zones: Iterable[str] = ()) -> None:
        self._arena = arena
        self.taken: set[int] = set()
        self._of_limits: dict[LimitPlan, int] = {}
        """Of limits that many keys share, which need be defined once."""
        self.zones = {zone: index for index, zone in enumerate(zones)}
        """Names of earlier versions keep their numbers."""
        self._periods: dict[tuple[int, str], tuple[int, tuple[int, int] | None]] = {}

    def of_limit(self, limit: LimitPlan) -> int:
        shared = limit.level in (TEAM, CUSTOMER)
        if shared and (known := self._of_limits.get(limit)) is not None:
            return known
        slot = self._slot(limit.id_hash)
        offset_ns, ends = self._arena.wall_offset, None
        if limit.period:
            offset_ns, ends = self._period(limit.period, limit.time_zone)
        zone = self.zones.setdefault(limit.time_zone, len(self.zones)) if limit.period else 0
        self._arena.define(
            slot,
            limit.id_hash,
            limit.kind,
            limit.limit,
            limit.period_ns,
            burst=limit.burst,
            unit=limit.unit,
            offset_ns=offset_ns,
            ends=ends,
            label=Label(limit.level, limit.period, zone).pack(),
        )
        if shared:
            self._of_limits[limit] = slot
        return slot

    def _period(self, period: int, zone: str) -> tuple[int, tuple[int, int] | None]:
        """Offset of even periods, or ends of others, computed once a build."""
        found = self._periods.get((period, zone))
        if found is None:
            # Here and not above: a start without any need not wait for time zones.
            from gateway.snapshot import calendar

            name, known, now_ns = PERIODS[period], calendar.zone_of(zone), time.monotonic_ns()
            if name in calendar.EVEN:
                found = calendar.offset_of(known, self._arena.wall_offset, now_ns), None
            else:
                found = 0, calendar.first_ends(name, known, time.time_ns() - now_ns, now_ns)
            self._periods[period, zone] = found
        return found

    def of_health(self, identity: int, forget: bool) -> int:
        if forget and (slot := self._arena.find(identity)) >= 0:
            self._arena.free(slot)
        slot = self._slot(identity)
        self._arena.define(slot, identity, HEALTH, 0, 0)
        return slot

    def _slot(self, identity: int) -> int:
        slot = self._arena.find(identity)
        if slot < 0:
            slot = self._arena.allocate()
        self.taken.add(slot)
        return slot


def _models_asked(made: Plan) -> dict[str, dict[str, None]]:
    """Provider's name -> upstream models that configuration names: each is a deployment with a health of its own."""
    asked = {
        name: dict.fromkeys(
            (*(provider.aliases.get(model, model) for model in provider.models), *provider.aliases.values())
        )
        for name, provider in made.providers.items()
    }
    for route in made.routes.values():
        shadows = [Target(provider=shadow.provider, model=shadow.model) for shadow in route.shadow]
        for target in (*route.targets, *route.fallbacks, *shadows):
            if target.provider in asked:
                aliases = made.providers[target.provider].aliases
                asked[target.provider].setdefault(aliases.get(target.model, target.model))
    return asked


def _with_health(provider: Provider, models: Iterable[str], slots: _SlotBook, forget: bool) -> Provider:
    keys = [msgspec.structs.replace(key, health_slot=slots.of_health(_health_id(key), forget)) for key in provider.keys]
    deployments = {
        model: slots.of_health(id_hash(f"{provider.id}/deployment/{model}"), forget) for model in ("", *models)
    }
    return msgspec.structs.replace(provider, keys=tuple(keys), deployments=deployments)


def _with_affinity(provider: Provider, paths: Places) -> Provider:
    if provider.prompt_cache_affinity is None:
        return provider
    # Here and not above: most starts have no use for it.
    from gateway.routing.affinity import provide, table_name

    path = paths.affinity(table_name(id_hash(provider.id), [id_hash(key.id) for key in provider.keys]))
    provide(path)
    found = msgspec.structs.replace(provider.prompt_cache_affinity, table=os.path.basename(path))
    return msgspec.structs.replace(provider, prompt_cache_affinity=found)


def _still_listed(providers: dict[str, Provider], previous: Snapshot | None) -> dict[str, tuple[str, ...]]:
    """What providers listed before, as long as they are the same and still asked."""
    if previous is None:
        return {}
    listed = {}
    for name, models in previous.listed.items():
        now, before = providers.get(name), previous.providers.get(name)
        same = now is not None and before is not None and (now.id, now.base_url) == (before.id, before.base_url)
        if same and now is not None and now.list_models and now.enabled:
            listed[name] = models
    return listed


def _facts(
    providers: dict[str, Provider],
    routes: dict[str, Route],
    listed: dict[str, tuple[str, ...]],
    previous: Snapshot | None,
) -> dict[str, bytes]:
    before = previous.facts if previous is not None else {}
    if not before and all(provider.vendor in STRANGERS for provider in providers.values()):
        return {}
    # Here and not above: the first request of a start that has no use for them does not wait for the rules of names.
    from gateway.snapshot.facts import facts_of_all, said_before

    return facts_of_all(providers, routes, listed, said_before(before, listed))


def _price_lists(providers: dict[str, Provider], previous: Snapshot | None) -> tuple[dict[str, bytes], list[str]]:
    vendors = {provider.vendor for provider in providers.values()} - STRANGERS
    if not vendors:
        return {}, []
    # Here and not above, for the same reason.
    from gateway.snapshot.prices import price_lists

    return price_lists(sorted(vendors), previous.price_lists if previous is not None else {})


def _health_id(key: ProviderKey) -> int:
    """A new value is a new key as far as health goes: one that was refused must not keep its successor away."""
    value = hashlib.blake2b(key.value.encode(), digest_size=16).hexdigest()
    return id_hash(f"{key.id}/health/{value}")


def _table(paths: Places, version: int, rows: list[KeyRow], previous: Snapshot | None) -> tuple[str, set[int]]:
    """Path of the table to use, and the slots that rows of the previous one had."""
    had: set[int] = set()
    if previous is not None and previous.table:
        old_path = os.path.join(paths.runtime_dir, previous.table)
        with contextlib.suppress(OSError, ValueError):
            old = KeyTable.open(old_path, writable=True)
            try:
                # A table changed in place has no checksum and is written anew.
                if previous.pepper and len(old) == len(rows) and old.checksum == rows_checksum(rows):
                    return old_path, had
                enabled = {row.digest for row in rows if row.enabled}
                for i, row in enumerate(old.rows()):
                    had.update(row.limits)
                    if row.enabled and row.digest not in enabled:
                        old.revoke(i)
            finally:
                old.close()
    path = paths.table(version)
    KeyTable.build(path, rows).close()
    return path, had
