"""Providers of Bifrost and their keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from gateway.cli.importing.bifrost_keys import Key, Place, key_of, with_v1
from gateway.cli.importing.draft import free_name, slug
from gateway.cli.importing.tables import Job, seconds, whole, yes_or_no
from gateway.config.names import NAME_PATTERN
from gateway.config.problems import Path
from providers.vendors import VENDORS

_VENDORS: dict[str, tuple[str, str]] = {
    "azure": ("azure_deployments", ""),
    "anthropic": ("anthropic", "anthropic"),
    "bedrock": ("bedrock", "bedrock"),
    "cohere": ("cohere", "cohere"),
    "gemini": ("gemini", "gemini"),
    "vertex": ("vertex", ""),
    "sgl": ("sglang", ""),
    "fireworks": ("fireworks", ""),
    "runway": ("runway", ""),
}
"""Bifrost's name -> (row of the vendor table, dialect), where they differ from the name."""
OPERATIONS: dict[str, str] = {
    "list_models": "models",
    "text_completion": "completions",
    "text_completion_stream": "completions",
    "chat_completion": "chat",
    "chat_completion_stream": "chat",
    "responses": "responses",
    "responses_stream": "responses",
    "embedding": "embeddings",
    "rerank": "rerank",
    "speech": "speech",
    "speech_stream": "speech",
    "transcription": "transcription",
    "transcription_stream": "transcription",
    "image_generation": "image_generation",
    "image_generation_stream": "image_generation",
    "image_edit": "image_edit",
    "image_variation": "image_variation",
    "count_tokens": "count_tokens",
    "ocr": "ocr",
}
"""What Bifrost calls an operation -> what it is called here."""


@dataclass
class Provider:
    """A provider of Bifrost's, and those it became: one for each address."""

    name: str
    keys: list[Key] = field(default_factory=list)
    here: list[str] = field(default_factory=list)


def read(job: Job, section: Any, none_means_all: bool) -> dict[str, Provider]:
    """Every provider. ``none_means_all``: of lists, as before Bifrost 1.5."""
    found: dict[str, Provider] = {}
    if not isinstance(section, dict) or not section:
        job.report.missing(("providers",), section, "says nothing")
        return found
    for name, entry in section.items():
        path: Path = ("providers", str(name))
        if not isinstance(entry, dict) or not entry or not re.fullmatch(NAME_PATTERN, str(name)):
            job.report.missing(path, entry, "no provider that can be named here")
            continue
        told = len(job.report.rows)
        try:
            provider = _provider(job, path, str(name), entry, none_means_all)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            del job.report.rows[told:]
            said = str(error) if isinstance(error, ValueError) else "it is of another kind than expected"
            job.report.missing(path, entry, f"it cannot be read: {said}")
            continue
        if provider is not None:
            found[str(name)] = provider
    return found


def _provider(job: Job, path: Path, name: str, entry: dict[str, Any], none_means_all: bool) -> Provider | None:
    custom = entry.get("custom_provider_config")
    custom = custom if isinstance(custom, dict) else {}
    base = str(custom.get("base_provider_type", name))
    vendor, dialect = _VENDORS.get(base, (base, ""))
    if base not in _VENDORS and base not in VENDORS:
        vendor = "custom"
    shared: dict[str, Any] = {"vendor": "custom" if custom else vendor}
    if dialect:
        shared["dialect"] = dialect
    if "network_config" in entry:
        _network(job, (*path, "network_config"), entry["network_config"], base, shared)
    if "custom_provider_config" in entry:
        _custom(job, (*path, "custom_provider_config"), entry["custom_provider_config"], shared)
    _rest(job, path, entry, shared)
    made = Provider(name)
    places: list[tuple[dict[str, Any], list[tuple[Key, Place]]]] = []
    keys = entry.get("keys")
    for i, key in enumerate(keys if isinstance(keys, list) else []):
        here = (*path, "keys", i)
        if not isinstance(key, dict) or not key:
            job.report.missing(here, key, "no key")
            continue
        known, place = key_of(job, here, key, i, base, none_means_all)
        whole_section = {**shared, **place.section}
        for section, members in places:
            if section == whole_section:
                members.append((known, place))
                break
        else:
            places.append((whole_section, [(known, place)]))
    if "keys" in entry and not isinstance(keys, list):
        job.report.missing((*path, "keys"), keys, "a list was expected here")
    elif keys == []:
        job.report.missing((*path, "keys"), keys, "says nothing")
    for section, members in places or [(shared, [])]:
        if not _addressed(section, base):
            for _ in members:
                job.report.remark(f"{'.'.join(map(str, path))} has no address: give it a base_url")
            continue
        wanted = free_name(name, job.draft.section("providers"))
        _put(job, wanted, section, members, keyless=bool(custom.get("is_key_less")))
        made.here.append(wanted)
        made.keys += [known for known, _ in members]
        for known, _ in members:
            known.provider = wanted
    return made if made.here else None


