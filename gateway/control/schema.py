"""Tables of the control database, as SQLAlchemy Core sees them; ``migrations/`` is how a file gets there.

The request log is not in here: it has files and rules of its own (``stores/sqlite_log.py``), ring positions included.
Imported by the migration child and by tests only; the control process itself speaks plain SQL to these few tables.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="Facts about the database itself.",
)
"""``reads_from``: the oldest program schema that can work with this one; a program of a lower one refuses."""

names = Table(
    "names",
    metadata,
    Column("id_hash", BigInteger, primary_key=True, autoincrement=False, comment="As in records, signed."),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("first_seen_us", BigInteger, nullable=False),
    Column("last_seen_us", BigInteger, nullable=False),
    Index(None, "kind", "name"),
    comment="What the ids in records were called; kept when the entity is gone.",
)

snapshot_versions = Table(
    "snapshot_versions",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("created_us", BigInteger, nullable=False),
    Column("adopted_us", BigInteger, nullable=False),
    Column("source", Text, nullable=False, comment="file, sealed or demo."),
    Column("digest", LargeBinary, nullable=False, comment="BLAKE2b of the snapshot without version and time."),
    Column("providers", Integer, nullable=False),
    Column("routes", Integer, nullable=False),
    Column("virtual_keys", Integer, nullable=False),
    comment="Every configuration that was in force.",
)
