"""The control database's version and migrations where it lies in PostgreSQL; imported when a URL says so."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from gateway.control.migrate import SchemaState, judge
from gateway.stores.database import Row
from gateway.stores.postgres_database import connect
from gateway.stores.protocols import StoreUnavailable

LOCK = 0x6D6963726F67
"""Of ``pg_advisory_lock``: gateways that start at once migrate one after the other."""

LOCK_MS = 120_000


def state_of(url: str) -> SchemaState:
    """As ``migrate.state_of``. Raises StoreUnavailable."""
    try:
        with connect(url) as connection:
            if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
                return SchemaState.OLDER
            version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            oldest = connection.execute("SELECT value FROM meta WHERE key = 'reads_from'").fetchone()
    except psycopg.Error as error:
        # The driver's own words name host, user and database.
        raise StoreUnavailable(f"database: {type(error).__name__}") from error
    return judge(version[0] if version else None, oldest[0] if oldest else None)


def connector(url: str) -> Callable[[], psycopg.Connection[Row]]:
    """Makes the connection of a migration, which nobody else has until it is closed."""

    def made() -> psycopg.Connection[Row]:
        connection = connect(url)
        connection.execute(f"SET statement_timeout = {LOCK_MS}")
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        connection.commit()
        return connection

    return made
