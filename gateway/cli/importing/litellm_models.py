"""``model_list``: deployments become targets of routes; what they have in common becomes providers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.cli.importing.draft import free_name, slug
from gateway.cli.importing.litellm_endpoints import Endpoint, endpoint_of
from gateway.cli.importing.litellm_prices import price_of
from gateway.cli.importing.tables import Job
from gateway.config.names import NAME_PATTERN
from gateway.config.problems import Path

ROUTE_NAME = 256
_PLAIN_NAME = re.compile(r"[\w.-]*[a-z0-9]")
"""Of a model; not one of tuned models or of a price alone."""

PARAMS_LOST: dict[str, str] = {
    "max_retries": "retry.attempts holds for all models",
    "num_retries": "retry.attempts holds for all models",
    "max_parallel_requests": "max_concurrency is a provider's, for each worker",
    "region_name": "where a model may be asked is said by its provider's address",
    "mock_response": "answers are never made up",
    "max_budget": "budgets belong to virtual keys, teams and customers",
    "budget_duration": "budgets belong to virtual keys, teams and customers",
    "tag_regex": "conditions of targets (when) can compare header fields",
    "configurable_clientside_auth_params": "callers never bring credentials or addresses of providers",
    "litellm_credential_name": "name the credential at the provider's key",
    "use_in_pass_through": "every provider can be passed through to, under /passthrough/",
    "drop_params": "unsupported is a provider's",
    "additional_drop_params": "unsupported is a provider's",
    "thinking": "requests are not given parameters of the model's",
}
INFO_LOST: dict[str, str] = {
    "id": "targets have no ids of their own; records name provider and model",
    "access_groups": "there are no groups of models: name routes at each key",
}
INFO_UNNEEDED: dict[str, str] = {"mode": "the path that is asked says what is wanted"}
_DEFAULTS = "requests are not given parameters of the model's: callers send them"
_OF_A_PROVIDER = "the provider's section has nothing like it"
_PROVIDERS_OWN = ("aws_", "azure_", "vertex_", "watsonx_", "s3_", "gcs_", "oci_")
_KNOWN_ELSEWHERE = "what is known of models comes from the bundled lists and from providers"


@dataclass
class Deployment:
    """One entry of ``model_list``."""

    path: Path
    route: str
    endpoint: Endpoint
    order: int
    weight: float
    tags: tuple[str, ...]
    price: dict[str, Any]
    base_model: str
    context: int
    """Largest input in tokens, where the file says it."""
    groups: tuple[str, ...]
    provider: str = ""
    """The provider's name here, once it has one."""

    @property
    def place(self) -> str:
        """Equal for deployments that differ in their credential alone."""
        return json.dumps(self.endpoint.provider, sort_keys=True)

    @property
    def secret(self) -> str:
        return json.dumps(self.endpoint.credential, sort_keys=True)

    @property
    def model(self) -> str:
        """As its target names it."""
        return self.base_model or self.endpoint.model


@dataclass
class Models:
    """What the rest of the file can refer to."""

    deployments: list[Deployment] = field(default_factory=list)
    wildcards: dict[str, str] = field(default_factory=dict)
    """``model_name`` with a star -> what a key may ask for instead."""
    spread: bool = True
    """Whether weights decide which of the deployments of a name is asked."""

    def of(self, name: str) -> list[Deployment]:
        return [each for each in self.deployments if each.route == name]

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(each.route for each in self.deployments))


def read(job: Job, listed: Any, models: Models) -> None:
    """Every entry, reported."""
    if not isinstance(listed, list) or not listed:
        job.report.missing(("model_list",), listed, "a list was expected here")
        return
    weights: dict[str, list[dict[str, Any]]] = {}
    found = []
    for i, entry in enumerate(listed):
        path: Path = ("model_list", i)
        if not isinstance(entry, dict) or not isinstance(entry.get("litellm_params"), dict):
            job.report.missing(path, entry, "a model needs litellm_params")
            continue
        told = len(job.report.rows)
        try:
            deployment = _entry(job, path, entry, weights)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            del job.report.rows[told:]
            said = str(error) if isinstance(error, ValueError) else "it is of another kind than expected"
            job.report.missing(path, entry, f"it cannot be read: {said}")
            continue
        if deployment is not None:
            found.append(deployment)
    for deployment in found:
        deployment.weight = _weight(weights[deployment.route], listed[int(deployment.path[1])]["litellm_params"])
    models.deployments = found