def _addressed(section: dict[str, Any], base: str) -> bool:
    if section["vendor"] == "custom":
        return "base_url" in section
    return base != "azure" or "base_url" in section


def _put(job: Job, name: str, section: dict[str, Any], members: list[tuple[Key, Place]], *, keyless: bool) -> None:
    made = dict(section)
    if made["vendor"] == name:
        del made["vendor"]
    entries = []
    taken: set[str] = set()
    for known, place in members:
        known.name = free_name(slug(known.name) or "key", taken)
        taken.add(known.name)
        entry: dict[str, Any] = {"name": known.name, **place.credential, "weight": known.weight}
        if known.models:
            entry["models"] = [place.aliases.get(model, model) for model in known.models]
        if known.denied:
            entry["deny_models"] = known.denied
        if not known.enabled:
            entry["enabled"] = False
        entries.append(entry)
        if place.aliases:
            made.setdefault("aliases", {}).update(place.aliases)
    if entries and not keyless:
        made["keys"] = [entry for entry in entries if "value" in entry or "credential" in entry]
        if not made["keys"]:
            del made["keys"]
    job.draft.section("providers")[name] = made


def _network(job: Job, path: Path, value: Any, base: str, shared: dict[str, Any]) -> None:
    if not isinstance(value, dict) or not value:
        job.report.missing(path, value, "says nothing")
        return
    retry = job.draft.section("retry")
    for name, member in value.items():
        here = (*path, name)
        try:
            _SETTINGS.get(name, _unknown)(job, here, member, base, shared, retry)
        except ValueError as error:
            job.report.missing(here, member, str(error))


def _unknown(job: Job, path: Path, value: Any, _base: str, _shared: dict[str, Any], _retry: dict[str, Any]) -> None:
    job.report.missing(path, value, "nothing like it is known here")


def _base_url(job: Job, path: Path, value: Any, base: str, shared: dict[str, Any], _retry: dict[str, Any]) -> None:
    text = job.draft.value(value, "url")
    shared["base_url"] = text if text.startswith("env.") else with_v1(text, base)
    job.report.carried(path, value, "providers.*.base_url")


def _extra_headers(job: Job, path: Path, value: Any, _b: str, shared: dict[str, Any], _r: dict[str, Any]) -> None:
    if not isinstance(value, dict) or not value:
        raise ValueError("says nothing")
    shared["headers"] = {str(name): job.draft.value(member, "text") for name, member in value.items()}
    job.report.carried(path, value, "providers.*.headers")


def _timeout(job: Job, path: Path, value: Any, _b: str, shared: dict[str, Any], _r: dict[str, Any]) -> None:
    shared.setdefault("timeouts", {})["first_byte"] = seconds(value)
    note = "holds until the first byte of an answer; timeouts.total bounds the whole request"
    job.report.changed(path, value, "providers.*.timeouts.first_byte", note)


def _retries(job: Job, path: Path, value: Any, _b: str, _s: dict[str, Any], retry: dict[str, Any]) -> None:
    attempts = min(20, max(1, whole(value) + 1))
    retry["attempts"] = max(attempts, retry.get("attempts", 1))
    note = "attempts in all, the first and fallbacks included; the most that a provider has holds for all"
    job.report.changed(path, value, "retry.attempts", note)


def _backoff(field_name: str) -> Callable[[Job, Path, Any, str, dict[str, Any], dict[str, Any]], None]:
    def put(job: Job, path: Path, value: Any, _b: str, _s: dict[str, Any], retry: dict[str, Any]) -> None:
        from gateway.config.units import parse_duration

        text = value if isinstance(value, str) else f"{whole(value)}ms"
        parse_duration(text)
        retry[field_name] = text
        job.report.changed(path, value, f"retry.{field_name}", "holds for all providers")

    return put


