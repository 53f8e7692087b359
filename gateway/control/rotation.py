"""From one master key to the next, so that a kill at any moment leaves every secret readable.

1. The new key stands before the old ones, on the disk, and is noted as used.
2. Row by row, each in a transaction of its own: opened with the key that it names, encrypted with the new one. A row
   that somebody changes meanwhile is left alone, since whatever is written now is encrypted with the new key.
3. What no row needs any more is noted as used no more, and dropped from the file where that is asked.

Each step can be begun again; a row says itself which key it needs.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.config.settings import SETTING
from gateway.control.entity_kinds import NAMES, Stored, kind_of, spec_of, stored_of
from gateway.secrets import master_key
from gateway.secrets.bodies import key_ids, sealed
from gateway.secrets.envelope import SealedError
from gateway.secrets.keeper import Keeper
from gateway.secrets.master_key import KeyRing
from gateway.stores.entities import Change, Entity
from gateway.stores.protocols import ConfigStore, Conflict, NotFound


class MasterKeys(msgspec.Struct, kw_only=True):
    """Master keys, told by their ids."""

    source: str
    keys: list[str]
    """The first one encrypts."""
    in_use: list[str]
    """With which something in the database is encrypted."""
    encrypted_anew: int = 0
    """Rows that were; by a rotation."""
    unreadable: int = 0
    """Rows that no key opens; they stay as they are."""


def status(store: ConfigStore, keeper: Keeper) -> MasterKeys:
    """What there is. Raises MasterKeyError, StoreUnavailable."""
    ring = keeper.ring()
    if ring is None:
        return MasterKeys(source="", keys=[], in_use=[])
    return MasterKeys(source=ring.source, keys=list(ring.ids), in_use=sorted(_in_use(store)))


def rotate(store: ConfigStore, keeper: Keeper, actor: str, *, drop: bool) -> MasterKeys:
    """Encrypt every secret with the first of the given keys; where they are kept in the file, with a new one, and
    ``drop`` takes those out of it that nothing needs any more. Raises MasterKeyError, StoreUnavailable."""
    ring = keeper.for_writing()
    in_file = ring.source == master_key.path_in(keeper.data_dir)
    if in_file:
        ring = master_key.add_to_file(keeper.data_dir, ring)
        master_key.note_used(keeper.data_dir, master_key.used(keeper.data_dir) | {ring.current.id})
        keeper.turn_to(ring)
    said = msgspec.json.encode({"drop": drop, "new": in_file})
    store.note(Change(actor=actor, action="rotate", after=said), "master_key", "", ring.current.id)
    changed, unreadable = _encrypt_anew(store, ring, actor)
    needed = _in_use(store)
    master_key.note_used(keeper.data_dir, needed | {ring.current.id})
    if drop and in_file:
        ring = master_key.keep_in_file(keeper.data_dir, ring, needed)
        keeper.turn_to(ring)
    return MasterKeys(
        source=ring.source,
        keys=list(ring.ids),
        in_use=sorted(needed),
        encrypted_anew=changed,
        unreadable=unreadable,
    )


def _encrypt_anew(store: ConfigStore, ring: KeyRing, actor: str) -> tuple[int, int]:
    changed = 0
    unreadable: set[str] = set()
    while behind := [row for row in _rows(store) if row.id not in unreadable and _ids(row) - {ring.current.id}]:
        for row in behind:
            kind = kind_of(row)
            try:
                spec = spec_of(kind, row, ring)
            except (SealedError, ValueError):
                unreadable.add(row.id)
                continue
            body = sealed(ring, kind.name, row.id, spec)
            stored: Stored = msgspec.structs.replace(stored_of(row), spec=msgspec.Raw(msgspec.json.encode(body)))
            try:
                change = Change(actor=actor, action="rotate")
                store.update(row.kind, row.id, msgspec.json.encode(stored), row.version, change)
                changed += 1
            except (Conflict, NotFound):
                continue
    return changed, len(unreadable)


def _rows(store: ConfigStore) -> Iterator[Entity]:
    """Those that may hold a secret, of kinds that this version knows."""
    for row in store.every([kind.name for kind in NAMES.values() if kind.has_secrets] + [SETTING])[1]:
        try:
            if kind_of(row).has_secrets:
                yield row
        except ValueError:
            continue


def _ids(row: Entity) -> set[str]:
    return key_ids(msgspec.json.decode(stored_of(row).spec), kind_of(row).spec)


def _in_use(store: ConfigStore) -> set[str]:
    return {key_id for row in _rows(store) for key_id in _ids(row)}
