"""What fields say about each other: names that must exist, values that must differ, places that must not be reached.

Every check yields ``Problem``s with the path of the field to change. Warnings do not keep a configuration from use.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from ipaddress import ip_network

from gateway.config.addresses import judge_host
from gateway.config.alerts import judge as judge_alerts
from gateway.config.cache import judge as judge_cache
from gateway.config.credentials import judge as judge_credential
from gateway.config.hierarchy import judge as judge_hierarchy
from gateway.config.key_values import MIN_CHARACTERS
from gateway.config.log import judge as judge_log
from gateway.config.names import NAME_PATTERN, misplaced_stars
from gateway.config.places import judge as judge_place
from gateway.config.prices import judge as judge_prices
from gateway.config.problems import Path, Problem, listed, nearest
from gateway.config.routes import TargetEntry
from gateway.config.schema import Config, ProviderEntry, TimeoutsEntry
from gateway.config.telemetry import judge as judge_telemetry
from gateway.snapshot.model import ServerLimits
from gateway.snapshot.plan import provider_id, provider_key_id, route_id, target_of
from gateway.snapshot.vendor import base_url_of, known_url, vendor_of
from providers.addresses import placeholders
from providers.headers import NEVER_FORWARDED, NEVER_FORWARDED_PREFIXES
from providers.vendors import CUSTOM, VENDORS

MAX_PROVIDER_KEYS = 64
LEAST_MINUTES_S = 2 * 3600
"""One bit each in the mask with which a key is chosen."""
MOST_HEAD = {"header_bytes": ServerLimits().header_bytes, "target_bytes": ServerLimits().target_bytes}
"""What the scanner of heads takes; the bounds can be lowered."""

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_PROXY = re.compile(r"http://(?:[!-.0-?A-~]+@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})/?")
_QUERY = re.compile(r"[!\"$-~]*")
_FIELD_VALUE = re.compile(r"[!-~]+(?:[ \t]+[!-~]+)*|")


def validate(config: Config) -> list[Problem]:
    """Everything that is wrong or doubtful with a configuration whose fields are right one by one."""
    problems: list[Problem] = []
    for name, entry in config.providers.items():
        problems += _provider(name, entry)
    problems += _ids(config)
    problems += _routes(config)
    problems += judge_prices(config.prices, config.providers, [entry.name for entry in config.virtual_keys])
    problems += judge_hierarchy(config)
    problems += judge_cache(config)
    problems += judge_log(config.log)
    problems += judge_alerts(config.alerts)
    problems += judge_telemetry(config)
    problems += _timeouts(config.timeouts, ("timeouts",))
    problems += _server(config)
    return problems


def _provider(name: str, entry: ProviderEntry) -> Iterator[Problem]:
    path: Path = ("providers", name)
    vendor = vendor_of(name, entry)
    row = VENDORS.get(vendor)
    if row is None and vendor != CUSTOM:
        yield Problem((*path, "vendor"), f"no vendor is called {vendor}", nearest(vendor, [*VENDORS, CUSTOM]))
    elif vendor == "demo":
        yield Problem((*path, "vendor"), "the demo provider is added by --demo only")
    elif not base_url_of(name, entry):
        if known := known_url(name, entry):
            lacking = [word for word in placeholders(known) if word not in entry.address]
            if lacking:
                words = ", ".join(lacking)
                hint = f"e.g. {known}, or address: {{{': ..., '.join(lacking)}: ...}}"
                yield Problem(path, f"base_url is missing: {vendor} needs one with its {words}", hint)
        else:
            hint = nearest(name, VENDORS) if entry.vendor is None else ""
            yield Problem(path, "base_url is missing: this is no vendor that is known by name", hint)
    yield from judge_place(known_url(name, entry), entry, path)
    keyless = row is None or row.keyless
    yield from _keys(entry, path, keyless)
    for i, key in enumerate(entry.keys):
        if key.credential is not None and key.enabled and entry.enabled:
            place = (*path, "keys", i, "credential")
            yield from judge_credential(key.credential, vendor, base_url_of(name, entry), place)
    if not entry.keys and not keyless and entry.enabled:
        yield Problem(path, f"has no keys: {vendor} will refuse what is sent", warning=True)
    yield from _operations(entry, path)
    yield from _header_fields(entry, path)
    yield from _tls_and_proxy(entry, path)
    yield from _timeouts(entry.timeouts, (*path, "timeouts"))
    yield from _affinity(entry, (*path, "prompt_cache_affinity"))


def _affinity(entry: ProviderEntry, path: Path) -> Iterator[Problem]:
    said = entry.prompt_cache_affinity
    if said == "off":
        return
    if not isinstance(said, str) and said.ttl is not None and not 1 <= said.ttl <= 86400:
        yield Problem((*path, "ttl"), "must be between 1s and 1d")
    if sum(key.enabled for key in entry.keys) < 2:
        yield Problem(path, "has no effect with fewer than two keys", warning=True)


def _keys(entry: ProviderEntry, path: Path, keyless: bool) -> Iterator[Problem]:
    if len(entry.keys) > MAX_PROVIDER_KEYS:
        yield Problem((*path, "keys"), f"a provider can have at most {MAX_PROVIDER_KEYS} keys")
    seen: set[str] = set()
    for i, key in enumerate(entry.keys):
        here = (*path, "keys", i)
        if key.name in seen:
            yield Problem((*here, "name"), f"another key of this provider is called {key.name}")
        seen.add(key.name)
        if key.value is not None and key.credential is not None:
            yield Problem((*here, "credential"), "is not looked at beside a value", "leave one of the two out")
        elif not key.value and key.credential is None and not keyless:
            yield Problem(here, "value is missing", "e.g. value: env.API_KEY")
        for field, patterns in (("models", key.models), ("deny_models", key.deny_models)):
            yield from misplaced_stars(patterns, (*here, field))
    if entry.keys and not any(key.enabled for key in entry.keys) and entry.enabled:
        yield Problem((*path, "keys"), "every key is switched off", warning=True)


def _operations(entry: ProviderEntry, path: Path) -> Iterator[Problem]:
    if entry.list_models and entry.operations is not None and "models" not in entry.operations:
        yield Problem((*path, "list_models"), "models is not among this provider's operations")
    if entry.operations is not None:
        if "invoke" in entry.operations and entry.dialect != "bedrock":
            yield Problem((*path, "operations"), "invoke is Bedrock's", "dialect: bedrock")
        for operation in entry.paths:
            if operation not in entry.operations:
                yield Problem((*path, "paths", operation), f"{operation} is not among this provider's operations")
    if entry.query is not None and not _QUERY.fullmatch(entry.query):
        yield Problem((*path, "query"), "must be a query string without a # or a space")
    elif entry.query is not None and entry.query.startswith("?"):
        yield Problem((*path, "query"), "is written without its question mark")


def _header_fields(entry: ProviderEntry, path: Path) -> Iterator[Problem]:
    for name, value in entry.headers.items():
        here = (*path, "headers", name)
        if name.lower() in _HOP_BY_HOP or name.lower() == "content-type":
            yield Problem(here, "is set by the gateway itself")
        elif name.lower() == (entry.auth.header or "authorization").lower() and entry.keys:
            yield Problem(here, "is where the key goes", "use keys, or auth.header for another field")
        if not _FIELD_VALUE.fullmatch(value):
            yield Problem(here, "must be printable ASCII on one line")
    for i, name in enumerate(entry.forward_headers):
        field = name.lower().encode()
        if field in NEVER_FORWARDED or field.startswith(NEVER_FORWARDED_PREFIXES):
            yield Problem((*path, "forward_headers", i), f"{name} is never passed on")


def _tls_and_proxy(entry: ProviderEntry, path: Path) -> Iterator[Problem]:
    tls = entry.tls
    for field, value in (("ca_file", tls.ca_file), ("client_cert", tls.client_cert), ("client_key", tls.client_key)):
        yield from _readable(value, (*path, "tls", field))
    if bool(tls.client_cert) != bool(tls.client_key):
        yield Problem((*path, "tls"), "client_cert and client_key are needed together")
    if entry.proxy is not None:
        match = _PROXY.fullmatch(entry.proxy.reveal())
        if match is None or not 0 < int(match[2]) < 65536:
            yield Problem((*path, "proxy"), "expected http://[user:password@]host:port")
        elif reason := judge_host(match[1], allow_private=True):
            yield Problem((*path, "proxy"), f"cannot be used: {reason}")


def _timeouts(entry: TimeoutsEntry, path: Path) -> Iterator[Problem]:
    if entry.total is not None and not entry.total:
        yield Problem((*path, "total"), "cannot be switched off")


def _ids(config: Config) -> Iterator[Problem]:
    """An ``id`` given for one entity may be another's name."""
    seen: dict[str, Path] = {}

    def note(stable_id: str, path: Path) -> Iterator[Problem]:
        if stable_id in seen:
            yield Problem(path, f"has the same id as {seen[stable_id][-1]}")
        seen.setdefault(stable_id, path)

    for name, entry in config.providers.items():
        yield from note(provider_id(name, entry.id), ("providers", name))
        names = set()
        for i, key in enumerate(entry.keys):
            if key.name not in names:
                yield from note(provider_key_id(name, key.name, key.id), ("providers", name, "keys", i))
            names.add(key.name)
    for name, route in config.routes.items():
        yield from note(route_id(name, route.id), ("routes", name))


