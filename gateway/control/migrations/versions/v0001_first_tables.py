"""First tables: meta, names, snapshot_versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    meta = op.create_table(
        "meta",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="meta_pk"),
    )
    op.create_table(
        "names",
        sa.Column("id_hash", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("first_seen_us", sa.BigInteger, nullable=False),
        sa.Column("last_seen_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name="names_pk"),
    )
    op.create_index("names_kind_name", "names", ["kind", "name"])
    op.create_table(
        "snapshot_versions",
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("adopted_us", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("providers", sa.Integer, nullable=False),
        sa.Column("routes", sa.Integer, nullable=False),
        sa.Column("virtual_keys", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("version", name="snapshot_versions_pk"),
    )
    op.bulk_insert(meta, [{"key": "reads_from", "value": revision}])


def downgrade() -> None:
    """Back to an empty database."""
    for table in ("snapshot_versions", "names", "meta"):
        op.drop_table(table)
