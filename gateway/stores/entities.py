"""What a configuration store holds: entities, who changed them, and what operators present."""

from __future__ import annotations

import os
import time

import msgspec


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was made through the API: a virtual key, a team, a provider, an operator, a setting."""

    kind: str
    id: str
    """Stable: a UUIDv7, given once. Limits, records and ledger rows know the entity by its hash."""
    name: str
    """Unique among those of its kind; may change."""
    body: msgspec.Raw
    """JSON. What is secret in it is sealed by whoever made it."""
    version: int
    """1, then counted up with every change."""
    created_us: int
    updated_us: int
    """Wall clock."""


class EntityPage(msgspec.Struct, frozen=True):
    """Some entities, and where to go on."""

    entities: list[Entity]
    next: str | None
    """``after`` of the next page; None: there is none."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit says of a change: who, how, and the entity before and after."""

    actor: str
    """Id of the operator or token, or ``cli``."""
    action: str
    """``create``, ``update``, ``delete``, ``rotate`` ..."""
    before: bytes | None = None
    """JSON without secrets: whoever calls leaves them out, because only they know what is secret."""
    after: bytes | None = None


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One change, as it was told. Rows are added in the transaction that makes the change, and never changed."""

    id: str
    at_us: int
    actor: str
    action: str
    kind: str
    entity_id: str
    name: str
    before: msgspec.Raw | None
    after: msgspec.Raw | None


class AuditPage(msgspec.Struct, frozen=True):
    """Some rows, newest first, and where to go on."""

    rows: list[AuditRow]
    next: str | None


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody presents: a session, an API token. Known by its digest alone."""

    digest: bytes
    id: str
    """By which it is shown and revoked."""
    kind: str
    owner: str
    """Id of the operator it stands for."""
    body: msgspec.Raw = msgspec.Raw(b"{}")
    """JSON: its role, its last characters, whatever its kind needs."""
    created_us: int
    used_us: int
    """When it was last presented, as precisely as ``ConfigStore.use`` is called."""
    expires_us: int
    """0: never."""


def new_id() -> str:
    """A UUIDv7 (RFC 9562 section 5.7, method 3): ids sort by their time, to a quarter of a microsecond, so that new
    rows of an index lie beside each other."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    random = int.from_bytes(os.urandom(8), "big") >> 2
    text = f"{milliseconds << 80 | 7 << 76 | (rest << 12) // 1_000_000 << 64 | 2 << 62 | random:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
