"""Alembic's entry: the connection comes from ``migrate.upgrade``, nothing is configured by files."""

from __future__ import annotations

from alembic import context

from gateway.control.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
    # SQLite cannot alter most of a table in place; Alembic then copies it within the same transaction.
    render_as_batch=True,
)
context.run_migrations()
