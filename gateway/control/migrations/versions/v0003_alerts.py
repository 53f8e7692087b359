"""Alerts, with what became of their deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("gateway", sa.Text, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="alerts_pk"),
    )
    op.create_index("alerts_gateway_since_us", "alerts", ["gateway", "since_us"])


def downgrade() -> None:
    """Without alerts."""
    op.drop_table("alerts")
