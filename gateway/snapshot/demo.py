"""What ``--demo`` adds to a plan: the built-in upstream as a provider of each dialect, and a key for them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.snapshot.digest import key_digest
from gateway.snapshot.keytable import ENABLED, FROM_FILE
from gateway.snapshot.model import Provider, id_hash
from gateway.snapshot.plan import KeyPlan, Plan
from providers.natives import DEMOS, NATIVES
from providers.vendors import DIALECTS, PATHS


def with_demo(base: Plan, socket_path: str, demo_key: str, pepper: bytes) -> Plan:
    """``base`` with the built-in providers, ``demo`` and one for each dialect that is none of OpenAI's, and a key for
    them. A provider of such a name in the file wins."""
    added = {provider.name: provider for provider in demo_providers(socket_path)}
    key = KeyPlan(key_digest(pepper, demo_key.encode()), id_hash("demo:virtual_key/demo"), ENABLED | FROM_FILE, 0)
    taken = any(k.digest == key.digest for k in base.keys)
    return msgspec.structs.replace(
        base,
        providers={**added, **base.providers},
        keys=base.keys if taken else (*base.keys, key),
        settings=msgspec.structs.replace(base.settings, demo=True),
        names={**{id_hash(p.id): f"provider/{p.name}" for p in added.values()}, **base.names},
    )


def demo_providers(socket_path: str) -> Iterator[Provider]:
    """The built-in upstream, once a dialect."""
    yield Provider(
        id="demo:provider/demo",
        name="demo",
        vendor="demo",
        base_url=f"unix:{socket_path}|/v1",
        dialects=dict(DIALECTS),
        paths=dict(PATHS),
        list_models=True,
        stream_usage="ask",
    )
    for dialect, native in NATIVES.items():
        yield Provider(
            id=f"demo:provider/{DEMOS[dialect]}",
            name=DEMOS[dialect],
            vendor="demo",
            base_url=f"unix:{socket_path}|/{dialect}",
            dialects={operation: native.dialects.get(operation, dialect) for operation in native.paths},
            paths=dict(native.paths),
            headers=native.fields,
        )
