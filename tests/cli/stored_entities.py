"""A data directory whose control database has entities, for tests of commands."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.control.entity_kinds import PROVIDER, Stored
from gateway.secrets import master_key
from gateway.secrets.bodies import converted, sealed
from gateway.snapshot.digest import key_digest
from gateway.snapshot.store import load_or_create_keys
from gateway.stores.entities import Change, new_id
from gateway.stores.sql_config import SqlConfigStore
from gateway.stores.urls import open_database, sqlite_url

SECRET = "sk-canary-of-the-database-0123456789"


def fill(directory: Path, migrated: Path, entities: Mapping[tuple[str, str], dict[str, Any]]) -> None:
    """(kind, name) -> spec. A virtual key has the value ``SECRET``."""
    shutil.copy(migrated, directory / "control.db")
    pepper = load_or_create_keys(str(directory / "microgate.key")).pepper
    ring = master_key.load(str(directory), create=True)
    assert ring is not None
    master_key.note_used(str(directory), {ring.current.id})
    database = open_database(sqlite_url(str(directory / "control.db")))
    store = SqlConfigStore(database)
    for (kind, name), spec in entities.items():
        entity_id, body, digest = new_id(), spec, ""
        if kind == "provider":
            body = sealed(ring, kind, entity_id, converted(spec, PROVIDER.spec))
        if kind == "virtual_key":
            digest = key_digest(pepper, SECRET.encode()).hex()
        stored = Stored(spec=msgspec.Raw(msgspec.json.encode(body)), digest=digest)
        change = Change(actor="test", action="create")
        store.create(kind, name, msgspec.json.encode(stored), change, entity_id=entity_id)
    database.close()
