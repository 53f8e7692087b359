"""What a configuration amounts to, before any slot or file exists: plain data that can be sealed and combined.

``build.py`` gives a plan its slots in the arena and writes its table. Everything declared in the file of this start has
an id that begins with ``file:`` (the built-in demo: ``demo:``); what came from the database has its own.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.config.levels import VirtualKeyEntry
from gateway.config.names import RowId
from gateway.config.routes import RouteEntry, TargetEntry
from gateway.config.schema import (
    Config,
    HealthEntry,
    PromptCacheAffinityEntry,
    ProviderEntry,
    TimeoutsEntry,
)
from gateway.snapshot.credentials import resolved
from gateway.snapshot.digest import imported_digest, key_digest, sha256_in
from gateway.snapshot.keytable import ENABLED, FROM_FILE, STATEFUL
from gateway.snapshot.levels import Levels, LimitPlan, level_names
from gateway.snapshot.model import (
    Health,
    Hedge,
    PriceRule,
    PromptCacheAffinity,
    Provider,
    ProviderKey,
    Route,
    Ruleset,
    Settings,
    Shadow,
    Target,
    Timeouts,
    Tls,
    id_hash,
)
from gateway.snapshot.price_rules import most_exact_first, price_rules
from gateway.snapshot.settings import settings_of
from gateway.snapshot.vendor import base_url_of, dialect_of, vendor_of
from providers.headers import TRACE_CONTEXT
from providers.natives import Native, native_of
from providers.vendors import CUSTOM, DIALECTS, PATHS, VENDORS, Vendor

_DIALECT_OPERATIONS = {
    "openai_chat": tuple(PATHS),
    "openai_responses": ("responses", "response_object", "models", "passthrough"),
    "openai_completions": ("completions", "models", "passthrough"),
}
"""What a custom provider of an OpenAI dialect offers unless it says so."""


class KeyPlan(msgspec.Struct, frozen=True, array_like=True):
    """One virtual key; only its digest is known from here on."""

    digest: bytes
    id_hash: int
    flags: int
    ruleset: int
    limits: tuple[LimitPlan, ...] = ()
    stateful: int = 0
    expires_s: int = 0
    team: int = 0
    """id_hash, like the next; 0: none."""
    customer: int = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole configuration, resolved: credentials are in it, so it is only ever stored sealed."""

    providers: dict[str, Provider]
    routes: dict[str, Route]
    rulesets: tuple[Ruleset, ...]
    settings: Settings
    keys: tuple[KeyPlan, ...]
    names: dict[int, str]
    price_rules: tuple[PriceRule, ...] = ()
    principals: dict[int, str] = {}
    """As in the snapshot."""
    principal_ids: dict[int, str] = {}
    stored_settings: dict[str, bytes] = {}
    """Those of the database: group -> JSON. What they come to is in the rest already."""


def plan(config: Config, pepper: bytes) -> Plan:
    """Resolve a validated configuration. Raises nothing on one that ``validate`` has passed."""
    names: dict[int, str] = {}
    providers = {name: _provider(name, entry, config) for name, entry in config.providers.items()}
    for provider in providers.values():
        names[id_hash(provider.id)] = f"provider/{provider.name}"
        for key in provider.keys:
            names[id_hash(key.id)] = f"provider_key/{provider.name}/{key.name}"
    routes = {name: _route(name, entry) for name, entry in config.routes.items()}
    for route in routes.values():
        names[id_hash(route.id)] = f"route/{route.name}"
    rulesets: dict[Ruleset, int] = {Ruleset(): 0}
    names |= level_names(config)
    levels = Levels(config)
    keys = [_key(entry, levels, rulesets, pepper, providers) for entry in config.virtual_keys]
    pins = {key.stateful for key in keys if key.stateful}
    asked = _asked(routes.values())
    return Plan(
        providers={name: _reserve(provider, pins) for name, provider in providers.items()} if pins else providers,
        routes=routes,
        rulesets=tuple(rulesets),
        settings=settings_of(config),
        keys=tuple(keys),
        names=names,
        price_rules=price_rules(config.prices, virtual_key_names(config)),
        principals=virtual_key_names(config) if "principal.name" in asked else {},
        principal_ids=virtual_key_ids(config) if "principal.id" in asked else {},
    )


