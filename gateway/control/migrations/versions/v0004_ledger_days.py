"""What the ledger comes to by day."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INTEGERS = ("operation", "outcome", "usage_source", "shadow")
TEXTS = ("model", "target_model")
PLACE = (
    "virtual_key", "team", "customer", "provider", "provider_key", "route", "model", "target_model", "operation",
    "outcome", "usage_source", "shadow",
)  # fmt: skip
SUMS = (
    "requests", "attempts", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens", "audio_in_tokens", "audio_out_tokens", "cost_nanodollars", "estimated", "unpriced",
)  # fmt: skip


def _type(name: str) -> sa.types.TypeEngine[Any]:
    return sa.Integer() if name in INTEGERS else sa.Text() if name in TEXTS else sa.BigInteger()


def create_sums(unit: str, table: str) -> None:
    """Sums by day or by another whole number."""
    op.create_table(
        table,
        sa.Column(unit, sa.Integer, nullable=False),
        *[sa.Column(name, _type(name), nullable=False) for name in PLACE],
        *[sa.Column(name, sa.BigInteger, nullable=False) for name in SUMS],
        sa.PrimaryKeyConstraint(unit, *PLACE, name=f"{table}_pk"),
        sqlite_with_rowid=False,
    )


def create_summed(table: str) -> None:
    """Up to where the ledger is in such sums."""
    op.create_table(
        table,
        sa.Column("through_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("through_id", name=f"{table}_pk"),
    )


def upgrade() -> None:
    create_sums("day", "ledger_days")
    create_summed("ledger_summed")


def downgrade() -> None:
    """Every report reads the ledger's rows."""
    op.drop_table("ledger_summed")
    op.drop_table("ledger_days")
