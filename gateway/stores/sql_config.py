"""``ConfigStore`` over a SQL database."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Literal

import msgspec

from gateway.stores.database import Database, Duplicate, Row, Transaction, marks
from gateway.stores.entities import AuditPage, AuditRow, Change, Credential, Entity, EntityPage, new_id
from gateway.stores.protocols import Conflict, NameTaken, NotFound

MOST_ROWS = 1000
"""Of one page."""

_ENTITY = "SELECT kind, id, name, body, version, created_us, updated_us FROM entities "
_PAGES = {
    "name": _ENTITY + "WHERE kind = ? AND name > ? AND lower(name) LIKE ? ESCAPE '!' ORDER BY name LIMIT ?",
    "id": _ENTITY + "WHERE kind = ? AND id > ? AND lower(name) LIKE ? ESCAPE '!' ORDER BY id LIMIT ?",
}
_AUDIT = "SELECT id, at_us, actor, action, kind, entity_id, name, before, after FROM audit "
_CREDENTIAL = "SELECT digest, id, kind, owner, body, created_us, used_us, expires_us FROM credentials "
_VALID = "(expires_us = 0 OR expires_us > ?)"


class SqlConfigStore:
    """Over any ``Database`` that has the tables of ``control/schema.py``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- entities

    def create(
        self, kind: str, name: str, body: bytes, change: Change, *, entity_id: str = "", known_by_name: bool = False
    ) -> Entity:
        now_us = _now_us()
        entity = Entity(
            kind=kind,
            id=entity_id or new_id(),
            name=name,
            body=_json(body),
            version=1,
            created_us=now_us,
            updated_us=now_us,
        )
        try:
            with self._database.writing() as at:
                at.run(
                    "INSERT INTO entities (kind, id, name, body, version, created_us, updated_us) VALUES "
                    "(?, ?, ?, ?, ?, ?, ?)",
                    (kind, entity.id, name, body.decode(), 1, now_us, now_us),
                )
                _changed(at, change, kind, entity.id, name)
                if known_by_name:
                    # Every change counts the revision up, so that no version is ahead of it.
                    entity = msgspec.structs.replace(entity, version=_revision(at))
                    at.run("UPDATE entities SET version = ? WHERE id = ?", (entity.version, entity.id))
        except Duplicate:
            raise NameTaken(f"there is a {kind} called {name!r}") from None
        return entity

    def update(
        self, kind: str, entity_id: str, body: bytes, expected_version: int, change: Change, *, name: str | None = None
    ) -> Entity:
        try:
            with self._database.writing() as at:
                old = _expected(at, kind, entity_id, expected_version)
                new = msgspec.structs.replace(
                    old,
                    name=old.name if name is None else name,
                    body=_json(body),
                    version=old.version + 1,
                    updated_us=_now_us(),
                )
                at.run(
                    "UPDATE entities SET name = ?, body = ?, version = ?, updated_us = ? WHERE id = ?",
                    (new.name, body.decode(), new.version, new.updated_us, entity_id),
                )
                _changed(at, change, kind, entity_id, new.name)
        except Duplicate:
            raise NameTaken(f"there is a {kind} called {name!r}") from None
        return new

    def delete(self, kind: str, entity_id: str, expected_version: int, change: Change) -> None:
        with self._database.writing() as at:
            old = _expected(at, kind, entity_id, expected_version)
            at.run("DELETE FROM entities WHERE id = ?", (entity_id,))
            _changed(at, change, kind, entity_id, old.name)

    def get(self, kind: str, entity_id: str) -> Entity:
        with self._database.reading() as at:
            return _one(at.rows(_ENTITY + "WHERE kind = ? AND id = ?", (kind, entity_id)), kind, entity_id)

    def by_name(self, kind: str, name: str) -> Entity:
        with self._database.reading() as at:
            return _one(at.rows(_ENTITY + "WHERE kind = ? AND name = ?", (kind, name)), kind, name)

    def page(
        self,
        kind: str,
        *,
        order: Literal["name", "id"] = "name",
        after: str | None = None,
        limit: int = 50,
        search: str = "",
    ) -> EntityPage:
        limit = max(1, min(limit, MOST_ROWS))
        literal = re.sub(r"([!%_])", r"!\1", search.lower())
        with self._database.reading() as at:
            found = list(map(_entity, at.rows(_PAGES[order], (kind, after or "", f"%{literal}%", limit + 1))))
        more = len(found) > limit
        return EntityPage(found[:limit], getattr(found[limit - 1], order) if more else None)

    def every(self, kinds: Iterable[str]) -> tuple[int, list[Entity]]:
        wanted = tuple(kinds)
        statement = _ENTITY + f"WHERE kind IN {marks(len(wanted))} ORDER BY id"
        with self._database.reading() as at:
            return _revision(at), list(map(_entity, at.rows(statement, wanted))) if wanted else []

    def revision(self) -> int:
        with self._database.reading() as at:
            return _revision(at)

    # -- the audit

    def note(self, change: Change, kind: str, entity_id: str, name: str) -> None:
        with self._database.writing() as at:
            _audited(at, change, kind, entity_id, name)

    def audit(
        self,
        *,
        entity_id: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        actor: str | None = None,
        kind: str | None = None,
        action: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> AuditPage:
        limit = max(1, min(limit, MOST_ROWS))
        terms = (
            ("entity_id = ?", entity_id),
            ("at_us >= ?", since_us),
            ("at_us < ?", until_us),
            ("actor = ?", actor),
            ("kind = ?", kind),
            ("action = ?", action),
            ("id < ?", after),
        )
        given = [(term, value) for term, value in terms if value is not None]
        where = "WHERE " + " AND ".join(term for term, _ in given) if given else ""
        values = [value for _, value in given]
        with self._database.reading() as at:
            found = list(map(_audit_row, at.rows(_AUDIT + where + " ORDER BY id DESC LIMIT ?", (*values, limit + 1))))
        return AuditPage(found[:limit], found[limit - 1].id if len(found) > limit else None)

    # -- credentials

    def admit(self, credential: Credential) -> None:
        values = msgspec.structs.astuple(msgspec.structs.replace(credential, body=_json(bytes(credential.body))))
        try:
            with self._database.writing() as at:
                at.run(
                    "INSERT INTO credentials (digest, id, kind, owner, body, created_us, used_us, expires_us) VALUES "
                    "(?, ?, ?, ?, ?, ?, ?, ?)",
                    [bytes(value).decode() if isinstance(value, msgspec.Raw) else value for value in values],
                )
        except Duplicate:
            raise NameTaken("the credential is there already") from None

    def credential(self, digest: bytes) -> Credential:
        with self._database.reading() as at:
            found = at.rows(_CREDENTIAL + "WHERE digest = ? AND " + _VALID, (digest, _now_us()))
        if not found:
            raise NotFound("no such credential")
        return _credential(found[0])

    def credentials(self, *, kind: str, owner: str | None = None) -> list[Credential]:
        where = "WHERE kind = ? AND " + _VALID + ("" if owner is None else " AND owner = ?")
        values = (kind, _now_us()) if owner is None else (kind, _now_us(), owner)
        with self._database.reading() as at:
            return list(map(_credential, at.rows(_CREDENTIAL + where + " ORDER BY created_us, id", values)))

    def use(self, digest: bytes, expires_us: int | None = None) -> None:
        with self._database.writing() as at:
            at.run(
                "UPDATE credentials SET used_us = ?, expires_us = COALESCE(?, expires_us) WHERE digest = ?",
                (_now_us(), expires_us, digest),
            )

    def revoke(self, *, credential_id: str | None = None, owner: str | None = None, kind: str | None = None) -> int:
        terms = (("id = ?", credential_id), ("owner = ?", owner), ("kind = ?", kind))
        given = [(term, value) for term, value in terms if value is not None]
        if not given:
            raise ValueError("revoke what?")
        statement = " ".join(("DELETE FROM credentials WHERE", " AND ".join(term for term, _ in given)))
        with self._database.writing() as at:
            return at.run(statement, [value for _, value in given])

    def forget_expired(self) -> int:
        with self._database.writing() as at:
            return at.run("DELETE FROM credentials WHERE expires_us > 0 AND expires_us <= ?", (_now_us(),))


def _now_us() -> int:
    return time.time_ns() // 1000


def _json(body: bytes) -> msgspec.Raw:
    """Raises ValueError for what is no JSON: the database's text column would take it."""
    msgspec.json.decode(body)
    return msgspec.Raw(body)


def _entity(row: Row) -> Entity:
    kind, entity_id, name, body, version, created_us, updated_us = row
    return Entity(
        kind=kind,
        id=entity_id,
        name=name,
        body=msgspec.Raw(body.encode()),
        version=version,
        created_us=created_us,
        updated_us=updated_us,
    )


def _one(rows: list[Row], kind: str, asked: str) -> Entity:
    if not rows:
        raise NotFound(f"there is no {kind} {asked!r}")
    return _entity(rows[0])


def _expected(at: Transaction, kind: str, entity_id: str, version: int) -> Entity:
    """The entity, locked against whoever else would change it. Raises NotFound, Conflict."""
    # A change that does nothing takes the row's lock in PostgreSQL, as FOR UPDATE does, which SQLite does not know.
    at.run("UPDATE entities SET version = version WHERE kind = ? AND id = ?", (kind, entity_id))
    found = _one(at.rows(_ENTITY + "WHERE kind = ? AND id = ?", (kind, entity_id)), kind, entity_id)
    if found.version != version:
        raise Conflict(found.version)
    return found


def _changed(at: Transaction, change: Change, kind: str, entity_id: str, name: str) -> None:
    _audited(at, change, kind, entity_id, name)
    # The row's lock puts changes in one order, so that whoever has seen a revision has seen all before it.
    at.run("UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'revision'")


def _audited(at: Transaction, change: Change, kind: str, entity_id: str, name: str) -> None:
    before, after = (None if text is None else bytes(_json(text)).decode() for text in (change.before, change.after))
    at.run(
        "INSERT INTO audit (id, at_us, actor, action, kind, entity_id, name, before, after) VALUES "
        "(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (new_id(), _now_us(), change.actor, change.action, kind, entity_id, name, before, after),
    )


def _revision(at: Transaction) -> int:
    [(value,)] = at.rows("SELECT value FROM meta WHERE key = 'revision'")
    return int(value)


def _audit_row(row: Row) -> AuditRow:
    audit_id, at_us, actor, action, kind, entity_id, name, before, after = row
    return AuditRow(
        id=audit_id,
        at_us=at_us,
        actor=actor,
        action=action,
        kind=kind,
        entity_id=entity_id,
        name=name,
        before=None if before is None else msgspec.Raw(before.encode()),
        after=None if after is None else msgspec.Raw(after.encode()),
    )


def _credential(row: Row) -> Credential:
    digest, credential_id, kind, owner, body, created_us, used_us, expires_us = row
    return Credential(
        digest=bytes(digest),
        id=credential_id,
        kind=kind,
        owner=owner,
        body=msgspec.Raw(body.encode()),
        created_us=created_us,
        used_us=used_us,
        expires_us=expires_us,
    )
