"""What the ledger comes to by hour and by day, added up anew. The tables of 0004 stay, empty: a program of that version
that still runs goes on with sums of its own."""

from __future__ import annotations

from alembic import op

from gateway.control.migrations.versions.v0004_ledger_days import create_summed, create_sums

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_sums("hour", "usage_hours")
    create_sums("day", "usage_days")
    create_summed("usage_summed")
    op.execute("DELETE FROM ledger_summed")
    op.execute("DELETE FROM ledger_days")


def downgrade() -> None:
    """The days are added up anew."""
    op.drop_table("usage_summed")
    op.drop_table("usage_days")
    op.drop_table("usage_hours")
