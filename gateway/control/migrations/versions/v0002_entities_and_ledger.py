"""Entities made through the API with their audit, credentials of operators, and the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Sorted byte by byte, as SQLite does, whatever the database's own order."""


def upgrade() -> None:
    op.create_table(
        "entities",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("updated_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="entities_pk"),
        sa.UniqueConstraint("kind", "name", name="entities_kind_name_key"),
    )
    op.create_table(
        "audit",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("entity_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("before", sa.Text, nullable=True),
        sa.Column("after", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="audit_pk"),
    )
    op.create_index("audit_entity_id", "audit", ["entity_id"])
    op.create_table(
        "credentials",
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("used_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="credentials_pk"),
        sa.UniqueConstraint("id", name="credentials_id_key"),
    )
    op.create_index("credentials_owner", "credentials", ["owner"])
    op.create_table(
        "ledger",
        # An alias of the row's own number in SQLite, which BIGINT would not be.
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False, autoincrement=True),
        sa.Column("request_id", sa.LargeBinary, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("started_us", sa.BigInteger, nullable=False),
        *[
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("virtual_key", "team", "customer", "provider", "provider_key", "route")
        ],
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("target_model", sa.Text, nullable=False),
        sa.Column("operation", sa.Integer, nullable=False),
        *[
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in (
                "prompt_tokens",
                "completion_tokens",
                "cached_tokens",
                "cache_write_tokens",
                "reasoning_tokens",
                "audio_in_tokens",
                "audio_out_tokens",
                "cost_nanodollars",
            )
        ],
        sa.Column("outcome", sa.Integer, nullable=False),
        sa.Column("usage_source", sa.Integer, nullable=False),
        sa.Column("flags", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="ledger_pk"),
        sa.UniqueConstraint("request_id", "attempt", "line", name="ledger_request_id_attempt_line_key"),
    )
    op.create_index("ledger_started_us", "ledger", ["started_us"])
    meta = sa.table("meta", sa.column("key", sa.Text), sa.column("value", sa.Text))
    op.bulk_insert(meta, [{"key": "revision", "value": "0"}])


def downgrade() -> None:
    """Back to the first tables."""
    op.execute("DELETE FROM meta WHERE key = 'revision'")
    for table in ("ledger", "credentials", "audit", "entities"):
        op.drop_table(table)
