"""LiteLLM's virtual keys, by their hashes: rows of its table ``LiteLLM_VerificationToken``, exported as CSV or JSON.

Columns that are read: ``token`` or ``hash`` (64 hexadecimal digits), ``key_alias`` or ``name``, ``models``,
``max_budget``, ``budget_duration``, ``rpm_limit``, ``tpm_limit``, ``max_parallel_requests``, ``expires``, ``blocked``,
``team_id``, ``metadata``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gateway.cli.importing.draft import free_name, slug
from gateway.cli.importing.litellm_models import Models
from gateway.cli.importing.tables import Job, whole
from gateway.config.problems import Path

_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_DURATION = re.compile(r"(\d+)(s|m|h|d|w|mo)")
_UNITS = {"w": (7, "d"), "mo": (30, "d")}
ALL = ("all-proxy-models", "all-team-models", "*")
_NONE = "no-default-models"

Set = Callable[[Job, dict[str, Any], Any], str]
"""Puts a column into a key; returns the difference, empty for none. Raises ValueError without an equivalent."""


def keys(job: Job, rows: list[dict[str, Any]], models: Models) -> None:
    """A virtual key for every row."""
    names = {entry["name"] for entry in job.draft.items("virtual_keys")}
    for i, row in enumerate(rows):
        path: Path = ("--keys", i)
        match = next(
            (found for name in ("token", "hash") if (found := _HASH.fullmatch(str(row.get(name, "")).lower()))), None
        )
        if match is None:
            job.report.missing(path, row, "a key needs token or hash: the SHA-256 of the key in 64 hexadecimal digits")
            continue
        wanted = slug(str(row.get("key_alias") or row.get("name") or row.get("key_name") or "")) or f"key-{i + 1}"
        name = free_name(wanted if wanted[0].isalnum() else f"key-{wanted}", names)
        names.add(name)
        entry: dict[str, Any] = {"name": name, "hash": f"sha256:{match[1]}"}
        _models(job, path, entry, row.get("models"), models)
        for column, value in row.items():
            here = (*path, column)
            if column == "models":
                continue
            if column in ("token", "hash", "key_alias", "name", "key_name"):
                job.report.carried(here, value, f"virtual_keys[{name}]")
            elif value in (None, "", [], {}, False, "{}", "[]", "false", "f", "null"):
                job.report.carried(here, value, "")
            elif column in _COLUMNS:
                try:
                    note = _COLUMNS[column](job, entry, value)
                except ValueError as error:
                    job.report.missing(here, value, str(error))
                    continue
                if note:
                    job.report.changed(here, value, f"virtual_keys[{name}]", note)
                else:
                    job.report.carried(here, value, f"virtual_keys[{name}]")
            elif column in _HISTORY:
                job.report.missing(here, value, _HISTORY[column])
            else:
                job.report.missing(here, value, "nothing like it is known here")
        _budget(job, entry, row)
        job.draft.items("virtual_keys").append(entry)


def _models(job: Job, path: Path, entry: dict[str, Any], value: Any, models: Models) -> None:
    """Names of models, of groups of models, or none, which means all that there are."""
    listed = _listed(value)
    groups = {group for each in models.deployments for group in each.groups}
    routes = job.draft.section("routes")
    wanted_routes: list[str] = []
    wanted_models: list[str] = []
    note = ""
    for name in listed:
        if name in routes:
            wanted_routes.append(name)
        elif name in models.wildcards:
            wanted_models.append(models.wildcards[name])
        elif name in groups:
            wanted_routes += [each.route for each in models.deployments if name in each.groups and each.route in routes]
            note = "groups of models are named one by one"
        elif name == _NONE:
            note = "it may ask for nothing, and is switched off"
        elif name not in ALL:
            wanted_models.append(name)
    if not listed or any(name in ALL for name in listed):
        # Keys of LiteLLM reach what model_list has, and nothing else of the same providers.
        wanted_routes, wanted_models = list(routes), list(models.wildcards.values())
    if not wanted_routes and not wanted_models:
        entry["enabled"] = False
    if wanted_routes and wanted_models != ["*"]:
        entry["routes"] = list(dict.fromkeys(wanted_routes))
    if wanted_models and wanted_models != ["*"]:
        entry["models"] = list(dict.fromkeys(wanted_models))
    if value is not None:
        to = f"virtual_keys[{entry['name']}].routes"
        if note:
            job.report.changed((*path, "models"), value, to, note)
        else:
            job.report.carried((*path, "models"), value, to)


def _listed(value: Any) -> list[str]:
    """A list, its JSON, or PostgreSQL's way of writing one: ``{a,b}``."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("["):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                value = []
        else:
            value = [name.strip().strip('"') for name in text.strip("{}").split(",") if name.strip()]
    return [str(name) for name in value] if isinstance(value, list) else []