def _connections(job: Job, path: Path, value: Any, _b: str, shared: dict[str, Any], _r: dict[str, Any]) -> None:
    shared["max_connections"] = min(100_000, max(0, whole(value)))
    job.report.changed(path, value, "providers.*.max_connections", "for each worker")


_SETTINGS: dict[str, Callable[[Job, Path, Any, str, dict[str, Any], dict[str, Any]], None]] = {
    "base_url": _base_url,
    "extra_headers": _extra_headers,
    "default_request_timeout_in_seconds": _timeout,
    "max_retries": _retries,
    "retry_backoff_initial": _backoff("backoff_initial"),
    "retry_backoff_max": _backoff("backoff_max"),
    "max_conns_per_host": _connections,
}


def _custom(job: Job, path: Path, value: Any, shared: dict[str, Any]) -> None:
    if not isinstance(value, dict) or not value:
        job.report.missing(path, value, "says nothing")
        return
    for name, member in value.items():
        here = (*path, name)
        if name == "base_provider_type":
            shared.setdefault("dialect", "openai_chat")
            job.report.carried(here, member, "providers.*.dialect")
        elif name == "is_key_less":
            job.report.carried(here, yes_or_no(member) if isinstance(member, bool) else member, "providers.*.keys")
        elif name == "allowed_requests" and isinstance(member, dict) and member:
            _operations(job, here, member, shared)
        elif name == "request_path_overrides" and isinstance(member, dict) and member:
            for request, at in member.items():
                operation = OPERATIONS.get(str(request))
                if operation is None or not str(at).startswith("/"):
                    job.report.missing((*here, str(request)), at, "no operation with a path of its own")
                else:
                    shared.setdefault("paths", {})[operation] = str(at)
                    job.report.carried((*here, str(request)), at, f"providers.*.paths.{operation}")
        else:
            job.report.missing(here, member, "nothing like it is known here")
    if "operations" in shared:
        for operation in shared.get("paths", {}):
            if operation not in shared["operations"]:
                shared["operations"].append(operation)


def _operations(job: Job, path: Path, value: dict[str, Any], shared: dict[str, Any]) -> None:
    allowed = []
    for request, may in value.items():
        operation = OPERATIONS.get(str(request))
        if operation is None:
            job.report.missing((*path, str(request)), may, "no operation here is called so")
            continue
        if may is True and operation not in allowed:
            allowed.append(operation)
        job.report.carried((*path, str(request)), may, "providers.*.operations")
    shared["operations"] = allowed


def _rest(job: Job, path: Path, entry: dict[str, Any], shared: dict[str, Any]) -> None:
    for name, value in entry.items():
        here = (*path, name)
        if name in ("keys", "network_config", "custom_provider_config"):
            continue
        if name == "concurrency_and_buffer_size" and isinstance(value, dict) and value:
            for member, count in value.items():
                if member == "concurrency" and isinstance(count, int) and 0 < count <= 60_000:
                    shared["max_concurrency"] = count
                    job.report.changed((*here, member), count, "providers.*.max_concurrency", "for each worker")
                else:
                    why = "requests that find no room go to the next target, or wait for a slot (server.overload)"
                    job.report.missing((*here, member), count, why)
        elif name == "proxy_config" and isinstance(value, dict) and value:
            _proxy(job, here, value, shared)
        else:
            job.report.missing(here, value, "nothing like it is known here")


def _proxy(job: Job, path: Path, value: dict[str, Any], shared: dict[str, Any]) -> None:
    parts = urlsplit(str(value.get("url", "")))
    usable = value.get("type") == "http" and parts.scheme == "http" and parts.hostname
    for name, member in value.items():
        if usable and name in ("type", "url", "username", "password"):
            job.report.carried((*path, name), member, "providers.*.proxy")
        else:
            job.report.missing((*path, name), member, "proxies are http://[user:password@]host:port")
    if usable:
        user = quote(str(value.get("username", "")), safe="")
        secret = quote(str(value.get("password", "")), safe="")
        where = f"{user}:{secret}@{parts.netloc}" if user else parts.netloc
        shared["proxy"] = urlunsplit(("http", where if parts.port else f"{where}:80", "", "", ""))
