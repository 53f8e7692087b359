"""What is wrong with customers, teams and virtual keys: unknown names, impossible limits, levels at odds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.config.key_values import Values
from gateway.config.key_values import judge as judge_key_value
from gateway.config.levels import BudgetEntry, CustomerEntry, LimitEntry, ProviderConfigEntry, VirtualKeyEntry
from gateway.config.names import misplaced_stars
from gateway.config.problems import Path, Problem, listed, nearest
from gateway.config.schema import Config
from gateway.snapshot.keytable import MAX_LIMITS
from gateway.snapshot.levels import NOTHING, UNITS, both, customer_id, limit_id, team_id
from gateway.snapshot.limits import MAX_TIME_ZONES
from gateway.snapshot.plan import virtual_key_id
from providers.natives import DEMOS

MAX_WINDOW_S = 366 * 86400


def judge(config: Config) -> Iterator[Problem]:
    """Every mistake in these sections."""
    yield from _zones(config)
    yield from _levels(config)
    yield from _virtual_keys(config)


def _zones(config: Config) -> Iterator[Problem]:
    yield from _zone(config.time_zone or "", ("time_zone",))
    named = {limit.time_zone for each in _all_levels(config) for limit in each.limits}
    named |= {budget.time_zone for each in _all_levels(config) for budget in each.budgets}
    if len(named) >= MAX_TIME_ZONES:
        yield Problem(("time_zone",), f"there can be at most {MAX_TIME_ZONES - 1} time zones")


def _all_levels(config: Config) -> Iterator[CustomerEntry | VirtualKeyEntry | ProviderConfigEntry]:
    yield from config.customers.values()
    yield from config.teams.values()
    for key in config.virtual_keys:
        yield key
        yield from (each for each in key.providers if isinstance(each, ProviderConfigEntry))


def _zone(name: str, path: Path) -> Iterator[Problem]:
    if name in ("", "UTC"):
        return
    from gateway.snapshot.calendar import zone_of

    try:
        zone_of(name)
    except ValueError as error:
        from zoneinfo import available_timezones

        found = available_timezones()
        yield Problem(path, str(error), nearest(name, found) if found else "this machine has no list of time zones")


def _levels(config: Config) -> Iterator[Problem]:
    ids: dict[str, str] = {}
    for section, entries, id_of in (("customers", config.customers, customer_id), ("teams", config.teams, team_id)):
        for name, entry in entries.items():
            path: Path = (section, name)
            stable_id = id_of(name, entry.id)
            if stable_id in ids:
                yield Problem(path, f"has the same id as {ids[stable_id]}")
            ids.setdefault(stable_id, name)
            yield from _amounts(entry, path)
            yield from _rules(config, entry, path)
    for name, team in config.teams.items():
        if team.customer is None:
            continue
        if (customer := config.customers.get(team.customer)) is None:
            yield _unknown("customer", team.customer, config.customers, ("teams", name, "customer"))
        else:
            yield from _excluded(team, customer, f"customer {team.customer}", ("teams", name))


def _unknown(kind: str, name: str, known: Iterable[str], path: Path) -> Problem:
    known = list(known)
    return Problem(path, f"no {kind} is called {name}", nearest(name, known) or listed(known))


def _virtual_keys(config: Config) -> Iterator[Problem]:
    names: dict[str, int] = {}
    ids: dict[str, int] = {}
    values = Values(config.virtual_keys)
    pins: dict[str, str] = {}
    # Most keys share one of a few sets of limits, which need be judged once.
    right: set[tuple[tuple[LimitEntry, ...], tuple[BudgetEntry, ...]]] = set()
    for i, entry in enumerate(config.virtual_keys):
        path: Path = ("virtual_keys", i)
        stable_id = virtual_key_id(entry.name, entry.id)
        if entry.name in names:
            yield Problem((*path, "name"), f"another virtual key is called {entry.name}")
        elif stable_id in ids:
            yield Problem(path, "has the same id as another virtual key")
        names.setdefault(entry.name, i)
        ids.setdefault(stable_id, i)
        yield from judge_key_value(entry, values, path)
        if entry.limits or entry.budgets:
            held = tuple(entry.limits), tuple(entry.budgets)
            if held not in right:
                problems = list(_amounts(entry, path))
                if not problems:
                    right.add(held)
                yield from problems
        if entry.models or entry.routes or entry.providers:
            yield from _rules(config, entry, path)
        if entry.team is not None or entry.customer is not None:
            yield from _belongs(config, entry, path)
        yield from _count(config, entry, path)
        if entry.stateful is not None:
            yield from _pin(config, entry, pins, (*path, "stateful"))


def _belongs(config: Config, entry: VirtualKeyEntry, path: Path) -> Iterator[Problem]:
    """Team and customer of a key."""
    if entry.team is not None:
        team = config.teams.get(entry.team)
        if team is None:
            yield _unknown("team", entry.team, config.teams, (*path, "team"))
            return
        if entry.customer is not None and entry.customer != team.customer:
            whose = f"belongs to {team.customer}" if team.customer else "belongs to no customer"
            yield Problem((*path, "customer"), f"the team {entry.team} {whose}", "leave the customer to the team")
            return
        yield from _excluded(entry, team, f"team {entry.team}", path)
        above = team.customer
    else:
        above = entry.customer
    if above is None:
        return
    customer = config.customers.get(above)
    if customer is not None:
        yield from _excluded(entry, customer, f"customer {above}", path)
    elif entry.team is None:
        yield _unknown("customer", above, config.customers, (*path, "customer"))


def _excluded(
    entry: VirtualKeyEntry | CustomerEntry, above: CustomerEntry, whose: str, path: Path
) -> Iterator[Problem]:
    """A level that may use nothing of what the one above it allows."""
    if both((*entry.models, *entry.routes), (*above.models, *above.routes)) == NOTHING:
        yield Problem((*path, "models" if entry.models else "routes"), f"the {whose} allows none of these")
    if both(_provider_names(entry), _provider_names(above)) == NOTHING:
        yield Problem((*path, "providers"), f"the {whose} allows none of these")


def _provider_names(entry: VirtualKeyEntry | CustomerEntry) -> tuple[str, ...]:
    return tuple(each if isinstance(each, str) else each.provider for each in entry.providers)


def _count(config: Config, entry: VirtualKeyEntry, path: Path) -> Iterator[Problem]:
    """A row of the table has room for so many limits, those of all levels together."""
    team = config.teams.get(entry.team) if entry.team is not None else None
    customer = config.customers.get((team.customer if team is not None else entry.customer) or "")
    levels: dict[str, list[VirtualKeyEntry | CustomerEntry | ProviderConfigEntry | None]] = {
        "its own": [entry],
        "its team's": [team],
        "its customer's": [customer],
        "those at providers": [each for each in entry.providers if isinstance(each, ProviderConfigEntry)],
    }
    counts = {
        whose: sum(len(each.limits) + len(each.budgets) for each in entries if each is not None)
        for whose, entries in levels.items()
    }
    total = sum(counts.values())
    if total > MAX_LIMITS:
        parts = ", ".join(f"{count} {whose}" for whose, count in counts.items() if count)
        hint = f"at most {MAX_LIMITS} can be looked at with each request"
        yield Problem(path, f"is held to {total} limits and budgets ({parts})", hint)


def _rules(config: Config, entry: VirtualKeyEntry | CustomerEntry, path: Path) -> Iterator[Problem]:
    yield from misplaced_stars(entry.models, (*path, "models"))
    for n, route in enumerate(entry.routes):
        if route not in config.routes:
            yield _unknown("route", route, config.routes, (*path, "routes", n))
    seen: set[str] = set()
    for n, each in enumerate(entry.providers):
        here = (*path, "providers", n)
        name = each if isinstance(each, str) else each.provider
        if name in seen:
            yield Problem(here, f"{name} is named twice")
        seen.add(name)
        if name not in config.providers and name not in ("demo", *DEMOS.values()):
            yield _unknown("provider", name, config.providers, here)
        elif not isinstance(each, str):
            yield from _amounts(each, here)
            keys = [key.name for key in config.providers[name].keys] if name in config.providers else []
            for k, key in enumerate(each.keys):
                if key not in keys:
                    yield _unknown(f"key of {name}", key, keys, (*here, "keys", k))


def _pin(config: Config, entry: VirtualKeyEntry, pins: dict[str, str], path: Path) -> Iterator[Problem]:
    wanted = entry.stateful or ""
    provider, _, key = wanted.partition("/")
    if not provider or not key:
        yield Problem(path, "expected provider/key")
    elif provider not in config.providers:
        yield Problem(path, f"no provider is called {provider}", nearest(provider, config.providers))
    else:
        keys = [k.name for k in config.providers[provider].keys]
        if key not in keys:
            yield Problem(path, f"the provider {provider} has no key called {key}", nearest(key, keys))
        elif entry.providers and provider not in _provider_names(entry):
            yield Problem(path, f"{provider} is not among the providers of this virtual key")
        elif wanted in pins:
            yield Problem(
                path,
                f"{pins[wanted]} has the same pin",
                "files and batches of one account cannot be told apart by caller: give each its own provider key",
            )
        pins.setdefault(wanted, entry.name)


def _amounts(entry: VirtualKeyEntry | CustomerEntry | ProviderConfigEntry, path: Path) -> Iterator[Problem]:
    """The limits and budgets of one level."""
    seen: set[str] = set()
    for i, limit in enumerate(entry.limits):
        here = (*path, "limits", i)
        given = sum(getattr(limit, unit) is not None for unit in (*UNITS, "concurrency"))
        if given != 1:
            yield Problem(here, f"expected exactly one of {', '.join(UNITS)} and concurrency")
            continue
        if limit.concurrency is not None:
            if limit.per is not None:
                yield Problem((*here, "per"), "a limit of concurrency has no window")
        elif limit.per is None:
            yield Problem(here, "per is missing", "e.g. per: 1m")
        yield from _window(limit, here)
        if limit.burst is not None and limit.window != "smooth":
            yield Problem((*here, "burst"), "only a smooth window has a burst", "add window: smooth")
        if limit_id("", limit) in seen:
            yield Problem(here, "another limit here counts the same")
        seen.add(limit_id("", limit))
    for i, budget in enumerate(entry.budgets):
        here = (*path, "budgets", i)
        if budget.per is None and budget.window == "rolling":
            yield Problem(here, "per is missing", "e.g. per: 30d")
        yield from _window(budget, here)
        if limit_id("", budget) in seen:
            yield Problem(here, "another budget here counts the same")
        seen.add(limit_id("", budget))


def _window(entry: LimitEntry | BudgetEntry, path: Path) -> Iterator[Problem]:
    per = entry.per
    if entry.time_zone:
        if per is None or not per.calendar:
            yield Problem((*path, "time_zone"), "only a period of the calendar has a time zone", "e.g. per: day")
        else:
            yield from _zone(entry.time_zone, (*path, "time_zone"))
    if per is None:
        return
    if per.calendar and entry.window != "fixed":
        hint = f"write the length of a {entry.window} window as a time, e.g. per: 1d"
        yield Problem((*path, "window"), f"a {per.calendar} of the calendar is fixed", hint)
    elif not 0.001 <= float(per) <= MAX_WINDOW_S:
        yield Problem((*path, "per"), "must be between 1ms and 366d")