def _routes(config: Config) -> Iterator[Problem]:
    for name, route in config.routes.items():
        for field, entries in (("targets", route.targets), ("fallbacks", route.fallbacks)):
            for i, entry in enumerate(entries):
                yield from _target(config, entry, ("routes", name, field, i))
        for i, shadow in enumerate(route.shadow):
            entry = TargetEntry(provider=shadow.provider, model=shadow.model)
            yield from _target(config, entry, ("routes", name, "shadow", i))
        weights = [target_of(entry).weight for entry in route.targets]
        if not any(weights):
            yield Problem(("routes", name, "targets"), "every weight is 0")


def _target(config: Config, entry: str | TargetEntry, path: Path) -> Iterator[Problem]:
    target = target_of(entry)
    if not target.model or not re.search(NAME_PATTERN, target.provider):
        yield Problem(path, "expected provider/model")
        return
    provider = config.providers.get(target.provider)
    if provider is None:
        hint = nearest(target.provider, config.providers) or listed(config.providers)
        yield Problem(path, f"no provider is called {target.provider}", hint)
    elif not provider.enabled:
        yield Problem(path, f"the provider {target.provider} is switched off", warning=True)
    if target.when:
        from gateway.routing.cel import ConditionError, compile_condition

        try:
            compile_condition(target.when)
        except ConditionError as error:
            yield Problem((*path, "when"), str(error))


