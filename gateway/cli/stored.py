"""The control database as commands see it: beside a running gateway or without one, and never written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping

from gateway.control.migrate import SchemaState, state_of
from gateway.processes.paths import Paths, default_data_dir
from gateway.stores.database import Database
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.sqlite_rules import describe
from gateway.stores.urls import UnknownStore, open_database, path_of, scheme_of, sqlite_url


class NoDatabase(Exception):
    """It cannot be read; the message says why, for a person."""


def url_of(data_dir: str, database: str) -> str:
    """URL of the control database that ``serve`` with these options has."""
    return database or sqlite_url(Paths(data_dir or default_data_dir()).control_db)


def open_to_read(url: str) -> Database:
    """Raises NoDatabase."""
    try:
        database = open_database(url)
        if scheme_of(url) == "sqlite" and not os.path.exists(path_of(url)):
            raise NoDatabase(f"{path_of(url)} does not exist; --data-dir names the directory of another gateway")
        found = state_of(url)
        if found not in (SchemaState.CURRENT, SchemaState.NEWER):
            raise NoDatabase(f"the control database is of {found.value} schema than this program's; start serve once")
        return database
    except (UnknownStore, StoreUnavailable) as error:
        raise NoDatabase(str(error)) from error
    except (sqlite3.Error, OSError) as error:
        raise NoDatabase(f"the control database cannot be read: {describe(error)}") from error


class Names:
    """What the ids in ledger rows were called last."""

    def __init__(self, database: Database) -> None:
        """Raises StoreUnavailable."""
        with database.reading() as at:
            rows = at.rows("SELECT id_hash, kind, name FROM names ORDER BY last_seen_us")
        self._names: Mapping[tuple[str, int], str] = {(kind, id_hash): name for id_hash, kind, name in rows}
        self._ids: Mapping[tuple[str, str], int] = {(kind, name): id_hash for id_hash, kind, name in rows}

    def name(self, kind: str, id_hash: int) -> str:
        """Empty for no id; the id itself where no name is known."""
        if not id_hash:
            return ""
        return self._names.get((kind, id_hash)) or f"id:{id_hash & 0xFFFFFFFFFFFFFFFF:016x}"

    def id_of(self, kind: str, name: str) -> int:
        """The inverse. Raises NoDatabase for a name that nothing ever had."""
        if name.startswith("id:"):
            number = int(name[3:], 16)
            return number - (1 << 64) if number >= 1 << 63 else number
        found = self._ids.get((kind, name))
        if found is None:
            raise NoDatabase(f"there never was a {kind.replace('_', ' ')} called {name!r}")
        return found
