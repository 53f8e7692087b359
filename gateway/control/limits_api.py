"""How limits and budgets stand, for operators: the figures of ``/v1/usage`` and of refusals, from the same arena."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from gateway.config.levels import BudgetEntry, CustomerEntry, LimitEntry, ProviderConfigEntry, VirtualKeyEntry
from gateway.config.schema import Config
from gateway.control.entity_desk import id_in
from gateway.control.entity_kinds import CUSTOMER, KINDS, PROVIDER, TEAM, VIRTUAL_KEY, Kind
from gateway.control.state import ControlState
from gateway.snapshot.entities import declared
from gateway.snapshot.levels import limit_id
from gateway.snapshot.model import id_hash
from gateway.snapshot.standing import standing_of

Id = Annotated[str, Parameter(max_length=256)]
HELD = (CUSTOMER, TEAM, VIRTUAL_KEY)
"""Kinds that have limits."""


class LimitStanding(msgspec.Struct):
    """One limit or budget; money in dollars, as text."""

    level: str
    name: str | None
    """Of the team, the customer or the provider; of the key itself none."""
    counts: str
    window: str | None
    kind: str | None
    limit: int | str
    spent: int | str
    reserved: int | str
    remaining: int | str
    reset_seconds: int | None


class LimitStandings(msgspec.Struct):
    entries: list[LimitStanding]
    """Those that some virtual key is held to; of a virtual key also those of its team, of its customer and at
    providers: all that its requests are held to."""


class _Owned(NamedTuple):
    """What one owner holds its requests to."""

    owner: str
    """Stable id."""
    name: str
    limits: Sequence[LimitEntry | BudgetEntry]


def handler_of(kind: Kind) -> HTTPRouteHandler:
    what = kind.name.replace("_", " ")

    @get(
        f"/{kind.path}/{{entity_id:str}}/limits",
        operation_id=f"get_{kind.name}_limits",
        summary=f"How the limits and budgets of a {what} stand",
    )
    async def limits(request: Request[Any, Any, Any], entity_id: Id) -> LimitStandings:
        """None of one that is not in force."""
        state: ControlState = request.app.state.control
        wanted = id_in(entity_id)
        found = await asyncio.to_thread(_owners, state.configuration.config or Config(), kind, wanted)
        if found is None:
            await state.desk.get(kind, wanted)
        return LimitStandings(list(_standings(state, found or [])))

    return limits


def _standings(state: ControlState, owners: Sequence[_Owned]) -> Iterator[LimitStanding]:
    now_ns = time.monotonic_ns()
    for owned in owners:
        for entry in owned.limits:
            slot = state.arena.find(id_hash(limit_id(owned.owner, entry)))
            # A limit that was just made, or is going, may have none.
            if slot >= 0:
                yield LimitStanding(**standing_of(state.arena, slot, now_ns).shown(owned.name))


def _owners(config: Config, kind: Kind, entity_id: str) -> list[_Owned] | None:
    """Whoever holds the requests of an entity to something, itself first; None where it is not in force."""
    found = next(
        (each for each in declared(config, kind.name).items() if kind.file_id(each[0], each[1].id) == entity_id), None
    )
    if found is None:
        return None
    name, entry = found
    owners = [_Owned(entity_id, "" if kind is VIRTUAL_KEY else name, (*entry.limits, *entry.budgets))]
    if isinstance(entry, VirtualKeyEntry):
        team = config.teams.get(entry.team or "")
        owners += _above(config, TEAM, entry.team)
        owners += _above(config, CUSTOMER, team.customer if team is not None else entry.customer)
        owners += _at_providers(config, entity_id, entry)
    return owners


def _above(config: Config, kind: Kind, name: str | None) -> Iterator[_Owned]:
    if name is not None:
        entry: CustomerEntry = declared(config, kind.name)[name]
        yield _Owned(kind.file_id(name, entry.id), name, (*entry.limits, *entry.budgets))


def _at_providers(config: Config, entity_id: str, entry: VirtualKeyEntry) -> Iterator[_Owned]:
    for each in entry.providers:
        if isinstance(each, ProviderConfigEntry):
            provider = config.providers.get(each.provider)
            there = each.provider if provider is None else PROVIDER.file_id(each.provider, provider.id)
            yield _Owned(f"{entity_id}/{there}", each.provider, (*each.limits, *each.budgets))


LIMITS_HANDLERS = tuple(handler_of(kind) for kind in KINDS.values() if kind in HELD)
