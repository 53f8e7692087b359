"""One look-up on its way through the segments of the request log, newest first."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from gateway.stores import sqlite_segment as segment
from gateway.stores.contents import matching
from gateway.stores.database import marks
from gateway.stores.log_query import LogQuery, conditions_of, named_conditions
from gateway.stores.protocols import LogRow
from gateway.stores.segment_summary import Summary, summary_in
from gateway.stores.sqlite_content import SqliteContent
from gateway.stores.sqlite_rules import connect_reader

WINDOW_IDS = 20_000
"""Rows looked at between two glances at the clock: some 5 ms of scanning."""

ALL_IDS = 1 << 62

LONGEST_US = 3600 * 1_000_000
"""Requests that ended together may have begun so far apart, where it is not known."""

MOST_ROWS = 1000
"""Of one page."""


class Search:
    """The rows of one page, as far as they are found."""

    def __init__(self, query: LogQuery, contents: SqliteContent, *, deadline: float) -> None:
        """``deadline``: when the page has taken long enough, by the monotonic clock."""
        self.rows: list[LogRow] = []
        self._deadline = deadline
        self._query = query
        self._most = max(1, min(query.limit, MOST_ROWS))
        self._contents = contents
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
            summary = summary_in(reader)
            if not self._may_be_in(reader, summary):
                return None
            terms, values = self._conditions
            window = WINDOW_IDS
            if self._query.search:
                named = summary is None or summary.may_name(self._query.search)
                said = self._said(reader)
                if not said and not named:
                    return None
                either = [f"({' AND '.join(self._named.terms)})"] if named else []
                if said:
                    either.append(f"request_id IN {marks(len(said))}")
                terms = [*terms, f"({' OR '.join(either)})"]
                values = [*values, *(self._named.values if named else ()), *said]
                if summary is not None and not named:
                    # By the index on ids, and nothing else is looked at.
                    window = ALL_IDS
            last = segment.last_id(reader)
            high = last if below is None else min(below - 1, last)
            return self._scan(reader, high, window, terms, values)
        except sqlite3.OperationalError as error:
            if "no such column" in str(error):  # closed by a program that did not record it
                return None
            raise
        finally:
            reader.close()

    def _may_be_in(self, reader: sqlite3.Connection, summary: Summary | None) -> bool:
        if summary is not None:
            return summary.may_have(self._query)
        span = segment.span(reader)
        since, until = self._query.since_us, self._query.until_us
        # Without a summary an earlier program has closed it; without a span it is open.
        return span is None or ((since is None or span[1] >= since) and (until is None or span[0] < until))

    def _said(self, reader: sqlite3.Connection) -> list[bytes]:
        """Requests that may be in this segment, and in which what is searched was said."""
        span = segment.span(reader)
        since, until = span or (segment.first_start(reader) - LONGEST_US, None)
        return self._contents.hits(matching(self._query.search), since, until)

    def _scan(
        self, reader: sqlite3.Connection, high: int, window: int, conditions: Sequence[str], values: Sequence[object]
    ) -> int | None:
        while high > 0:
            low = max(1, high - window + 1)
            wanted = self._most - len(self.rows)
            found = segment.rows_between(reader, low, high, conditions, values, wanted)
            self.rows += [row for _, row in found]
            if len(found) == wanted:
                return found[-1][0]
            high = low - 1
            if high > 0 and self.is_late:
                return low
        return None