def _limit(unit: str, per: str | None) -> Set:
    def put(_job: Job, entry: dict[str, Any], value: Any) -> str:
        count = whole(value)
        if count < 1:
            raise ValueError("a limit is at least 1; a key that may ask nothing is switched off")
        entry.setdefault("limits", []).append({unit: count, "per": per} if per else {unit: count})
        return ""

    return put


def _expires(_job: Job, entry: dict[str, Any], value: Any) -> str:
    try:
        moment = datetime.fromisoformat(str(value).strip().replace(" ", "T", 1).replace(" ", ""))
    except ValueError:
        raise ValueError("no time, such as 2027-01-31T00:00:00Z") from None
    entry["expires"] = max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))
    return ""


def _blocked(_job: Job, entry: dict[str, Any], value: Any) -> str:
    if str(value).lower() in ("true", "t", "1"):
        entry["enabled"] = False
    return ""


def _team(job: Job, entry: dict[str, Any], value: Any) -> str:
    name = slug(str(value))
    if not name or not name[0].isalnum():
        raise ValueError("no name of a team")
    job.draft.section("teams").setdefault(name, {})
    entry["team"] = name
    return "the team has no limits of its own yet"


def _metadata(_job: Job, entry: dict[str, Any], value: Any) -> str:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    entry["metadata"] = {
        str(name)[:64]: (member if isinstance(member, str) else json.dumps(member))[:512]
        for name, member in list(found.items())[:16]
        if name
    }
    return "notes without an effect, up to 16 of 512 characters"


def _budget(_job: Job, entry: dict[str, Any], row: dict[str, Any]) -> None:
    if "budgets" in entry and row.get("budget_duration"):
        match = _DURATION.fullmatch(str(row["budget_duration"]))
        if match is not None:
            factor, unit = _UNITS.get(match[2], (1, match[2]))
            entry["budgets"][0]["per"] = f"{int(match[1]) * factor}{unit}"


def _amount(_job: Job, entry: dict[str, Any], value: Any) -> str:
    from gateway.config.units import parse_money

    parse_money(value)
    entry["budgets"] = [{"usd": float(value) if not isinstance(value, str) else value}]
    return "what was spent before counts for nothing"


def _duration(_job: Job, _entry: dict[str, Any], value: Any) -> str:
    if _DURATION.fullmatch(str(value)) is None:
        raise ValueError("no length of time, such as 30d")
    return "a month has 30 days; it begins with the first request" if str(value).endswith("mo") else ""


_COLUMNS: dict[str, Set] = {
    "max_budget": _amount,
    "budget_duration": _duration,
    "rpm_limit": _limit("requests", "1m"),
    "tpm_limit": _limit("tokens", "1m"),
    "max_parallel_requests": _limit("concurrency", None),
    "expires": _expires,
    "blocked": _blocked,
    "team_id": _team,
    "metadata": _metadata,
}
_HISTORY: dict[str, str] = {
    "spend": "what was spent before is not known here: the ledger begins anew",
    "created_at": "the audit log begins anew",
    "updated_at": "the audit log begins anew",
    "budget_reset_at": "budgets begin with the first request",
}
