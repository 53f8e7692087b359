"""Keys of Bifrost's providers, with what each says about where it is good for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.cli.importing.draft import variable_in
from gateway.cli.importing.tables import Job
from gateway.config.problems import Path
from providers.vendors import VENDORS

_CUT: dict[str, tuple[str, ...]] = {"anthropic": ("/v1",), "gemini": ("/v1beta",), "cohere": ("/v2", "/v1")}
_OPENAI_LIKE = frozenset({"openai", "mistral", "groq", "cerebras", "openrouter", "xai", "nebius", "perplexity", "vllm"})
"""Whose base URL there ends before /v1."""


@dataclass
class Key:
    """One key of Bifrost's, and the provider here that has it."""

    id: str
    name: str
    models: list[str]
    """Empty: all."""
    denied: list[str]
    weight: float
    aliases: list[str]
    provider: str = ""
    enabled: bool = True


@dataclass
class Place:
    """What a key says beside its credential: where it is good for."""

    section: dict[str, Any] = field(default_factory=dict)
    credential: dict[str, Any] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


def with_v1(url: str, base: str) -> str:
    url = url.rstrip("/")
    for end in _CUT.get(base, ()):
        url = url.removesuffix(end)
    if base in _OPENAI_LIKE | {"ollama", "sgl"} and not re.search(r"/v\d+[a-z]*$", url):
        return f"{url}/v1"
    return url


def key_of(job: Job, path: Path, key: dict[str, Any], i: int, base: str, none_means_all: bool) -> tuple[Key, Place]:
    place = Place()
    known = Key(str(key.get("id", "")), str(key.get("name") or key.get("id") or f"key-{i + 1}"), [], [], 1.0, [])
    for name, value in key.items():
        here = (*path, name)
        if name in _PLACES:
            _PLACES[name](job, here, value, place, base)
        elif name in _PLAIN:
            _PLAIN[name](job, here, value, known, place, none_means_all)
        else:
            job.report.missing(here, value, "nothing like it is known here")
    if "models" not in key and not none_means_all:
        known.enabled = False
        job.report.remark(f"the key {known.name} names no models, which means none: it is switched off")
    if base == "bedrock" and not place.credential:
        place.credential["credential"] = {"type": "aws_chain"}
    if base == "vertex" and not place.credential:
        place.credential["credential"] = {"type": "google_adc"}
    return known, place


def _id(job: Job, path: Path, value: Any, _known: Key, _place: Place, _all: bool) -> None:
    job.report.changed(path, value, "providers.*.keys[].name", "keys are named, and their ids are made of the names")


def _name(job: Job, path: Path, value: Any, _known: Key, _place: Place, _all: bool) -> None:
    job.report.carried(path, value, "providers.*.keys[].name")


def _value(job: Job, path: Path, value: Any, _known: Key, place: Place, _all: bool) -> None:
    if not isinstance(value, str) or not value:
        job.report.missing(path, value, "says nothing")
        return
    place.credential.setdefault("value", job.draft.value(value))
    if variable_in(value) is None:
        job.report.remark("keys of providers stand in clear in the file: put them into variables (env.NAME)")
    job.report.carried(path, value, "providers.*.keys[].value")


def _models(job: Job, path: Path, value: Any, known: Key, _place: Place, none_means_all: bool) -> None:
    listed = [str(model) for model in value] if isinstance(value, list) else []
    if "*" in listed or (not listed and none_means_all):
        job.report.carried(path, value, "providers.*.keys[].models")
    elif not listed:
        known.enabled = False
        job.report.changed(
            path, value, "providers.*.keys[].enabled", "an empty list means none: the key is switched off"
        )
    else:
        known.models = listed
        job.report.carried(path, value, "providers.*.keys[].models")


def _denied(job: Job, path: Path, value: Any, known: Key, _place: Place, _all: bool) -> None:
    known.denied = [str(model) for model in value] if isinstance(value, list) else []
    job.report.carried(path, value, "providers.*.keys[].deny_models")


def _weight(job: Job, path: Path, value: Any, known: Key, _place: Place, _all: bool) -> None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1e6:
        known.weight = float(value)
        job.report.carried(path, value, "providers.*.keys[].weight")
    else:
        job.report.missing(path, value, "a weight is a number from 0 to 1000000")


def _aliases(job: Job, path: Path, value: Any, known: Key, place: Place, _all: bool) -> None:
    if not isinstance(value, dict) or not value:
        job.report.missing(path, value, "says nothing")
        return
    for alias, model in value.items():
        target = model.get("model_id") if isinstance(model, dict) else model
        if isinstance(target, str) and target:
            place.aliases[str(alias)] = target
            known.aliases.append(str(alias))
            note = "holds for all keys of the provider"
            job.report.changed((*path, str(alias)), model, "providers.*.aliases", note)
        else:
            job.report.missing((*path, str(alias)), model, "an alias stands for a model's name")


def _enabled(job: Job, path: Path, value: Any, known: Key, _place: Place, _all: bool) -> None:
    known.enabled = known.enabled and value is not False
    job.report.carried(path, value, "providers.*.keys[].enabled")


def _batches(job: Job, path: Path, value: Any, _known: Key, _place: Place, _all: bool) -> None:
    job.report.missing(path, value, "any key of a provider may make batches; those of a caller's own: stateful")


_PLAIN: dict[str, Callable[[Job, Path, Any, Key, Place, bool], None]] = {
    "id": _id,
    "name": _name,
    "value": _value,
    "models": _models,
    "blacklisted_models": _denied,
    "weight": _weight,
    "aliases": _aliases,
    "enabled": _enabled,
    "use_for_batch_api": _batches,
}


