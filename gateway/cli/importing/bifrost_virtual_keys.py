"""Bifrost's virtual keys, and what they may use."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gateway.cli.importing.bifrost_governance import Governance, amounts, entries, name_of, named
from gateway.cli.importing.bifrost_keys import Key
from gateway.cli.importing.bifrost_providers import Provider
from gateway.cli.importing.draft import variable_in
from gateway.cli.importing.tables import Job, attempt
from gateway.config.problems import Path


def read(job: Job, section: Any, found: Governance, providers: dict[str, Provider], none_means_all: bool) -> None:
    """Every key, reported."""
    for path, entry in entries(job, section, "virtual_keys"):
        attempt(job, path, entry, lambda job, at, each: _virtual_key(job, at, each, found, providers, none_means_all))


def _virtual_key(
    job: Job, path: Path, entry: dict[str, Any], found: Governance, providers: dict[str, Provider], all_: bool
) -> None:
    keys = job.draft.items("virtual_keys")
    name = name_of(entry.get("name") or entry.get("id"), {key["name"] for key in keys}, f"key-{path[-1]}")
    made: dict[str, Any] = {"name": name}
    for given in ("id", "name"):
        if entry.get(given):
            found.keys[str(entry[given])] = name
    to = f"virtual_keys[{name}]"
    value = entry.get("value")
    if value:
        made["value"] = job.draft.value(value)
        job.report.carried((*path, "value"), value, f"{to}.value")
        if variable_in(value) is None:
            job.report.remark("virtual keys stand in clear in the file: put them into variables (env.NAME)")
    else:
        variable = "MICROGATE_KEY_" + re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
        made["value"] = job.draft.env(variable)
        job.report.remark(f"the value of {name} stands in Bifrost's database alone: put it into {variable}")
        if "value" in entry:
            job.report.changed((*path, "value"), value, f"{to}.value", "stands in Bifrost's database alone")
    _allowed(job, path, entry, made, providers, found, all_)
    for field_name, member in entry.items():
        here = (*path, field_name)
        rule = _OF_KEYS.get(field_name)
        if field_name in ("value", "provider_configs"):
            continue
        if field_name in ("id", "name"):
            named(job, here, member, name, to)
        elif rule is not None:
            rule(job, here, member, made, found)
        else:
            amounts(job, here, field_name, member, made, found, to)
    keys.append(made)


def _description(job: Job, path: Path, value: Any, made: dict[str, Any], _found: Governance) -> None:
    if not value:
        job.report.carried(path, value, "")
        return
    made["metadata"] = {"description": str(value)[:512]}
    job.report.carried(path, value, "virtual_keys[].metadata")


def _active(job: Job, path: Path, value: Any, made: dict[str, Any], _found: Governance) -> None:
    if value is False:
        made["enabled"] = False
    job.report.carried(path, value, "virtual_keys[].enabled")


def _belongs(section: str) -> Callable[[Job, Path, Any, dict[str, Any], Governance], None]:
    def put(job: Job, path: Path, value: Any, made: dict[str, Any], found: Governance) -> None:
        known = found.teams if section == "team" else found.customers
        if str(value) not in known:
            job.report.missing(path, value, f"no {section} of the file has this id")
            return
        made[section] = known[str(value)]
        job.report.carried(path, value, f"virtual_keys[].{section}")

    return put


_OF_KEYS: dict[str, Callable[[Job, Path, Any, dict[str, Any], Governance], None]] = {
    "description": _description,
    "is_active": _active,
    "team_id": _belongs("team"),
    "customer_id": _belongs("customer"),
}


def _allowed(
    job: Job,
    path: Path,
    entry: dict[str, Any],
    made: dict[str, Any],
    providers: dict[str, Provider],
    found: Governance,
    none_means_all: bool,
) -> None:
    """Providers, their keys and models that a virtual key may use."""
    here: Path = (*path, "provider_configs")
    listed = entry.get("provider_configs")
    if not listed:
        if not none_means_all:
            made["enabled"] = False
            job.report.remark(f"the virtual key {made['name']} names no provider, which means none: it is switched off")
        if "provider_configs" in entry:
            if none_means_all:
                job.report.carried(here, listed, "virtual_keys[].providers")
            else:
                note = "an empty list means none: the key is switched off"
                job.report.changed(here, listed, "virtual_keys[].enabled", note)
        return
    if not isinstance(listed, list):
        job.report.missing(here, listed, "a list was expected here")
        return
    allowed: list[dict[str, Any]] = []
    models: list[str] = []
    anything = False
    for i, config in enumerate(listed):
        at = (*here, i)
        if not isinstance(config, dict) or not config:
            job.report.missing(at, config, "says nothing")
            continue
        provider = providers.get(str(config.get("provider")))
        if provider is None:
            job.report.missing(at, config, "the file has no provider of this name")
            continue
        entries, of_models = _at_provider(job, at, config, provider, found, none_means_all)
        allowed += entries
        if of_models is None:
            anything = anything or bool(entries)
            models.append(f"{provider.name}/*")
        else:
            models += [name for model in of_models for name in (model, f"{provider.name}/{model}")]
    if not allowed:
        made["enabled"] = False
        job.report.remark(f"the virtual key {made['name']} may use none of the file's providers: it is switched off")
        return
    made["providers"] = [each["provider"] if len(each) == 1 else each for each in allowed]
    if not anything:
        made["models"] = list(dict.fromkeys(models))
    elif any(not name.endswith("/*") for name in models):
        job.report.remark(
            f"the virtual key {made['name']} may use all models of its providers, not of one of them only"
        )


def _at_provider(
    job: Job, path: Path, config: dict[str, Any], provider: Provider, found: Governance, none_means_all: bool
) -> tuple[list[dict[str, Any]], list[str] | None]:
    """Entries of ``providers``, and the models (None: all)."""
    keys = _keys_of(job, (*path, "key_ids"), config, provider, none_means_all)
    models = _models_of(job, (*path, "allowed_models"), config, none_means_all)
    if models == []:
        keys = []
    entries: dict[str, dict[str, Any]] = {}
    for key in keys:
        entries.setdefault(key.provider, {"provider": key.provider, "keys": []})["keys"].append(key.name)
    if not provider.keys and models != []:
        entries = {name: {"provider": name} for name in provider.here}
    for name, each in entries.items():
        if len(each.get("keys", ())) == sum(key.provider == name for key in provider.keys):
            each.pop("keys", None)
    weight = config.get("weight")
    for name, value in config.items():
        here = (*path, name)
        if name in ("key_ids", "allowed_models"):
            continue
        if name == "provider":
            job.report.carried(here, value, "virtual_keys[].providers[]")
        elif name == "weight" and value is None:
            job.report.carried(here, value, "")
        elif name == "weight" and isinstance(weight, (int, float)) and 0 <= weight <= 1e6:
            for each in entries.values():
                each["weight"] = weight / max(1, len(entries))
            job.report.carried(here, value, "virtual_keys[].providers[].weight")
        else:
            for each in list(entries.values())[:1]:
                amounts(job, here, name, value, each, found, "virtual_keys[].providers[]")
            if not entries:
                job.report.missing(here, value, "of a provider that the key may not use")
    return list(entries.values()), models


def _keys_of(job: Job, path: Path, config: dict[str, Any], provider: Provider, none_means_all: bool) -> list[Key]:
    listed = config.get("key_ids")
    if "key_ids" not in config:
        return list(provider.keys) if none_means_all else []
    ids = [str(each) for each in listed] if isinstance(listed, list) else []
    if "*" in ids or (not ids and none_means_all):
        job.report.carried(path, listed, "virtual_keys[].providers[].keys")
        return list(provider.keys)
    if not ids:
        job.report.changed(
            path, listed, "virtual_keys[].providers", "an empty list means none: the provider is left out"
        )
        return []
    found = []
    for i, each in enumerate(ids):
        match = [key for key in provider.keys if each in (key.id, key.name)]
        if match:
            found += match
            job.report.carried((*path, i), each, "virtual_keys[].providers[].keys")
        else:
            job.report.missing((*path, i), each, "no key of the provider has this id")
    return found


def _models_of(job: Job, path: Path, config: dict[str, Any], none_means_all: bool) -> list[str] | None:
    listed = config.get("allowed_models")
    if "allowed_models" not in config:
        return None if none_means_all else []
    names = [str(each) for each in listed] if isinstance(listed, list) else []
    if "*" in names or (not names and none_means_all):
        job.report.carried(path, listed, "virtual_keys[].models")
        return None
    if not names:
        job.report.changed(
            path, listed, "virtual_keys[].providers", "an empty list means none: the provider is left out"
        )
    else:
        job.report.carried(path, listed, "virtual_keys[].models")
    return names
