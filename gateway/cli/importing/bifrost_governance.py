"""Bifrost's customers, teams, virtual keys, budgets and rate limits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from gateway.cli.importing.draft import free_name, slug
from gateway.cli.importing.tables import Job, whole
from gateway.config.problems import Path

_LENGTH = re.compile(r"(\d+)\s*(s|m|h|d|w|M|Q|Y)")
_DAYS = {"w": 7, "M": 30, "Q": 91, "Y": 365}
_CALENDAR = {"1m": "minute", "1h": "hour", "1d": "day", "1w": "week", "1M": "month", "1Q": "quarter", "1Y": "year"}


@dataclass
class Governance:
    """What others refer to by ids."""

    budgets: dict[str, dict[str, Any]] = field(default_factory=dict)
    limits: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    teams: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    """Id or name there -> name here."""
    used: set[str] = field(default_factory=set)


def length(text: Any, *, aligned: bool = False) -> tuple[str, str]:
    """(a window as it is written here, the difference). Raises ValueError."""
    found = _LENGTH.fullmatch(str(text))
    if found is None:
        raise ValueError(f"no length of time such as 30s, 1h, 1d, 1M: {str(text)[:32]}")
    if aligned and str(text) in _CALENDAR:
        return _CALENDAR[str(text)], ""
    note = "begins with the first request, not with the calendar" if aligned else ""
    if found[2] in _DAYS:
        days = int(found[1]) * _DAYS[found[2]]
        note = note or (f"{days} days" if found[2] != "w" else "")
        return f"{days}d", note
    return str(text), note


def read(job: Job, section: Any) -> Governance:
    """Every entity but virtual keys, reported."""
    found = Governance()
    if not isinstance(section, dict) or not section:
        job.report.missing(("governance",), section, "says nothing")
        return found
    for name, take in (("budgets", _budget), ("rate_limits", _limit)):
        for path, entry in entries(job, section, name):
            take(job, path, entry, found)
    for path, entry in entries(job, section, "customers"):
        _level(job, path, entry, found, "customers")
    for path, entry in entries(job, section, "teams"):
        _level(job, path, entry, found, "teams")
    for name, value in section.items():
        if name not in ("budgets", "rate_limits", "customers", "teams", "virtual_keys", "routing_rules"):
            job.report.missing(("governance", name), value, _LOST.get(name, "nothing like it is known here"))
    return found


_LOST: dict[str, str] = {
    "model_configs": "limits and budgets belong to virtual keys, teams, customers, and to a key's providers",
    "auth_config": "administrators are made at the first start: docs/operators.md",
    "pricing_overrides": "prices are rules of the section prices",
}


def entries(job: Job, section: dict[str, Any], name: str) -> list[tuple[Path, dict[str, Any]]]:
    listed = section.get(name)
    if name not in section:
        return []
    if not isinstance(listed, list) or not listed:
        job.report.missing(("governance", name), listed, "says nothing")
        return []
    found = []
    for i, entry in enumerate(listed):
        path: Path = ("governance", name, i)
        if isinstance(entry, dict) and entry:
            found.append((path, entry))
        else:
            job.report.missing(path, entry, "says nothing")
    return found


def _budget(job: Job, path: Path, entry: dict[str, Any], found: Governance) -> dict[str, Any] | None:
    """One budget; kept by its id."""
    aligned = entry.get("calendar_aligned") is True
    budget: dict[str, Any] = {}
    for name, value in entry.items():
        here = (*path, name)
        try:
            if name == "max_limit":
                from gateway.config.units import parse_money

                parse_money(value)
                budget["usd"] = value
                job.report.carried(here, value, "budgets[].usd")
            elif name == "reset_duration":
                budget["per"], note = length(value, aligned=aligned)
                if note:
                    job.report.changed(here, value, "budgets[].per", note)
                else:
                    job.report.carried(here, value, "budgets[].per")
            elif name in ("id", "calendar_aligned"):
                job.report.carried(here, value, "budgets[]")
            elif name in ("current_usage", "last_reset"):
                job.report.missing(here, value, "what was spent before is not known here: the ledger begins anew")
            else:
                job.report.missing(here, value, "nothing like it is known here")
        except ValueError as error:
            job.report.missing(here, value, str(error))
    if "usd" not in budget:
        return None
    if "id" in entry:
        found.budgets[str(entry["id"])] = budget
    return budget


def _limit(job: Job, path: Path, entry: dict[str, Any], found: Governance) -> list[dict[str, Any]]:
    """One rate limit, which bounds tokens, requests or both; kept by its id."""
    limits = []
    told: set[str] = set()
    for unit, most, reset in (
        ("tokens", "token_max_limit", "token_reset_duration"),
        ("requests", "request_max_limit", "request_reset_duration"),
    ):
        if entry.get(most) is None:
            continue
        try:
            per, note = length(entry.get(reset, "1m"))
            count = whole(entry[most])
            if count < 1:
                raise ValueError("a limit is at least 1; a key that may ask nothing is switched off")
        except ValueError as error:
            job.report.missing((*path, most), entry[most], str(error))
            if reset in entry:
                job.report.missing((*path, reset), entry[reset], str(error))
            told |= {most, reset}
            continue
        limits.append({unit: count, "per": per})
        job.report.carried((*path, most), entry[most], f"limits[].{unit}")
        if note:
            job.report.changed((*path, reset), entry[reset], "limits[].per", note)
        elif reset in entry:
            job.report.carried((*path, reset), entry[reset], "limits[].per")
        told |= {most, reset}
    for name, value in entry.items():
        if name == "id":
            job.report.carried((*path, name), value, "limits[]")
        elif name not in told:
            job.report.missing((*path, name), value, "nothing like it is known here")
    if "id" in entry:
        found.limits[str(entry["id"])] = limits
    return limits


def name_of(wanted: Any, taken: Any, otherwise: str) -> str:
    name = slug(str(wanted or ""))
    return free_name(name if name and name[0].isalnum() else otherwise, taken)


def _level(job: Job, path: Path, entry: dict[str, Any], found: Governance, section: str) -> None:
    """A customer or a team."""
    known = found.customers if section == "customers" else found.teams
    levels = job.draft.section(section)
    name = name_of(entry.get("name") or entry.get("id"), levels, f"{section[:-1]}-{path[-1]}")
    made: dict[str, Any] = {}
    levels[name] = made
    for given in ("id", "name"):
        if entry.get(given):
            known[str(entry[given])] = name
    for field_name, value in entry.items():
        here = (*path, field_name)
        if field_name in ("id", "name"):
            named(job, here, value, name, f"{section}.{name}")
        elif field_name == "customer_id":
            if str(value) in found.customers:
                made["customer"] = found.customers[str(value)]
                job.report.carried(here, value, f"{section}.{name}.customer")
            else:
                job.report.missing(here, value, "no customer of the file has this id")
        else:
            amounts(job, here, field_name, value, made, found, f"{section}.{name}")


def named(job: Job, path: Path, value: Any, name: str, to: str) -> None:
    if str(value) == name or path[-1] == "id":
        job.report.carried(path, value, to)
    else:
        job.report.changed(path, value, to, f"is called {name}: names have letters, digits and . _ : -")


def amounts(job: Job, path: Path, name: str, value: Any, made: dict[str, Any], found: Governance, to: str) -> None:
    """Budgets and limits of a level, by their ids or written there."""
    if name == "budget_id":
        _refer(job, path, value, found.budgets, made, "budgets", to)
    elif name == "rate_limit_id":
        _refer(job, path, value, found.limits, made, "limits", to)
    elif name == "budget" and isinstance(value, dict) and value:
        if (budget := _budget(job, path, value, found)) is not None:
            made.setdefault("budgets", []).append(budget)
    elif name == "budgets" and isinstance(value, list) and value:
        for i, entry in enumerate(value):
            if isinstance(entry, dict) and entry and (budget := _budget(job, (*path, i), entry, found)) is not None:
                made.setdefault("budgets", []).append(budget)
            elif not isinstance(entry, dict) or not entry:
                job.report.missing((*path, i), entry, "no budget")
    elif name == "rate_limit" and isinstance(value, dict) and value:
        made.setdefault("limits", []).extend(_limit(job, path, value, found))
    else:
        job.report.missing(path, value, _NOTES.get(name, "nothing like it is known here"))


def _refer(job: Job, path: Path, value: Any, known: dict[str, Any], made: dict[str, Any], unit: str, to: str) -> None:
    target = known.get(str(value))
    if target is None:
        job.report.missing(path, value, "nothing in the file has this id")
        return
    made.setdefault(unit, []).extend(target if isinstance(target, list) else [target])
    job.report.carried(path, value, f"{to}.{unit}")


_NOTES: dict[str, str] = {
    "mcp_configs": "nothing like it is built yet",
    "key_ids": "keys are named at each of a virtual key's providers",
    "user_id": "who may administer is an operator: docs/operators.md",
    "profile": "notes are text: metadata",
    "config": "notes are text: metadata",
    "claims": "notes are text: metadata",
}
