"""Bring the control database to the schema this program wants: ``python -m gateway.control.migrate DATABASE``.

Runs as a short-lived child of the control process, and only when the version differs, because SQLAlchemy and
Alembic cost 11 MiB and a fifth of a second that nobody needs otherwise. ``state_of`` tells without them whether it
is needed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from enum import Enum
from typing import TYPE_CHECKING

from gateway.control.child import run_module
from gateway.stores.sqlite_rules import connect_reader, connect_writer, enter_wal

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEAD = "0001"
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


def state_of(path: str) -> SchemaState:
    """What has to be done with a database. Raises sqlite3.Error when the file is damaged or no database."""
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
        if version is None or version[0] < HEAD:
            return SchemaState.OLDER
        if version[0] == HEAD:
            return SchemaState.CURRENT
        oldest = reader.execute("SELECT value FROM meta WHERE key = 'reads_from'").fetchone()
        return SchemaState.NEWER if oldest is not None and oldest[0] <= HEAD else SchemaState.TOO_NEW
    finally:
        reader.close()


def ensure(path: str) -> SchemaState:
    """Migrate in a child process where needed; what was found. Raises MigrationError, sqlite3.Error."""
    found = state_of(path)
    if found is SchemaState.OLDER:
        done = run_module(__name__, [path], timeout_s=TIMEOUT_S)
        if done.status or state_of(path) is not SchemaState.CURRENT:
            raise MigrationError(f"the control database could not be migrated: {done.last_line}")
    elif found is SchemaState.TOO_NEW:
        raise MigrationError(
            "the control database was written by a newer version of microgate, which says that this one cannot use it"
        )
    return found


def upgrade(path: str) -> None:
    """Run the migrations here and now. Each is one transaction: killed at any point, the file has the schema before it
    or after it."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    def connect() -> sqlite3.Connection:
        connection = connect_writer(path)
        enter_wal(connection, synchronous="FULL")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    # The driver is in autocommit mode, so that DDL is part of the transaction that is begun here (its own mode would
    # commit before some statements).
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    config = Config()
    config.set_main_option("script_location", os.path.join(os.path.dirname(__file__), "migrations"))
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, HEAD)
    finally:
        engine.dispose()


def main(arguments: list[str]) -> int:
    os.umask(0o077)
    try:
        upgrade(arguments[0])
    except Exception as error:
        # One line is what the parent shows; the rest would be SQL.
        print(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", file=sys.stderr)
        return 1
    with contextlib.suppress(FileNotFoundError):
        os.chmod(arguments[0], 0o600)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
