"""Bring the control database to the schema this program wants: ``python -m gateway.control.migrate``, URL on stdin.

Runs as a short-lived child of the control process, and only when the version differs, because SQLAlchemy and
Alembic cost 11 MiB and a fifth of a second that nobody needs otherwise. ``state_of`` tells without them whether it
is needed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gateway.control.child import run_module
from gateway.stores.sqlite_rules import connect_reader, connect_writer, enter_wal
from gateway.stores.urls import path_of, scheme_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

HEAD = "0005"
"""Newest version under ``migrations/versions`` (a test holds the two together)."""

TIMEOUT_S = 300.0


class SchemaState(Enum):
    CURRENT = "current"
    OLDER = "older"
    """Absent, or of an earlier version: to be migrated."""
    NEWER = "newer"
    """Of a later version which says that this program can work with it."""
    TOO_NEW = "too new"
    """Of a later version that this program must not touch."""


class MigrationError(Exception):
    """The database could not be brought to this program's schema; it is as it was before the step that failed."""


def state_of(url: str) -> SchemaState:
    """What has to be done with a database. Raises sqlite3.Error when the file is damaged or no database,
    StoreUnavailable when a server cannot be asked."""
    if scheme_of(url) == "postgresql":
        # By its name: mypy and tests apart, only whoever configures it has the driver.
        found: SchemaState = import_module("gateway.control.migrate_postgres").state_of(url)
        return found
    path = path_of(url)
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        return SchemaState.OLDER
    reader = connect_reader(path)
    try:
        try:
            version = reader.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return SchemaState.OLDER
        oldest = reader.execute("SELECT value FROM meta WHERE key = 'reads_from'").fetchone() if version else None
    finally:
        reader.close()
    return judge(version[0] if version else None, oldest[0] if oldest else None)


def judge(version: str | None, reads_from: str | None) -> SchemaState:
    """What a database's version means here; ``reads_from`` is the oldest program that it says can use it."""
    if version is None or version < HEAD:
        return SchemaState.OLDER
    if version == HEAD:
        return SchemaState.CURRENT
    return SchemaState.NEWER if reads_from is not None and reads_from <= HEAD else SchemaState.TOO_NEW


def ensure(url: str) -> SchemaState:
    """Migrate in a child process where needed; what was found. Raises MigrationError, sqlite3.Error,
    StoreUnavailable."""
    found = state_of(url)
    if found is SchemaState.OLDER:
        # On its standard input: everybody on the machine may read a command line, and a URL may hold a password.
        done = run_module(__name__, [], given=url.encode(), timeout_s=TIMEOUT_S)
        if done.status or state_of(url) is not SchemaState.CURRENT:
            raise MigrationError(f"the control database could not be migrated: {done.last_line}")
    elif found is SchemaState.TOO_NEW:
        raise MigrationError(
            "the control database was written by a newer version of microgate, which says that this one cannot use it"
        )
    return found


def upgrade(url: str) -> None:
    """Run the migrations here and now. Each is one transaction: killed at any point, the database has the schema before
    it or after it."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", os.path.join(os.path.dirname(__file__), "migrations"))
    with _engine(url) as engine, engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    postgres = scheme_of(url) == "postgresql"
    creator: Callable[[], Any] = (
        import_module("gateway.control.migrate_postgres").connector(url) if postgres else lambda: _connect(path_of(url))
    )
    engine = create_engine("postgresql+psycopg://" if postgres else "sqlite://", creator=creator, poolclass=NullPool)
    if not postgres:
        # The driver is in autocommit mode, so that DDL is part of the transaction that is begun here (its own mode
        # would commit before some statements).
        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        yield engine
    finally:
        engine.dispose()


def _connect(path: str) -> sqlite3.Connection:
    connection = connect_writer(path)
    enter_wal(connection, synchronous="FULL")
    return connection


def main() -> int:
    os.umask(0o077)
    url = sys.stdin.read().strip()
    try:
        upgrade(url)
    except Exception as error:
        # One line is what the parent shows; the rest would be SQL.
        print(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", file=sys.stderr)
        return 1
    if scheme_of(url) == "sqlite":
        with contextlib.suppress(FileNotFoundError):
            os.chmod(path_of(url), 0o600)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
