"""Bifrost's ``config.json``."""

from __future__ import annotations

from typing import Any

from gateway.cli.importing import bifrost_governance, bifrost_providers, bifrost_rules, bifrost_virtual_keys
from gateway.cli.importing.bifrost_providers import Provider
from gateway.cli.importing.bifrost_settings import TABLES, plugins, vector_store
from gateway.cli.importing.simplifying import simplify
from gateway.cli.importing.tables import Job, walk
from gateway.config.problems import Path

_SECTIONS: dict[str, str] = {
    "encryption_key": "secrets in the database are encrypted with master keys of the gateway's own: docs/secrets.md",
    "auth_config": "administrators are made at the first start: docs/operators.md",
    "config_store": "what is not in the file is kept in the gateway's own database (--database)",
    "logs_store": "the request log is kept in the gateway's own database (--database)",
    "framework": "prices and facts of models are bundled, and taken anew with microgate prices refresh",
    "mcp": "nothing like it is built yet",
    "websocket": "realtime sessions are bounded by server.limits",
}


def take_over(document: dict[str, Any]) -> Job:
    """The import of a file."""
    job = Job(document)
    none_means_all = document.get("version") == 1
    providers: dict[str, Provider] = {}
    if "providers" in document:
        providers = bifrost_providers.read(job, document["providers"], none_means_all)
    governance = document.get("governance")
    _routes(job, providers, bifrost_rules.names_in(governance))
    if "governance" in document:
        found = bifrost_governance.read(job, governance)
        if isinstance(governance, dict) and governance:
            bifrost_virtual_keys.read(job, governance, found, providers, none_means_all)
            bifrost_rules.rules(job, governance, providers, found)
    for name, value in document.items():
        path: Path = (str(name),)
        if name in ("providers", "governance"):
            continue
        if name == "$schema":
            job.report.changed(path, value, "", "microgate schema prints the one for editors")
        elif name == "version":
            job.report.carried(path, value, "what empty lists mean")
        elif name in TABLES:
            walk(job, TABLES[name], value, path)
        elif name == "plugins":
            plugins(job, path, value, document.get("vector_store"))
        elif name == "vector_store":
            vector_store(job, path, value, document)
        else:
            job.report.missing(path, value, _SECTIONS.get(str(name), "nothing like it is known here"))
    retry = job.draft.section("retry")
    if "backoff_initial" in retry and "backoff_max" not in retry:
        retry["backoff_max"] = "5s"
    simplify(job.draft.sections)
    return job


def _routes(job: Job, providers: dict[str, Provider], named: list[str]) -> None:
    """Bare names of models lead to all providers that name them; where a provider has several addresses,
    ``provider/model`` leads to all of these."""
    routes = job.draft.section("routes")
    for provider in providers.values():
        if len(provider.here) < 2:
            continue
        for model in _named(provider):
            routes[f"{provider.name}/{model}"] = {"targets": _targets(provider, model)}
        if any(not key.models for key in provider.keys):
            others = ", ".join(provider.here[1:])
            job.report.remark(
                f"{provider.name}/MODEL is asked at its first address alone, but for models that keys name; the others "
                f"are {others}"
            )
    names = dict.fromkeys([*(model for each in providers.values() for model in _named(each)), *named])
    for model in names:
        targets = [target for provider in providers.values() for target in _targets(provider, model)]
        if targets and all("!" <= letter <= "~" for letter in model):
            routes.setdefault(model, {"targets": targets})


def _named(provider: Provider) -> list[str]:
    return list(dict.fromkeys(name for key in provider.keys for name in (*key.models, *key.aliases)))


def _targets(provider: Provider, model: str) -> list[dict[str, Any]]:
    """Where a model is, each address with the weight of its keys."""
    weights: dict[str, float] = {}
    for key in provider.keys:
        if key.enabled and model not in key.denied and (not key.models or model in key.models or model in key.aliases):
            if not key.models and model not in key.aliases and not _knows(provider.name, model):
                continue
            weights[key.provider] = weights.get(key.provider, 0.0) + key.weight
    if weights and not any(weights.values()):
        weights = dict.fromkeys(weights, 1.0)
    return [{"provider": where, "model": model, "weight": weight} for where, weight in weights.items()]


def _knows(provider: str, model: str) -> bool:
    """Whether a key for all models serves this one: by the bundled list, and by name where there is none."""
    from gateway.snapshot.facts import read
    from providers.models.matching import facts_of

    files = read(provider)
    return bool(files) and facts_of(files, model) is not None
