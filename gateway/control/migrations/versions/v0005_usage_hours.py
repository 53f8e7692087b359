"""What the ledger comes to by hour and by day, added up anew. The tables of 0004 stay, empty: a program of that version
that still runs goes on with sums of its own."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
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


def upgrade() -> None:
    for unit in ("hour", "day"):
        op.create_table(
            f"usage_{unit}s",
            sa.Column(unit, sa.Integer, nullable=False),
            *[sa.Column(name, _type(name), nullable=False) for name in PLACE],
            *[sa.Column(name, sa.BigInteger, nullable=False) for name in SUMS],
            sa.PrimaryKeyConstraint(unit, *PLACE, name=f"usage_{unit}s_pk"),
            sqlite_with_rowid=False,
        )
    op.create_table(
        "usage_summed",
        sa.Column("through_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("through_id", name="usage_summed_pk"),
    )
    op.execute("DELETE FROM ledger_summed")
    op.execute("DELETE FROM ledger_days")


def downgrade() -> None:
    """The days are added up anew."""
    op.drop_table("usage_summed")
    op.drop_table("usage_days")
    op.drop_table("usage_hours")
