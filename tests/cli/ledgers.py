"""A control database with names and a ledger in it, for tests of commands."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.control.trail import signed
from gateway.snapshot.model import id_hash
from gateway.stores.ledger import LedgerRow
from gateway.stores.sql_ledger import SqlLedger
from gateway.stores.urls import open_database

NAMES = {
    "virtual_key": ["alice", "bob", "=cmd()"],
    "provider": ["openai", "mock"],
    "team": ["blue"],
}


def identity(kind: str, name: str) -> int:
    return signed(id_hash(f"file:{kind}/{name}"))


def fill(url: str, rows: Sequence[LedgerRow]) -> None:
    """Names of ``NAMES``, and ``rows``."""
    database = open_database(url)
    with database.writing() as at:
        at.many(
            "INSERT INTO names (id_hash, kind, name, first_seen_us, last_seen_us) VALUES (?, ?, ?, 0, 0)",
            [(identity(kind, name), kind, name) for kind, names in NAMES.items() for name in names],
        )
    SqlLedger(database).post(rows)
    database.close()
