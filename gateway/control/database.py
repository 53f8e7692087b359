"""The control database: what the ids in records were called, and which configurations were in force.

Written by the control process alone, with plain SQL over one connection (synchronous=FULL); its tables are described in
``schema.py``. The gateway works without it: then names of entities that are gone are not known, and readiness says so.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import time
from collections.abc import Mapping

import msgspec

from gateway.control.migrate import MigrationError, ensure
from gateway.control.trail import signed, unsigned
from gateway.snapshot.model import Snapshot
from gateway.stores.sqlite_rules import connect_writer, describe, enter_wal

log = logging.getLogger("microgate.database")

_NAME = (
    "INSERT INTO names (id_hash, kind, name, first_seen_us, last_seen_us) VALUES (?1, ?2, ?3, ?4, ?4) "
    "ON CONFLICT (id_hash) DO UPDATE "
    "SET kind = excluded.kind, name = excluded.name, last_seen_us = excluded.last_seen_us"
)
_VERSION = "INSERT OR REPLACE INTO snapshot_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


class ControlDatabase:
    """Opened once, on whatever thread; calls come from one thread at a time. ``problem`` says why it is of no use
    now."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._noted: dict[int, str] = {}
        self.problem = ""

    def open(self) -> Mapping[int, str]:
        """Migrate if needed and open; the names known from earlier. What goes wrong becomes ``problem``: nothing
        then."""
        try:
            ensure(self._path)
            self._connection = connect_writer(self._path)
            enter_wal(self._connection, synchronous="FULL")
            rows = self._connection.execute("SELECT id_hash, kind, name FROM names").fetchall()
        except (sqlite3.Error, MigrationError, OSError) as error:
            self._fail(error)
            return {}
        self.problem = ""
        self._noted = {unsigned(id_hash): f"{kind}/{name}" for id_hash, kind, name in rows}
        return dict(self._noted)

    def note(self, names: Mapping[int, str], snapshot: Snapshot, source: str) -> None:
        """Remember a configuration that came into force, and the names that are new with it."""
        if self._connection is None:
            self.open()
        if self._connection is None:
            return
        now_us = time.time_ns() // 1000
        changed = [
            (signed(identity), *name.split("/", 1), now_us)
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
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_NAME, changed)
            self._connection.execute(_VERSION, version)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(error)
            return
        self.problem = ""
        self._noted.update(names)

    def _fail(self, error: Exception) -> None:
        problem = f"control database: {describe(error)}"
        if problem != self.problem:
            log.error("%s", problem)
        self.problem = problem
        # After an I/O error the connection is not trusted any more; the next note opens the file anew.
        self.close()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as error:
                log.debug("control database: %s", error)
