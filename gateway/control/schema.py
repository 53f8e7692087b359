"""Tables of the control database, as SQLAlchemy Core sees them; ``migrations/`` is how a database gets there.

The request log is not in here: it has files and rules of its own (``stores/sqlite_log.py``), ring positions included.
Imported by the migration child and by tests only: the stores speak plain SQL that SQLite and PostgreSQL both understand
(``stores/database.py``).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

from gateway.stores.ledger import LedgerRow
from gateway.stores.sql_usage import KEPT, SUMS

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

_NAME = Text().with_variant(Text(collation="C"), "postgresql")
"""Sorted byte by byte, as SQLite does, whatever the database's own order."""

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="Facts about the database itself.",
)
"""``reads_from``: the oldest program schema that can work with this one; a program of a lower one refuses.
``revision``: grows with every change of an entity."""

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

entities = Table(
    "entities",
    metadata,
    Column("id", _NAME, primary_key=True, comment="UUIDv7."),
    Column("kind", Text, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("body", Text, nullable=False, comment="JSON."),
    Column("version", Integer, nullable=False, comment="Counted up with every change."),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    UniqueConstraint("kind", "name"),
    comment="What was made through the API: keys, teams, providers, operators, settings.",
)

audit = Table(
    "audit",
    metadata,
    Column("id", _NAME, primary_key=True, comment="UUIDv7: in the order of their time."),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("before", Text, nullable=True, comment="JSON without secrets."),
    Column("after", Text, nullable=True),
    Index(None, "entity_id"),
    comment="Who changed what; rows are added and never changed.",
)

credentials = Table(
    "credentials",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="session or api_token, say."),
    Column("owner", Text, nullable=False, comment="Id of the operator."),
    Column("body", Text, nullable=False, comment="JSON."),
    Column("created_us", BigInteger, nullable=False),
    Column("used_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False, comment="0: never."),
    UniqueConstraint("id"),
    Index(None, "owner"),
    comment="What operators present, by digest.",
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Text, primary_key=True, comment="UUIDv7."),
    Column("gateway", Text, nullable=False, comment="Whose it is, where several keep one database: instance.id."),
    Column("since_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False, comment="JSON: gateway/alerts/alert.py."),
    Index(None, "gateway", "since_us"),
    comment="What operators were told of.",
)

_LEDGER_TYPES = {
    **dict.fromkeys(("attempt", "line", "kind", "operation", "outcome", "usage_source", "shadow"), Integer),
    **dict.fromkeys(("model", "target_model"), Text),
    "request_id": LargeBinary,
}

ledger = Table(
    "ledger",
    metadata,
    # An alias of the row's own number in SQLite, which BIGINT would not be.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    *[Column(name, _LEDGER_TYPES.get(name, BigInteger), nullable=False) for name in LedgerRow._fields],
    UniqueConstraint("request_id", "attempt", "line"),
    Index(None, "started_us"),
    comment="What every attempt cost; rows are added and never changed.",
)
"""Columns as ``LedgerRow`` has them and says what they mean."""


def _sums_by(unit: str, name: str, comment: str) -> Table:
    return Table(
        name,
        metadata,
        Column(unit, Integer, primary_key=True, autoincrement=False, comment="Of UTC, since the epoch."),
        *[
            Column(name, _LEDGER_TYPES.get(name, BigInteger), primary_key=True, autoincrement=False)
            for name in (*KEPT, "shadow")
        ],
        *[Column(name, BigInteger, nullable=False) for name in SUMS],
        comment=comment,
        sqlite_with_rowid=False,
    )


def _summed(name: str, comment: str) -> Table:
    through = Column("through_id", BigInteger, primary_key=True, autoincrement=False, comment="The last row's id.")
    return Table(name, metadata, through, comment=comment)


_COMES_TO = "What the rows of %s come to that have all this in common: gateway/stores/sql_usage.py."
_OF_0004 = "For a program of schema 0004 that still runs; goes with the next schema."

usage_hours = _sums_by("hour", "usage_hours", _COMES_TO % "an hour")
usage_days = _sums_by("day", "usage_days", _COMES_TO % "a day")
usage_summed = _summed("usage_summed", "Up to where the ledger is in usage_hours and usage_days; one row, or none yet.")
ledger_days = _sums_by("day", "ledger_days", _OF_0004)
ledger_summed = _summed("ledger_summed", _OF_0004)