_SHARES = ("weight", "rpm", "tpm")


def _entry(job: Job, path: Path, entry: dict[str, Any], weights: dict[str, list[dict[str, Any]]]) -> Deployment | None:
    params, here = entry["litellm_params"], (*path, "litellm_params")
    given = entry.get("model_info")
    info: dict[str, Any] = given if isinstance(given, dict) else {}
    name = str(entry.get("model_name") or params.get("model") or "")
    taken: set[str] = set()
    endpoint = endpoint_of(job, here, params, taken)
    usable = endpoint is not None and 0 < len(name) <= ROUTE_NAME and all("!" <= letter <= "~" for letter in name)
    if endpoint is not None and not usable:
        why = "a route's name has up to 256 printable characters without a space"
        job.report.missing((*path, "model_name"), entry.get("model_name"), why)
    elif "model_name" in entry:
        if usable:
            job.report.carried((*path, "model_name"), name, "providers" if "*" in name else f"routes.{name}")
        else:
            job.report.missing((*path, "model_name"), name, "its model has no equivalent")
    weights.setdefault(name, []).append(params)
    _shares(job, here, params, taken)
    order = params.get("order")
    if order is not None:
        taken.add("order")
        job.report.carried((*here, "order"), order, "routes.*.fallbacks")
    tags = params.get("tags")
    if tags:
        taken.add("tags")
        job.report.changed((*here, "tags"), tags, "routes.*.targets[].when", "x-litellm-tags alone is looked at")
    price = price_of(job, here, params, taken)
    seen: set[str] = set()
    price = {**price_of(job, (*path, "model_info"), info, seen), **price} if info else price
    deployment = None
    if usable and endpoint is not None:
        deployment = Deployment(
            path, name, endpoint, _int(order), 1.0, _texts(tags), price,
            _base_model(endpoint, info), _int(info.get("max_input_tokens")),
            _texts(info.get("access_groups")),
        )  # fmt: skip
    for left, value in params.items():
        if left not in taken:
            known = _OF_A_PROVIDER if left.startswith(_PROVIDERS_OWN) else _DEFAULTS
            job.report.missing((*here, left), value, PARAMS_LOST.get(left, known))
    _info(job, (*path, "model_info"), entry.get("model_info"), seen, deployment)
    for left, value in entry.items():
        if left in _SHARES:
            # simple_shuffle.py of LiteLLM looks into litellm_params alone.
            note = (
                "no share of anything where it stands beside litellm_params; the provider's own limit (429) is kept to"
            )
            job.report.changed((*path, left), value, "", note)
        elif left not in ("model_name", "litellm_params", "model_info"):
            job.report.missing((*path, left), value, "nothing like it is known here")
    return deployment


def _shares(job: Job, path: Path, section: dict[str, Any], taken: set[str]) -> None:
    for name in _SHARES:
        if name not in section:
            continue
        taken.add(name)
        to = "routes.*.targets[].weight"
        if name == "weight":
            job.report.carried((*path, name), section[name], to)
        else:
            note = "a share among the deployments of this name, no bound: the provider's own limit (429) is kept to"
            job.report.changed((*path, name), section[name], to, note)


def _base_model(endpoint: Endpoint, info: dict[str, Any]) -> str:
    base = info.get("base_model")
    if not isinstance(base, str) or not endpoint.provider["vendor"].startswith("azure"):
        return ""
    return base.partition("/")[2] or base