def _members(job: Job, path: Path, value: Any, known: Mapping[str, Callable[[Any], str | None]]) -> None:
    """Every member of a section by its function, which returns where it stands, or None for what is lost."""
    if not isinstance(value, dict) or not value:
        job.report.missing(path, value, "says nothing")
        return
    for name, member in value.items():
        to = None
        if name in known and member not in (None, ""):
            try:
                to = known[name](member)
            except ValueError as error:
                job.report.missing((*path, name), member, str(error))
                continue
        if to is None:
            job.report.missing((*path, name), member, "nothing like it is known here" if member else "says nothing")
        else:
            job.report.carried((*path, name), member, to)


def _azure(job: Job, path: Path, value: Any, place: Place, _base: str) -> None:
    entra: dict[str, str] = {}
    version = value.get("api_version") if isinstance(value, dict) else None
    v1 = version in ("v1", "preview", "latest")

    def endpoint(member: Any) -> str:
        if (variable := variable_in(member)) is not None:
            row = VENDORS["azure" if v1 else "azure_deployments"]
            before = "/openai/v1" if v1 else "/openai"
            place.section["base_url"] = job.draft.env(variable, "url")
            place.section["paths"] = {op: before + row.path_of(op) for op in row.operations if op != "passthrough"}
        else:
            host = re.sub(r"(?<![/:])/openai(/.*)?$", "", str(member)).rstrip("/")
            place.section["base_url"] = host + ("/openai/v1" if v1 else "/openai")
        return "providers.*.base_url"

    def api_version(member: Any) -> str:
        if v1:
            place.section["vendor"] = "azure"
            return "providers.*.vendor"
        if variable_in(member) is not None:
            raise ValueError("a query is no variable: write query: api-version=...")
        place.section["query"] = f"api-version={member}"
        return "providers.*.query"

    def of_entra(name: str, kind: str) -> Callable[[Any], str]:
        def put(member: Any) -> str:
            entra[name] = job.draft.value(member, kind)
            return f"providers.*.keys[].credential.{name}"

        return put

    _members(job, path, value, {
        "endpoint": endpoint, "api_version": api_version, "deployments": _deployments(place),
        "tenant_id": of_entra("tenant", "text"), "client_id": of_entra("client_id", "text"),
        "client_secret": of_entra("client_secret", "secret"),
    })  # fmt: skip
    if len(entra) == 3:
        place.credential = {"credential": {"type": "entra_client_secret", **entra}}


def _deployments(place: Place) -> Callable[[Any], str]:
    def put(member: Any) -> str:
        if not isinstance(member, dict):
            raise ValueError("expected {model: deployment}")
        place.aliases.update({str(model): str(deployment) for model, deployment in member.items()})
        return "providers.*.aliases"

    return put


def _bedrock(job: Job, path: Path, value: Any, place: Place, _base: str) -> None:
    pair: dict[str, str] = {}

    def credential(name: str, kind: str) -> Callable[[Any], str]:
        def put(member: Any) -> str:
            pair[name] = job.draft.value(member, kind)
            return f"providers.*.keys[].credential.{name}"

        return put

    def region(member: Any) -> str:
        place.section["address"] = {"region": job.draft.value(member, "region")}
        return "providers.*.address.region"

    _members(job, path, value, {
        "access_key": credential("access_key_id", "text"), "secret_key": credential("secret_access_key", "secret"),
        "session_token": credential("session_token", "secret"), "role_arn": credential("role_arn", "text"),
        "arn": credential("role_arn", "text"), "external_id": credential("external_id", "text"),
        "session_name": credential("session_name", "text"), "region": region, "deployments": _deployments(place),
    })  # fmt: skip
    place.section.setdefault("address", {"region": "us-east-1"})
    if "value" not in place.credential:
        kind = "aws_assume_role" if "role_arn" in pair else "aws_keys" if "access_key_id" in pair else "aws_chain"
        place.credential = {"credential": {"type": kind, **pair}}


def _vertex(job: Job, path: Path, value: Any, place: Place, _base: str) -> None:
    address: dict[str, str] = {}

    def part(name: str, kind: str) -> Callable[[Any], str]:
        def put(member: Any) -> str:
            address[name] = job.draft.value(member, kind)
            return f"providers.*.address.{name}"

        return put

    def credentials(member: Any) -> str:
        key = job.draft.value(member, "document")
        place.credential = {"credential": {"type": "service_account", "key": key}}
        return "providers.*.keys[].credential.key"

    _members(job, path, value, {
        "project_id": part("project", "text"), "region": part("location", "region"), "auth_credentials": credentials,
        "deployments": _deployments(place),
    })  # fmt: skip
    place.section["address"] = {"project": "unknown", "location": "global", **address}


def _server(job: Job, path: Path, value: Any, place: Place, base: str) -> None:
    def url(member: Any) -> str:
        text = job.draft.value(member, "url")
        place.section["base_url"] = text if text.startswith("env.") else with_v1(text, base)
        return "providers.*.base_url"

    _members(job, path, value, {"url": url})


_PLACES: dict[str, Callable[[Job, Path, Any, Place, str], None]] = {
    "azure_key_config": _azure,
    "bedrock_key_config": _bedrock,
    "vertex_key_config": _vertex,
    "vllm_key_config": _server,
    "ollama_key_config": _server,
    "sgl_key_config": _server,
}
