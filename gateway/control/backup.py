"""A copy of the control database beside a running gateway, and its way back: one SQLite file, whatever it came from.

A copy is taken in one transaction, so that it is a state that the database was in. It goes back into SQLite or
PostgreSQL alike. Imported by commands only: it may import SQLAlchemy.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from gateway.control.migrate import HEAD, SchemaState, ensure, state_of, upgrade
from gateway.stores.database import Database, Transaction, marks
from gateway.stores.sqlite_rules import connect_reader, connect_writer
from gateway.stores.urls import open_database, path_of, scheme_of, sqlite_url

TABLES = {
    "names": ("id_hash", "kind", "name", "first_seen_us", "last_seen_us"),
    "snapshot_versions": (
        "version", "created_us", "adopted_us", "source", "digest", "providers", "routes", "virtual_keys",
    ),
    "entities": ("id", "kind", "name", "body", "version", "created_us", "updated_us"),
    "audit": ("id", "at_us", "actor", "action", "kind", "entity_id", "name", "before", "after"),
    "credentials": ("digest", "id", "kind", "owner", "body", "created_us", "used_us", "expires_us"),
    "alerts": ("id", "gateway", "since_us", "body"),
    "ledger": (
        "request_id", "attempt", "kind", "started_us", "virtual_key", "provider", "provider_key", "route", "model",
        "target_model", "operation", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
        "reasoning_tokens", "audio_in_tokens", "audio_out_tokens", "cost_nanodollars", "outcome", "usage_source",
        "flags", "line", "team", "customer",
    ),
}  # fmt: skip
"""What is copied, by columns; ``meta`` and Alembic's table come with the schema, the ledger's row numbers and its sums
by day anew."""

BATCH = 2000
"""Rows read and written at a time."""

_SELECT = "SELECT %s FROM %s ORDER BY %s"
_INSERT = "INSERT INTO %s (%s) VALUES %s"
_REVISION = "SELECT value FROM meta WHERE key = 'revision'"
_SET_REVISION = "UPDATE meta SET value = ? WHERE key = 'revision'"


class BackupError(Exception):
    """Nothing was copied, or nothing put back; the message is for a person."""


class Content(NamedTuple):
    """What a copy holds, to be held against the original."""

    entities: int
    ledger_rows: int
    cost_nanodollars: int


def save(url: str, file: str) -> Content:
    """Copy the database at ``url`` into the new ``file``, while it is written or not; the copy is verified and on the
    disk when this returns. Raises BackupError, sqlite3.Error, OSError, StoreUnavailable."""
    if os.path.exists(file):
        raise BackupError(f"{file} exists")
    found = state_of(url)
    if found is not SchemaState.CURRENT:
        raise BackupError(f"the database is of {found.value} schema than this program's")
    partial = f"{file}.partial"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)
    try:
        if scheme_of(url) == "sqlite":
            _copy_file(path_of(url), partial)
        else:
            upgrade(sqlite_url(partial))
            source, target = open_database(url), open_database(sqlite_url(partial))
            try:
                _copy_rows(source, target)
            finally:
                target.close()
                source.close()
        content = verify(partial)
        _to_disk(partial)
        os.rename(partial, file)
        _to_disk(os.path.dirname(os.path.abspath(file)))
    except BaseException:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial + suffix)
        raise
    return content


def restore(file: str, url: str) -> Content:
    """Put a copy in the place of the database at ``url``, which no gateway uses meanwhile. An SQLite file that was
    there is kept beside it, as ``...before-restore``; a database of a server must have no rows. Raises BackupError,
    sqlite3.Error, OSError, StoreUnavailable, MigrationError."""
    content = verify(file)
    if scheme_of(url) == "sqlite":
        _put_back(file, path_of(url))
        return content
    ensure(url)
    source, target = open_database(sqlite_url(file)), open_database(url)
    try:
        with target.reading() as at:
            if taken := [name for name in TABLES if at.rows("SELECT 1 FROM %s LIMIT 1".__mod__(name))]:
                raise BackupError(f"the database holds rows already ({', '.join(taken)}); restore into an empty one")
        _copy_rows(source, target)
    finally:
        target.close()
        source.close()
    return content


def verify(file: str) -> Content:
    """Read a copy through. Raises BackupError for what is no sound one, sqlite3.Error, OSError."""
    if not os.path.exists(file):
        raise BackupError(f"{file} does not exist")
    try:
        reader = connect_reader(file)
    except sqlite3.Error as error:
        raise BackupError(f"{file} is no database: {error}") from error
    try:
        [version] = reader.execute("SELECT version_num FROM alembic_version").fetchone()
        if version != HEAD:
            raise BackupError(f"{file} is of schema {version}, this program's is {HEAD}")
        if (said := reader.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
            raise BackupError(f"{file} is damaged: {said}")
        [entities] = reader.execute("SELECT count(*) FROM entities").fetchone()
        rows, cost = reader.execute("SELECT count(*), coalesce(sum(cost_nanodollars), 0) FROM ledger").fetchone()
        return Content(entities, rows, cost)
    except sqlite3.Error as error:
        raise BackupError(f"{file} is no copy of a control database: {error}") from error
    finally:
        reader.close()


def _copy_file(path: str, partial: str) -> None:
    """All pages in one step: readers see one state while it is written, and it never begins anew because of a
    writer."""
    source, target = connect_reader(path), connect_writer(partial)
    try:
        source.backup(target, pages=-1)
        # One plain file, without a WAL beside it.
        target.execute("PRAGMA journal_mode=DELETE")
    finally:
        target.close()
        source.close()


def _copy_rows(source: Database, target: Database) -> None:
    with source.reading() as at, target.writing() as to:
        for table, columns in TABLES.items():
            insert = _INSERT.__mod__((table, ", ".join(columns), marks(len(columns))))
            for rows in _batches(at, table, columns):
                to.many(insert, rows)
        to.run(_SET_REVISION, at.rows(_REVISION)[0])


def _batches(at: Transaction, table: str, columns: tuple[str, ...]) -> Iterator[list[tuple[object, ...]]]:
    """All rows, in the order of their key: the ledger's in that of its row numbers."""
    if table != "ledger":
        if rows := at.rows(_SELECT.__mod__((", ".join(columns), table, columns[0]))):
            yield rows
        return
    after = 0
    page = "SELECT id, %s FROM ledger WHERE id > ? ORDER BY id LIMIT ?".__mod__(", ".join(columns))
    while rows := at.rows(page, (after, BATCH)):
        after = rows[-1][0]
        yield [row[1:] for row in rows]


def _put_back(file: str, path: str) -> None:
    partial = f"{path}.partial"
    source, target = connect_reader(file), connect_writer(partial)
    try:
        source.backup(target, pages=-1)
        target.execute("PRAGMA journal_mode=DELETE")
    finally:
        target.close()
        source.close()
    _to_disk(partial)
    if os.path.exists(path):
        # With its WAL: the next database must not be given the transactions of this one.
        for suffix in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                os.replace(path + suffix, f"{path}.before-restore{suffix}")
    os.rename(partial, path)
    _to_disk(os.path.dirname(os.path.abspath(path)))


def _to_disk(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
