"""One look-up on its way through the segments of the request log, newest first."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from gateway.stores import sqlite_segment as segment
from gateway.stores.log_query import LogQuery, conditions_of, named_conditions
from gateway.stores.protocols import LogRow
from gateway.stores.segment_summary import summary_in
from gateway.stores.sqlite_rules import connect_reader

WINDOW_IDS = 20_000
"""Rows looked at between two glances at the clock: some 5 ms of scanning."""

MOST_ROWS = 1000
"""Of one page."""


class Search:
    """The rows of one page, as far as they are found."""

    def __init__(self, query: LogQuery, *, deadline: float) -> None:
        """``deadline``: when the page has taken long enough, by the monotonic clock."""
        self.rows: list[LogRow] = []
        self._deadline = deadline
        self._query = query
        self._most = max(1, min(query.limit, MOST_ROWS))
        self._conditions = conditions_of(query)
        self._named = named_conditions(query.search)

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def through(self, path: str, below: int | None) -> int | None:
        """Search one segment, ids under ``below`` only. The id to go on below when the page or its time is full, else
        None: the segment is done with."""
        reader = connect_reader(path)
        try:
            if not self._may_be_in(reader):
                return None
            last = segment.last_id(reader)
            high = last if below is None else min(below - 1, last)
            conditions = [*self._conditions.terms, *self._named.terms]
            values = [*self._conditions.values, *self._named.values]
            return self._scan(reader, high, conditions, values)
        except sqlite3.OperationalError as error:
            if "no such column" in str(error):  # closed by a program that did not record it
                return None
            raise
        finally:
            reader.close()

    def _may_be_in(self, reader: sqlite3.Connection) -> bool:
        span = segment.span(reader)
        if span is None:
            return True
        summary = summary_in(reader)
        if summary is None:  # closed by an earlier program
            since, until = self._query.since_us, self._query.until_us
            return (since is None or span[1] >= since) and (until is None or span[0] < until)
        return summary.may_have(self._query) and summary.may_name(self._query.search)

    def _scan(
        self, reader: sqlite3.Connection, high: int, conditions: Sequence[str], values: Sequence[object]
    ) -> int | None:
        while high > 0:
            low = max(1, high - WINDOW_IDS + 1)
            wanted = self._most - len(self.rows)
            found = segment.rows_between(reader, low, high, conditions, values, wanted)
            self.rows += [row for _, row in found]
            if len(found) == wanted:
                return found[-1][0]
            high = low - 1
            if high > 0 and self.is_late:
                return low
        return None