def _asked(routes: Iterable[Route]) -> frozenset[str]:
    """Names of the facts that conditions of these routes look at."""
    conditions = {target.when for route in routes for target in (*route.targets, *route.fallbacks) if target.when}
    if not conditions:
        return frozenset()
    # Here and not above: most configurations have no condition, and their start need not wait for a compiler.
    from gateway.routing.cel import compile_condition

    return frozenset().union(*(compile_condition(condition).uses for condition in conditions))


def combine(file: Plan, sealed: Plan) -> Plan:
    """The file's entities and settings, and from the sealed plan those that came from the database.

    On a clash of names the file wins; entities that an earlier file declared are gone with it.
    """
    taken = {key.digest for key in file.keys}
    rulesets = {rules: i for i, rules in enumerate(file.rulesets)}
    keys = list(file.keys)
    for key in sealed.keys:
        if key.flags & FROM_FILE or key.digest in taken:
            continue
        ruleset = rulesets.setdefault(sealed.rulesets[key.ruleset], len(rulesets))
        keys.append(msgspec.structs.replace(key, ruleset=ruleset))
    return Plan(
        providers={**{n: p for n, p in sealed.providers.items() if not from_file(p.id)}, **file.providers},
        routes={**{n: r for n, r in sealed.routes.items() if not from_file(r.id)}, **file.routes},
        rulesets=tuple(rulesets),
        settings=file.settings,
        keys=tuple(keys),
        names={**sealed.names, **file.names},
        price_rules=most_exact_first(
            (*file.price_rules, *(rule for rule in sealed.price_rules if rule.id and not from_file(rule.id)))
        ),
        principals={**sealed.principals, **file.principals},
        principal_ids={**sealed.principal_ids, **file.principal_ids},
        stored_settings=sealed.stored_settings,
    )


def database_entities(plan: Plan) -> int:
    """How many entities of the plan are not declared by the file of this start."""
    ids = [each.id for each in plan.providers.values()] + [each.id for each in plan.routes.values()]
    ids += [each.id for each in plan.price_rules]
    return (
        sum(not from_file(i) for i in ids)
        + sum(not key.flags & FROM_FILE for key in plan.keys)
        + len(plan.stored_settings)
    )


def from_file(stable_id: str) -> bool:
    """Declared by the file (or by ``--demo``), and therefore gone when it no longer is."""
    return stable_id.startswith(("file:", "demo:"))


def provider_id(name: str, given: str) -> str:
    return str(given) if isinstance(given, RowId) else f"file:provider/{given or name}"


def provider_key_id(provider: str, name: str, given: str) -> str:
    if isinstance(given, RowId):
        return str(given)
    return f"file:provider_key/{given}" if given else f"file:provider_key/{provider}/{name}"


def route_id(name: str, given: str) -> str:
    return str(given) if isinstance(given, RowId) else f"file:route/{given or name}"


def virtual_key_id(name: str, given: str) -> str:
    return str(given) if isinstance(given, RowId) else f"file:virtual_key/{given or name}"


def virtual_key_names(config: Config) -> dict[int, str]:
    """id_hash -> name of every virtual key: for the control process, which names them in records and reports."""
    return {id_hash(virtual_key_id(entry.name, entry.id)): entry.name for entry in config.virtual_keys}


def virtual_key_ids(config: Config) -> dict[int, str]:
    """id_hash -> stable id of every virtual key."""
    ids = (virtual_key_id(entry.name, entry.id) for entry in config.virtual_keys)
    return {id_hash(stable_id): stable_id for stable_id in ids}


