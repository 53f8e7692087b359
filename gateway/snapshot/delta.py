"""The way from one snapshot to the next: told by the builder, walked by the workers.

Apart from the builder, so that a worker imports neither the configuration's schema nor what plans from it.
"""

from __future__ import annotations

import msgspec

from gateway.snapshot.model import Delta, Snapshot


def delta(old: Snapshot, new: Snapshot) -> Delta:
    """What a worker that has ``old`` needs to have ``new``."""
    return Delta(
        base=old.version,
        version=new.version,
        created_ns=new.created_ns,
        providers={n: p for n, p in new.providers.items() if old.providers.get(n) != p},
        gone_providers=tuple(n for n in old.providers if n not in new.providers),
        routes={n: r for n, r in new.routes.items() if old.routes.get(n) != r},
        gone_routes=tuple(n for n in old.routes if n not in new.routes),
        rulesets=new.rulesets if new.rulesets != old.rulesets else None,
        settings=new.settings if new.settings != old.settings else None,
        table=new.table if new.table != old.table else "",
        virtual_keys=new.virtual_keys if new.virtual_keys != old.virtual_keys else -1,
        listed=new.listed if new.listed != old.listed else None,
        facts=_changed(old.facts, new.facts),
        price_lists=_changed(old.price_lists, new.price_lists),
        price_rules=new.price_rules if new.price_rules != old.price_rules else None,
        time_zones=new.time_zones if new.time_zones != old.time_zones else None,
        names={i: name for i, name in new.names.items() if old.names.get(i) != name},
        principals=new.principals if new.principals != old.principals else None,
        principal_ids=new.principal_ids if new.principal_ids != old.principal_ids else None,
        unknown_before_us=new.unknown_before_us,
    )


def _changed(old: dict[str, bytes], new: dict[str, bytes]) -> dict[str, bytes]:
    return {name: new.get(name, b"") for name in old | new if old.get(name) != new.get(name)}


def apply(snapshot: Snapshot, change: Delta) -> Snapshot:
    """The snapshot after ``change``. Raises ValueError when it starts from another version: load the whole then."""
    if change.base != snapshot.version:
        raise ValueError(f"a change of version {change.base} does not fit version {snapshot.version}")
    providers = {n: p for n, p in snapshot.providers.items() if n not in change.gone_providers} | change.providers
    routes = {n: r for n, r in snapshot.routes.items() if n not in change.gone_routes} | change.routes
    return msgspec.structs.replace(
        snapshot,
        version=change.version,
        created_ns=change.created_ns,
        providers=providers,
        routes=routes,
        rulesets=change.rulesets if change.rulesets is not None else snapshot.rulesets,
        settings=change.settings if change.settings is not None else snapshot.settings,
        table=change.table or snapshot.table,
        virtual_keys=change.virtual_keys if change.virtual_keys >= 0 else snapshot.virtual_keys,
        listed=change.listed if change.listed is not None else snapshot.listed,
        facts={name: facts for name, facts in (snapshot.facts | change.facts).items() if facts},
        price_lists={file: models for file, models in (snapshot.price_lists | change.price_lists).items() if models},
        price_rules=change.price_rules if change.price_rules is not None else snapshot.price_rules,
        time_zones=change.time_zones if change.time_zones is not None else snapshot.time_zones,
        names=snapshot.names | change.names,
        principals=change.principals if change.principals is not None else snapshot.principals,
        principal_ids=change.principal_ids if change.principal_ids is not None else snapshot.principal_ids,
        unknown_before_us=change.unknown_before_us,
    )
