"""What can be made through the API: for each kind its type, its path, and how it is stored.

A row's body is JSON: ``spec`` is what was sent, with its secrets encrypted; beside it stands what the gateway made of
it. Types are those of the configuration file, so whatever a file may say of an entity the API may say as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from gateway.config.levels import CustomerEntry, TeamEntry, VirtualKeyEntry
from gateway.config.names import PrivateRowId, RowId
from gateway.config.parts import without
from gateway.config.prices import PriceEntry, price_id
from gateway.config.references import Secret
from gateway.config.routes import RouteEntry
from gateway.config.schema import ProviderEntry
from gateway.config.settings import GROUPS, SETTING, StoredSetting
from gateway.secrets.bodies import converted, opened
from gateway.secrets.envelope import SealedError
from gateway.secrets.master_key import KeyRing
from gateway.snapshot.entities import Entities, Left, Place
from gateway.snapshot.levels import customer_id, team_id
from gateway.snapshot.plan import provider_id, route_id, virtual_key_id
from gateway.stores.entities import Entity


class Kind(NamedTuple):
    """One kind of entity."""

    name: str
    """In the store, in labels and audit rows."""
    path: str
    """Below /api."""
    entry: type[Any]
    """Of the configuration."""
    spec: type[msgspec.Struct]
    """The same without what is not sent in it."""
    file_id: Callable[[str, str], str]
    """Of the name and the given id of one that the file declares."""
    has_secrets: bool = False


def setting_id(name: str, _given: str) -> str:
    """Of a group of settings in the file."""
    return f"file:setting/{name}"


VIRTUAL_KEY = Kind(
    "virtual_key",
    "virtual-keys",
    VirtualKeyEntry,
    without(VirtualKeyEntry, "VirtualKey", "name", "id"),
    virtual_key_id,
)
CUSTOMER = Kind("customer", "customers", CustomerEntry, without(CustomerEntry, "Customer", "id"), customer_id)
TEAM = Kind("team", "teams", TeamEntry, without(TeamEntry, "Team", "id"), team_id)
PROVIDER = Kind("provider", "providers", ProviderEntry, without(ProviderEntry, "Provider", "id"), provider_id, True)
ROUTE = Kind("route", "routes", RouteEntry, without(RouteEntry, "Route", "id"), route_id)
PRICE = Kind("price", "prices", PriceEntry, without(PriceEntry, "Price", "name", "id"), price_id)

KINDS = {kind.path: kind for kind in (CUSTOMER, TEAM, VIRTUAL_KEY, PROVIDER, ROUTE, PRICE)}
SETTINGS = {
    group.name: Kind(SETTING, f"settings/{group.name}", StoredSetting, group.spec, setting_id, group.has_secrets)
    for group in GROUPS.values()
}
"""Group -> kind; a row of each at most, which has the group's name."""
NAMES = {kind.name: kind for kind in KINDS.values()}
STORED = (*NAMES, SETTING)
"""Every kind as the store calls it."""


def kind_of(row: Entity) -> Kind:
    """Raises ValueError for what only a newer version knows."""
    if row.kind == SETTING and row.name in SETTINGS:
        return SETTINGS[row.name]
    if row.kind not in NAMES:
        raise ValueError(f"this version knows no {row.kind}/{row.name}")
    return NAMES[row.kind]


class Stored(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row's body."""

    spec: msgspec.Raw
    digest: str = ""
    """Of a virtual key, in hexadecimal: HMAC-SHA256(pepper, SHA-256(key))."""
    shown: str = ""
    """Of a virtual key: its beginning and its last characters."""
    allow_private: bool = False
    """Of a provider: an admin has confirmed that it may lie in a private network, or be asked without TLS."""


def stored_of(entity: Entity) -> Stored:
    """Raises msgspec.ValidationError."""
    return msgspec.json.decode(entity.body, type=Stored)


def spec_of(kind: Kind, row: Entity, ring: KeyRing | None) -> Any:
    """A row's spec, secrets opened. Raises SealedError, msgspec.ValidationError."""
    body = msgspec.json.decode(stored_of(row).spec)
    if ring is None or not kind.has_secrets:
        # Without a key there is nothing encrypted either; what is told so all the same fails to open below.
        return converted(body, kind.spec)
    return opened(ring, kind.name, row.id, body, kind.spec)


def entities_of(revision: int, rows: Iterable[Entity], ring: KeyRing | None) -> Entities:
    """Rows as entries of a configuration. What cannot be read any more is told, and left out."""
    entries: dict[Place, Any] = {}
    broken: list[Left] = []
    for row in rows:
        try:
            entries[row.kind, row.name] = _entry_of(kind_of(row), row, ring)
        except (msgspec.ValidationError, ValueError, SealedError) as error:
            broken.append(Left(row.id, f"{row.kind}/{row.name}", f"its row cannot be read: {error}"))
    return Entities(revision, entries, broken)


def _entry_of(kind: Kind, row: Entity, ring: KeyRing | None) -> Any:
    stored, spec = stored_of(row), spec_of(kind, row, ring)
    if kind.name == SETTING:
        return StoredSetting(RowId(row.id), spec)
    members = {field: getattr(spec, field) for field in spec.__struct_fields__} | {"id": RowId(row.id)}
    if kind is VIRTUAL_KEY:
        members |= {"name": row.name, "hash": Secret(stored.digest), "value": None}
    elif kind is PROVIDER:
        members["id"] = PrivateRowId(row.id) if stored.allow_private else RowId(row.id)
        members["keys"] = [msgspec.structs.replace(key, id=RowId(f"{row.id}/{key.name}")) for key in spec.keys]
    elif kind is PRICE:
        members["name"] = row.name
    return kind.entry(**members)
