"""A SQL database as the stores see it: transactions over statements that SQLite and PostgreSQL both understand.

Statements are constants with ``?`` for every value; an implementation writes the marks as its driver wants them. So
there is one text of each store, and neither driver nor dialect shows in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

Row: TypeAlias = tuple[Any, ...]


class Duplicate(Exception):
    """A unique key has refused a row; the transaction is undone."""


class Transaction(Protocol):
    """Statements between a begin and a commit."""

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]: ...
    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        """How many rows that changed."""

    def many(self, statement: str, rows: Iterable[Sequence[object]]) -> int:
        """The statement once for each of ``rows``; how many rows that changed in all."""

    def hold(self, table: str) -> None:
        """First in a transaction that writes: nobody else writes to this table until it ends."""


class Database(Protocol):
    """Opened when it is first asked, and again after whatever has closed it. Any thread may call."""

    @property
    def problem(self) -> str:
        """Why it was of no use when it was last asked; empty: it was."""

    def writing(self) -> AbstractContextManager[Transaction]:
        """A transaction that is durable when the block has ended, and undone when the block raises. Raises
        StoreUnavailable: then either may be the case, and only a statement that does not mind is run again. Raises
        Duplicate."""

    def reading(self) -> AbstractContextManager[Transaction]:
        """A transaction that sees one state of the database throughout. Raises StoreUnavailable."""

    def close(self) -> None: ...


def marks(count: int) -> str:
    """``(?, ?, ?)`` for a row of ``count`` values."""
    return f"({', '.join('?' * count)})"
