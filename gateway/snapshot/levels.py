"""Customers, teams and virtual keys as a plan has them: who belongs to whom, what each may use, what each is held to.

A key is held to its own limits, then to its team's, then to its customer's; what it may use is what all of them may.
Limits at a provider come last in its row, in the order of ``Ruleset.configs``, which says how many of them there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from _speedups._bucket import GAUGE, GCRA, INPUT_TOKENS, MONEY, OUTPUT_TOKENS, REQUESTS, ROLLING, TOKENS, USD, WINDOW
from gateway.config.levels import (
    BudgetEntry,
    CustomerEntry,
    LimitEntry,
    ProviderConfigEntry,
    TeamEntry,
    VirtualKeyEntry,
)
from gateway.config.names import RowId
from gateway.config.schema import Config
from gateway.snapshot.keytable import PRIORITY_HIGH, PRIORITY_LOW
from gateway.snapshot.limits import CUSTOMER, KEY, PERIODS, PROVIDER, TEAM
from gateway.snapshot.model import ProviderConfig, Ruleset, id_hash

_NS = 1_000_000_000
_PRIORITIES = {"high": PRIORITY_HIGH, "normal": 0, "low": PRIORITY_LOW}
NOTHING = ("",)
"""Allows none: no model and no provider has this name."""
UNITS = {
    "requests": REQUESTS,
    "tokens": TOKENS,
    "input_tokens": INPUT_TOKENS,
    "output_tokens": OUTPUT_TOKENS,
}


class LimitPlan(msgspec.Struct, frozen=True, array_like=True):
    """One limit as the arena wants it."""

    id_hash: int
    kind: int
    limit: int
    period_ns: int
    burst: int
    unit: int
    level: int = KEY
    period: int = 0
    """Index in ``gateway.snapshot.limits.PERIODS``."""
    time_zone: str = ""


def team_id(name: str, given: str) -> str:
    return _stable_id("team", name, given)


def customer_id(name: str, given: str) -> str:
    return _stable_id("customer", name, given)


def _stable_id(kind: str, name: str, given: str) -> str:
    return str(given) if isinstance(given, RowId) else f"file:{kind}/{given or name}"


def level_names(config: Config) -> dict[int, str]:
    """id_hash -> ``team/name`` or ``customer/name``."""
    teams = {id_hash(team_id(name, entry.id)): f"team/{name}" for name, entry in config.teams.items()}
    return teams | {
        id_hash(customer_id(name, entry.id)): f"customer/{name}" for name, entry in config.customers.items()
    }


class Level(NamedTuple):
    """A customer or a team, with what is above it."""

    identity: int
    limits: tuple[LimitPlan, ...]
    models: tuple[str, ...]
    providers: tuple[str, ...]
    priority: str | None
    enabled: bool
    above: Level | None


class Held(NamedTuple):
    """What a virtual key is held to, over all levels."""

    rules: Ruleset
    limits: tuple[LimitPlan, ...]
    team: int
    customer: int
    priority: int
    enabled: bool


class Levels:
    """The hierarchy of one configuration."""

    def __init__(self, config: Config) -> None:
        self._zone = config.time_zone or "UTC"
        self._provider_ids = {name: _stable_id("provider", name, entry.id) for name, entry in config.providers.items()}
        self._customers = {name: self._customer(name, entry) for name, entry in config.customers.items()}
        self._teams = {name: self._team(name, entry) for name, entry in config.teams.items()}

    def _customer(self, name: str, entry: CustomerEntry) -> Level:
        stable_id = customer_id(name, entry.id)
        return Level(
            id_hash(stable_id),
            self._limits(stable_id, entry.limits, entry.budgets, CUSTOMER),
            (*entry.models, *entry.routes),
            tuple(entry.providers),
            entry.priority,
            entry.enabled,
            None,
        )

    def _team(self, name: str, entry: TeamEntry) -> Level:
        above = self._customers[entry.customer] if entry.customer is not None else None
        stable_id = team_id(name, entry.id)
        models, providers = (*entry.models, *entry.routes), tuple(entry.providers)
        return Level(
            id_hash(stable_id),
            self._limits(stable_id, entry.limits, entry.budgets, TEAM),
            both(models, above.models) if above is not None else models,
            both(providers, above.providers) if above is not None else providers,
            entry.priority or (above.priority if above is not None else None),
            entry.enabled and (above is None or above.enabled),
            above,
        )

    def of(self, entry: VirtualKeyEntry, stable_id: str) -> Held:
        """What holds for this virtual key."""
        team = self._teams[entry.team] if entry.team is not None else None
        above = team
        customer = team.above if team is not None else None
        if entry.customer is not None:
            customer = self._customers[entry.customer]
            above = above or customer
        if above is None and not (entry.limits or entry.budgets or entry.models or entry.routes or entry.providers):
            rules = Ruleset(cache=entry.cache, log_content=entry.log_content or "")
            return Held(rules, (), 0, 0, _PRIORITIES[entry.priority or "normal"], entry.enabled)
        models = (*entry.models, *entry.routes)
        configs = [each for each in entry.providers if isinstance(each, ProviderConfigEntry)]
        providers = tuple(each if isinstance(each, str) else each.provider for each in entry.providers)
        own = self._limits(stable_id, entry.limits, entry.budgets, KEY)
        there = [
            self._limits(f"{stable_id}/{self._provider_ids.get(each.provider, each.provider)}", each.limits,
                         each.budgets, PROVIDER)
            for each in configs
        ]  # fmt: skip
        rules = Ruleset(
            models=both(models, above.models) if above is not None else models,
            providers=both(providers, above.providers) if above is not None else providers,
            configs=tuple(
                ProviderConfig(
                    provider=each.provider,
                    keys=tuple(each.keys),
                    weight=-1.0 if each.weight is None else each.weight,
                    limits=len(limits),
                )
                for each, limits in zip(configs, there, strict=True)
            ),
            cache=entry.cache,
            log_content=entry.log_content or "",
        )
        levels = [level for level in (team, customer) if level is not None]
        return Held(
            rules,
            own
            + tuple(limit for level in levels for limit in level.limits)
            + tuple(limit for each in there for limit in each),
            team.identity if team is not None else 0,
            customer.identity if customer is not None else 0,
            _PRIORITIES[entry.priority or (above.priority if above is not None else None) or "normal"],
            entry.enabled and (above is None or above.enabled),
        )

    def _limits(
        self, owner: str, limits: Iterable[LimitEntry], budgets: Iterable[BudgetEntry], level: int
    ) -> tuple[LimitPlan, ...]:
        return (
            *(_limit(owner, entry, level, self._zone) for entry in limits),
            *(_budget(owner, entry, level, self._zone) for entry in budgets),
        )


def both(inner: tuple[str, ...], outer: tuple[str, ...]) -> tuple[str, ...]:
    """What two lists of names, exact or with a trailing ``*``, both allow; an empty list allows everything."""
    if not inner or not outer:
        return inner or outer
    found = dict.fromkeys(each for one in inner for other in outer if (each := _narrower(one, other)) is not None)
    return tuple(found) or NOTHING


def _narrower(one: str, other: str) -> str | None:
    if one == other:
        return one
    for narrow, wide in ((one, other), (other, one)):
        if wide.endswith("*") and narrow.removesuffix("*").startswith(wide[:-1]):
            return narrow
    return None


def limit_id(owner: str, entry: LimitEntry | BudgetEntry) -> str:
    """Stable: the figure may change and what is spent stays, another window or unit is another limit."""
    return owner + _suffix(entry)


@lru_cache(maxsize=1024)
def _suffix(entry: LimitEntry | BudgetEntry) -> str:
    if isinstance(entry, LimitEntry) and entry.concurrency is not None:
        return "/limit/concurrency"
    unit = f"limit/{_unit(entry)[0]}" if isinstance(entry, LimitEntry) else "budget"
    if entry.per is None:
        return f"/{unit}/total"
    return f"/{unit}/{entry.per.calendar or f'{float(entry.per):g}s'}/{entry.window}"


def _unit(entry: LimitEntry) -> tuple[str, int]:
    """What it counts, and how many; the first that is given."""
    for unit in UNITS:
        most = getattr(entry, unit)
        if most is not None:
            return unit, most
    return "requests", 0


def _limit(owner: str, entry: LimitEntry, level: int, zone: str) -> LimitPlan:
    identity = id_hash(limit_id(owner, entry))
    if entry.concurrency is not None:
        return LimitPlan(identity, GAUGE, entry.concurrency, 0, 0, REQUESTS, level)
    unit, most = _unit(entry)
    kind = {"fixed": WINDOW, "rolling": ROLLING, "smooth": GCRA}[entry.window]
    burst = (entry.burst or most) if kind == GCRA else 0
    period, period_ns, zone = _period(entry, zone)
    return LimitPlan(identity, kind, most, period_ns, burst, UNITS[unit], level, period, zone)


def _budget(owner: str, entry: BudgetEntry, level: int, zone: str) -> LimitPlan:
    identity = id_hash(limit_id(owner, entry))
    kind, unit = (MONEY, REQUESTS) if entry.window == "fixed" else (ROLLING, USD)
    period, period_ns, zone = _period(entry, zone)
    return LimitPlan(identity, kind, int(entry.usd), period_ns, 0, unit, level, period, zone)


def _period(entry: LimitEntry | BudgetEntry, zone: str) -> tuple[int, int, str]:
    if entry.per is None:
        return 0, 0, ""
    period = PERIODS.index(entry.per.calendar)
    return period, round(float(entry.per) * _NS), (entry.time_zone or zone) if period else ""