def _forwarded(entry: ProviderEntry, config: Config) -> tuple[str, ...]:
    """Fields of a caller's head that it is sent."""
    own = dict.fromkeys(field.lower() for field in entry.forward_headers)
    told = () if config.otel.propagate.outgoing == "none" else TRACE_CONTEXT
    return tuple(own | dict.fromkeys(told))


def _provider(name: str, entry: ProviderEntry, config: Config) -> Provider:
    vendor = VENDORS.get(vendor_of(name, entry))
    base_url = base_url_of(name, entry)
    dialect = dialect_of(name, entry)
    openai = dialect.startswith("openai_")
    native = native_of(vendor_of(name, entry), dialect)
    if vendor is not None and openai:
        operations: tuple[str, ...] = vendor.operations
        header, scheme = vendor.auth_header, vendor.auth_scheme
    elif native is not None:
        operations = tuple(native.paths)
        header, scheme = native.auth_header, native.auth_scheme
    else:
        operations = _DIALECT_OPERATIONS[dialect]
        header, scheme = "authorization", "Bearer"
    if entry.operations is not None:
        operations = tuple(entry.operations)
    paths = (
        {op: native.paths.get(op) or PATHS.get(op, "") for op in operations}
        if native is not None
        else {op: vendor.path_of(op) if vendor is not None else PATHS.get(op, "") for op in operations}
    )
    return Provider(
        id=provider_id(name, entry.id),
        name=name,
        vendor=vendor.name if vendor is not None else CUSTOM,
        base_url=base_url,
        dialects={op: _dialect(op, dialect, native, vendor) for op in operations},
        paths={**paths, **{op: path for op, path in entry.paths.items() if op in paths}},
        query=str(entry.query) if entry.query is not None else vendor.query if vendor is not None and openai else "",
        auth_header=entry.auth.header.lower() if entry.auth.header is not None else header,
        auth_scheme=entry.auth.scheme if entry.auth.scheme is not None else scheme,
        headers=tuple((field, str(value)) for field, value in entry.headers.items()),
        forward_headers=_forwarded(entry, config),
        keys=tuple(
            ProviderKey(
                id=provider_key_id(name, key.name, key.id),
                name=key.name,
                value=key.value.reveal() if key.value is not None else "",
                credential=resolved(key.credential, base_url) if key.credential is not None else None,
                weight=key.weight,
                models=tuple(key.models),
                deny_models=tuple(key.deny_models),
                enabled=key.enabled,
            )
            for key in entry.keys
        ),
        models=tuple(entry.models),
        list_models=vendor is not None and openai if entry.list_models is None else entry.list_models,
        service_tiers=entry.service_tiers,
        stream_usage=entry.stream_usage or (vendor.stream_usage if vendor is not None else "never"),
        unsupported=entry.unsupported,
        cache_breakpoints=entry.cache_breakpoints,
        prompt_cache_affinity=_affinity(entry),
        prefill=entry.prefill,
        timeouts=_timeouts(entry.timeouts, config.timeouts),
        max_connections=entry.max_connections,
        max_concurrency=entry.max_concurrency,
        health=_health(entry.health, config.health),
        proxy=entry.proxy.reveal() if entry.proxy is not None else "",
        tls=Tls(
            ca_file=str(entry.tls.ca_file or ""),
            server_name=str(entry.tls.server_name or ""),
            client_cert=str(entry.tls.client_cert or ""),
            client_key=str(entry.tls.client_key or ""),
        ),
        enabled=entry.enabled,
        aliases=dict(entry.aliases),
        allow_private=not isinstance(entry.id, RowId) or entry.id.allow_private,
    )


def _dialect(operation: str, dialect: str, native: Native | None, vendor: Vendor | None) -> str:
    """The one in which a provider of ``dialect`` is asked for ``operation``."""
    if native is not None:
        return native.dialects.get(operation, dialect)
    if not dialect.startswith("openai_"):
        return dialect
    return (vendor.forms.get(operation) if vendor is not None else None) or DIALECTS.get(operation, dialect)


