"""What occurs in a segment of the request log that is written no more: whoever looks for something else need not read
it."""

from __future__ import annotations

import sqlite3
from collections.abc import Container
from typing import Any

import msgspec

from gateway.stores.log_query import AMONG, EQUAL, NAMED, RANGES, LogQuery, Term

MOST_VALUES = 1024
"""Of a column: where there are more, any may be among them. A thousand virtual keys take 20 KB of a segment."""

_COLUMNS = sorted({*EQUAL, *AMONG, *NAMED, "model", "target_model"} - {"request_id"})
_RANGED = sorted({column for column, _ in RANGES.values()})

_TABLE = "CREATE TABLE IF NOT EXISTS summary (body TEXT)"
# Built from column names alone.
_DISTINCT = {column: "SELECT DISTINCT %s FROM log LIMIT %d".__mod__((column, MOST_VALUES + 1)) for column in _COLUMNS}
_SPANS = "SELECT %s FROM log".__mod__(", ".join(f"min({column}), max({column})" for column in _RANGED))
_KEEP = "INSERT INTO summary VALUES (?)"
_READ = "SELECT body FROM summary"


class Summary(msgspec.Struct, frozen=True):
    """Of one segment with rows."""

    values: dict[str, list[Any]]
    """Column -> what occurs in it; a column that is not there has too many."""
    spans: dict[str, tuple[int, int]]
    """Column -> its least and its greatest value."""

    def may_have(self, query: LogQuery) -> bool:
        """Whether any row may be among those that ``query`` wants, were it not for its ``search``."""
        for name in (name for name in EQUAL if name in self.values):
            if (value := getattr(query, name)) is not None and value not in self.values[name]:
                return False
        for name in (name for name in AMONG if name in self.values):
            if (ids := getattr(query, name)) is not None and not set(ids).intersection(self.values[name]):
                return False
        for name, (column, comparison) in RANGES.items():
            value = getattr(query, name)
            if value is not None and not _reaches(self.spans[column], comparison, value):
                return False
        if query.model is not None and query.model not in self._models():
            return False
        if query.errors_only and "status" in self.values:
            return any(status >= 400 or not status for status in self.values["status"])
        return True

    def may_name(self, search: tuple[Term, ...]) -> bool:
        """Whether a row may have all of ``search`` in its names."""
        return all(term.excluded or self._names(term) for term in search)

    def _names(self, term: Term) -> bool:
        models = self._models()
        if models is _ANY or any(term.text in model.lower() for model in models):
            return True
        return any(
            column not in self.values or not set(term.ids).isdisjoint(self.values[column])
            for column in (NAMED if term.ids else ())
        )

    def _models(self) -> Any:
        if "model" not in self.values or "target_model" not in self.values:
            return _ANY
        return [*self.values["model"], *self.values["target_model"]]


class _Anything(Container[object]):
    def __contains__(self, value: object) -> bool:
        return True


_ANY = _Anything()


def _reaches(span: tuple[int, int], comparison: str, value: int) -> bool:
    least, most = span
    return most >= value if comparison == ">=" else least <= value - (comparison == "<")


def keep_summary(writer: sqlite3.Connection) -> None:
    """Of the segment that ``writer`` has open, inside its transaction."""
    writer.execute(_TABLE)
    values: dict[str, list[Any]] = {}
    for column, statement in _DISTINCT.items():
        found = [value for (value,) in writer.execute(statement)]
        if len(found) <= MOST_VALUES:
            values[column] = found
    spans = writer.execute(_SPANS).fetchone()
    if spans[0] is not None:
        each = {column: (spans[2 * i], spans[2 * i + 1]) for i, column in enumerate(_RANGED)}
        writer.execute(_KEEP, (msgspec.json.encode(Summary(values, each)).decode(),))


def summary_in(reader: sqlite3.Connection) -> Summary | None:
    """Of a closed segment; None where an earlier program has closed it, or it is empty."""
    try:
        found = reader.execute(_READ).fetchone()
    except sqlite3.OperationalError:  # no such table
        return None
    return None if found is None else msgspec.json.decode(found[0], type=Summary)
