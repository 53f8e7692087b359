"""The control database: entities, ledger, what the ids in records were called, which configurations were in force.

Written by the control process alone; its tables are described in ``schema.py``. The gateway serves without it: then
names of entities that are gone are not known, records wait, and readiness says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping

import msgspec

from gateway.control.migrate import MigrationError, ensure
from gateway.control.trail import signed, unsigned
from gateway.snapshot.model import Snapshot
from gateway.stores.database import Database, Row, Transaction
from gateway.stores.protocols import ConfigStore, LedgerStore, StoreReadOnly, StoreUnavailable
from gateway.stores.sql_config import SqlConfigStore
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.sqlite_rules import describe
from gateway.stores.urls import open_database

log = logging.getLogger("microgate.database")

_NAME = (
    "INSERT INTO names (id_hash, kind, name, first_seen_us, last_seen_us) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (id_hash) DO UPDATE "
    "SET kind = excluded.kind, name = excluded.name, last_seen_us = excluded.last_seen_us"
)
_VERSION = (
    "INSERT INTO snapshot_versions (version, created_us, adopted_us, source, digest, providers, routes, virtual_keys) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (version) DO UPDATE SET created_us = excluded.created_us, "
    "adopted_us = excluded.adopted_us, source = excluded.source, digest = excluded.digest, "
    "providers = excluded.providers, routes = excluded.routes, virtual_keys = excluded.virtual_keys"
)


class MigratedDatabase:
    """A ``Database`` that nobody uses before it has its schema.

    A migration is another process's, and one process at a time may write a SQLite file (``sqlite_rules.py``).
    """

    def __init__(self, database: Database) -> None:
        self.whole = database
        """For whoever has seen to the schema."""
        self.is_ready = False

    @property
    def problem(self) -> str:
        return self.whole.problem

    @contextlib.contextmanager
    def writing(self) -> Iterator[Transaction]:
        with self._migrated().writing() as at:
            yield at

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        with self._migrated().reading() as at:
            yield at

    def _migrated(self) -> Database:
        if not self.is_ready:
            raise StoreUnavailable("control database: it does not have its schema yet")
        return self.whole

    def close(self) -> None:
        self.whole.close()


class ControlDatabase:
    """The database behind ``url``. Its own calls come from one thread at a time; ``config`` and ``ledger`` may be
    asked from any."""

    def __init__(self, url: str) -> None:
        """Raises UnknownStore. Nothing is opened yet."""
        self.url = url
        self.database = MigratedDatabase(open_database(url))
        self.config: ConfigStore = SqlConfigStore(self.database)
        """Entities, audit, credentials; StoreUnavailable until ``open`` has succeeded."""
        self.ledger: LedgerStore = SqlLedger(self.database)
        self.tried = asyncio.Event()
        """Whoever opens it on a thread sets this on the loop, once that has ended for the first time, well or not."""
        self._noted: dict[int, str] = {}
        self._problem = ""

    @property
    def is_ready(self) -> bool:
        """It has its schema."""
        return self.database.is_ready

    @property
    def problem(self) -> str:
        """Why it is of no use now; empty: it is. Once it is open, whoever writes with success ends the problem."""
        return self.database.problem if self.is_ready else self._problem or self.database.problem

    def open(self) -> Mapping[int, str]:
        """Migrate if needed; the names known from earlier. What goes wrong becomes ``problem``: nothing then."""
        try:
            if not self.is_ready:
                ensure(self.url)
                self.database.is_ready = True
            rows = self._names()
        except (sqlite3.Error, MigrationError, OSError, StoreUnavailable) as error:
            self._fail(error)
            return {}
        self._problem = ""
        self._noted = {unsigned(id_hash): f"{kind}/{name}" for id_hash, kind, name in rows}
        return dict(self._noted)

    def _names(self) -> list[Row]:
        statement = "SELECT id_hash, kind, name FROM names"
        try:
            # Also verifies the file, before anything relies on it.
            with self.database.writing() as at:
                return at.rows(statement)
        except StoreReadOnly:
            # What it has is told all the same; its own ``problem`` stays.
            with self.database.reading() as at:
                return at.rows(statement)

    def note(self, names: Mapping[int, str], snapshot: Snapshot, source: str) -> bool:
        """Remember a configuration that came into force, and the names that are new with it. False: not now."""
        if not self.is_ready:
            self.open()
        if not self.is_ready:
            return False
        now_us = time.time_ns() // 1000
        changed = [
            (signed(identity), *name.split("/", 1), now_us, now_us)
            for identity, name in names.items()
            if self._noted.get(identity) != name
        ]
        content = msgspec.msgpack.encode(msgspec.structs.replace(snapshot, version=0, created_ns=0))
        version = (
            snapshot.version,
            snapshot.created_ns // 1000,
            now_us,
            source,
            hashlib.blake2b(content, digest_size=16).digest(),
            len(snapshot.providers),
            len(snapshot.routes),
            snapshot.virtual_keys,
        )
        try:
            with self.database.writing() as at:
                at.many(_NAME, changed)
                at.run(_VERSION, version)
        except StoreUnavailable:
            # It is the database's ``problem`` now, and in its log.
            return False
        self._noted.update(names)
        return True

    def _fail(self, error: Exception) -> None:
        problem = describe(error)
        if not problem.startswith(("control database: ", "database: ")):
            problem = f"control database: {problem}"
        if problem != self.problem:
            log.error("%s", problem)
        self._problem = problem

    def close(self) -> None:
        self.database.close()