def _info(job: Job, path: Path, info: Any, seen: set[str], deployment: Deployment | None) -> None:
    if info is None:
        return
    if not isinstance(info, dict) or not info:
        job.report.missing(path, info, "says nothing")
        return
    for name, value in info.items():
        here = (*path, name)
        if name in seen:
            continue
        if name == "base_model" and deployment is not None and deployment.base_model:
            job.report.carried(here, value, "providers.*.aliases")
        elif name == "max_input_tokens" and deployment is not None and deployment.context:
            job.report.changed(here, value, "routes.*.targets[].when", "only for context_window_fallbacks")
        elif name in INFO_UNNEEDED:
            job.report.changed(here, value, "", INFO_UNNEEDED[name])
        elif name == "access_groups" and deployment is not None:
            job.report.changed(here, value, "virtual_keys[].routes", "named one by one at each imported key")
        else:
            job.report.missing(here, value, INFO_LOST.get(name, _KNOWN_ELSEWHERE))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _int(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else 0.0


def _weight(all_of_name: list[dict[str, Any]], own: dict[str, Any]) -> float:
    """As simple-shuffle draws: by ``weight`` where one deployment of the name has it, else by ``rpm``, else ``tpm``."""
    for by in _SHARES:
        given = [_number(each.get(by)) for each in all_of_name]
        if any(given):
            unit = math.gcd(*(int(each) for each in given if each == int(each))) or 1
            unit = unit if all(each == int(each) for each in given) and by != "weight" else 1
            return min(_number(own.get(by)) / unit, 1e6)
    return 1.0


def place(job: Job, models: Models) -> None:
    """Providers for all deployments: those of wildcards first, whose names callers write."""
    for deployment in list(models.deployments):
        if "*" in deployment.route:
            _place_wildcard(job, models, deployment)
    left = [each for each in models.deployments if "*" not in each.route]
    for where in dict.fromkeys(each.place for each in left):
        here = [each for each in left if each.place == where]
        serves: dict[str, list[Deployment]] = {}
        for each in here:
            serves.setdefault(each.secret, []).append(each)
        groups: dict[str, list[list[Deployment]]] = {}
        for secret, of_key in serves.items():
            # Keys that serve the very same models under the same names, each with one weight, are keys of one provider.
            same = sorted((each.route, each.endpoint.model, each.order, each.base_model) for each in of_key)
            alone = len({each.weight for each in of_key}) > 1 or not models.spread
            groups.setdefault(json.dumps([same, secret if alone else ""]), []).append(of_key)
        for keys in groups.values():
            _provider(job, keys)
    models.deployments = [each for each in models.deployments if each.provider]


def _provider(job: Job, keys: list[list[Deployment]], name: str = "") -> None:
    """One provider whose keys serve these deployments. An equal one that is there already is used."""
    providers = job.draft.section("providers")
    endpoint = keys[0][0].endpoint
    section = json.loads(json.dumps(endpoint.provider))
    entries = [
        {"name": "main" if i == 0 else f"key-{i + 1}", **of_key[0].endpoint.credential, "weight": of_key[0].weight}
        for i, of_key in enumerate(keys)
    ]
    if len(entries) == 1:
        entries[0].pop("weight")
    entries = [entry for entry in entries if entry.keys() - {"name", "weight"}]
    if entries:
        section["keys"] = entries
    aliases = {each.base_model: each.endpoint.model for of_key in keys for each in of_key if each.base_model}
    if aliases:
        section["aliases"] = aliases
    wanted = slug(name or _short(endpoint))
    for known, entry in providers.items():
        if not name and entry.get("keys") == section.get("keys") and _same(known, entry, section):
            entry.setdefault("aliases", {}).update(aliases)
            if not entry["aliases"]:
                del entry["aliases"]
            wanted = known
            break
    else:
        wanted = free_name(wanted, providers)
        if section["vendor"] == wanted:
            del section["vendor"]
        providers[wanted] = section
    for of_key in keys:
        for deployment in of_key:
            deployment.provider = wanted


def _same(known: str, entry: dict[str, Any], section: dict[str, Any]) -> bool:
    rest = ("keys", "aliases", "models", "vendor")
    aliases = entry.get("aliases", {})
    return (
        {name: value for name, value in entry.items() if name not in rest}
        == {name: value for name, value in section.items() if name not in rest}
        and entry.get("vendor", known) == section["vendor"]
        and all(aliases.get(alias, model) == model for alias, model in section.get("aliases", {}).items())
    )


def _short(endpoint: Endpoint) -> str:
    vendor = str(endpoint.provider["vendor"])
    return endpoint.name if vendor == "custom" else "azure" if vendor == "azure_deployments" else vendor


def _place_wildcard(job: Job, models: Models, deployment: Deployment) -> None:
    """``NAME/*`` is the provider NAME; ``*`` is every model that is known of the provider."""
    path = (*deployment.path, "model_name")
    providers = job.draft.section("providers")
    asked, upstream = deployment.route, deployment.endpoint.model
    first, slash, rest = asked.partition("/")
    plain = upstream == "*"
    if plain and slash and rest == "*" and re.fullmatch(NAME_PATTERN, first) and first not in providers:
        _provider(job, [[deployment]], first)
        models.wildcards[asked] = asked
    elif plain and asked == "*":
        _provider(job, [[deployment]], _short(deployment.endpoint))
        models.wildcards[asked] = "*"
        entry = providers[deployment.provider]
        entry["models"] = known_models(str(entry.get("vendor", deployment.provider)))
        note = f"every model under {deployment.provider}/; by its bare name what the bundled list knows of it"
        job.report.forget(path)
        job.report.changed(path, asked, f"providers.{deployment.provider}.models", note)
    else:
        job.report.forget(path)
        job.report.missing(path, asked, "a name with a star has to be a provider's: PROVIDER/*, or *")
        models.deployments.remove(deployment)


def known_models(vendor: str) -> list[str]:
    """What the bundled list has of a vendor's models."""
    from gateway.snapshot.facts import HOME, decode
    from providers.models.matching import files_of

    file = HOME / f"{files_of(vendor)[0]}.json"
    return sorted(filter(_PLAIN_NAME.fullmatch, decode(file))) if file.exists() else []


def routes(job: Job, models: Models) -> None:
    """A route for each name, its deployments of the lowest order as targets, the others behind them."""
    prices = job.draft.items("prices")
    for name in models.names:
        if "*" in name:
            for deployment in models.of(name):
                _price(prices, deployment, "*")
            continue
        of_name = models.of(name)
        orders = sorted({each.order or 10**6 for each in of_name})
        route: dict[str, Any] = {"targets": _targets(each for each in of_name if (each.order or 10**6) == orders[0])}
        if behind := [target for order in orders[1:] for target in _targets(e for e in of_name if e.order == order)]:
            route["fallbacks"] = behind
        if not any(target["weight"] for target in route["targets"]):
            for target in route["targets"]:
                target["weight"] = 1.0
        job.draft.section("routes")[name] = route
        for deployment in of_name:
            _price(prices, deployment, deployment.model)


def _price(prices: list[Any], deployment: Deployment, model: str) -> None:
    if deployment.price:
        rule = {"provider": deployment.provider, "model": model, **deployment.price}
        if rule not in prices and all(
            (each["provider"], each["model"]) != (deployment.provider, model) for each in prices
        ):
            prices.append(rule)


def _targets(deployments: Iterable[Deployment]) -> list[dict[str, Any]]:
    """Those of one provider and model are one target: its keys are drawn among there."""
    found: dict[tuple[str, str, tuple[str, ...]], dict[str, Any]] = {}
    for each in deployments:
        key = each.provider, each.model, each.tags
        if key in found:
            found[key]["weight"] += each.weight
        else:
            found[key] = {"provider": each.provider, "model": each.model, "weight": each.weight}
    return list(found.values())