def _server(config: Config) -> Iterator[Problem]:
    server = config.server
    if server.tls is not None:
        yield from _readable(server.tls.cert, ("server", "tls", "cert"))
        yield from _readable(server.tls.key, ("server", "tls", "key"))
    for field, most in MOST_HEAD.items():
        value = getattr(server.limits, field)
        if value is not None and not 0 < value <= most:
            yield Problem(("server", "limits", field), f"must be between 1 and {most} bytes")
    for i, network in enumerate(server.trusted_proxies or ()):
        try:
            ip_network(network, strict=False)
        except ValueError:
            yield Problem(("server", "trusted_proxies", i), "expected an address or a network such as 10.0.0.0/8")
    if config.admin.listen is not None:
        host, _, port = config.admin.listen.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            yield Problem(("admin", "listen"), "expected host:port")
    retry = config.retry
    if (
        retry.backoff_initial is not None
        and retry.backoff_max is not None
        and retry.backoff_initial > retry.backoff_max
    ):
        yield Problem(("retry", "backoff_initial"), "is longer than backoff_max")
    minutes, hours = config.log.rollups.minutes, config.log.rollups.hours
    if minutes is not None and minutes < LEAST_MINUTES_S:
        yield Problem(("log", "rollups", "minutes"), "must be at least 2h: hours are made of them")
    if hours is not None and hours < (minutes or 0):
        yield Problem(("log", "rollups", "hours"), "is shorter than minutes")
    refresh = config.model_lists.refresh
    if refresh is not None and 0 < refresh < 1:
        yield Problem(("model_lists", "refresh"), "must be 0 or at least 1s")
    if config.metrics.token is not None and len(config.metrics.token.reveal()) < MIN_CHARACTERS:
        yield Problem(("metrics", "token"), f"must have at least {MIN_CHARACTERS} characters")


def _readable(file: str | None, path: Path) -> Iterator[Problem]:
    if file and not os.access(file, os.R_OK):
        yield Problem(path, f"the file {file} cannot be read")