def _reserve(provider: Provider, pins: set[int]) -> Provider:
    keys = tuple(msgspec.structs.replace(key, pinned=id_hash(key.id) in pins) for key in provider.keys)
    return msgspec.structs.replace(provider, keys=keys)


def _timeouts(entry: TimeoutsEntry, defaults: TimeoutsEntry) -> Timeouts:
    given = {}
    for field in Timeouts.__struct_fields__:
        value = getattr(entry, field)
        if value is None:
            value = getattr(defaults, field)
        if value is not None:
            given[field] = float(value)
    return Timeouts(**given)


def _health(entry: HealthEntry, defaults: HealthEntry) -> Health:
    given = {}
    for field in Health.__struct_fields__:
        value = getattr(entry, field)
        if value is None:
            value = getattr(defaults, field)
        if value is not None:
            given[field] = float(value) if isinstance(value, float) else value
    return msgspec.convert(given, Health)


def _affinity(entry: ProviderEntry) -> PromptCacheAffinity | None:
    said = entry.prompt_cache_affinity
    if said == "off" or sum(key.enabled for key in entry.keys) < 2:
        return None
    given = {}
    if isinstance(said, PromptCacheAffinityEntry):
        given = {field: float(value) for field in ("ttl", "spill") if (value := getattr(said, field)) is not None}
    return msgspec.convert(given, PromptCacheAffinity)


def _route(name: str, entry: RouteEntry) -> Route:
    return Route(
        id=route_id(name, entry.id),
        name=name,
        targets=tuple(map(target_of, entry.targets)),
        fallbacks=tuple(map(target_of, entry.fallbacks)),
        strategy=entry.strategy,
        hash_on=(entry.hash_on or "").lower(),
        hedge=Hedge(after=float(entry.hedge.after or 0), share=entry.hedge.share) if entry.hedge is not None else None,
        shadow=tuple(Shadow(provider=to.provider, model=to.model, share=to.share) for to in entry.shadow),
        continue_on_cut=entry.continue_on_cut,
    )


def target_of(entry: str | TargetEntry) -> Target:
    """``provider/model`` or the long form, as a target."""
    if isinstance(entry, str):
        provider, _, model = entry.partition("/")
        return Target(provider=provider, model=model)
    return Target(provider=entry.provider, model=entry.model, weight=entry.weight, when=entry.when)


def _key(
    entry: VirtualKeyEntry,
    levels: Levels,
    rulesets: dict[Ruleset, int],
    pepper: bytes,
    providers: dict[str, Provider],
) -> KeyPlan:
    stable_id = virtual_key_id(entry.name, entry.id)
    held = levels.of(entry, stable_id)
    flags, stateful = held.priority | (0 if isinstance(entry.id, RowId) else FROM_FILE), 0
    if held.enabled:
        flags |= ENABLED
    if entry.stateful is not None:
        provider, _, name = entry.stateful.partition("/")
        flags |= STATEFUL
        stateful = next(id_hash(key.id) for key in providers[provider].keys if key.name == name)
    return KeyPlan(
        digest_of(entry, pepper),
        id_hash(stable_id),
        flags,
        rulesets.setdefault(held.rules, len(rulesets)),
        held.limits,
        stateful,
        entry.expires or 0,
        held.team,
        held.customer,
    )


def digest_of(entry: VirtualKeyEntry, pepper: bytes) -> bytes:
    """Under which the key stands in the table."""
    if entry.value is not None:
        return key_digest(pepper, entry.value.reveal().encode())
    hashed = entry.hash.reveal() if entry.hash is not None else ""
    return bytes.fromhex(hashed) if isinstance(entry.id, RowId) else imported_digest(pepper, sha256_in(hashed))
